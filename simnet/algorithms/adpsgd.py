"""AD-PSGD: atomic averages with one neighbor at a time; nobody waits for a round."""

from __future__ import annotations

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def adpsgd(node: Node, *, lr: Schedule) -> Program:
    """AD-PSGD: while it computes, a node averages its model with that of one random neighbor, then applies its gradient.

    One step of node i, with a neighbor j drawn anew each time; the average is atomic, the gradient is stale::

        g = g_i(x_i)
        x_i, x_j <- (x_i + x_j) / 2        while g is computed
        x_i <- x_i - lr g

    Only ``node.may_ask`` is asked: the active side of a bipartite graph asks the passive one, as in the paper; in other
    graphs an edge is asked from its smaller node to its larger one. Either way nobody waits in a circle. A node that
    has asked is locked until the reply arrives, and questions to it wait in line. While a reply is under way one of the
    two has averaged already; an evaluation at that moment sees it so, and the average model off by as much.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.

    Yields:
        The events that the node waits for.

    Message: one vector each way for each average. Asynchronous: there is no waiting rule to choose. Who has asked a node
    that is down waits until it is back, or, if it is gone for good, goes on alone; if a reply is lost for good, only the one
    that was asked has averaged.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "compute": {"time": "1 s"},
        ...     "algorithms": [{"name": "adpsgd", "lr": 0.5}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # averaging leaves the average model where it is
        [1.5, 0.75, 0.375]

    Reference: Lian, Zhang, Zhang, Liu: Asynchronous Decentralized Parallel Stochastic Gradient Descent. ICML 2018,
    Algorithm 1.
    """

    def average(theirs: Vector) -> Vector:
        mine = node.x
        node.x = (mine + theirs) / 2
        return mine

    node.answer = lambda _, theirs: average(theirs)
    for k in node.steps():
        gradient = node.gradient(node.x)
        if node.may_ask:
            neighbor = node.may_ask[node.rng.integers(len(node.may_ask))]
            yield node.ask(neighbor, node.x, then=average)
        yield gradient
        node.x = node.x - lr(k) * gradient.value
