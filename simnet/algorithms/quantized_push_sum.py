"""Quantized push-sum: compressed gossip where links have one direction."""

from __future__ import annotations

from simnet.algorithms.replicas import Replicas
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values.compressors import Compressor


def quantized_push_sum(node: Node, *, lr: Schedule, compressor: Compressor) -> Program:
    """Quantized push-sum: SGD on directed graphs, with replicas that compressed differences keep up to date.

    With all replicas xhat zero and y_i = 1 at first, and W whose columns sum to one::

        q_i = C(x_i - xhat_i);   xhat_j <- xhat_j + q_j        for all senders j, and for j = i
        v_i = x_i - xhat_i + sum_j w_ij xhat_j;   y_i <- sum_j w_ij y_j;   z_i = v_i / y_i
        x_i <- v_i - lr g_i(z_i)

    The sum of all x moves by the gradients alone, and the y sum to n. The model that evaluations see is x_i / y_i.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        compressor: C, whose relative error has to be small.

    Yields:
        The events that the node waits for.

    Message: C's bits and one number, y_i, to every listener in each step; then the gradient is computed. Needs columns of
    W that sum to one, the same in every step, and every message: who is down is waited for, and nodes that come and go
    are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "quantized_push_sum", "lr": 0.5, "compressor": {"kind": "qsgd", "levels": 1}}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # one number is its own norm, and all y are 1: nothing is lost
        [1.5, 0.75, 0.375]

    Reference: Taheri, Mokhtari, Hassani, Pedarsani: Quantized Decentralized Stochastic Learning over Directed Graphs.
    ICML 2020, Algorithm 1.
    """
    replicas, x, y = Replicas.empty(node, verify=False), node.x, 1.0
    for k in node.steps():
        told = replicas.told(node, node.compress(compressor, x - replicas.own))
        message = Payload((told.content, y), told.bits + node.number_bits)
        received = yield node.exchange(message, tag=k)
        replicas = replicas.heard(node, told, {j: difference for j, (difference, _) in received.items()})
        v = node.keep(x - replicas.own + replicas.mixed)
        y = node.self_weight * y + sum(w * received[j][1] for j, w in zip(node.neighbors, node.weights, strict=True))
        gradient = node.gradient(v / y)
        yield gradient
        x = node.keep(v - lr(k) * gradient.value)
        node.x = x / y
