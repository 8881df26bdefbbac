"""Momentum and adaptive steps."""

from __future__ import annotations

from simnet.algorithms.d_adam import d_adam
from simnet.algorithms.dadam import dadam
from simnet.algorithms.damsgrad import damsgrad
from simnet.algorithms.decentlam import decentlam
from simnet.algorithms.dmsgd import dmsgd
from simnet.algorithms.qg_adam import qg_adam
from simnet.algorithms.qg_dsgdm import qg_dsgdm
from simnet.algorithms.table import Entry

ANY_WAIT = ("all", "none", "deadline")
MOMENTUM_IS_NOT_SGD = {
    "single": "alone it is gradient descent with momentum, which is another recursion",
    "sgd": "its average is gradient descent with momentum, which is another recursion",
}
ADAM_IS_NOT_SGD = {
    "single": "alone it is an adaptive method, whose steps are not along the gradient",
    "sgd": "every node divides its own gradients before they are averaged",
}

MOMENTUM: tuple[Entry, ...] = (
    Entry(
        dmsgd,
        "Yu et al. 2019",
        "1 vector to each neighbor, 2 if synchronized",
        tolerates=ANY_WAIT,
        overlap={"order=cta": "max(c, T)", "order=atc": "c + T"},
        exceptions=MOMENTUM_IS_NOT_SGD,
    ),
    Entry(
        decentlam,
        "Yuan et al. 2021",
        "1 vector to each neighbor",
        tolerates=ANY_WAIT,
        exceptions=MOMENTUM_IS_NOT_SGD,
    ),
    Entry(
        qg_dsgdm,
        "Lin et al. 2021",
        "1 vector to each neighbor",
        tolerates=ANY_WAIT,
        exceptions=MOMENTUM_IS_NOT_SGD,
    ),
    Entry(
        qg_adam,
        "Lin et al. 2021",
        "1 vector to each neighbor",
        tolerates=ANY_WAIT,
        recalled="the paper's listing; the order of operations is that of its authors' code, the weight of g in m is not",
        exceptions={
            **ADAM_IS_NOT_SGD,
            "mean": "the normalized changes that gossip makes enter the momentum and do not cancel",
        },
    ),
    Entry(
        dadam,
        "Nazari et al. 2019",
        "1 vector to each neighbor",
        overlap="max(c, T)",
        fixed_topology="if corrected, it sums up what it heard from its neighbors",
        recalled="that the paper divides by vbar and keeps the bias corrections of its authors' code",
        exceptions=ADAM_IS_NOT_SGD,
    ),
    Entry(
        damsgrad,
        "Chen et al. 2022",
        "2 vectors to each neighbor",
        tolerates=ANY_WAIT,
        overlap={"tracker=late": "max(c, T)", "tracker=fresh": "c + T"},
        recalled="the listing; which second moments the denominator has is confirmed by public codes of others only",
        exceptions=ADAM_IS_NOT_SGD,
    ),
    Entry(
        d_adam,
        "Gao, Huang 2020",
        "1 vector to each neighbor in every p-th step",
        tolerates=ANY_WAIT,
        overlap="c + T / period",
        recalled="the listing, and that Adam's bias corrections are in it",
        exceptions=ADAM_IS_NOT_SGD,
    ),
)
