"""Gossip-AGA: Gossip-PGA whose period grows as the loss falls."""

from __future__ import annotations

from math import ceil

from pydantic import NonNegativeInt, PositiveInt

from simnet.algorithms.collectives import Exchange, mean_of_all, number_of_all
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values.on_data import MiniBatchLoss


def gossip_aga(
    node: Node,
    *,
    lr: Schedule,
    period: PositiveInt = 4,
    warmup: NonNegativeInt = 0,
    max_period: PositiveInt = 100,
    exchange: Exchange = "ring",
) -> Program:
    """Gossip-AGA: gossip, and the mean of all models ever more seldom, as the loss falls.

    ::

        h_i <- x_i - lr g_i(x_i)
        x_i <- (1/n) sum_j h_j       if H steps have passed since the last time
               sum_j w_ij h_j        otherwise

    and whenever it is the mean of all, with F the mean of the nodes' mini-batch losses in that step::

        F_0 <- F at the first time, (F_0 + F) / 2 as long as k < warmup
        H   <- min(max_period, ceil(H_0 F_0 / F)) later

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        period: H_0, the period at the start.
        warmup: steps in which the period stays and the losses enter F_0.
        max_period: the longest period.
        exchange: who sends what to whom for the mean of all (see `allreduce`), and for that of the losses.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor, or, when H steps have passed, an all-reduce of one vector and then one of a
    number, the loss (each of its messages has the size of one number). Nodes know no loss but that of their own mini-batch,
    which the gradient's forward pass gives for nothing; the period is decided by the mean of all, so it is the same
    everywhere. Needs W doubly stochastic and every message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "network": {"latency": "1 s"}, "init": [[1.0]],
        ...     "algorithms": [{"name": "gossip_aga", "lr": 0.5, "period": 1}], "run": {"steps": 7, "evaluate_every": 1},
        ... })
        >>> result.metrics["time_s"].diff().tolist()[1:]  # the loss falls to a quarter in each step: H = 1, 4, then 4^5
        [12.0, 12.0, 1.0, 1.0, 1.0, 12.0, 1.0]

    Reference: Chen, Yuan, Zhang, Pan, Xu, Yin: Accelerating Gossip SGD with Periodic Global Averaging. ICML 2021
    (Gossip-AGA).
    """
    current, passed, means = period, 0, 0
    initial: float | None = None
    for k in node.steps():
        passed += 1
        is_global = passed == current
        own_loss = node.on_data(MiniBatchLoss(), node.x) if is_global else node.zeros
        gradient = node.gradient(node.x)
        yield gradient
        adapted = node.x - lr(k) * gradient.value
        if not is_global:
            received = yield node.exchange(adapted, tag=k)
            node.x = node.mix(adapted, received)
            continue
        node.x = yield from mean_of_all(node, adapted, 2 * means, exchange)
        loss = yield from number_of_all(node, own_loss, 2 * means + 1, exchange)
        if initial is None or k < warmup:
            initial = loss if initial is None else (initial + loss) / 2
        else:
            current = adapted_period(period, initial, loss, max_period)
        passed, means = 0, means + 1


def adapted_period(period: int, initial: float, loss: float, longest: int) -> int:
    """The period for a loss: ``ceil(H_0 F_0 / F)``, at least 1.

    Args:
        period: H_0.
        initial: F_0.
        loss: F; if it is not positive, or not a number, the period is the longest.
        longest: most steps.

    Returns:
        H.

    Example:
        >>> [adapted_period(4, 2.0, loss, 100) for loss in (2.0, 1.9, 0.5, 0.0, 1e9)]
        [4, 5, 16, 100, 1]
    """
    wanted = period * initial / loss if loss > 0 else float(longest)
    return max(1, ceil(min(wanted, float(longest))))
