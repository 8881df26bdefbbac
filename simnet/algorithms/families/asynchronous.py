"""Asynchronous and directed: nobody waits for a round, or nobody has to hear whom it tells."""

from __future__ import annotations

from simnet.algorithms.adpsgd import adpsgd
from simnet.algorithms.table import Entry

ASYNCHRONOUS: tuple[Entry, ...] = (
    Entry(
        adpsgd,
        "Lian et al. 2018",
        "1 vector each way per average",
        tolerates=(),
        asynchronous=True,
        sums="any",
        overlap="max(c, T)",
        use="with nodes of unequal speed: a slow one delays only whom it talks to.",
        avoid="where nodes are alike and data are not: pairs mix less than rounds do, and gradients are stale.",
        exceptions={
            "clock": "what is averaged depends on who comes first",
            "sgd": "the nodes' own gradients are not averaged in the step that they are taken in",
        },
    ),
)
