"""DeFacto: centralized SGD without a center, by exact averages along a spanning tree."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def defacto(node: Node, *, lr: Schedule) -> Program:
    """DeFacto: R gradients at one model, then R rounds along a spanning tree, after which all nodes hold the exact mean.

    In phases of 2R steps, R twice the height of a breadth-first spanning tree of the topology::

        g_i <- g_i + g_i(x_i) / R                  in each of the first R steps; nobody communicates
        x_i <- (1/n) sum_j (x_j - lr g_j)          after the other R steps, in which nobody computes

    In these, the sums of the branches travel from the deepest nodes up to the root (gather), an edge in each round, and the
    mean travels down again (propagate). A phase is one step of SGD with all nodes' R mini-batches, exactly.

    Args:
        node: the node that runs this.
        lr: learning rate alpha, looked up at the first step of the phase.

    Yields:
        The events that the node waits for.

    Message: one vector up and one down each edge of the tree in each phase; W does not matter. Needs every message: who is
    down is waited for, and nodes that come and go are refused. The paper's authors found it slow in practice.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "defacto", "lr": 0.5}], "run": {"steps": 16, "evaluate_every": 8},
        ... })
        >>> result.metrics["optimum_distance"].tolist(), result.metrics["consensus_distance"].tolist()
        ([1.5, 0.75, 0.375], [0.0, 0.0, 0.0])

    Reference: Lu, De Sa: Decentralized Learning: Theoretical Optimality and Practical Improvements. JMLR 24, 2023,
    Algorithm 1 with GATHER-PROPAGATE (Ko 2010). As listed, each node would take its own gradient step after the average, and
    models would differ; the equivalence with SGD that the paper proves needs the step before it.
    """
    branch = node.branch
    rounds = max(1, 2 * branch.height)
    xt: Vector = node.x
    g: Vector = node.zeros
    for t in node.steps():
        phase, r = divmod(t, 2 * rounds)
        if r < rounds:
            gradient = node.gradient(node.x)
            yield gradient
            g = g + gradient.value / rounds
            continue
        if r == rounds:
            xt = node.x - lr(2 * rounds * phase) * g
            g = node.zeros
        xt = yield from gather_propagate(node, xt, r - rounds, t)
        if r == 2 * rounds - 1:
            node.x = xt


def gather_propagate(node: Node, xt: Vector, r: int, t: int) -> Generator[Any, Any, Vector]:
    """One round: sums go up from the deepest nodes until the root has the mean, which then goes down.

    Args:
        node: the node that runs this; call it with ``yield from``.
        xt: what it holds: its own vector, then the sum over the nodes behind it, then the mean.
        r: the round, from 0; twice the height of the tree are enough.
        t: the step, which tells this round's messages from the others'.

    Returns:
        What it holds after this round.
    """
    branch, height = node.branch, node.branch.height
    if r == height - branch.depth - 1:
        for j in branch.children:
            received = yield node.receive(j, tag=t)
            xt = xt + received[j]
    if r == height - branch.depth and branch.parent is not None:
        node.send(branch.parent, xt, tag=t)
    if r == height + branch.depth - 1 and branch.parent is not None:
        received = yield node.receive(branch.parent, tag=t)
        xt = received[branch.parent]
    if r == height and branch.parent is None:
        xt = xt / node.num_nodes
    if r == height + branch.depth:
        for j in branch.children:
            node.send(j, xt, tag=t)
    return xt
