"""ECD-PSGD: compressed extrapolations make replicas whose errors average out."""

from __future__ import annotations

from dataclasses import replace

from simnet.algorithms.replicas import Replicas
from simnet.clock import Receipt
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values.compressors import Compressor


def ecd(node: Node, *, lr: Schedule, compressor: Compressor) -> Program:
    """ECD-PSGD: send compressed extrapolations, of which the replicas are a running average.

    In step t = 1, 2, ..., with replicas xt that are the models at first::

        x_i' = sum_j w_ij xt_j - lr g_i(x_i)
        z_i = (1 - t/2) x_i + (t/2) x_i'
        xt_j <- (1 - 2/t) xt_j + (2/t) C(z_j)              for all neighbors j, and for j = i
        x_i <- x_i'

    The error of a replica falls as 1/t if that of C(z) stays bounded; but z grows with t, so in practice small learning
    rates are needed. With no compression it is D-PSGD's order ``cta``. A node keeps sum_j w_ij xt_j only.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        compressor: C, unbiased, with an error that does not grow with z.

    Yields:
        The events that the node waits for.

    Message: C's bits to every neighbor in each step; the exchange overlaps with the next gradient. Where models start
    apart, one full vector to every neighbor before the first step. Needs W symmetric and doubly stochastic, the same in
    every step, and every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "ecd", "lr": 0.5, "compressor": {"kind": "qsgd", "levels": 1}}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # one number is its own norm: nothing is lost
        [1.5, 0.75, 0.375]

    Reference: Tang, Gan, Zhang, Zhang, Liu: Communication Compression for Decentralized Training. NeurIPS 2018,
    Algorithm 2.
    """
    replicas = yield from Replicas.exact(node, verify=False)
    under_way: tuple[Payload, Receipt] | None = None
    for k in node.steps():
        t = k + 1
        gradient = node.gradient(node.x)
        if under_way is not None:
            told, exchange = under_way
            replicas = replicas.heard(node, told, (yield exchange))
        yield gradient
        before, node.x = node.x, replicas.mixed - lr(k) * gradient.value
        squeezed = node.compress(compressor, (1 - t / 2) * before + (t / 2) * node.x)
        share = 2 / t
        replicas = replace(replicas, own=(1 - share) * replicas.own, mixed=(1 - share) * replicas.mixed)
        told = replicas.told(node, Payload(node.keep(share * squeezed.content), squeezed.bits))
        under_way = told, node.exchange(told, tag=k)
