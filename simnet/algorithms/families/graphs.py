"""Graphs that adapt: who talks to whom, how often, and until when."""

from __future__ import annotations

from simnet.algorithms.collectives import server_program
from simnet.algorithms.consensus_control import check_distance, consensus_control
from simnet.algorithms.table import Entry

GRAPHS: tuple[Entry, ...] = (
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
