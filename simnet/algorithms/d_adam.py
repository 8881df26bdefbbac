"""D-Adam: local Adam steps and rare gossip."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from simnet.algorithms.parts import Decay, Moments, adam_direction, clipped, moments
from simnet.node import Node, Program
from simnet.schedule import Schedule


def d_adam(
    node: Node,
    *,
    lr: Schedule,
    period: PositiveInt = 1,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    eps: PositiveFloat = 1e-8,
    clip: PositiveFloat | None = None,
) -> Program:
    """D-Adam: Adam steps at every node, and an average with the neighbors after every p-th of them.

    ::

        m_i <- beta1 m_i + (1 - beta1) g_i(x_i);   v_i <- beta2 v_i + (1 - beta2) g_i(x_i)^2
        x_i <- x_i - lr m_i / (1 - beta1^t) / (sqrt(v_i / (1 - beta2^t)) + eps)
        x_i <- sum_j w_ij x_j                      after the steps p, 2 p, 3 p, ...

    Each node has its own denominators, and heterogeneous data move the limit as for `dadam`.

    Args:
        node: the node that runs this.
        lr: learning rate eta.
        period: p, steps from one average to the next.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        eps: what keeps the denominator from zero.
        clip: the largest norm of a gradient; None for any.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each p-th step; the moments never travel. Needs W doubly stochastic.
    Tolerates missing and old messages: a missing neighbor's weight goes to oneself. Who begins anew after a fault has lost
    its moments.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-1.0], [4.0]]}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "d_adam", "lr": 0.5, "period": 2}], "init": [[0.0], [0.0]],
        ... })
        >>> result.metrics["consensus_distance"].round(3).tolist()  # gradients 1 and -4: steps of one length, then the average
        [0.0, 0.5, 0.0]

    Reference: Gao, Huang: Adaptive Serverless Learning. 2020, arXiv 2008.10422 (D-Adam).
    """
    now = Moments(node.zeros, node.zeros)
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        now = moments(node, now, clipped(node, gradient.value, clip), beta1, beta2)
        adapted = node.x - lr(k) * adam_direction(node, now, beta1, beta2, eps)
        if (k + 1) % period == 0:
            received = yield node.exchange(adapted, tag=k)
            adapted = node.mix(adapted, received)
        node.x = adapted
