"""Naive quantized gossip: the baseline that shows why compression needs care."""

from __future__ import annotations

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values.compressors import Compressor


def naive_quantized(node: Node, *, lr: Schedule, compressor: Compressor) -> Program:
    """Naive quantized gossip: D-PSGD with compressed models of the neighbors, which stalls at the compressor's error.

    ::

        x_i <- w_ii x_i + sum_j w_ij C(x_j) - lr g_i(x_i)      over the neighbors j

    What is lost is never made up for: with unbiased rounding of spacing h, the gradient's mean square stays above
    ``phi^2 h^2 / (8 (1 + phi^2))`` for the smallest weight phi, whatever the learning rate.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        compressor: C.

    Yields:
        The events that the node waits for.

    Message: C's bits to every neighbor in each step; gradients overlap with it. Needs W doubly stochastic; the mean of
    the models is not preserved. Tolerates missing and old messages: a missing neighbor's weight goes to oneself. So nodes
    may come and go, unless it waits for all.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "naive_quantized", "lr": 0.5, "compressor": {"kind": "fixed_point", "range": 8.0}}],
        ... })
        >>> result.metrics["bits_sent"].tolist()  # 4 nodes, 2 neighbors each, 8 bits for each of D = 1 numbers
        [0.0, 64.0, 128.0]

    Reference: Lu, De Sa: Moniqua: Modulo Quantized Communication in Decentralized SGD. ICML 2020, Theorem 1.
    """
    for k in node.steps():
        gradient = node.gradient(node.x)
        received = yield node.exchange(node.compress(compressor, node.x), tag=k)
        yield gradient
        node.x = node.mix(node.x, received) - lr(k) * gradient.value
