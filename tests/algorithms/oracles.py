"""The matrix form of every algorithm in a few lines of NumPy, written from the papers: what the node programs must give.

An oracle is a generator of the models ``X [N, D]`` after each step. It takes the start, a `World`, the learning rate as
a function of the step, and the algorithm's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import count
from math import sqrt

import numpy as np
import torch

from simnet.counter_random import uniform
from simnet.streams import stream, stream_key

Rate = Callable[[int], float]
Models = Iterator[np.ndarray]


@dataclass(frozen=True)
class World:
    """What the nodes share.

    Args:
        W: the mixing matrix, row = receiver.
        gradient: X -> G, each node's gradient at its own row.
        seed: of the random numbers.
        times: how long each node's gradient takes (asynchronous algorithms).
    """

    W: np.ndarray
    gradient: Callable[[np.ndarray], np.ndarray]
    seed: int = 1
    times: tuple[float, ...] = ()

    @property
    def rho(self) -> float:
        return float(np.linalg.norm(self.W - 1 / len(self.W), 2))


def quadratic(curvature: np.ndarray, optimum: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The gradients of f_i(x) = 1/2 sum_c a_ic (x_c - b_ic)^2."""
    return lambda X: curvature * (X - optimum)


def sgd(X: np.ndarray, world: World, lr: Rate) -> Models:
    x = X.mean(axis=0, keepdims=True)
    for k in count():
        x = x - lr(k) * world.gradient(np.repeat(x, len(X), axis=0)).mean(axis=0)
        yield x


def allreduce(X: np.ndarray, world: World, lr: Rate, exchange: str = "ring", chunks: int = 1) -> Models:
    del exchange, chunks
    for k in count():
        X = X - lr(k) * world.gradient(X).mean(axis=0)
        yield X


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
    X: np.ndarray, world: World, lr: Rate, gossip_rounds: int = 2, eta: float | str = 0.2, momentum: float = 0.0
) -> Models:
    W, R = world.W, gossip_rounds
    eta = formula(world.rho) if isinstance(eta, str) else eta
    Y = V = np.zeros_like(X)
    for k in count():
        V, V_before = momentum * V + world.gradient(X), V
        for _ in range(R - 1):
            yield X
        Y = accelerated(Y, W, R, eta)
        X = accelerated(X, W, R, eta) - lr(k * R) * Y
        Y = Y + V - V_before
        yield X


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


def adpsgd(X: np.ndarray, world: World, lr: Rate) -> Models:
    """On an even ring without latency: even nodes ask; each n steps in total, the models."""
    n, X = len(X), X.copy()
    G, step, rngs = world.gradient(X), [0] * n, [stream(world.seed, "algorithm", i) for i in range(n)]

    def average(i: int) -> None:
        if i % 2 == 0:
            j = sorted([(i - 1) % n, (i + 1) % n])[rngs[i].integers(2)]
            X[[i, j]] = (X[i] + X[j]) / 2

    for i in range(n):
        average(i)
    ends = [(world.times[i], i) for i in range(n)]
    heapify(ends)
    for total in count(1):
        time, i = ends[0]
        X[i] -= lr(step[i]) * G[i]
        step[i] += 1
        if total % n == 0:
            yield X.copy()
        G[i] = world.gradient(X)[i]
        average(i)
        heapreplace(ends, (time + world.times[i], i))


ORACLES: dict[str, Callable[..., Models]] = {
    oracle.__name__: oracle for oracle in (sgd, allreduce, dpsgd, detag, moniqua, adpsgd)
}
