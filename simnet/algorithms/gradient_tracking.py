"""Gradient tracking: each node steps along its running estimate of the average gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from simnet.algorithms.accelerated_gossip import mix_each
from simnet.clock.events import Receipt
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def gradient_tracking(node: Node, *, lr: Schedule, form: Literal["awc", "atc", "full"] = "awc") -> Program:
    """Gradient tracking: model and tracker y of the average gradient are both mixed; three forms that cost different times.

    With y' and g' of the step before; in the first step y_i = g_i(x_i)::

        awc    y_i = sum_j w_ij y_j' + g_i(x_i) - g_i';      x_i <- sum_j w_ij x_j - lr y_i
        atc    y_i = sum_j w_ij y_j' + g_i(x_i) - g_i';      x_i <- sum_j w_ij (x_j - lr y_j)
        full   y_i = sum_j w_ij (y_j' + g_j(x_j) - g_j');    x_i <- sum_j w_ij (x_j - lr y_j)

    The mean of all y_i is always that of all g_i(x_i).

    Args:
        node: the node that runs this.
        lr: learning rate gamma. With curvature L at all nodes it has to stay below (1 + lambda_n)^2 / (2 L) for ``awc``,
            and below 2 / L for the others.
        form: ``awc`` (DIGing, GNSD), ``atc`` (DSGT) or ``full`` (NEXT with a linear surrogate).

    Yields:
        The events that the node waits for.

    Message: two vectors to every neighbor in each step. ``awc`` sends each as soon as it is known, so that both travel
    while gradients are computed; ``atc`` sends both in one message after the gradient; ``full`` exchanges first the tracker
    and then the model, one after the other. Needs W doubly stochastic and every neighbor's message: what is lost of a
    tracker is missing forever. So who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "gradient_tracking", "form": "atc", "lr": 0.5}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the average model moves along the mean gradient
        [1.5, 0.75, 0.375]

    Reference: Nedic, Olshevsky, Shi: Achieving Geometric Convergence for Distributed Optimization over Time-Varying Graphs.
    SIAM Journal on Optimization 27(4), 2017 (awc); Pu, Nedic: Distributed Stochastic Gradient Tracking Methods. Mathematical
    Programming 187, 2021 (atc); Di Lorenzo, Scutari: NEXT. IEEE TSIPN 2(2), 2016 (full).
    """
    yield from FORMS[form](node, lr)


def awc(node: Node, lr: Schedule) -> Program:
    """Adapt while combining: the model leaves before its gradient is known, the tracker right after.

    Args:
        node: the node that runs this.
        lr: learning rate.

    Yields:
        The events that the node waits for.
    """
    y: Vector = node.zeros
    g: Vector = node.zeros
    trackers: Receipt | None = None
    for k in node.steps():
        models = node.exchange(node.x, tag=("x", k))
        gradient = node.gradient(node.x)
        mixed_y = y if trackers is None else node.mix(y, (yield trackers))
        yield gradient
        y, g = node.keep(mixed_y + gradient.value - g), gradient.value
        trackers = node.exchange(y, tag=("y", k))
        node.x = node.mix(node.x, (yield models)) - lr(k) * y


def atc(node: Node, lr: Schedule) -> Program:
    """Adapt, then combine: what was adapted travels together with the tracker.

    Args:
        node: the node that runs this.
        lr: learning rate.

    Yields:
        The events that the node waits for.
    """
    mixed_y: Vector = node.zeros
    g: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        y, g = node.keep(mixed_y + gradient.value - g), gradient.value
        pair = (node.keep(node.x - lr(k) * y), y)
        received = yield node.exchange(pair, tag=k)
        node.x, mixed_y = mix_each(node, pair, received)


def full(node: Node, lr: Schedule) -> Program:
    """Adapt, then combine, the tracker too: its exchange has to end before that of the model begins.

    Args:
        node: the node that runs this.
        lr: learning rate.

    Yields:
        The events that the node waits for.
    """
    y: Vector = node.zeros
    g: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        y, g = node.keep(y + gradient.value - g), gradient.value
        if k > 0:
            received = yield node.exchange(y, tag=("y", k))
            y = node.keep(node.mix(y, received))
        adapted = node.keep(node.x - lr(k) * y)
        received = yield node.exchange(adapted, tag=("x", k))
        node.x = node.mix(adapted, received)


FORMS: dict[str, Callable[[Node, Schedule], Program]] = {"awc": awc, "atc": atc, "full": full}
