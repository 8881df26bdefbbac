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
        overlap={"order=atc": "c + T", "order=cta": "max(c, T)"},
        use="as the baseline with momentum, where the nodes' data are alike.",
        avoid="on heterogeneous data with a large momentum or batch, where it has the largest bias of this family.",
        exceptions=MOMENTUM_IS_NOT_SGD,
    ),
    Entry(
        decentlam,
        "Yuan et al. 2021",
        "1 vector to each neighbor",
        tolerates=ANY_WAIT,
        use="for momentum with large batches, at the traffic and the bias of D-PSGD.",
        avoid="where the bias of D-PSGD itself is too large; a correction of heterogeneity takes that away.",
        exceptions=MOMENTUM_IS_NOT_SGD,
    ),
    Entry(
        qg_dsgdm,
        "Lin et al. 2021",
        "1 vector to each neighbor",
        tolerates=ANY_WAIT,
        use="for momentum on heterogeneous data and sparse graphs; nothing but the model travels.",
        avoid="where its fixed point matters with nesterov: that is the one of a learning rate (1 + momentum) times as large.",
        exceptions=MOMENTUM_IS_NOT_SGD,
    ),
    Entry(
        qg_adam,
        "Lin et al. 2021",
        "1 vector to each neighbor",
        tolerates=ANY_WAIT,
        recalled="the paper's listing; the order of operations is that of its authors' code, the weight of g in m is not",
        use="to repeat the experiments of its paper on transformers.",
        avoid="where models should come to rest, or have gradients of a norm far from one.",
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
        use="for adaptive steps that hide the exchange behind the gradient, on data that are alike.",
        avoid="on heterogeneous data: each node's own denominators move the limit, corrected or not.",
        exceptions=ADAM_IS_NOT_SGD,
    ),
    Entry(
        damsgrad,
        "Chen et al. 2022",
        "2 vectors to each neighbor",
        tolerates=ANY_WAIT,
        overlap={"tracker=late": "max(c, T)", "tracker=fresh": "c + T"},
        recalled="the listing; which second moments the denominator has is confirmed by public codes of others only",
        use="for adaptive steps on heterogeneous data: denominators of all nodes become one.",
        avoid="where bandwidth is short; nor with a late tracker and an eps far below the squares of typical gradients.",
        exceptions=ADAM_IS_NOT_SGD,
    ),
    Entry(
        d_adam,
        "Gao, Huang 2020",
        "1 vector to each neighbor in every p-th step",
        tolerates=ANY_WAIT,
        overlap="c + T / period",
        recalled="the listing, and that Adam's bias corrections are in it",
        use="for adaptive steps with rare communication.",
        avoid="on heterogeneous data, as dadam; and with a long period models drift apart.",
        exceptions=ADAM_IS_NOT_SGD,
    ),
)
