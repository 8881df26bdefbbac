"""Periodic: rare exact averages between many local steps."""

from __future__ import annotations

from simnet.algorithms.table import Entry

PERIODIC: tuple[Entry, ...] = ()
