"""Federated algorithms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World


def ntk_dfl(X: np.ndarray, world: World, lr: Rate, duration: int = 100) -> Models:
    """Residuals sqrt(a_j) (x - b_j) of the neighborhood decay by exp(-lr H t / m); their sum goes back through sqrt(a_j)."""
    W, n = world.W, len(X)
    slope = world.gradient(np.ones_like(X)) - world.gradient(np.zeros_like(X))
    start = world.gradient(np.zeros_like(X))
    for k in count():
        mixed = W @ X
        X = mixed.copy()
        for i in range(n):
            near = [j for j in range(n) if W[i, j] or j == i]
            for d in range(X.shape[1]):
                s = np.sqrt(slope[near, d])
                residual = s * mixed[i, d] + start[near, d] / s
                values, vectors = np.linalg.eigh(np.outer(s, s) / len(near))
                decay = sum(np.exp(-lr(k) * values * t) for t in range(duration))
                X[i, d] -= lr(k) / len(near) * s @ (vectors @ (decay * (vectors.T @ residual)))
        yield X


ORACLES: dict[str, Callable[..., Models]] = {"ntk_dfl": ntk_dfl}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "ntk_dfl": [{"duration": 4}, {"duration": 1}],
}
