"""CD-Adam: local Adam steps, and rare gossip of compressed differences."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from simnet.algorithms.parts import Decay, Moments, adam_direction, moments
from simnet.algorithms.replicas import Replicas
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values.compressors import Compressor


def cd_adam(
    node: Node,
    *,
    lr: Schedule,
    consensus_lr: PositiveFloat,
    compressor: Compressor,
    period: PositiveInt = 1,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    eps: PositiveFloat = 1e-8,
) -> Program:
    """CD-Adam: Adam steps at every node, and after every p-th of them compressed gossip as in CHOCO-SGD.

    With all replicas xhat zero at first; the last two lines after the steps p, 2 p, 3 p, ... only::

        m_i <- beta1 m_i + (1 - beta1) g_i(x_i);   v_i <- beta2 v_i + (1 - beta2) g_i(x_i)^2
        x_i <- x_i - lr m_i / (1 - beta1^t) / (sqrt(v_i / (1 - beta2^t)) + eps)
        q_i = C(x_i - xhat_i);   xhat_j <- xhat_j + q_j        for all neighbors j, and for j = i
        x_i <- x_i + c sum_j w_ij (xhat_j - xhat_i)

    With no compression and c = 1 it is `d_adam`. It is not the algorithm of the same name by Wang et al., 2022, which has a
    server. Each node has its own denominators, and heterogeneous data move the limit as for `dadam`.

    Args:
        node: the node that runs this.
        lr: learning rate eta.
        consensus_lr: c, the paper's gamma; as of `choco`.
        compressor: C, whose omega has to be positive.
        period: p, steps from one exchange to the next.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        eps: what keeps the denominator from zero.

    Yields:
        The events that the node waits for.

    Message: C's bits to every neighbor in each p-th step; the moments never travel. Needs W symmetric and doubly stochastic,
    the same in every step, and every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-1.0], [4.0]]}
        >>> algorithm = {"name": "cd_adam", "lr": 0.5, "period": 2, "consensus_lr": 1.0, "compressor": "sign"}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [algorithm], "init": [[0.0], [0.0]],
        ... })
        >>> result.metrics["consensus_distance"].round(3).tolist()  # one number is its own scale: as d_adam
        [0.0, 0.5, 0.0]

    Reference: Gao, Huang: Adaptive Serverless Learning. 2020, arXiv 2008.10422 (CD-Adam).
    """
    replicas, now = Replicas.empty(node, verify=False), Moments(node.zeros, node.zeros)
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        now = moments(node, now, gradient.value, beta1, beta2)
        adapted = node.keep(node.x - lr(k) * adam_direction(node, now, beta1, beta2, eps))
        if (k + 1) % period:
            node.x = adapted
        else:
            told = replicas.told(node, node.compress(compressor, adapted - replicas.own))
            replicas = replicas.heard(node, told, (yield node.exchange(told, tag=k)))
            node.x = adapted + consensus_lr * (replicas.mixed - replicas.own)
