"""Momentum and adaptive steps."""

from __future__ import annotations

from simnet.algorithms.table import Entry

MOMENTUM: tuple[Entry, ...] = ()
