"""DeepSqueeze: compressed models with error feedback."""

from __future__ import annotations

from pydantic import PositiveFloat

from simnet.algorithms.replicas import with_feedback
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector
from simnet.values.compressors import Compressor


def deepsqueeze(node: Node, *, lr: Schedule, consensus_lr: PositiveFloat, compressor: Compressor) -> Program:
    """DeepSqueeze: send compressed models, and add to the next one what compression has lost of this one.

    With errors e zero at first, and h_i = x_i - lr g_i(x_i)::

        v_i = h_i + e_i;   e_i <- v_i - C(v_i)
        x_i <- h_i + c sum_j w_ij (C(v_j) - C(v_i))

    Whole models are compressed, not differences, so c has to be small. With no compression and c = 1 it is D-PSGD's order
    ``atc``.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        consensus_lr: c, the paper's eta; published values are 0.01 to 0.05 for signs.
        compressor: C, biased or not.

    Yields:
        The events that the node waits for.

    Message: C's bits to every neighbor in each step; no state of neighbors is kept. Needs W symmetric and doubly
    stochastic. Tolerates missing and old messages: a missing neighbor's weight goes to oneself, and then the mean of the
    models is no longer preserved exactly. So nodes may come and go, unless it waits for all.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "deepsqueeze", "lr": 0.5, "consensus_lr": 0.1, "compressor": "sign"}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # whatever is compressed, the average model does what SGD does
        [1.5, 0.75, 0.375]

    Reference: Tang, Lian, Qiu, Yuan, Zhang, Zhang, Liu: DeepSqueeze: Decentralization Meets Error-Compensated Compression.
    arXiv 1907.07346, 2019, Algorithm 1.
    """
    error: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        adapted = node.keep(node.x - lr(k) * gradient.value)
        squeezed, error = with_feedback(node, compressor, adapted, error)
        received = yield node.exchange(squeezed, tag=k)
        node.x = adapted + consensus_lr * (node.mix(squeezed.content, received) - squeezed.content)
