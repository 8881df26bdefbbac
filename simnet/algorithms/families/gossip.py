"""Gossip: neighbors average their models, and what corrects the bias that heterogeneous data give it."""

from __future__ import annotations

from simnet.algorithms.detag import check_eta, detag
from simnet.algorithms.dpsgd import dpsgd
from simnet.algorithms.table import Entry

GOSSIP: tuple[Entry, ...] = (
    Entry(
        dpsgd,
        "Lian et al. 2017",
        "1 vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        overlap={"order=cta": "max(c, T)", "order=atc": "c + T"},
        exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
    ),
    Entry(
        detag,
        "Lu, De Sa 2023",
        "2 vectors to each neighbor",
        check=check_eta,
        overlap="max(c, T)",
        exceptions={"sgd": "the mean uses the gradient of the phase before"},
    ),
)
