"""The algorithms, one page each, and the table of them, family by family."""

from __future__ import annotations

from simnet.algorithms.families.asynchronous import ASYNCHRONOUS
from simnet.algorithms.families.compression import COMPRESSION
from simnet.algorithms.families.federated import FEDERATED
from simnet.algorithms.families.gossip import GOSSIP
from simnet.algorithms.families.graphs import GRAPHS
from simnet.algorithms.families.momentum import MOMENTUM
from simnet.algorithms.families.periodic import PERIODIC
from simnet.algorithms.families.references import REFERENCES
from simnet.algorithms.table import Entry, algorithm, find

FAMILIES: dict[str, tuple[Entry, ...]] = {
    "references": REFERENCES,
    "gossip": GOSSIP,
    "compression": COMPRESSION,
    "asynchronous and directed": ASYNCHRONOUS,
    "periodic": PERIODIC,
    "momentum and adaptive": MOMENTUM,
    "adaptive graphs": GRAPHS,
    "federated": FEDERATED,
}

ALGORITHMS: dict[str, Entry] = {entry.name: entry for family in FAMILIES.values() for entry in family}

__all__ = ["ALGORITHMS", "FAMILIES", "Entry", "algorithm", "find"]
