"""DeTAG: gradient tracking with accelerated gossip in phases."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt

from simnet.algorithms.accelerated_gossip import Eta, Several, accelerated_gossip, accelerated_round, acceleration
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def detag(
    node: Node,
    *,
    lr: Schedule,
    gossip_rounds: PositiveInt = 2,
    eta: Eta = 0.2,
    momentum: NonNegativeFloat = 0.0,
    order: Literal["listing", "proof", "star"] = "listing",
) -> Program:
    """DeTAG: phases of R steps; in each phase R accelerated gossip steps on model and tracker, and R gradients.

    In every step of phase k, with xt = x at its start, and z_{-1} = z_0 for both z = xt and z = y::

        z <- (1 + eta) sum_j w_ij z_j - eta z_previous
        g <- g + g_i(x) / R                               x stands still during a phase

    and at the end of the phase, with g' the g of the phase before::

        x <- xt - lr y;   y <- y + g - g'

    This is the order ``listing``: gossip and gradients overlap, and a gradient is used one phase late. In the other two
    the R gradients come first, and then R gossip steps AG, all in the last step of the phase::

        x <- AG(x - lr y);              y <- AG(y + g - g')    ``proof``: what the paper's theorem is about
        x <- AG(x - lr (y + g - g'));   y <- AG(y + g - g')    ``star`` (DeTAG*): no gradient is late

    With momentum beta (DeTAGM), v <- beta v + g takes the place of g, and is not communicated.

    Args:
        node: the node that runs this.
        lr: learning rate alpha, looked up at the first step of the phase.
        gossip_rounds: R, steps in a phase.
        eta: mixing momentum of accelerated gossip; ``auto`` is (1 - sqrt(1 - rho^2)) / (1 + sqrt(1 - rho^2)). The
            paper's experiments use 0 to 0.4; acceleration pays from about R = 1 / sqrt(1 - rho) on.
        momentum: beta.
        order: ``listing``, ``proof`` or ``star``. With R = 1 and eta = 0, ``star`` is gradient tracking of the form ``atc``.

    Yields:
        The events that the node waits for.

    Message: two vectors (xt and y, in one message) to every neighbor in each step, or R times at the end of a phase. Needs
    W doubly stochastic and every neighbor's message: who is down is waited for, and nodes that come and go are refused.

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
    before: Several = (node.x, node.zeros)
    copies = before  # xt and y
    v: Vector = node.zeros
    g: Vector = node.zeros
    for t in node.steps():
        gradient = node.gradient(node.x)
        if order == "listing":
            received = yield node.exchange(copies, tag=t)
            copies, before = accelerated_round(node, rate, copies, before, received), copies
        yield gradient
        g = g + gradient.value / gossip_rounds
        if (t + 1) % gossip_rounds == 0:
            v, v_before = node.keep(momentum * v + g), v
            xt, y = copies
            tracker: Vector = node.keep(y + v - v_before)
            xt = xt - lr(t + 1 - gossip_rounds) * (tracker if order == "star" else y)
            if order != "listing":
                xt, tracker = yield from accelerated_gossip(node, rate, (xt, tracker), gossip_rounds, t)
            node.x = xt
            copies = before = (node.x, node.keep(tracker))
            node.show("tracker", copies[1])
            node.show("tracked", v)
            g = node.zeros
