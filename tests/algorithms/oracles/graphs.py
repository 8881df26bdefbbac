"""Graphs that adapt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World


def gossip(X: np.ndarray, world: World, lr: Rate, order: str = "cta") -> Models:
    """D-PSGD with the matrix of each step."""
    for k in count():
        W, g = world.at(k), world.gradient
        X = W @ X - lr(k) * g(X) if order == "cta" else W @ (X - lr(k) * g(X))
        yield X


ORACLES: dict[str, Callable[..., Models]] = {"ada": gossip, "matcha": gossip}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "ada": [{}, {"order": "atc"}],
    "matcha": [{}, {"order": "atc"}],
}
