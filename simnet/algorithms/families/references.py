"""References: what the decentralized algorithms are compared with."""

from __future__ import annotations

from simnet.algorithms.allreduce import allreduce
from simnet.algorithms.cd_grab import cd_grab, order_server
from simnet.algorithms.collectives import server_program
from simnet.algorithms.sgd import sgd
from simnet.algorithms.table import Entry

REFERENCES: tuple[Entry, ...] = (
    Entry(
        sgd,
        "Robbins, Monro 1951",
        "none",
        tolerates=(),
        pooled=True,
        uses_topology=False,
        overlap="c",
        use="as the curve that nobody can beat by steps: all data in one place, and a network that costs nothing.",
        avoid="to compare seconds: one machine computes n mini-batches in the time of one.",
    ),
    Entry(
        allreduce,
        "Patarasuk, Yuan 2009",
        "2 (n - 1) shares 1/n of a vector (ring)",
        uses_topology=False,
        server=server_program,
        overlap={
            "exchange=ring": "c + 2 * (n - 1) * T",
            "exchange=halving_doubling": "c + 2 * log2(n) * T",
            "exchange=parameter_server": "c + 2 * T",
        },
        use="where latency is small, or with few nodes: every step is the best one possible.",
        avoid="on slow links (`parameter_server`), over many hops of latency (`ring`), or with stragglers.",
        exceptions={"consensus": "without gradients there is nothing to agree on"},
    ),
    Entry(
        cd_grab,
        "Cooper et al. 2023",
        "as allreduce, and 1 vector to a server every 2nd step",
        uses_topology=False,
        server=lambda parameters, num_nodes, _: lambda machine, _: order_server(machine, num_nodes),
        overlap={"exchange=ring": "c + 2 * (n - 1) * T", "exchange=halving_doubling": "c + 2 * log2(n) * T"},
        recalled="which vectors make a pair when a mini-batch has several examples: here a mini-batch counts as one",
        use="Passes over local data with all-reduce: orders that cost little and lower the error of an epoch.",
        avoid="Data that are seen once, or a server whose downlink cannot take n vectors every second step.",
        exceptions={"consensus": "without gradients there is nothing to agree on"},
    ),
)
