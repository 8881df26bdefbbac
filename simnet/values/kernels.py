"""Row kernels: pure functions over ``[B, D]`` tensors, for everything that is not a linear combination."""

from __future__ import annotations

from typing import Protocol

import torch


class Kernel(Protocol):
    """A pure function of B rows at once; equal kernels of different nodes run in one call.

    A kernel is a frozen dataclass: its fields are the parameters that all rows share, and its ``repr`` goes into the
    run's hash. Row b of the result depends on row b of the inputs alone, to the last bit, whatever B is.
    """

    def __call__(self, *arguments: torch.Tensor) -> torch.Tensor:
        """Computes B results at once.

        Args:
            arguments: the input rows, each ``[B, D]``; then the numbers that each operation brought, each ``[B, 1]``
                (int64 where they are integers).

        Returns:
            ``[B, D]`` for a row, ``[B]`` for a scalar.
        """
        ...


class Gradient:
    """Marks a mini-batch gradient: its constants are sample indices, and every one that is ready runs in one call."""

    def __call__(self, *arguments: torch.Tensor) -> torch.Tensor:
        """Never called: the executor hands gradients to the problem."""
        raise TypeError("gradients are computed by the problem")

    def __repr__(self) -> str:
        return "Gradient()"


GRADIENT = Gradient()
