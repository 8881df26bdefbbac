"""Compressed gossip."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from simnet.counter_random import uniform
from simnet.streams import stream_key
from tests.algorithms.oracles.world import Models, Rate, World


def modulo(x: np.ndarray, a: float) -> np.ndarray:
    """The representative in [-a/2, a/2)."""
    return x - a * np.floor(x / a + 0.5)


def delta(bits: int, quantizer: str) -> float:
    return 1 / (2 * 2**bits) if quantizer == "nearest" else 1 / (2**bits - 1)


def quantize(u: np.ndarray, bits: int, quantizer: str, key: int) -> np.ndarray:
    """Q_delta on [-1/2, 1/2]: cell centres, or stochastic rounding with the end points, the same noise for all nodes."""
    levels = 2**bits
    if quantizer == "nearest":
        return (np.clip(np.floor((u + 0.5) * levels), 0, levels - 1) + 0.5) / levels - 0.5
    noise = uniform(torch.tensor([key]), u.shape[1], torch.float64).numpy()
    return np.clip(np.floor((u + 0.5) * (levels - 1) + noise), 0, levels - 1) / (levels - 1) - 0.5


def recovered(
    X: np.ndarray, theta: float, bits: int, quantizer: str = "nearest", key: int = 0
) -> tuple[np.ndarray, float]:
    """``Xhat[i, j]``, what node i makes of the message of node j, ``[N, N, D]``; and B."""
    B = 2 * theta / (1 - 2 * delta(bits, quantizer))
    Q = quantize(modulo(X / B, 1.0), bits, quantizer, key)
    return modulo(Q[None] * B - X[:, None], B) + X[:, None], B


def moniqua(X: np.ndarray, world: World, lr: Rate, theta: float, bits: int = 8, quantizer: str = "nearest") -> Models:
    W, n = world.W, len(X)
    for k in count():
        Xhat, _ = recovered(X, theta, bits, quantizer, stream_key(world.seed, "moniqua", k) >> 1)
        own = Xhat[range(n), range(n)]
        X = X + np.einsum("ij,ijd->id", W, Xhat - own[:, None]) - lr(k) * world.gradient(X)
        yield X


ORACLES: dict[str, Callable[..., Models]] = {"moniqua": moniqua}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "moniqua": [{"theta": 8.0}, {"theta": 8.0, "bits": 4, "quantizer": "stochastic"}],
}
