"""Final merging: gossip all the time, and one exact average of all models in the end."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.algorithms.collectives import Exchange, mean_of_all
from simnet.node import Node, Program
from simnet.schedule import Schedule


def final_merging(
    node: Node,
    *,
    lr: Schedule,
    at: tuple[PositiveInt, ...] = (),
    last: bool = True,
    exchange: Exchange = "ring",
    chunks: PositiveInt = 1,
) -> Program:
    """Final merging: D-PSGD, and the mean of all models once, in the end.

    ::

        x_i <- sum_j w_ij (x_j - lr g_j(x_j))
        x_i <- (1/n) sum_j x_j    after the last step, and when one of the given numbers of steps is done

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        at: after how many steps models are merged, beside the end.
        last: whether they are merged in the end: after the last step of the run's budget of steps or epochs. A run that
            only simulated time ends has no last step that anybody could know.
        exchange: who sends what to whom for the mean of all (see `allreduce`).
        chunks: pieces in which the parameter server's messages go.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step, and one all-reduce of a vector for each merge. Needs W doubly
    stochastic and every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "network": {"latency": "1 s"},
        ...     "algorithms": [{"name": "final_merging", "lr": 0.5}], "run": {"steps": 3, "evaluate_every": 1},
        ... })
        >>> result.metrics["time_s"].tolist()  # three times gossip, one all-reduce
        [0.0, 1.0, 2.0, 9.0]
        >>> result.metrics["consensus_distance"].tolist()[-1]
        0.0

    Reference: Zhu, Zhang, Wang, Zhou, Wang: On the Surprising Effectiveness of a Single Global Merging in Decentralized
    Learning. arXiv 2507.06542, 2025.
    """
    merges = 0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        adapted = node.x - lr(k) * gradient.value
        received = yield node.exchange(adapted, tag=k)
        node.x = node.mix(adapted, received)
        if k + 1 in at or (last and node.is_last_step):
            node.x = yield from mean_of_all(node, node.x, merges, exchange, chunks)
            merges += 1
