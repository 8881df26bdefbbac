"""EXTRA: D-PSGD with a running correction; one exchange, which overlaps with the gradient."""

from __future__ import annotations

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def extra(node: Node, *, lr: Schedule) -> Program:
    """EXTRA: average with the neighbors, step along the local gradient, and undo the bias of all averages so far.

    ::

        x_i <- sum_j w_ij x_j - lr g_i(x_i) + c_i,    then  c_i <- c_i + (sum_j w_ij x_j - x_i) / 2

    with the x of before in both, and c_i = 0 at first. Without c this is `dpsgd`; written with two steps it is the paper's
    ``x'' = (I + W) x' - (I + W) / 2 x - lr (g(x') - g(x))``.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step; gradients overlap with it. Needs W symmetric and doubly stochastic,
    and every neighbor's message: what a lost one changes stays in the correction. So who is down is waited for, and nodes
    that come and go are refused. With curvature L at all nodes, lr has to stay below (5 + 3 lambda_n) / (4 L).

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "extra", "lr": 0.5}], "run": {"steps": 60, "evaluate_every": 60},
        ... })
        >>> bool(result.metrics["consensus_distance"].iloc[-1] < 1e-6)  # dpsgd stops at 0.45
        True

    Reference: Shi, Ling, Wu, Yin: EXTRA: An Exact First-Order Algorithm for Decentralized Consensus Optimization. SIAM
    Journal on Optimization 25(2), 2015.
    """
    c: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        received = yield node.exchange(node.x, tag=k)
        yield gradient
        x = node.x
        mixed = node.mix(x, received)
        node.x = mixed - lr(k) * gradient.value + c
        c = node.keep(c + (mixed - x) / 2)
