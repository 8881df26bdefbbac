"""Graphs that adapt: who talks to whom, how often, and until when."""

from __future__ import annotations

from simnet.algorithms.ada import ada
from simnet.algorithms.matcha import matcha
from simnet.algorithms.table import Entry

GRAPHS: tuple[Entry, ...] = (
    Entry(
        ada,
        "Xie et al. 2025",
        "1 vector to each neighbor of this step",
        tolerates=("all", "none", "deadline"),
        overlap={"order=cta": "max(c, T)", "order=atc": "c + T"},
        topologies=("ring_lattice",),
        recalled="the schedule of the graph, with low confidence",
        exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
    ),
    Entry(
        matcha,
        "Wang et al. 2019",
        "1 vector to each neighbor of this step",
        tolerates=("all", "none", "deadline"),
        overlap={"order=cta": "max(c, T)", "order=atc": "c + T"},
        topologies=("matcha",),
        exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
    ),
)
