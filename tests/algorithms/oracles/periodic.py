"""Periodic averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from math import ceil
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World


def mean_of_all(X: np.ndarray) -> np.ndarray:
    return np.repeat(X.mean(axis=0, keepdims=True), len(X), axis=0)


def local_sgd(X: np.ndarray, world: World, lr: Rate, period: int, exchange: str = "ring", chunks: int = 1) -> Models:
    del exchange, chunks
    for k in count():
        X = X - lr(k) * world.gradient(X)
        if (k + 1) % period == 0:
            X = mean_of_all(X)
        yield X


def gossip_pga(X: np.ndarray, world: World, lr: Rate, period: int, exchange: str = "ring", chunks: int = 1) -> Models:
    del exchange, chunks
    for k in count():
        H = X - lr(k) * world.gradient(X)
        X = mean_of_all(H) if (k + 1) % period == 0 else world.W @ H
        yield X


def gossip_aga(
    X: np.ndarray,
    world: World,
    lr: Rate,
    period: int = 4,
    warmup: int = 0,
    max_period: int = 100,
    exchange: str = "ring",
) -> Models:
    del exchange
    current, next_mean, initial = period, period - 1, 0.0
    for k in count():
        H = X - lr(k) * world.gradient(X)
        if k < next_mean:
            X = world.W @ H
        else:
            loss = world.gradient.losses(X).mean()
            X = mean_of_all(H)
            if not initial:
                initial = loss
            elif k < warmup:
                initial = (initial + loss) / 2
            else:
                current = min(max_period, ceil(period * initial / loss))
            next_mean = k + current
        yield X


def dynamic_averaging(
    X: np.ndarray, world: World, lr: Rate, threshold: float, period: int = 1, exchange: str = "ring"
) -> Models:
    del exchange
    R = X
    for k in count():
        X = X - lr(k) * world.gradient(X)
        if (k + 1) % period == 0 and ((X - R) ** 2).sum(axis=1).max() > threshold:
            X = R = mean_of_all(X)
        yield X


def final_merging(X: np.ndarray, world: World, lr: Rate, at: Iterable[int] = (), last: bool = False) -> Models:
    assert not last, "an oracle does not know which step is the last"
    for k in count():
        X = world.W @ (X - lr(k) * world.gradient(X))
        if k + 1 in at:
            X = mean_of_all(X)
        yield X


ORACLES: dict[str, Callable[..., Models]] = {
    "local_sgd": local_sgd,
    "gossip_pga": gossip_pga,
    "gossip_aga": gossip_aga,
    "dynamic_averaging": dynamic_averaging,
    "final_merging": final_merging,
}

SERVER = {"exchange": "parameter_server"}
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "local_sgd": [{"period": 4}, {"period": 3, "exchange": "halving_doubling"}, {"period": 2, "chunks": 2, **SERVER}],
    "gossip_pga": [{"period": 3}, {"period": 2, "exchange": "halving_doubling"}, {"period": 4, **SERVER}],
    "gossip_aga": [
        {"period": 2, "max_period": 3},
        {"period": 1, "warmup": 4, "max_period": 2, "exchange": "halving_doubling"},
        {"period": 2, "max_period": 3, **SERVER},
    ],
    "dynamic_averaging": [
        {"threshold": 1.0, "period": 2},
        {"threshold": 1.0, "exchange": "halving_doubling"},
        {"threshold": 1.0, "period": 3, **SERVER},
    ],
    "final_merging": [{"at": [3], "last": False}],
}
