"""Row kernels: pure functions over ``[B, D]`` tensors, for everything that is not a linear combination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from simnet.problems import Problem
    from simnet.problems.keepers import OrderKeeper
    from simnet.values.vector import Row

Kernel = Callable[..., torch.Tensor]
"""A pure function of B rows at once; equal kernels of different nodes run in one call.

It is called with the input rows, each ``[B, D]``, then with the numbers that each operation brought, each ``[B, 1]``
(int64 where they are integers), and returns ``[B, D]`` for a row, ``[B]`` for a scalar. Row b of the result depends on
row b of the inputs alone, to the last bit, whatever B is. A kernel is a frozen dataclass: its fields are the parameters
that all rows share, and its ``repr`` goes into the run's hash.
"""


def gradient(*_: torch.Tensor) -> torch.Tensor:
    """Stands for a mini-batch gradient, whose constants are sample ids; the executor hands it to the problem.

    Returns:
        Nothing, ever.

    Raises:
        TypeError: whenever it is called.
    """
    raise TypeError("gradients are computed by the problem")


GRADIENT: Final[Kernel] = gradient

CHUNK_BYTES = 256 << 20
"""Gradients of single examples that are there at once."""


class KeptGradient:
    """The kernel of mini-batch gradients that are means of their examples' gradients, which an order's keeper is fed with.

    Each is recorded as following the node's gradient before it, so the keeper is fed in the node's own order, whoever asks
    for what, and once.

    Args:
        problem: computes them.
        keeper: decides the order of the next epoch.

    Attributes:
        newest: each node's latest gradient that has been recorded.
    """

    def __init__(self, problem: Problem, keeper: OrderKeeper) -> None:
        self.problem = problem
        self.keeper = keeper
        self.newest: dict[int, Row] = {}

    def __repr__(self) -> str:
        """The same in every run."""
        return type(self).__name__

    def __call__(self, *_: Any) -> torch.Tensor:
        """Stands for `write`, which the executor calls."""
        raise TypeError("gradients are computed by the problem")

    def write(self, nodes: Sequence[int], models_BD: torch.Tensor, samples_Bb: torch.Tensor, out_BD: torch.Tensor) -> None:
        """Writes B gradients, and feeds the keeper.

        Args:
            nodes: whose they are; all different.
            models_BD: one model per row.
            samples_Bb: int64 sample ids on the device.
            out_BD: receives the gradients.
        """
        batch, num_parameters = samples_Bb.shape[1], models_BD.shape[1]
        size = max(1, CHUNK_BYTES // (batch * num_parameters * models_BD.dtype.itemsize))
        for start in range(0, len(nodes), size):
            rows = slice(start, start + size)
            gradients_BbD = models_BD.new_empty((len(nodes[rows]), batch, num_parameters))
            self.problem.example_gradients(models_BD[rows], samples_Bb[rows], gradients_BbD)
            out_BD[rows] = gradients_BbD.mean(1)
            self.keeper.feed(nodes[rows], gradients_BbD)
