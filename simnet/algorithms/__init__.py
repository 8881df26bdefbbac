"""The algorithms, one page each, and the table of them."""

from __future__ import annotations

from simnet.algorithms.adpsgd import adpsgd
from simnet.algorithms.allreduce import allreduce, server_program
from simnet.algorithms.detag import check_eta, detag
from simnet.algorithms.dpsgd import dpsgd
from simnet.algorithms.moniqua import check_bits, moniqua
from simnet.algorithms.sgd import sgd
from simnet.algorithms.table import Entry, algorithm, find

ALGORITHMS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(sgd, "Robbins, Monro 1951", "none", tolerates=(), pooled=True, uses_topology=False),
        Entry(
            allreduce,
            "Patarasuk, Yuan 2009",
            "2 (n - 1) shares 1/n of a vector (ring)",
            uses_topology=False,
            server=server_program,
            exceptions={"consensus": "without gradients there is nothing to agree on"},
        ),
        Entry(
            dpsgd,
            "Lian et al. 2017",
            "1 vector to each neighbor",
            tolerates=("all", "none", "deadline"),
            exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
        ),
        Entry(
            detag,
            "Lu, De Sa 2023",
            "2 vectors to each neighbor",
            check=check_eta,
            exceptions={"sgd": "the mean uses the gradient of the phase before"},
        ),
        Entry(
            moniqua,
            "Lu, De Sa 2020",
            "b bits per number to each neighbor",
            tolerates=("all", "deadline"),
            check=check_bits,
            exceptions={"sgd": "combines before it adapts, as dpsgd does"},
        ),
        Entry(
            adpsgd,
            "Lian et al. 2018",
            "1 vector each way per average",
            tolerates=(),
            asynchronous=True,
            doubly_stochastic=False,
            exceptions={
                "clock": "what is averaged depends on who comes first",
                "sgd": "the nodes' own gradients are not averaged in the step that they are taken in",
            },
        ),
    )
}

__all__ = ["ALGORITHMS", "Entry", "algorithm", "find"]
