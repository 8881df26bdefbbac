"""Dynamic averaging: the mean of all models only when some node has gone far since the last time."""

from __future__ import annotations

from pydantic import NonNegativeFloat, PositiveInt

from simnet.algorithms.collectives import Exchange, mean_of_all, number_of_all
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values.numbers import IsFarther


def dynamic_averaging(
    node: Node, *, lr: Schedule, threshold: NonNegativeFloat, period: PositiveInt = 1, exchange: Exchange = "ring"
) -> Program:
    """Dynamic averaging: every node on its own, and the mean of all models when some node has gone too far.

    ::

        x_i <- x_i - lr g_i(x_i)
        if (k + 1) mod b = 0 and ||x_i - r||^2 > Delta for some i:   x_i <- (1/n) sum_j x_j,  r <- that

    The reference r is the last mean of all, at first the node's own initial model.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        threshold: Delta, of the squared distance from the reference; 0 is `local_sgd` with period b.
        period: b, steps from one look at the distance to the next.
        exchange: who sends what to whom (see `allreduce`): numbers, and then models.

    Yields:
        The events that the node waits for.

    Message: every b-th step an all-reduce of one number (every node pays for telling whether it has gone too far; each
    message has the size of one number), and if somebody has, one of a vector, which all pay. The topology plays no role.
    The decision is taken from the sum of these numbers, so it is the same at all nodes. The paper's coordinator asks single
    nodes for their models first and often gets by with these; here all of them average at once. Whoever is down is waited
    for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-8.0], [8.0]]}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem,
        ...     "algorithms": [{"name": "dynamic_averaging", "lr": 0.5, "threshold": 30}],
        ...     "run": {"steps": 4, "evaluate_every": 1},
        ... })
        >>> result.metrics["consensus_distance"].tolist()  # 4^2 is near enough, 6^2 is too far
        [0.0, 4.0, 0.0, 4.0, 0.0]
        >>> result.metrics["bits_sent"].diff().tolist()[1:]  # 4 messages of 32 bit, then of 16 bit: halves
        [128.0, 192.0, 128.0, 192.0]

    Reference: Kamp, Adilova, Sicking, Hueger, Schlicht, Wirtz, Wrobel: Efficient Decentralized Deep Learning by Dynamic
    Model Averaging. ECML PKDD 2018.
    """
    reference = node.x
    exchanges = 0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        node.x = node.x - lr(k) * gradient.value
        if (k + 1) % period:
            continue
        is_far = node.apply(IsFarther(threshold), node.x, reference)
        share_far = yield from number_of_all(node, is_far, exchanges, exchange)
        exchanges += 1
        if share_far > 0:
            node.x = yield from mean_of_all(node, node.x, exchanges, exchange)
            reference = node.x
            exchanges += 1
