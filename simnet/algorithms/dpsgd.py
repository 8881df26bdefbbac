"""D-PSGD: gossip and gradient, the algorithm that every other one is compared with."""

from __future__ import annotations

from typing import Literal

from simnet.node import Node, Program
from simnet.schedule import Schedule


def dpsgd(node: Node, *, lr: Schedule, order: Literal["cta", "atc"] = "cta") -> Program:
    """D-PSGD: average with the neighbors, step along the local gradient.

    Combine then adapt (``cta``, the paper's order; the gradient is computed while the models travel)::

        x_i <- sum_j w_ij x_j - lr g_i(x_i)

    Adapt then combine (``atc``, the order of most later papers and codes; first the gradient, then the exchange)::

        x_i <- sum_j w_ij (x_j - lr g_j(x_j))

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        order: ``cta`` or ``atc``; they have different fixed points, step limits and times per step.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step. Needs W doubly stochastic. Tolerates missing and old messages:
    a missing neighbor's weight goes to oneself, and then the mean of the models is no longer preserved exactly. So nodes may
    come and go, unless it waits for all; then who is down is waited for.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "dpsgd", "lr": 0.5}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the average model does what SGD does: (1 - lr)^k 1.5
        [1.5, 0.75, 0.375]

    Reference: Lian, Zhang, Zhang, Hsieh, Zhang, Liu: Can Decentralized Algorithms Outperform Centralized Algorithms?
    NeurIPS 2017, Algorithm 1.
    """
    for k in node.steps():
        gradient = node.gradient(node.x)
        if order == "cta":
            received = yield node.exchange(node.x, tag=k)
            yield gradient
            node.x = node.mix(node.x, received) - lr(k) * gradient.value
        else:
            yield gradient
            adapted = node.x - lr(k) * gradient.value
            node.show("unmixed", adapted)
            received = yield node.exchange(adapted, tag=k)
            node.x = node.mix(adapted, received)
