"""Decentralized AMSGrad: adaptive steps whose denominators the nodes agree on."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from simnet.algorithms.parts import Decay, Moments, clipped, mix_each, moments
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector
from simnet.values.adaptive import AdaptiveDirection, Constant, RunningMaximum


def damsgrad(
    node: Node,
    *,
    lr: Schedule,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    eps: PositiveFloat = 1e-6,
    tracker: Literal["late", "fresh"] = "late",
    clip: PositiveFloat | None = None,
) -> Program:
    """DAMSGrad (decentralized AMSGrad): average with the neighbors, step with denominators that gossip tracks.

    ::

        m_i  <- beta1 m_i + (1 - beta1) g_i(x_i);   v_i <- beta2 v_i + (1 - beta2) g_i(x_i)^2
        vh_i' = max(vh_i, v_i)
        ut_i <- sum_j w_ij ut_j                     fresh: sum_j w_ij (ut_j + vh_j' - vh_j)
        x_i  <- sum_j w_ij x_j - lr m_i / sqrt(max(ut_i, eps))
        ut_i <- ut_i + vh_i' - vh_i                 late only
        vh_i <- vh_i'

    with ut = vh = eps at the start. The sum of the ut_i is always that of the vh_i, so the denominators of all nodes tend
    to one and the same, and heterogeneous data no longer move the limit as they do for `dadam`.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        eps: the least number under the square root.
        tracker: ``late``: the step uses what was tracked before its own gradient, so the exchange overlaps with the
            gradient, but the first step divides by sqrt(eps) alone: take an eps near the squares of typical gradients.
            ``fresh``: the newest second moments enter first, and the exchange comes after the gradient.
        clip: the largest norm of a gradient; None for any.

    Yields:
        The events that the node waits for.

    Message: two vectors (model and tracked denominator, in one message) to every neighbor in each step. Needs W doubly
    stochastic. Tolerates missing and old messages: a missing neighbor's weight goes to oneself, and then the tracked
    denominators still agree, but on something near the mean only.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-3.0], [4.0]]}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "run": {"steps": 1}, "init": [[0.0], [0.0]],
        ...     "algorithms": [{"name": "damsgrad", "lr": 0.5, "beta1": 0.0, "beta2": 0.0, "tracker": "fresh"}],
        ...     "record": {"models": True}, "dtype": "float64",
        ... })
        >>> result.models("damsgrad")[-1].round(3).ravel().tolist()  # gradients 3 and -4, over sqrt((9 + 16) / 2)
        [-0.424, 0.566]

    Reference: Chen, Karimi, Zhao, Li: On the Convergence of Decentralized Adaptive Gradient Methods. ACML 2022 (there the
    tracker is late, as in public codes of it).
    """
    now = Moments(node.zeros, node.zeros)
    vhat: Vector = node.apply(Constant(eps), node.x)
    tracked = vhat
    for k in node.steps():
        gradient = node.gradient(node.x)
        sent: tuple[Vector, ...] = (node.x, tracked)
        if tracker == "late":
            received = yield node.exchange(sent, tag=k)
        yield gradient
        now = moments(node, now, clipped(node, gradient.value, clip), beta1, beta2)
        vhat_before, vhat = vhat, node.apply(RunningMaximum(0.0), vhat, now.v, constants=(1.0,))
        if tracker == "fresh":
            sent = (node.x, tracked + vhat - vhat_before)
            received = yield node.exchange(sent, tag=k)
        mixed, tracked = mix_each(node, sent, received)
        node.x = mixed - lr(k) * node.apply(AdaptiveDirection(floor=eps), now.m, tracked, constants=(1.0,))
        tracked = node.keep(tracked + vhat - vhat_before if tracker == "late" else tracked)
