"""What every oracle starts from: the mixing matrix, the gradients, the random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Rate = Callable[[int], float]
Models = Iterator[np.ndarray]


@dataclass(frozen=True)
class World:
    """What the nodes share.

    Args:
        W: the mixing matrix, row = receiver.
        gradient: X -> G, each node's gradient at its own row; some oracles want its losses too.
        seed: of the random numbers.
        times: how long each node's gradient takes (asynchronous algorithms).
        over_time: the mixing matrix of each step, where it changes.
    """

    W: np.ndarray
    gradient: quadratic
    seed: int = 1
    times: tuple[float, ...] = ()
    over_time: Callable[[int], np.ndarray] | None = None

    def at(self, step: int) -> np.ndarray:
        """The mixing matrix of a step."""
        return self.W if self.over_time is None else self.over_time(step)

    @property
    def rho(self) -> float:
        return float(np.linalg.norm(self.W - 1 / len(self.W), 2))


@dataclass(frozen=True)
class quadratic:  # noqa: N801 - it is called like the function that it is
    """The gradients of f_i(x) = 1/2 sum_c a_ic (x_c - b_ic)^2: X -> G; and the losses."""

    curvature: np.ndarray
    optimum: np.ndarray

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return self.curvature * (X - self.optimum)

    def losses(self, X: np.ndarray) -> np.ndarray:
        """f_i(x_i), ``[N]``."""
        return 0.5 * (self.curvature * (X - self.optimum) ** 2).sum(axis=1)
