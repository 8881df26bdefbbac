"""Gossip-PGA: gossip, and an exact average of all models every H-th step."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.algorithms.collectives import Exchange, mean_of_all
from simnet.node import Node, Program
from simnet.schedule import Schedule


def gossip_pga(
    node: Node, *, lr: Schedule, period: PositiveInt, exchange: Exchange = "ring", chunks: PositiveInt = 1
) -> Program:
    """Gossip-PGA: gossip, and every H-th step the mean of all models instead.

    ::

        h_i <- x_i - lr g_i(x_i)
        x_i <- (1/n) sum_j h_j       if (k + 1) mod H = 0
               sum_j w_ij h_j        otherwise

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        period: H; 1 is all-reduce SGD, a large one D-PSGD (``order: atc``); it pays if H < 1 / (1 - rho).
        exchange: who sends what to whom for the mean of all (see `allreduce`).
        chunks: pieces in which the parameter server's messages go.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor, in every H-th step an all-reduce of one vector instead. Needs W doubly stochastic
    and every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "network": {"latency": "1 s"},
        ...     "algorithms": [{"name": "gossip_pga", "lr": 0.5, "period": 2}], "run": {"steps": 4, "evaluate_every": 1},
        ... })
        >>> result.metrics["time_s"].tolist()  # gossip, all-reduce, gossip, all-reduce
        [0.0, 1.0, 7.0, 8.0, 14.0]
        >>> result.metrics["consensus_distance"].tolist()[::2]
        [0.0, 0.0, 0.0]

    Reference: Chen, Yuan, Zhang, Pan, Xu, Yin: Accelerating Gossip SGD with Periodic Global Averaging. ICML 2021.
    """
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        adapted = node.x - lr(k) * gradient.value
        if (k + 1) % period == 0:
            node.x = yield from mean_of_all(node, adapted, k // period, exchange, chunks)
        else:
            received = yield node.exchange(adapted, tag=k)
            node.x = node.mix(adapted, received)
