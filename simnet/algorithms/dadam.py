"""DADAM: gossip and Adam steps, and its correction in the manner of EXTRA."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from simnet.algorithms.parts import Decay, Moments, adam_direction, clipped, moments
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector
from simnet.values.adaptive import RunningMaximum


def dadam(  # noqa: PLR0913 - the signature is the schema
    node: Node,
    *,
    lr: Schedule,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    beta3: Decay = 0.9,
    eps: PositiveFloat = 1e-4,
    denominator: Literal["vbar", "vhat"] = "vbar",
    corrected: bool = False,
    clip: PositiveFloat | None = None,
) -> Program:
    """DADAM: average with the neighbors, step along the local direction of Adam.

    ::

        m_i <- beta1 m_i + (1 - beta1) g_i(x_i);   v_i <- beta2 v_i + (1 - beta2) g_i(x_i)^2
        mh_i = m_i / (1 - beta1^t);                vh_i = v_i / (1 - beta2^t)
        vbar_i <- beta3 vbar_i + (1 - beta3) max(vbar_i, vh_i)
        u_i = mh_i / (sqrt(vbar_i) + eps)
        x_i <- sum_j w_ij x_j - lr u_i

    Each node has its own denominators, and on heterogeneous data these move the limit: where they settle at d_i, to the
    point where the sum of g_i / d_i is zero. `damsgrad` is made against that. C-DADAM (`corrected`) removes the
    disagreement between the nodes, not this: it is EXTRA with u in the place of the gradient::

        x_i <- sum_j w_ij x_j - lr u_i + c_i;   c_i <- c_i - (x_i - sum_j w_ij x_j) / 2        with the x before this step

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        beta3: how slowly vbar rises; 0 makes it AMSGrad's maximum, of vh.
        eps: what keeps the denominator from zero; the authors' code has 1e-4, and 1e-6 if corrected.
        denominator: what is under the square root: ``vbar``, as in the paper, or ``vhat`` for vh, as in the code of its
            authors, which computes vbar and does not use it: plain Adam at every node.
        corrected: whether it is C-DADAM.
        clip: the largest norm of a gradient; None for any.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step; gradients overlap with it. Needs W doubly stochastic, and symmetric
    with eigenvalues above -1 if corrected. It waits for every message, since c_i sums up what was heard.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-1.0], [4.0]]}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "run": {"steps": 1}, "init": [[0.0], [0.0]],
        ...     "algorithms": [{"name": "dadam", "lr": 0.5, "beta3": 0.0}], "record": {"models": True},
        ... })
        >>> result.models("dadam")[-1].round(3).ravel().tolist()  # gradients 1 and -4: steps of one length
        [-0.5, 0.5]

    Reference: Nazari, Tarzanagh, Michailidis: DADAM: A Consensus-based Distributed Adaptive Gradient Method for Online
    Optimization. IEEE TSP 70, 2022, and its public code.
    """
    now = Moments(node.zeros, node.zeros)
    vbar: Vector = node.zeros
    c: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        received = yield node.exchange(node.x, tag=k)
        yield gradient
        now = moments(node, now, clipped(node, gradient.value, clip), beta1, beta2)
        if denominator == "vbar":
            vbar = node.apply(RunningMaximum(beta3), vbar, now.v, constants=(1 - beta2**now.t,))
        u = adam_direction(node, now, beta1, beta2, eps, vbar if denominator == "vbar" else None)
        x, mixed = node.x, node.mix(node.x, received)
        node.x = mixed - lr(k) * u + c
        c = node.keep(c - (x - mixed) / 2) if corrected else c
