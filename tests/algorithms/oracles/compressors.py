"""Compressors once more, in NumPy, for one vector at a time."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2, sqrt
from typing import Any

import numpy as np
import torch

from simnet.counter_random import uniform
from simnet.streams import stream, stream_key

Spec = str | dict[str, Any]
Compress = Callable[[int, int, np.ndarray], np.ndarray]
"""(node, step, vector) -> what the receivers make of it."""


def noise(key: int, size: int) -> np.ndarray:
    return uniform(torch.tensor([key]), size, torch.float64)[0].numpy()


def identity(x: np.ndarray, _: int) -> np.ndarray:
    return x


def sign(x: np.ndarray, _: int) -> np.ndarray:
    return np.abs(x).mean() * np.where(x < 0, -1, 1)


def top_k(x: np.ndarray, _: int, k: int) -> np.ndarray:
    order = np.argsort(-np.abs(x), kind="stable")[:k]
    result = np.zeros_like(x)
    result[order] = x[order]
    return result


def qsgd(x: np.ndarray, key: int, levels: int, biased: bool = False) -> np.ndarray:
    norm, d = np.linalg.norm(x), len(x)
    if norm == 0:
        return x
    rounded = norm * np.sign(x) * np.floor(levels * np.abs(x) / norm + noise(key, d)) / levels
    return rounded / (1 + min(d / levels**2, sqrt(d) / levels)) if biased else rounded


def stochastic_rounding(x: np.ndarray, key: int, spacing: float) -> np.ndarray:
    return spacing * np.floor(x / spacing + noise(key, len(x)))


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "identity": identity,
    "sign": sign,
    "top_k": top_k,
    "qsgd": qsgd,
    "stochastic_rounding": stochastic_rounding,
}
BITS: dict[str, Callable[..., float]] = {
    "identity": lambda d: 32 * d,
    "sign": lambda d: d + 32,
    "top_k": lambda d, k: k * (32 + ceil(log2(d))),
    "qsgd": lambda d, levels, biased=False: 32 + d * (1 + ceil(log2(levels + 1))),
    "stochastic_rounding": lambda d, spacing: 16 * d,
}
RANDOM = {"qsgd", "stochastic_rounding"}


def compressed_bits(spec: Spec, d: int) -> float:
    """Of one message with d numbers, 32 bits each in full precision."""
    rest = {"kind": spec} if isinstance(spec, str) else dict(spec)
    rest.pop("randomness", None)
    return BITS[rest.pop("kind")](d, **rest)


def compressor(spec: Spec, seed: int, num_nodes: int) -> Compress:
    """A scenario's compressor as a function; random ones draw a key of the node, or share one of the step."""
    rest = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind, is_shared = rest.pop("kind"), rest.pop("randomness", "own") == "shared"
    rngs = [stream(seed, "algorithm", i) for i in range(num_nodes)]

    def compress(node: int, step: int, x: np.ndarray) -> np.ndarray:
        key = 0
        if kind in RANDOM:
            key = stream_key(seed, "compress", step) >> 1 if is_shared else int(rngs[node].integers(1 << 62))
        return KINDS[kind](x, key, **rest)

    return compress


def rows(compress: Compress, step: int, X: np.ndarray) -> np.ndarray:
    """Every node compresses its own row."""
    return np.stack([compress(i, step, x) for i, x in enumerate(X)])
