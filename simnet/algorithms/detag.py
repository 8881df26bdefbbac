"""DeTAG: gradient tracking with accelerated gossip in phases."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Literal

from pydantic import NonNegativeFloat, PositiveInt

from simnet.errors import ParameterError
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def detag(
    node: Node,
    *,
    lr: Schedule,
    gossip_rounds: PositiveInt = 2,
    eta: NonNegativeFloat | Literal["auto"] = 0.2,
    momentum: NonNegativeFloat = 0.0,
) -> Program:
    """DeTAG: phases of R steps; in each phase R accelerated gossip steps on model and tracker, and R gradients.

    In every step of phase k, with xt = x at its start, and z_{-1} = z_0 for both z = xt and z = y::

        z <- (1 + eta) sum_j w_ij z_j - eta z_previous
        g <- g + g_i(x) / R                               x stands still during a phase

    and at the end of the phase, with g' the g of the phase before::

        x <- xt - lr y;   y <- y + g - g'

    With momentum beta (DeTAGM), v <- beta v + g takes the place of g, and is not communicated.

    Args:
        node: the node that runs this.
        lr: learning rate alpha, looked up at the first step of the phase.
        gossip_rounds: R, steps in a phase.
        eta: mixing momentum of accelerated gossip; ``auto`` is (1 - sqrt(1 - rho^2)) / (1 + sqrt(1 - rho^2)). The
            paper's experiments use 0 to 0.4; acceleration pays from about R = 1 / sqrt(1 - rho) on.
        momentum: beta.

    Yields:
        The events that the node waits for.

    Message: two vectors (xt and y, in one message) to every neighbor in each step; gradients overlap with it. Needs W
    doubly stochastic and every neighbor's message: who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "detag", "lr": 0.5, "gossip_rounds": 1}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the first phase only fills the tracker
        [1.5, 1.5, 0.75]

    Reference: Lu, De Sa: Decentralized Learning: Theoretical Optimality and Practical Improvements. JMLR 24, 2023,
    Algorithm 2 as listed: the tracker starts at 0 and its increment comes after the gossip, so it is one phase late.
    """
    rate = acceleration(node.rho) if eta == "auto" else eta
    xt: Vector = node.x
    xt_before: Vector = node.x
    y = y_before = v = g = node.zeros
    for t in node.steps():
        gradient = node.gradient(node.x)
        received = yield node.exchange((xt, y), tag=t)
        yield gradient
        mixed_xt = node.mix(xt, {j: theirs for j, (theirs, _) in received.items()})
        mixed_y = node.mix(y, {j: theirs for j, (_, theirs) in received.items()})
        xt, xt_before = (1 + rate) * mixed_xt - rate * xt_before, xt
        y, y_before = (1 + rate) * mixed_y - rate * y_before, y
        g = g + gradient.value / gossip_rounds
        if (t + 1) % gossip_rounds == 0:
            v, v_before = node.keep(momentum * v + g), v
            node.x = xt = xt_before = node.keep(xt - lr(t + 1 - gossip_rounds) * y)
            y = y_before = node.keep(y + v - v_before)
            node.show("tracker", y)
            node.show("tracked", v)
            g = node.zeros


def acceleration(rho: float | None) -> float:
    """The mixing momentum eta of accelerated gossip: ``(1 - sqrt(1 - rho^2)) / (1 + sqrt(1 - rho^2))``.

    Args:
        rho: ``||W - J||_2``; None if it was not computed.

    Returns:
        eta, in [0, 1).

    Raises:
        ParameterError: if rho is not known.

    Example:
        >>> round(acceleration(0.6), 6), acceleration(0.0)
        (0.111111, 0.0)

    Reference: Liu, Morse: Accelerated Linear Iterations for Distributed Averaging. Annual Reviews in Control 35, 2011.
    """
    if rho is None:
        raise ParameterError("eta: found auto, but the spectral gap is not computed for so many nodes; give a number")
    root = sqrt(max(0.0, 1 - rho**2))
    return (1 - root) / (1 + root)


def check_eta(parameters: Mapping[str, Any], rho: float | None) -> None:
    """Refuses ``eta: auto`` where the spectral gap is not known.

    Args:
        parameters: of the scenario's entry.
        rho: ``||W - J||_2``; None if it was not computed.

    Raises:
        ParameterError: if that is what they say.

    Example:
        >>> check_eta({"eta": 0.2}, None)
        >>> check_eta({"eta": "auto"}, None)
        Traceback (most recent call last):
        simnet.errors.ParameterError: eta: found auto, but the spectral gap is not computed for so many nodes; give a number
    """
    if parameters["eta"] == "auto":
        acceleration(rho)
