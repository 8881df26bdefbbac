"""Federated: a server on a star, and what else the founding documents name."""

from __future__ import annotations

from simnet.algorithms.ntk_dfl import ntk_dfl
from simnet.algorithms.table import Entry

FEDERATED: tuple[Entry, ...] = (
    Entry(
        ntk_dfl,
        "Thompson et al. 2025",
        "2 vectors, then b C (D + 2) numbers to each neighbor",
        linearizes=True,
        overlap="(degree + 1) * outputs * c + 3 * T",
        fixed_topology="the reply to an average comes in the same step",
        recalled="the paper's text; the formulas are those of its authors' code",
        use="Few rounds on very heterogeneous data, where bandwidth is plentiful.",
        avoid="Slow links: a message is as large as b C models; it needs fewer rounds, not less time.",
        exceptions={
            "sgd": "the model evolves for a while on the data of the neighborhood",
            "single": "alone it evolves by exponentials, not by gradient steps",
        },
    ),
)
