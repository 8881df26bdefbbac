"""Federated algorithms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from simnet.streams import stream, stream_key
from tests.algorithms.oracles.world import Models, Rate, World


def clients(world: World, n: int, fraction: float, round_: int) -> np.ndarray:
    """The nodes of a round; the draw itself is that of the program."""
    rng = stream(stream_key(world.seed, "clients", round_) >> 1, "clients")
    return np.sort(rng.choice(n, max(1, round(fraction * n)), replace=False))


def fedavg(X: np.ndarray, world: World, lr: Rate, local_steps: int = 1, fraction: float = 1.0) -> Models:
    for k in count():
        S = clients(world, len(X), fraction, k // local_steps)
        X = X.copy()
        X[S] -= lr(k) * world.gradient(X)[S]
        if (k + 1) % local_steps == 0:
            X[:] = X[S].mean(axis=0)
        yield X


def feddkd(
    X: np.ndarray,
    world: World,
    lr: Rate,
    local_steps: int = 1,
    distillation_steps: int = 1,
    distillation_lr: float | None = None,
    fraction: float = 1.0,
) -> Models:
    """On quadratics the gradient of the divergence is ``a_i (x - y_i)``, the difference of two gradients."""
    step = 0
    for round_ in count():
        S = clients(world, len(X), fraction, round_)
        Y = X.copy()
        for e in range(local_steps):
            Y[S] -= lr(step) * world.gradient(Y)[S]
            step += 1
            X = Y.copy()
            if e == local_steps - 1:
                X[:] = Y[S].mean(axis=0)
            yield X
        for _ in range(distillation_steps):
            rate = lr(step) if distillation_lr is None else distillation_lr
            X = X - rate * (world.gradient(X) - world.gradient(Y))[S].mean(axis=0)
            step += 1
            yield X


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


ORACLES: dict[str, Callable[..., Models]] = {"fedavg": fedavg, "feddkd": feddkd, "ntk_dfl": ntk_dfl}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "fedavg": [{"local_steps": 2, "fraction": 0.5}, {"local_steps": 3}, {}],
    "feddkd": [
        {"local_steps": 2, "distillation_steps": 1, "fraction": 0.5},
        {"local_steps": 2, "distillation_steps": 2, "distillation_lr": 0.3},
    ],
    "ntk_dfl": [{"duration": 4}, {"duration": 1}],
}
