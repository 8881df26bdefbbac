"""Delayed gradients: averages go on while gradients are being computed."""

from __future__ import annotations

from collections import deque

from pydantic import NonNegativeInt

from simnet.clock import ComputeEvent
from simnet.node import Node, Program
from simnet.schedule import Schedule


def delayed_gradient(node: Node, *, lr: Schedule, delay: NonNegativeInt = 1) -> Program:
    """Delayed gradients: average with the neighbors in every step, and apply the gradient of tau steps ago.

    With models x^k and gradients g^k = g_i(x_i^k)::

        x_i^{k+1} = sum_j w_ij x_j^k - lr g^{k - tau}       (no gradient while k < tau)

    So a gradient may take as long as tau + 1 averages. tau = 0 is D-PSGD.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        delay: tau, the same for all, so that the models do not depend on the clock.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step. Needs W doubly stochastic. Tolerates missing and old messages, as
    dpsgd does.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "delayed_gradient", "lr": 0.5}], "run": {"steps": 3, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the first two gradients are both taken at the start
        [1.5, 1.5, 0.75, 0.0]

    Reference: Sirb, Ye: Decentralized Consensus Algorithm with Delayed and Stochastic Gradients. SIAM Journal on
    Optimization 28, 2018.
    """
    under_way: deque[ComputeEvent] = deque()
    for k in node.steps():
        under_way.append(node.gradient(node.x))
        received = yield node.exchange(node.x, tag=k)
        mixed = node.mix(node.x, received)
        if len(under_way) > delay:
            gradient = under_way.popleft()
            yield gradient
            mixed = mixed - lr(k) * gradient.value
        node.x = mixed
