"""Graphs that adapt: who talks to whom, how often, and until when."""

from __future__ import annotations

from simnet.algorithms.table import Entry

GRAPHS: tuple[Entry, ...] = ()
