"""RelaySGD: sums of all models flow through a spanning tree, each model counted once, late by its distance."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector

Heard = dict[int, tuple[Vector, int]]


def relaysgd(node: Node, *, lr: Schedule, overlap: bool = False) -> Program:
    """RelaySGD: step along the local gradient, and average with what every other node's model was when it set out to here.

    Each node tells each neighbor in a spanning tree of the topology the sum of all that lies behind itself, and how many
    models are in it; m' and c' are those of the step before, N the neighbors in the tree::

        h_i      = x_i - lr g_i(x_i)
        m_{i->j} = h_i + sum_{k in N_i, not j} m'_{k->i},     c_{i->j} = 1 + sum_{k in N_i, not j} c'_{k->i}
        x_i     <- (h_i + sum_{j in N_i} m_{j->i} + (n - 1 - sum_j c_{j->i}) x_i at the start) / n

    So, once the first messages have crossed the tree, ``x_i = (1/n) sum_j h_j``, where h_j is dist(i, j) - 1 steps old.
    With `overlap`, m' and c' take the place of m and c in the last line, and h_j is one step older.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        overlap: whether messages travel while the next gradient is computed.

    Yields:
        The events that the node waits for.

    Message: one vector and one number to every neighbor in the tree in each step, different for each of them; W does not
    matter. Needs every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "star", "problem": problem,
        ...     "algorithms": [{"name": "relaysgd", "lr": 0.5}], "run": {"steps": 60, "evaluate_every": 60},
        ... })
        >>> bool(result.metrics["optimum_distance"].iloc[-1] < 1e-6), bool(result.metrics["consensus_distance"].iloc[-1] < 1e-6)
        (True, True)

    Reference: Vogels, He, Koloskova, Lin, Karimireddy, Stich, Jaggi: RelaySum for Decentralized Deep Learning on
    Heterogeneous Data. NeurIPS 2021, Algorithm 1; `overlap` is in the authors' code.
    """
    n, start = node.num_nodes, node.x
    heard: Heard = dict.fromkeys(node.branch.neighbors, (node.zeros, 0))
    for k in node.steps():
        gradient = node.gradient(node.x)
        if overlap and k > 0:
            heard = yield from hear(node, k - 1)
        yield gradient
        h = node.keep(node.x - lr(k) * gradient.value)
        total, count = sum_of(h, heard)
        total = node.keep(total)
        for j, (theirs, their_count) in heard.items():
            node.send(j, (total - theirs, count - their_count), tag=k)
        if not overlap:
            heard = yield from hear(node, k)
            total, count = sum_of(h, heard)
        node.x = (total + (n - count) * start) / n


def hear(node: Node, k: int) -> Generator[Any, Any, Heard]:
    """Waits for the messages of all neighbors in the tree.

    Args:
        node: the node that runs this; call it with ``yield from``.
        k: the step in which they were sent.

    Returns:
        For each neighbor its sum and count.
    """
    heard: Heard = {}
    for j in node.branch.neighbors:
        heard |= yield node.receive(j, tag=k)
    return heard


def sum_of(h: Vector, heard: Heard) -> tuple[Vector, int]:
    """The node's own vector and all that it has heard of, and how many models that are.

    Args:
        h: the node's own, ``[D]``.
        heard: for each neighbor its sum and count.

    Returns:
        The sum and the count.
    """
    for vector, _ in heard.values():
        h = h + vector
    return h, 1 + sum(count for _, count in heard.values())
