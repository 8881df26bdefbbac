"""PowerGossip's parts: half iterations of the power method, on the model's matrices alone or on the difference of two.

B: rows in one batched call. D: numbers in a model. A thin matrix lies in a ``[B, D]`` row at the place of its matrix, which
is larger; tensors that would not shrink are taken over as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from simnet.values.compressors.base import Layers
from simnet.values.compressors.low_rank import Matrix, matrices, orthonormal, product, random_columns


@dataclass(frozen=True)
class HalfIteration:
    """What the kernels of one half iteration share: from a basis Q to ``M Q``, or, turned, from a basis P to ``M^T P``.

    Args:
        layers: shapes of the model's tensors.
        rank: of the thin matrices.
        turned: which half.
    """

    layers: Layers
    rank: int
    turned: bool

    def numbers(self) -> int:
        """How many numbers go over the wire."""
        return sum(
            matrix.height(self.turned) * matrix.rank or matrix.rows * matrix.columns
            for matrix in matrices(self.layers, self.rank)
        )

    def _filled(self, like_BD: torch.Tensor, parts: list[torch.Tensor]) -> torch.Tensor:
        out_BD = torch.zeros_like(like_BD)
        for matrix, part in zip(matrices(self.layers, self.rank), parts, strict=True):
            flat = part.flatten(1)
            out_BD[:, matrix.start : matrix.start + flat.shape[1]] = flat
        return out_BD


@dataclass(frozen=True)
class Basis(HalfIteration):
    """The thin matrices that the half iteration before has left, made orthonormal; what has vanished begins anew at random."""

    def __call__(self, *thin_and_keys: torch.Tensor) -> torch.Tensor:
        """Thin matrices with orthonormal columns, ``[B, D]``.

        Args:
            *thin_and_keys: rows with thin matrices, ``[B, D]``, and a random key for each row, ``[B, 1]``.
        """
        thin_BD, keys_B1 = thin_and_keys
        return self._filled(thin_BD, [self._basis(thin_BD, keys_B1, *each) for each in self._numbered()])

    def _numbered(self) -> list[tuple[int, Matrix]]:
        return list(enumerate(matrices(self.layers, self.rank)))

    def _basis(self, thin_BD: torch.Tensor, keys_B1: torch.Tensor, number: int, matrix: Matrix) -> torch.Tensor:
        if not matrix.rank:
            return thin_BD[:, :0]
        height = matrix.height(not self.turned)
        spare_Bnr = random_columns(keys_B1[:, 0], number, height, matrix.rank, thin_BD.dtype)
        return orthonormal(matrix.thin(thin_BD, not self.turned), spare_Bnr)


@dataclass(frozen=True)
class Multiply(HalfIteration):
    """The model's matrices times the basis."""

    def __call__(self, *x_and_basis_BD: torch.Tensor) -> torch.Tensor:
        """Rows with thin matrices, ``[B, D]``.

        Args:
            *x_and_basis_BD: models, and what `Basis` gave.
        """
        x_BD, basis_BD = x_and_basis_BD
        parts = []
        for matrix in matrices(self.layers, self.rank):
            part_Bmn = matrix.of(x_BD)
            if matrix.rank:
                basis = matrix.thin(basis_BD, not self.turned)
                part_Bmn = product(part_Bmn.mT if self.turned else part_Bmn, basis)
            parts.append(part_Bmn)
        return self._filled(x_BD, parts)


@dataclass(frozen=True)
class Expand(HalfIteration):
    """Full matrices out of products with a basis: ``(M Q) Q^T``, or, turned, ``P (M^T P)^T``."""

    def __call__(self, *products_and_basis_BD: torch.Tensor) -> torch.Tensor:
        """Rows like models, ``[B, D]``.

        Args:
            *products_and_basis_BD: what `Multiply` gave, or a difference of such; and the basis.
        """
        products_BD, basis_BD = products_and_basis_BD
        parts = []
        for matrix in matrices(self.layers, self.rank):
            part_Bmn = matrix.of(products_BD)
            if matrix.rank:
                thin = matrix.thin(products_BD, self.turned)
                basis = matrix.thin(basis_BD, not self.turned)
                part_Bmn = product(basis, thin.mT) if self.turned else product(thin, basis.mT)
            parts.append(part_Bmn)
        return self._filled(products_BD, parts)
