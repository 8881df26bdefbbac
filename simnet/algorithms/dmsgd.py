"""DmSGD: D-PSGD with momentum, the one that every node keeps to itself or one that is averaged too."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from simnet.algorithms.parts import Decay, clipped, direction, heavy_ball, mix_each
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def dmsgd(
    node: Node,
    *,
    lr: Schedule,
    momentum: Decay = 0.9,
    order: Literal["cta", "atc"] = "atc",
    synchronized: bool = False,
    nesterov: bool = False,
    clip: PositiveFloat | None = None,
) -> Program:
    """DmSGD: D-PSGD with a momentum at every node.

    With the direction d_i = m_i, or g_i + beta m_i with Nesterov's momentum, adapt then combine (``atc``)::

        m_i <- beta m_i + g_i(x_i)
        x_i <- sum_j w_ij (x_j - lr d_j);   m_i <- sum_j w_ij m_j   if synchronized

    and combine then adapt (``cta``; the exchange hides behind the gradient)::

        m_i <- beta m_i + g_i(x_i)           or beta sum_j w_ij m_j + g_i(x_i), if synchronized
        x_i <- sum_j w_ij x_j - lr d_i

    Its fixed point is that of D-PSGD with the learning rate lr / (1 - beta): momentum makes the bias from heterogeneous
    data larger, by (1 - beta)^-2 in the square. `decentlam` and `qg_dsgdm` do not.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        momentum: beta.
        order: ``atc`` or ``cta``, as for `dpsgd`.
        synchronized: whether the momentum is averaged too; this makes its own fixed point, with less bias.
        nesterov: whether the direction looks ahead.
        clip: the largest norm of a gradient, before it enters the momentum; None for any.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step, two if synchronized. Needs W doubly stochastic. Tolerates missing
    and old messages: a missing neighbor's weight goes to oneself. Who begins anew after a fault has lost its momentum.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "complete", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "dmsgd", "lr": 0.5, "momentum": 0.5}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # m = -1.5, then -0.75 - 0.75
        [1.5, 0.75, 0.0]

    Reference: Yu, Jin, Yang: On the Linear Speedup Analysis of Communication Efficient Momentum SGD for Distributed
    Non-Convex Optimization. ICML 2019 (synchronized); the vanilla form as in Yuan et al.: DecentLaM. ICCV 2021.
    """
    m: Vector = node.zeros
    sent: tuple[Vector, ...]
    for k in node.steps():
        gradient = node.gradient(node.x)
        if order == "cta":
            sent = (node.x, m) if synchronized else (node.x,)
            received = yield node.exchange(sent, tag=k)
            x, *averaged = mix_each(node, sent, received)
            yield gradient
            g = clipped(node, gradient.value, clip)
            m = heavy_ball(node, averaged[0] if synchronized else m, g, momentum)
            node.x = x - lr(k) * direction(m, g, momentum, nesterov)
        else:
            yield gradient
            g = clipped(node, gradient.value, clip)
            m = heavy_ball(node, m, g, momentum)
            adapted = node.x - lr(k) * direction(m, g, momentum, nesterov)
            sent = (adapted, m) if synchronized else (adapted,)
            received = yield node.exchange(sent, tag=k)
            node.x, *averaged = mix_each(node, sent, received)
            m = node.keep(averaged[0]) if synchronized else m
