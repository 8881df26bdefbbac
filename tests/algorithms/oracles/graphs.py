"""Graphs that adapt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World


def gossip(X: np.ndarray, world: World, lr: Rate, order: str = "cta") -> Models:
    """D-PSGD with the matrix of each step."""
    for k in count():
        W, g = world.at(k), world.gradient
        X = W @ X - lr(k) * g(X) if order == "cta" else W @ (X - lr(k) * g(X))
        yield X


def consensus_distance(X: np.ndarray) -> float:
    return float(np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean()))


def bound(X: np.ndarray, world: World) -> float:
    """On the consensus distance of W X, from the differences between neighbors."""
    squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    return world.rho * float(np.sqrt((world.W * squares).sum() / len(X) / (2 * (1 - world.rho))))


def consensus_control(
    X: np.ndarray,
    world: World,
    lr: Rate,
    target: float,
    max_rounds: int = 10,
    exchange: str = "halving_doubling",
) -> Models:
    for k in count():
        X = X - lr(k) * world.gradient(X)
        for _ in range(max_rounds):
            before, X = X, world.W @ X
            if (consensus_distance(X) if exchange == "oracle" else bound(before, world)) <= target:
                break
        yield X


ORACLES: dict[str, Callable[..., Models]] = {"ada": gossip, "matcha": gossip, "consensus_control": consensus_control}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "ada": [{}, {"order": "atc"}],
    "matcha": [{}, {"order": "atc"}],
    "consensus_control": [
        {"target": 0.0, "max_rounds": 3},
        {"target": 0.0, "max_rounds": 2, "exchange": "ring"},
        {"target": 0.0, "max_rounds": 2, "exchange": "parameter_server"},
        {"target": 0.0, "max_rounds": 3, "exchange": "oracle"},
    ],
}
