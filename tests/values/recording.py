"""A value plane of three nodes without a clock: recorders, initial models, an executor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from simnet.counter_random import uniform
from simnet.problems.quadratic import Quadratic
from simnet.values import LEAF, EagerExecutor, Recorder, Row, Vector, WaveExecutor

NODES, NUMBERS = 3, 4


@dataclass(frozen=True)
class Clip:
    """Numbers cut off at a limit that each operation brings."""

    def __call__(self, x_BD: torch.Tensor, limit_B1: torch.Tensor) -> torch.Tensor:
        return torch.minimum(torch.maximum(x_BD, -limit_B1), limit_B1)


@dataclass(frozen=True)
class Largest:
    """Of two vectors, coordinate by coordinate."""

    def __call__(self, x_BD: torch.Tensor, y_BD: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x_BD, y_BD)


@dataclass(frozen=True)
class Noise:
    """A vector plus uniform noise out of the operation's key."""

    def __call__(self, x_BD: torch.Tensor, key_B1: torch.Tensor) -> torch.Tensor:
        return x_BD + uniform(key_B1[:, 0], x_BD.shape[1], x_BD.dtype)


@dataclass(frozen=True)
class Total:
    """The sum of any number of vectors."""

    def __call__(self, *x_BD: torch.Tensor) -> torch.Tensor:
        return torch.stack(x_BD).sum(dim=0)


@dataclass(frozen=True)
class Sum:
    """The sum of a vector's numbers: a scalar."""

    def __call__(self, x_BD: torch.Tensor) -> torch.Tensor:
        return x_BD.sum(dim=1)


class Plane:
    """Recorders of three nodes that share an executor, and their initial models."""

    def __init__(self, kind: str = "waves", max_batch: int = 1000, dtype: torch.dtype = torch.float64) -> None:
        rng = np.random.default_rng(7)
        curvature, optimum = rng.uniform(0.5, 1.5, (NODES, NUMBERS)), rng.normal(size=(NODES, NUMBERS))
        problem = Quadratic(curvature, optimum, noise=0.1, dtype=dtype)
        self.executor = EagerExecutor(problem) if kind == "eager" else WaveExecutor(problem, max_batch)
        slots = self.executor.store(torch.from_numpy(rng.normal(size=(NODES, NUMBERS))).to(dtype))
        self.models = [Row.leaf(slot, LEAF + i, self.executor.freed) for i, slot in enumerate(slots)]
        self.recorders = [Recorder(i, self.executor, problem.draws(i, 1)) for i in range(NODES)]

    def numbers(self, *vectors: Vector) -> np.ndarray:
        """The vectors' numbers, computed now."""
        rows = [self.recorders[0].row(vector) for vector in vectors]
        self.executor.compute(rows)
        return self.executor.read(rows).numpy().copy()
