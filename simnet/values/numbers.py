"""Numbers that are summed over nodes: kernels that put one number into every place of a row, and one that reads it.

A deferred number cannot be added to another one, a vector can; so a number that is to be averaged over the nodes travels
as a vector of equal numbers, whose message has the size of one.

B: rows in one batched call. D: numbers in a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SquaredDistance:
    """``||x - y||^2``, in every place.

    Example:
        >>> SquaredDistance()(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([[25., 25.]])
    """

    def __call__(self, *x_and_y_BD: torch.Tensor) -> torch.Tensor:
        """The squared distances, ``[B, D]``.

        Args:
            *x_and_y_BD: the two vectors of each row.
        """
        x_BD, y_BD = x_and_y_BD
        return (x_BD - y_BD).square_().sum(dim=1, keepdim=True).expand_as(x_BD)


@dataclass(frozen=True)
class IsFarther:
    """1 if ``||x - y||^2`` exceeds a threshold, else 0, in every place; not a number counts as far.

    Args:
        threshold: of the squared distance.

    Example:
        >>> IsFarther(24.0)(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([[1., 1.]])
    """

    threshold: float

    def __call__(self, *x_and_y_BD: torch.Tensor) -> torch.Tensor:
        """Zeros and ones, ``[B, D]``.

        Args:
            *x_and_y_BD: the two vectors of each row.
        """
        distances_BD = SquaredDistance()(*x_and_y_BD)
        return (~(distances_BD <= self.threshold)).to(distances_BD.dtype)


@dataclass(frozen=True)
class FirstNumber:
    """What stands in the first place of a row.

    Example:
        >>> FirstNumber()(torch.tensor([[3.0, 4.0]]))
        tensor([3.])
    """

    def __call__(self, *x_BD: torch.Tensor) -> torch.Tensor:
        """The numbers, ``[B]``.

        Args:
            *x_BD: the rows.
        """
        return x_BD[0][:, 0]
