"""CHOCO-SGD: gossip on replicas that compressed differences keep up to date."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from simnet.algorithms.replicas import Replicas
from simnet.clock import Receipt
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values.compressors import Compressor


def choco(
    node: Node,
    *,
    lr: Schedule,
    consensus_lr: PositiveFloat,
    compressor: Compressor,
    order: Literal["compress_first", "average_first"] = "compress_first",
    verify: bool = False,
) -> Program:
    """CHOCO-SGD: send compressed differences to replicas of the models, and average the replicas.

    With all replicas xhat zero at first, and h_i = x_i - lr g_i(x_i), compress first (the order of the ICML paper)::

        q_i = C(h_i - xhat_i);   xhat_j <- xhat_j + q_j        for all neighbors j, and for j = i
        x_i <- h_i + c sum_j w_ij (xhat_j - xhat_i)

    Average first (the order of the ICLR paper and of the authors' code; the exchange overlaps with the next gradient)::

        x_i <- h_i + c sum_j w_ij (xhat_j - xhat_i)
        q_i = C(x_i - xhat_i);   xhat_j <- xhat_j + q_j

    With no compression and c = 1, the first is D-PSGD's order ``atc``, the second one ``cta``, except that replicas of
    models that start apart are not known before the second step. A node keeps xhat_i and sum_j w_ij xhat_j only.

    Args:
        node: the node that runs this.
        lr: learning rate.
        consensus_lr: c, the papers' gamma. The theory's value is 10^4 times too careful; tune it: about 1 for 8 bits, 0.4
            for signs, 0.04 for one number in a hundred. Too large a value diverges.
        compressor: C, whose omega has to be positive.
        order: ``compress_first`` or ``average_first``.
        verify: keep a replica of every neighbor, too, and count in ``replica_mismatches`` how many of their numbers ever
            differ from the neighbor's own: none.

    Yields:
        The events that the node waits for.

    Message: C's bits to every neighbor in each step. Needs W symmetric and doubly stochastic, the same in every step, and
    every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "choco", "lr": 0.5, "consensus_lr": 0.5, "compressor": "sign"}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # whatever is compressed, the average model does what SGD does
        [1.5, 0.75, 0.375]
        >>> result.metrics["bits_sent"].tolist()  # 4 nodes, 2 neighbors each, a bit for each of D = 1 numbers, a scale
        [0.0, 264.0, 528.0]

    Reference: Koloskova, Stich, Jaggi: Decentralized Stochastic Optimization and Gossip Algorithms with Compressed
    Communication. ICML 2019, Algorithm 2. Koloskova, Lin, Stich, Jaggi: Decentralized Deep Learning with Arbitrary
    Communication Compression. ICLR 2020, Algorithm 1.
    """
    replicas = Replicas.empty(node, verify)
    under_way: tuple[Payload, Receipt] | None = None
    for k in node.steps():
        gradient = node.gradient(node.x)
        if order == "compress_first":
            yield gradient
            adapted = node.keep(node.x - lr(k) * gradient.value)
            told = replicas.told(node, node.compress(compressor, adapted - replicas.own))
            replicas = replicas.heard(node, told, (yield node.exchange(told, tag=k)))
            node.x = adapted + consensus_lr * (replicas.mixed - replicas.own)
        else:
            if under_way is not None:
                told, exchange = under_way
                replicas = replicas.heard(node, told, (yield exchange))
            yield gradient
            node.x = node.x - lr(k) * gradient.value + consensus_lr * (replicas.mixed - replicas.own)
            told = replicas.told(node, node.compress(compressor, node.x - replicas.own))
            under_way = told, node.exchange(told, tag=k)
