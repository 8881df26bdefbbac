"""Graphs that adapt: who talks to whom, how often, and until when."""

from __future__ import annotations

from simnet.algorithms.ada import ada
from simnet.algorithms.collectives import server_program
from simnet.algorithms.consensus_control import check_distance, consensus_control
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
        use="where many links help early, and their price matters later.",
        avoid="where data differ strongly: then averages matter late, too.",
        exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
    ),
    Entry(
        matcha,
        "Wang et al. 2019",
        "1 vector to each neighbor of this step",
        tolerates=("all", "none", "deadline"),
        overlap={"order=cta": "max(c, T)", "order=atc": "c + T"},
        topologies=("matcha",),
        use="where links share a bottleneck, and some of them matter more than others.",
        avoid="where all links are alike and free at the same time: fewer of them average less.",
        exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
    ),
    Entry(
        consensus_control,
        "Kong et al. 2021",
        "1 vector to each neighbor in each round, and an all-reduce of 1 number between two rounds",
        check=check_distance,
        server=server_program,
        overlap={
            "exchange=ring": "c + (max_rounds + (max_rounds - 1) * 2 * (n - 1)) * T",
            "exchange=halving_doubling": "c + (max_rounds + (max_rounds - 1) * 2 * log2(n)) * T",
            "exchange=parameter_server": "c + (max_rounds + (max_rounds - 1) * 2) * T",
            "exchange=oracle": "c + max_rounds * T",
        },
        fixed_topology="its bound on the consensus distance needs the spectral gap of one mixing matrix",
        recalled="how the target is chosen; here it is a number or a schedule",
        use="To find out how much consensus a phase of training needs.",
        avoid="With high latency: rounds, and the numbers between them, come one after the other.",
    ),
)
