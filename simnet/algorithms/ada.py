"""Ada: D-PSGD on a graph that is dense at first."""

from __future__ import annotations

from typing import Literal

from simnet.algorithms.dpsgd import dpsgd
from simnet.node import Node, Program
from simnet.schedule import Schedule


def ada(node: Node, *, lr: Schedule, order: Literal["cta", "atc"] = "cta") -> Program:
    """Ada: D-PSGD on a ring lattice whose neighbors become fewer from epoch to epoch, until it is a ring.

    The topology has the schedule, ``{kind: ring_lattice, reach: k_0, final: 1, pace: gamma_k}``; with W_t of epoch t, where
    each node hears k_t = max(k_0 - floor(gamma_k t), 1) neighbors on each side with equal weights::

        x_i <- sum_j (W_t)_ij x_j - lr g_i(x_i)

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        order: as in `dpsgd`.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor of this step. Needs the topology ring_lattice. Tolerates missing and old messages,
    as dpsgd does.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0], [4.0]]}
        >>> lattice = {"kind": "ring_lattice", "reach": 2, "final": 1, "pace": 0.5, "unit": "step"}
        >>> result = simnet.run({
        ...     "nodes": 5, "topology": lattice, "problem": problem, "message": {"bits_per_number": 1},
        ...     "algorithms": [{"name": "ada", "lr": 0.5}], "run": {"steps": 4, "evaluate_every": 1},
        ... })
        >>> result.metrics["bits_sent"].tolist()  # four neighbors in two steps, then two
        [0.0, 20.0, 40.0, 50.0, 60.0]

    Reference: Xie, Yin, Zhou, Oral, Wang: Scaling Up Data Parallelism in Decentralized Deep Learning. arXiv 2509.12213, 2025.
    """
    yield from dpsgd(node, lr=lr, order=order)
