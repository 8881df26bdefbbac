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


ORACLES: dict[str, Callable[..., Models]] = {"adpsgd": adpsgd}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "adpsgd": [{}],
}
