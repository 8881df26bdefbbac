"""DecentLaM: momentum that does not make D-PSGD's bias larger."""

from __future__ import annotations

from pydantic import PositiveFloat

from simnet.algorithms.parts import Decay, clipped, direction, heavy_ball, rescale
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def decentlam(
    node: Node,
    *,
    lr: Schedule,
    momentum: Decay = 0.9,
    nesterov: bool = False,
    clip: PositiveFloat | None = None,
) -> Program:
    """DecentLaM: momentum on the whole step of D-PSGD, its averaging included.

    Adapt-then-combine D-PSGD is gradient descent along gt_i, and gt_i is what the momentum averages::

        gt_i = (x_i - sum_j w_ij (x_j - lr g_j(x_j))) / lr
        m_i <- beta m_i + gt_i
        x_i <- x_i - lr m_i                  or lr (gt_i + beta m_i) with Nesterov's momentum

    Its fixed point is that of D-PSGD with the same learning rate, whatever beta is. Between neighbors too it acts as
    momentum: without gradients the models agree as heavy-ball gossip does, ``x <- W x + beta (x - x_before)``.

    Args:
        node: the node that runs this.
        lr: learning rate gamma; where it is zero, the limit of small ones is taken.
        momentum: beta; 0 gives D-PSGD in the order adapt then combine.
        nesterov: whether the direction looks ahead.
        clip: the largest norm of a gradient g_i; None for any.

    Yields:
        The events that the node waits for.

    Message: one vector (x - lr g) to every neighbor in each step. Needs W doubly stochastic. Tolerates missing and old
    messages: a missing neighbor's weight goes to oneself. Who begins anew after a fault has lost its momentum.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "complete", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "decentlam", "lr": 0.5, "momentum": 0.5}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the average model does what that of dmsgd does
        [1.5, 0.75, 0.0]

    Reference: Yuan, Chen, Huang, Zhang, Pan, Xu, Yin: DecentLaM: Decentralized Momentum SGD for Large-Batch Deep Training.
    ICCV 2021, Algorithm 2.
    """
    p: Vector = node.zeros  # lr m
    before = 0.0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        adapted = node.x - lr(k) * clipped(node, gradient.value, clip)
        received = yield node.exchange(adapted, tag=k)
        change = node.x - node.mix(adapted, received)  # lr gt
        p = heavy_ball(node, rescale(lr(k), before) * p, change, momentum)
        node.x = node.x - direction(p, change, momentum, nesterov)
        before = lr(k)
