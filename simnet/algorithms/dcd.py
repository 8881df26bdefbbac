"""DCD-PSGD: compressed differences keep exact replicas of the neighbors' models."""

from __future__ import annotations

from simnet.algorithms.replicas import Replicas
from simnet.clock import Receipt
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values.compressors import Compressor


def dcd(node: Node, *, lr: Schedule, compressor: Compressor, verify: bool = False) -> Program:
    """DCD-PSGD: move by a compressed difference, so that all neighbors know exactly where a node is.

    ::

        z_i = sum_j w_ij x_j - lr g_i(x_i) - x_i
        x_i <- x_i + C(z_i)                                the same on i and in the replicas that its neighbors keep

    The mean moves by that of C(z), so C should be unbiased. Its error has to be small against the spectral gap
    (``4 mu^2 alpha^2 < (1 - rho)^2`` with mu = max_i |lambda_i - 1| and alpha its relative error), else it diverges.
    With no compression it is D-PSGD's order ``cta``. A node keeps sum_j w_ij x_j only.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        compressor: C.
        verify: keep a replica of every neighbor, too, and count in ``replica_mismatches`` how many of their numbers ever
            differ from the neighbor's model: none.

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
        ...     "algorithms": [{"name": "dcd", "lr": 0.5, "compressor": {"kind": "qsgd", "levels": 1}}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # one number is its own norm: nothing is lost
        [1.5, 0.75, 0.375]

    Reference: Tang, Gan, Zhang, Zhang, Liu: Communication Compression for Decentralized Training. NeurIPS 2018,
    Algorithm 1.
    """
    replicas = yield from Replicas.exact(node, verify)
    under_way: tuple[Payload, Receipt] | None = None
    for k in node.steps():
        gradient = node.gradient(node.x)
        if under_way is not None:
            told, exchange = under_way
            replicas = replicas.heard(node, told, (yield exchange))
        yield gradient
        difference = node.compress(compressor, replicas.mixed - lr(k) * gradient.value - node.x)
        told = replicas.told(node, difference)
        node.x = node.x + difference.content
        under_way = told, node.exchange(told, tag=k)
