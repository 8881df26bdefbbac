"""Asynchronous and directed: nobody waits for a round, or nobody has to hear whom it tells."""

from __future__ import annotations

from simnet.algorithms.adpsgd import adpsgd
from simnet.algorithms.delayed_gradient import delayed_gradient
from simnet.algorithms.gradient_push import gradient_push
from simnet.algorithms.osgp import osgp
from simnet.algorithms.sgp import sgp
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
        fixed_topology="its averages belong to no step",
        use="with nodes of unequal speed: a slow one delays only whom it talks to.",
        avoid="where nodes are alike and data are not: pairs mix less than rounds do, and gradients are stale.",
        exceptions={
            "clock": "what is averaged depends on who comes first",
            "sgd": "the nodes' own gradients are not averaged in the step that they are taken in",
        },
    ),
    Entry(
        sgp,
        "Assran et al. 2019",
        "1 vector and 1 number to each listener",
        tolerates=("all", "deadline"),
        sums="columns",
        recalled="the listing; its structure was confirmed in the authors' code",
        use="where links have one direction, or shares cannot be made doubly stochastic.",
        avoid="where W is doubly stochastic anyway and latency matters: it is dpsgd then, in the slower order.",
    ),
    Entry(
        osgp,
        "Assran et al. 2019",
        "1 vector and 1 number to each listener",
        tolerates=("all", "deadline"),
        sums="shares",
        overlap="max(c, (c + T) / (delay + 1))",
        recalled="the listing; its structure was confirmed in the authors' code",
        use="where latency is about as long as a gradient: messages travel while it is computed, and the mean stays exact.",
        avoid="where messages are quick: what others know comes delay steps late.",
        exceptions={"sgd": "what others computed arrives late, in the next step"},
    ),
    Entry(
        gradient_push,
        "Assran, Rabbat 2021",
        "1 vector and 1 number to each listener",
        tolerates=(),
        asynchronous=True,
        sums="shares",
        overlap="c",
        recalled="the listing",
        use="where speeds and latencies vary a lot, and links may have one direction.",
        avoid="where some nodes are much faster and data differ: their gradients count more often.",
        exceptions={
            "clock": "what has arrived depends on the network",
            "sgd": "what others computed arrives late, after some steps",
        },
    ),
    Entry(
        delayed_gradient,
        "Sirb, Ye 2018",
        "1 vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        overlap="max(c, T)",
        use="where single gradients take very long now and then, and averages need not wait for them.",
        avoid="with large learning rates: the later a gradient, the smaller the stable ones.",
        exceptions={
            "sgd": "its gradients are late, and combined before",
            "single": "the gradient of a step is applied later",
        },
    ),
)
