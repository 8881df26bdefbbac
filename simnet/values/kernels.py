"""Row kernels: pure functions over ``[B, D]`` tensors, for everything that is not a linear combination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch

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
