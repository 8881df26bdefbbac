"""Exact Diffusion (NIDS): D2 with the half-lazy matrix, and its version with several rounds of gossip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import PositiveInt

from simnet.algorithms.accelerated_gossip import Eta, accelerated_gossip, acceleration, check_eta
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def exact_diffusion(node: Node, *, lr: Schedule, gossip_rounds: PositiveInt = 1, eta: Eta = "auto") -> Program:
    """Exact Diffusion: adapt, correct, combine; the step of gradient descent is the limit of lr on any network.

    ::

        psi_i = x_i - lr g_i(x_i)                        adapt
        phi_i = psi_i + x_i - psi_i'                     correct; psi_i' is that of the step before, at first x_i
        x_i  <- (phi_i + sum_j w_ij phi_j) / 2           combine

    With R > 1 gossip rounds (MG-D2/ED), a phase has R steps: x stands still, g_i is the mean of R gradients, and in the
    last step R rounds of accelerated gossip AG take the place of W, damped by tau = 1 / (2 n)::

        x_i  <- (1 - tau) AG(phi)_i + tau phi_i

    Args:
        node: the node that runs this.
        lr: learning rate gamma, looked up at the first step of the phase.
        gossip_rounds: R; the theory takes (ln n + 4) / sqrt(1 - rho), rounded up.
        eta: mixing momentum of accelerated gossip, if R > 1; ``auto`` is (1 - sqrt(1 - rho^2)) / (1 + sqrt(1 - rho^2)).

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step, after the gradient (R of them at the end of a phase). Needs W
    symmetric and doubly stochastic, and every neighbor's message: what a lost one does to the mean, the correction repeats
    in every later step. So who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "exact_diffusion", "lr": 1.0}], "run": {"steps": 1, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the average model is there after one step
        [1.5, 0.0]

    Reference: Yuan, Ying, Zhao, Sayed: Exact Diffusion for Distributed Optimization and Learning. IEEE Transactions on Signal
    Processing 67(3), 2019; Li, Shi, Yan 2019 (NIDS). R > 1: Yuan, Alghunaim, Huang: Removing Data Heterogeneity Influence
    Enhances Network Topology Dependence of Decentralized SGD. JMLR 24, 2023 (its printed eta has a typing error).
    """
    rate = 0.0 if gossip_rounds == 1 else acceleration(node.rho) if eta == "auto" else eta
    tau = 0.5 if gossip_rounds == 1 else 0.5 / node.num_nodes
    psi: Vector = node.x
    g: Vector = node.zeros
    for t in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        g = g + gradient.value / gossip_rounds
        if (t + 1) % gossip_rounds == 0:
            psi, psi_before = node.keep(node.x - lr(t + 1 - gossip_rounds) * g), psi
            phi = node.keep(psi + node.x - psi_before)
            (mixed,) = yield from accelerated_gossip(node, rate, (phi,), gossip_rounds, t)
            node.x = (1 - tau) * mixed + tau * phi
            g = node.zeros


def check_rounds(parameters: Mapping[str, Any], rho: float | None) -> None:
    """Refuses several rounds with ``eta: auto`` where the spectral gap is not known; one round needs no eta.

    Args:
        parameters: of the scenario's entry.
        rho: ``||W - J||_2``; None if it was not computed.

    Raises:
        ParameterError: if that is what they say.

    Example:
        >>> check_rounds({"gossip_rounds": 1, "eta": "auto"}, None)
    """
    if parameters["gossip_rounds"] > 1:
        check_eta(parameters, rho)
