"""SGD and all-reduce."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World


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


def cd_grab(X: np.ndarray, world: World, lr: Rate, exchange: str = "ring") -> Models:
    """With one example on each node there is nothing to order; test_cd_grab has the orders."""
    return allreduce(X, world, lr, exchange)


ORACLES: dict[str, Callable[..., Models]] = {"sgd": sgd, "allreduce": allreduce, "cd_grab": cd_grab}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "sgd": [{}],
    "allreduce": [{}, {"exchange": "halving_doubling"}, {"exchange": "parameter_server", "chunks": 2}],
    "cd_grab": [{}, {"exchange": "halving_doubling"}],
}
