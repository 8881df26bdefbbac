"""Compressed gossip."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from simnet.counter_random import uniform
from simnet.streams import stream_key
from tests.algorithms.oracles.asynchronous import adpsgd
from tests.algorithms.oracles.compressors import Spec, rows
from tests.algorithms.oracles.compressors import compressor as made
from tests.algorithms.oracles.gossip import dpsgd
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


def gossiped(H: np.ndarray, world: World, k: int, theta: float, bits: int, quantizer: str) -> np.ndarray:
    """``h_i + sum_j w_ij (hhat_ij - hhat_ii)``."""
    Hhat, _ = recovered(H, theta, bits, quantizer, stream_key(world.seed, "moniqua", k) >> 1)
    own = Hhat[range(len(H)), range(len(H))]
    return H + np.einsum("ij,ijd->id", world.W, Hhat - own[:, None])


def moniqua(X: np.ndarray, world: World, lr: Rate, theta: float, bits: int = 8, quantizer: str = "nearest") -> Models:
    for k in count():
        X = gossiped(X, world, k, theta, bits, quantizer) - lr(k) * world.gradient(X)
        yield X


def moniqua_d2(
    X: np.ndarray, world: World, lr: Rate, theta: float, bits: int = 8, quantizer: str = "nearest"
) -> Models:
    X_before, G_before, lr_before = X, np.zeros_like(X), 0.0
    for k in count():
        G = world.gradient(X)
        H = 2 * X - X_before - lr(k) * G + lr_before * G_before
        X_before, G_before, lr_before = X, G, lr(k)
        X = gossiped(H, world, k, theta, bits, quantizer)
        yield X


def moniqua_adpsgd(
    X: np.ndarray, world: World, lr: Rate, theta: float, bits: int = 8, quantizer: str = "nearest"
) -> Models:
    """As adpsgd, with recovered models in the averages."""

    def average(X: np.ndarray, i: int, j: int, step: int) -> None:
        Xhat, _ = recovered(X[[i, j]], theta, bits, quantizer, stream_key(world.seed, "moniqua", step) >> 1)
        X[i] += (Xhat[0, 1] - Xhat[0, 0]) / 2
        X[j] += (Xhat[1, 0] - Xhat[1, 1]) / 2

    return adpsgd(X, world, lr, average)


def powergossip(X: np.ndarray, world: World, lr: Rate, iterations: int = 1, order: str = "cta", **_: Any) -> Models:
    """Of vectors: everything is sent as it is."""
    W = np.linalg.matrix_power(world.W, iterations)
    return dpsgd(X, World(W, world.gradient), lr, order)


def choco(
    X: np.ndarray, world: World, lr: Rate, consensus_lr: float, compressor: Spec, order: str = "compress_first", **_: Any
) -> Models:
    W, c, C = world.W, consensus_lr, made(compressor, world.seed, len(X))
    Xhat = np.zeros_like(X)
    for k in count():
        H = X - lr(k) * world.gradient(X)
        if order == "compress_first":
            Xhat = Xhat + rows(C, k, H - Xhat)
            X = H + c * (W @ Xhat - Xhat)
        else:
            X = H + c * (W @ Xhat - Xhat)
            Xhat = Xhat + rows(C, k, X - Xhat)
        yield X


def deepsqueeze(X: np.ndarray, world: World, lr: Rate, consensus_lr: float, compressor: Spec) -> Models:
    W, C, E = world.W, made(compressor, world.seed, len(X)), np.zeros_like(X)
    for k in count():
        H = X - lr(k) * world.gradient(X)
        V = H + E
        CV = rows(C, k, V)
        E = V - CV
        X = H + consensus_lr * (W - np.eye(len(X))) @ CV
        yield X


def dcd(X: np.ndarray, world: World, lr: Rate, compressor: Spec, **_: Any) -> Models:
    C = made(compressor, world.seed, len(X))
    for k in count():
        X = X + rows(C, k, world.W @ X - lr(k) * world.gradient(X) - X)
        yield X


def ecd(X: np.ndarray, world: World, lr: Rate, compressor: Spec) -> Models:
    C, Xt = made(compressor, world.seed, len(X)), X
    for t in count(1):
        X_new = world.W @ Xt - lr(t - 1) * world.gradient(X)
        CZ = rows(C, t - 1, (1 - 0.5 * t) * X + 0.5 * t * X_new)
        Xt = (1 - 2 / t) * Xt + (2 / t) * CZ
        X = X_new
        yield X


def naive_quantized(X: np.ndarray, world: World, lr: Rate, compressor: Spec) -> Models:
    C, own = made(compressor, world.seed, len(X)), np.diag(np.diag(world.W))
    for k in count():
        X = own @ X + (world.W - own) @ rows(C, k, X) - lr(k) * world.gradient(X)
        yield X


def quantized_push_sum(X: np.ndarray, world: World, lr: Rate, compressor: Spec) -> Models:
    W, C = world.W, made(compressor, world.seed, len(X))
    Xhat, y = np.zeros_like(X), np.ones((len(X), 1))
    for k in count():
        Xhat = Xhat + rows(C, k, X - Xhat)
        V, y = X - Xhat + W @ Xhat, W @ y
        X = V - lr(k) * world.gradient(V / y)
        yield X / y


def cd_adam(
    X: np.ndarray, world: World, lr: Rate, *, consensus_lr: float, compressor: Spec, period: int = 1, beta1: float = 0.9,
    beta2: float = 0.999, eps: float = 1e-8,
) -> Models:  # fmt: skip
    C, Xhat, M, V = made(compressor, world.seed, len(X)), np.zeros_like(X), np.zeros_like(X), np.zeros_like(X)
    for k in count(1):
        G = world.gradient(X)
        M, V = beta1 * M + (1 - beta1) * G, beta2 * V + (1 - beta2) * G**2
        X = X - lr(k - 1) * M / (1 - beta1**k) / (np.sqrt(V / (1 - beta2**k)) + eps)
        if k % period == 0:
            Xhat = Xhat + rows(C, k - 1, X - Xhat)
            X = X + consensus_lr * (world.W @ Xhat - Xhat)
        yield X


ORACLES: dict[str, Callable[..., Models]] = {
    "moniqua": moniqua,
    "moniqua_d2": moniqua_d2,
    "moniqua_adpsgd": moniqua_adpsgd,
    "choco": choco,
    "deepsqueeze": deepsqueeze,
    "dcd": dcd,
    "ecd": ecd,
    "naive_quantized": naive_quantized,
    "quantized_push_sum": quantized_push_sum,
    "powergossip": powergossip,
    "cd_adam": cd_adam,
}

TOP_2 = {"kind": "top_k", "k": 2}
FINE = {"kind": "qsgd", "levels": 64}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "moniqua": [{"theta": 8.0}, {"theta": 8.0, "bits": 4, "quantizer": "stochastic"}],
    "moniqua_d2": [{"theta": 8.0}, {"theta": 16.0, "bits": 6, "quantizer": "stochastic"}],
    "moniqua_adpsgd": [{"theta": 8.0}, {"theta": 8.0, "bits": 6, "quantizer": "stochastic"}],
    "choco": [
        {"consensus_lr": 0.4, "compressor": {"kind": "top_k", "k": 1}},
        {"consensus_lr": 0.4, "compressor": "sign"},
        {"consensus_lr": 0.4, "compressor": {**FINE, "biased": True}, "order": "average_first", "verify": True},
    ],
    "deepsqueeze": [
        {"consensus_lr": 0.2, "compressor": {"kind": "top_k", "k": 2}},
        {"consensus_lr": 0.1, "compressor": {**FINE, "randomness": "shared"}},
    ],
    "dcd": [{"compressor": FINE}, {"compressor": {"kind": "top_k", "k": 2}, "verify": True}],
    "ecd": [{"compressor": FINE}],
    "naive_quantized": [{"compressor": FINE}, {"compressor": {"kind": "stochastic_rounding", "spacing": 0.01}}],
    "quantized_push_sum": [{"compressor": FINE}],
    "powergossip": [{}, {"order": "atc", "iterations": 2, "rank": 2}],
    "cd_adam": [
        {"consensus_lr": 0.4, "compressor": "sign"},
        {"consensus_lr": 0.4, "compressor": TOP_2, "period": 3, "beta2": 0.9},
    ],
}
