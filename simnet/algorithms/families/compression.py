"""Compression: gossip with a few bits per number."""

from __future__ import annotations

from simnet.algorithms.moniqua import check_bits, moniqua
from simnet.algorithms.table import Entry

COMPRESSION: tuple[Entry, ...] = (
    Entry(
        moniqua,
        "Lu, De Sa 2020",
        "b bits per number to each neighbor",
        tolerates=("all", "deadline"),
        check=check_bits,
        overlap="max(c, T)",
        exceptions={"sgd": "combines before it adapts, as dpsgd does"},
    ),
)
