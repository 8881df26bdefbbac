"""GUT: gossip whose nodes track how their neighbors' models move, at no further message."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def gut(node: Node, *, lr: Schedule, mu: Annotated[float, Field(ge=0, lt=1)] = 0.9) -> Program:
    """GUT: gradient at the averaged model, and a share mu of the bias of heterogeneous data tracked and taken off.

    With z', y', g', lr' of the step before; in the first step there is no last term::

        z_i   = sum_j w_ij x_j
        y_i   = g_i(z_i) - (z_i - x_i) / lr + mu (sum_j w_ij y_j' - g_i(z_i'))
        x_i  <- x_i - lr y_i

    The neighbors' y_j' are not sent: ``lr' y_j'`` is what their models have moved by, so their mixture is (z_i' - z_i) / lr'.
    On quadratics it ends where `dpsgd` (atc, at the averaged model) ends with the learning rate (1 - mu) lr.

    Args:
        node: the node that runs this.
        lr: learning rate eta.
        mu: scaling factor of the tracking; 0 is plain gossip.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step, before the gradient (the paper sends the model's change to holders of
    replicas; the model itself is as long and needs none). Needs W doubly stochastic, and neighbors that stay. Tolerates
    missing and old messages: a missing neighbor's weight goes to oneself, and what that does to the tracking fades, the
    more slowly the larger mu is. So nodes may come and go, unless it waits for all; then who is down is waited for.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem,
        ...     "algorithms": [{"name": "gut", "lr": 0.5}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the average model moves along the mean gradient
        [1.5, 0.75, 0.375]

    Reference: Aketi, Hashemi, Roy: Global Update Tracking: A Decentralized Learning Algorithm for Heterogeneous Data.
    NeurIPS 2023; what the authors' code computes without momentum.
    """
    stepped: Vector | None = None  # z - lr g
    for k in node.steps():
        received = yield node.exchange(node.x, tag=k)
        z = node.keep(node.mix(node.x, received))
        gradient = node.gradient(z)
        yield gradient
        before, stepped = stepped, node.keep(z - lr(k) * gradient.value)
        node.x = stepped if before is None else stepped - mu * lr.growth(k) * (before - z)
