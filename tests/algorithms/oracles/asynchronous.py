"""Asynchronous and directed algorithms."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heapreplace
from itertools import count
from typing import Any

import numpy as np

from simnet.streams import stream
from tests.algorithms.oracles.world import Models, Rate, World

Average = Callable[[np.ndarray, int, int, int], None]
"""(models, who asks, who is asked, the former's step): changes the two models."""


def exact_average(X: np.ndarray, i: int, j: int, _: int) -> None:
    X[[i, j]] = (X[i] + X[j]) / 2


def adpsgd(X: np.ndarray, world: World, lr: Rate, pair_average: Average = exact_average) -> Models:
    """On an even ring without latency: even nodes ask; each n steps in total, the models."""
    n, X = len(X), X.copy()
    G, step, rngs = world.gradient(X), [0] * n, [stream(world.seed, "algorithm", i) for i in range(n)]

    def average(i: int) -> None:
        if i % 2 == 0:
            j = sorted([(i - 1) % n, (i + 1) % n])[rngs[i].integers(2)]
            pair_average(X, i, j, step[i])

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


def sgp(X: np.ndarray, world: World, lr: Rate) -> Models:
    """``W[i, j]`` is the share of node j's mass that goes to node i."""
    return osgp(X, world, lr, delay=0)


def osgp(X: np.ndarray, world: World, lr: Rate, delay: int = 1) -> Models:
    """Vector and weight side by side: ``V = [X, w]``."""
    V, Z, sent = np.column_stack([X, np.ones(len(X))]), X, []
    for k in count():
        V[:, :-1] -= lr(k) * world.gradient(Z)
        P = world.at(k)
        own = np.diag(np.diag(P))
        sent.append((P - own) @ V)
        V = own @ V + (sent[k - delay] if k >= delay else 0.0)
        Z = V[:, :-1] / V[:, -1:]
        yield Z


def gradient_push(X: np.ndarray, world: World, lr: Rate) -> Models:
    """Without latency: what is pushed lies in the mailbox until the next gradient ends; each n steps in total, the models."""
    n, P = len(X), world.W
    V, Z, mail, step = np.column_stack([X, np.ones(n)]), X.copy(), np.zeros((n, X.shape[1] + 1)), [0] * n
    G = world.gradient(Z)
    ends = [(world.times[i], i) for i in range(n)]
    heapify(ends)
    for total in count(1):
        time, i = ends[0]
        V[i] += mail[i]
        V[i, :-1] -= lr(step[i]) * G[i]
        mail[i] = 0
        mail += np.outer(np.where(np.arange(n) == i, 0, P[:, i]), V[i])
        V[i] *= P[i, i]
        Z[i] = V[i, :-1] / V[i, -1]
        step[i] += 1
        if total % n == 0:
            yield Z.copy()
        G[i] = world.gradient(Z)[i]
        heapreplace(ends, (time + world.times[i], i))


def delayed_gradient(X: np.ndarray, world: World, lr: Rate, delay: int = 1) -> Models:
    gradients = []
    for k in count():
        gradients.append(world.gradient(X))
        X = world.at(k) @ X - (lr(k) * gradients[k - delay] if k >= delay else 0.0)
        yield X


ORACLES: dict[str, Callable[..., Models]] = {
    "adpsgd": adpsgd,
    "sgp": sgp,
    "osgp": osgp,
    "gradient_push": gradient_push,
    "delayed_gradient": delayed_gradient,
}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "adpsgd": [{}],
    "sgp": [{}],
    "osgp": [{}, {"delay": 2}, {"delay": 0}],
    "gradient_push": [{}],
    "delayed_gradient": [{}, {"delay": 3}],
}
