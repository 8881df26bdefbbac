"""D-PSGD and what corrects its bias."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import sqrt
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World


def dpsgd(X: np.ndarray, world: World, lr: Rate, order: str = "cta") -> Models:
    W, g = world.W, world.gradient
    for k in count():
        X = W @ X - lr(k) * g(X) if order == "cta" else W @ (X - lr(k) * g(X))
        yield X


def accelerated(Z: np.ndarray, W: np.ndarray, rounds: int, eta: float) -> np.ndarray:
    """Accelerated gossip: ``Z <- (1 + eta) W Z - eta Z_before``, with Z_before = Z at the start."""
    before = Z
    for _ in range(rounds):
        Z, before = (1 + eta) * W @ Z - eta * before, Z
    return Z


def formula(rho: float) -> float:
    """The eta of the theory."""
    root = sqrt(max(0.0, 1 - rho**2))
    return (1 - root) / (1 + root)


def detag(
    X: np.ndarray,
    world: World,
    lr: Rate,
    gossip_rounds: int = 2,
    eta: float | str = 0.2,
    momentum: float = 0.0,
    order: str = "listing",
) -> Models:
    W, R = world.W, gossip_rounds
    eta = formula(world.rho) if isinstance(eta, str) else eta
    Y = V = np.zeros_like(X)
    for k in count():
        V, V_before = momentum * V + world.gradient(X), V
        for _ in range(R - 1):
            yield X
        if order == "listing":
            Y = accelerated(Y, W, R, eta)
            X = accelerated(X, W, R, eta) - lr(k * R) * Y
            Y = Y + V - V_before
        else:
            Y_before, Y = Y, Y + V - V_before
            X = accelerated(X - lr(k * R) * (Y_before if order == "proof" else Y), W, R, eta)
            Y = accelerated(Y, W, R, eta)
        yield X


ORACLES: dict[str, Callable[..., Models]] = {"dpsgd": dpsgd, "detag": detag}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "dpsgd": [{}, {"order": "atc"}],
    "detag": [
        {},
        {"gossip_rounds": 1, "eta": 0.0},
        {"gossip_rounds": 3, "eta": "auto", "momentum": 0.5},
        {"order": "proof"},
        {"gossip_rounds": 3, "eta": 0.3, "order": "star"},
    ],
}
