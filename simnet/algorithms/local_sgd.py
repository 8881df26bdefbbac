"""Local SGD: steps of its own for every node, and an exact average of the models now and then."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.algorithms.collectives import Exchange, mean_of_all
from simnet.node import Node, Program
from simnet.schedule import Schedule


def local_sgd(
    node: Node, *, lr: Schedule, period: PositiveInt, exchange: Exchange = "ring", chunks: PositiveInt = 1
) -> Program:
    """Local SGD: every node on its own, and every H-th step the mean of all models.

    ::

        h_i <- x_i - lr g_i(x_i)
        x_i <- (1/n) sum_j h_j    if (k + 1) mod H = 0
               h_i                otherwise

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        period: H; 1 is all-reduce SGD.
        exchange: who sends what to whom (see `allreduce`).
        chunks: pieces in which the parameter server's messages go.

    Yields:
        The events that the node waits for.

    Message: one all-reduce of a vector in every H-th step, none in the others; the topology plays no role. Whoever is down is
    waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "network": {"latency": "1 s"},
        ...     "algorithms": [{"name": "local_sgd", "lr": 0.5, "period": 2}], "run": {"steps": 4, "evaluate_every": 2},
        ... })
        >>> result.metrics["time_s"].tolist()  # 2 (4 - 1) messages of the ring in every second step
        [0.0, 6.0, 12.0]
        >>> result.metrics["optimum_distance"].tolist()  # (1 - lr)^k 1.5, since all curvatures are equal
        [1.5, 0.375, 0.09375]

    Reference: Stich: Local SGD Converges Fast and Communicates Little. ICLR 2019.
    """
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        node.x = node.x - lr(k) * gradient.value
        if (k + 1) % period == 0:
            node.x = yield from mean_of_all(node, node.x, k // period, exchange, chunks)
