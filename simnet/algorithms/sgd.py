"""SGD on one machine: the reference without a network."""

from __future__ import annotations

from simnet.node import Node, Program
from simnet.schedule import Schedule


def sgd(node: Node, *, lr: Schedule) -> Program:
    """SGD: one model, the data of all nodes pooled, n times the mini-batch, no network.

    ::

        x <- x - lr g(x)

    Args:
        node: the one machine; its mini-batch has n * b samples, and its gradient takes as long as a node's on average,
            without jitter or slowdowns.
        lr: learning rate gamma.

    Yields:
        The events that the node waits for.

    Message: none, and no fault concerns it. What all-reduce would do if the network were free and the mini-batches were
    drawn from all the data.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "sgd", "lr": 0.5}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # (1 - lr)^k 1.5
        [1.5, 0.75, 0.375]

    Reference: Robbins, Monro: A Stochastic Approximation Method. Annals of Mathematical Statistics 22, 1951.
    """
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        node.x = node.x - lr(k) * gradient.value
