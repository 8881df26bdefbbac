"""Low rank: matrices as products of two thin ones; and the parts of PowerGossip.

B: rows in one batched call. D: numbers in a model. A matrix is ``[B, m, n]``, a thin one ``[B, m, r]`` or ``[B, n, r]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Annotated, Literal

import torch
from pydantic import Field

from simnet.counter_random import bits, normal
from simnet.values.adaptive import row_norms, row_sums
from simnet.values.compressors.base import Layers, RandomCompressorPart
from simnet.values.kernels import Kernel

Rank = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Matrix:
    """Where one tensor of a model lies, and as which matrix it is seen: its first dimension times all others.

    Args:
        start: its first number in a flat vector.
        rows: m.
        columns: n.
        rank: of the thin matrices; 0 if they would not be smaller, and the tensor is sent as it is.
    """

    start: int
    rows: int
    columns: int
    rank: int

    @property
    def stop(self) -> int:
        """Where the next one begins."""
        return self.start + self.rows * self.columns

    def of(self, x_BD: torch.Tensor) -> torch.Tensor:
        """The matrices in these rows, ``[B, m, n]``.

        Args:
            x_BD: flat vectors.
        """
        return x_BD[:, self.start : self.stop].reshape(len(x_BD), self.rows, self.columns)

    def height(self, turned: bool) -> int:
        """The numbers in a column of the thin matrix ``M Q``, or, turned, of ``M^T P``.

        Args:
            turned: which one.
        """
        return self.columns if turned else self.rows

    def thin(self, x_BD: torch.Tensor, turned: bool) -> torch.Tensor:
        """The thin matrices that lie at the beginning of the matrices' own places, ``[B, m, r]``, or, turned, ``[B, n, r]``.

        Args:
            x_BD: flat vectors that hold thin matrices.
            turned: see `height`.
        """
        height = self.height(turned)
        return x_BD[:, self.start : self.start + height * self.rank].reshape(len(x_BD), height, self.rank)


def matrices(layers: Layers, rank: int) -> Iterator[Matrix]:
    """The tensors of a model as matrices.

    Args:
        layers: their shapes.
        rank: wanted; a matrix gets it where ``r (m + n) < m n``.

    Yields:
        One matrix for each tensor.

    Example:
        >>> [(matrix.rows, matrix.columns, matrix.rank) for matrix in matrices(((10, 3, 5), (10,)), 2)]
        [(10, 15, 2), (10, 1, 0)]
    """
    start = 0
    for shape in layers:
        m = shape[0] if shape else 1
        n = prod(shape[1:])
        matrix = Matrix(start, m, n, rank if rank * (m + n) < m * n else 0)
        start = matrix.stop
        yield matrix


def product(left_Bmk: torch.Tensor, right_Bkr: torch.Tensor) -> torch.Tensor:
    """The products of matrices, with sums that do not depend on the batch.

    Args:
        left_Bmk: ``[B, m, k]``.
        right_Bkr: ``[B, k, r]``.

    Returns:
        ``[B, m, r]``.

    Example:
        >>> product(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0], [4.0]]]))
        tensor([[[11.]]])
    """
    turned_Bkm = left_Bmk.mT.contiguous()
    columns = [row_sums(turned_Bkm * right_Bkr[:, :, r, None]) for r in range(right_Bkr.shape[2])]
    return torch.cat(columns, dim=1).mT


def orthonormal(thin_Bmr: torch.Tensor, spare_Bmr: torch.Tensor | None = None) -> torch.Tensor:
    """Columns made orthonormal one after the other (Gram, Schmidt).

    Args:
        thin_Bmr: ``[B, m, r]``.
        spare_Bmr: what takes the place of columns of which nothing is left; None to have zero there.

    Returns:
        ``[B, m, r]``.

    Example:
        >>> orthonormal(torch.tensor([[[3.0, 1.0], [4.0, 1.0]]]))
        tensor([[[ 0.6000,  0.8000],
                 [ 0.8000, -0.6000]]])
    """
    done: list[torch.Tensor] = []
    for r in range(thin_Bmr.shape[2]):
        column_Bm, is_left_B1 = normalized_rest(thin_Bmr[:, :, r], done)
        if spare_Bmr is not None and not bool(is_left_B1.all()):
            column_Bm = torch.where(is_left_B1, column_Bm, normalized_rest(spare_Bmr[:, :, r], done)[0])
        done.append(column_Bm)
    return torch.stack(done, dim=2)


def normalized_rest(column_Bm: torch.Tensor, done: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """What is left of a column without its parts along others, at length one.

    Args:
        column_Bm: ``[B, m]``.
        done: orthonormal columns.

    Returns:
        The column, zero where nothing but rounding is left; and whether something is, ``[B, 1]``.
    """
    size_B1 = row_norms(column_Bm)
    for other_Bm in done * 2:  # twice is enough, against rounding
        column_Bm = column_Bm - row_sums(column_Bm * other_Bm) * other_Bm
    length_B1 = row_norms(column_Bm)
    is_left_B1 = length_B1 > 16 * torch.finfo(column_Bm.dtype).eps * size_B1
    return torch.where(is_left_B1, column_Bm / torch.where(is_left_B1, length_B1, 1), 0), is_left_B1


def random_columns(keys_B: torch.Tensor, number: int, size: int, rank: int, dtype: torch.dtype) -> torch.Tensor:
    """Random normal columns to begin with.

    Args:
        keys_B: random keys.
        number: of the tensor in the model, which has its own numbers.
        size: n, of a column.
        rank: r, how many.
        dtype: of the numbers.

    Returns:
        ``[B, n, r]``.
    """
    own_B = bits(keys_B, number + 1)[:, number]
    return normal(own_B, size * rank, dtype).reshape(-1, size, rank)


@dataclass(frozen=True)
class Projection:
    """Each matrix M projected on the columns of M Q, for a random Q.

    Args:
        layers: shapes of the model's tensors.
        rank: of Q.
    """

    layers: Layers
    rank: int

    def __call__(self, x_BD: torch.Tensor, keys_B1: torch.Tensor) -> torch.Tensor:
        """The projected rows, ``[B, D]``.

        Args:
            x_BD: the rows.
            keys_B1: the random key of each.
        """
        parts = []
        for number, matrix in enumerate(matrices(self.layers, self.rank)):
            part_Bmn = matrix.of(x_BD)
            if matrix.rank:
                q_Bnr = random_columns(keys_B1[:, 0], number, matrix.columns, matrix.rank, x_BD.dtype)
                p_Bmr = orthonormal(product(part_Bmn, q_Bnr))
                part_Bmn = product(p_Bmr, product(p_Bmr.mT, part_Bmn))
            parts.append(part_Bmn.flatten(1))
        return torch.cat(parts, dim=1)


class LowRank(RandomCompressorPart):
    """Each matrix of the model as the product of two thin ones: one power iteration from a random start.

    ``C(M) = P (P^T M)`` with P an orthonormal basis of ``M Q``, Q normal. The first dimension of a tensor makes the rows
    of its matrix. Bits: ``r (m + n) v`` for P and P^T M; tensors that would not shrink are sent as they are. omega is the
    smallest ``r / min(m, n)``.

    Args:
        rank: r.

    Example:
        >>> LowRank(rank=1).message_bits(((10, 20), (10,)), 32.0)
        1280.0

    Reference: Vogels, Karimireddy, Jaggi: PowerSGD. NeurIPS 2019, Algorithm 1, without warm start.
    """

    kind: Literal["low_rank"] = "low_rank"
    scope: Literal["layer"] = "layer"
    rank: Rank = 1

    def kernel(self, layers: Layers) -> Kernel:
        """The projection of every matrix."""
        return Projection(layers, self.rank)

    def message_bits(self, layers: Layers, number_bits: float) -> float:
        """Both thin matrices of each matrix."""
        sizes = [matrix.rank * (matrix.rows + matrix.columns) or matrix.rows * matrix.columns for matrix in self._of(layers)]
        return sum(sizes) * number_bits

    def omega(self, layers: Layers) -> float:
        """The smallest r / min(m, n)."""
        return min(m.rank / min(m.rows, m.columns) if m.rank else 1.0 for m in self._of(layers))

    def variance(self, layers: Layers) -> None:
        """It is biased."""

    def _of(self, layers: Layers) -> list[Matrix]:
        return list(matrices(layers, self.rank))
