"""Federated: a server on a star, and what else the founding documents name."""

from __future__ import annotations

from simnet.algorithms.table import Entry

FEDERATED: tuple[Entry, ...] = ()
