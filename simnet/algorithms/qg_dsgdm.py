"""QG-DSGDm: momentum from how the model has really moved, neighbors included."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from simnet.algorithms.parts import Decay, clipped, direction, rescale
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def qg_dsgdm(
    node: Node,
    *,
    lr: Schedule,
    momentum: Decay = 0.9,
    mu: Annotated[float, Field(ge=0, le=1)] = 0.9,
    nesterov: bool = False,
    tau: PositiveInt = 1,
    clip: PositiveFloat | None = None,
) -> Program:
    """QG-DSGDm: D-PSGD with quasi-global momentum, an average of the changes of the model that gossip has made.

    ::

        m_i  = beta mh_i + g_i(x_i)
        x_i' = sum_j w_ij (x_j - lr m_j)                   or x_j - lr (g_j + beta m_j) with Nesterov's momentum
        mh_i <- mu mh_i + (1 - mu) (x_i - x_i') / lr       every tau steps, with the mean change of these

    Its fixed point is that of adapt-then-combine D-PSGD with the same learning rate, whatever beta and mu are; with
    Nesterov's momentum, with the learning rate (1 + beta) lr, since g_i counts twice there. Theory asks for
    beta / (1 - beta) <= (1 - rho) / 21; the usual 0.9 is far beyond that.

    Args:
        node: the node that runs this.
        lr: learning rate eta; where it is zero, the limit of small ones is taken.
        momentum: beta; 0 gives D-PSGD in the order adapt then combine.
        mu: how slowly the quasi-global momentum follows; 1 keeps it at zero, which gives D-PSGD too.
        nesterov: whether the direction looks ahead.
        tau: steps from one update of mh to the next.
        clip: the largest norm of a gradient; None for any.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step; the momentum never travels. Needs W doubly stochastic. Tolerates
    missing and old messages: a missing neighbor's weight goes to oneself. Who begins anew after a fault has lost its momentum.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "complete", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "qg_dsgdm", "lr": 0.5, "momentum": 0.5, "mu": 0.5}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # mh = -0.75 after the first step, then m = -0.375 - 0.75
        [1.5, 0.75, 0.1875]

    Reference: Lin, Karimireddy, Stich, Jaggi: Quasi-Global Momentum: Accelerating Decentralized Deep Learning on
    Heterogeneous Data. ICML 2021, Algorithm 1.
    """
    q: Vector = node.zeros  # lr mh
    changes: Vector = node.zeros  # since q was updated
    before = 0.0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        rate, ratio = lr(k), rescale(lr(k), before)
        g = rate * clipped(node, gradient.value, clip)
        adapted = node.x - direction(momentum * ratio * q + g, g, momentum, nesterov)
        received = yield node.exchange(adapted, tag=k)
        x, node.x = node.x, node.mix(adapted, received)
        q, changes, before = ratio * q, ratio * changes + x - node.x, rate
        if (k + 1) % tau == 0:
            q, changes = mu * q + (1 - mu) / tau * changes, node.zeros
        else:
            changes = node.keep(changes)
        q = node.keep(q)
