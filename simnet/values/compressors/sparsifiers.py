"""Sparsifiers: few numbers, in full precision.

B: rows in one batched call. D: numbers in a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from simnet.counter_random import bits
from simnet.sentences import Complaint
from simnet.values.compressors.base import CompressorPart, RandomCompressorPart, positions, row_keys

SEED_BITS = 64

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]


def one_of_two(given: Mapping[str, Any]) -> Iterable[Complaint]:
    """Complains unless exactly one of ``k`` and ``fraction`` is given.

    Args:
        given: the mapping as the file has it.

    Returns:
        Complaints.

    Example:
        >>> list(one_of_two({"k": 3}))
        []
    """
    if (given.get("k") is None) == (given.get("fraction") is None):
        found = "neither k nor fraction" if given.get("k") is None else "k and fraction"
        yield (), f"found {found}; allowed: either k: <numbers> or fraction: <share of the numbers>"


def kept(k: int | None, fraction: float | None, size: int) -> int:
    """How many numbers of a block are sent.

    Args:
        k: so many, or all if there are fewer.
        fraction: instead, such a share, rounded, and at least one.
        size: numbers in the block.

    Returns:
        From 1 to size.

    Example:
        >>> kept(5, None, 3), kept(None, 0.01, 1000), kept(None, 0.01, 10)
        (3, 10, 1)
    """
    return max(1, round(fraction * size)) if k is None else min(k, size)  # type: ignore[operator]  # one of the two


def largest(x_BD: torch.Tensor, count: int) -> torch.Tensor:
    """Where the largest numbers of each row are; among equal ones, the first.

    Args:
        x_BD: numbers that can be compared.
        count: how many, from 1 to D.

    Returns:
        Booleans, ``[B, D]``, `count` of them true in each row.

    Example:
        >>> largest(torch.tensor([[1, 3, 2, 2]]), 2)
        tensor([[False,  True,  True, False]])
    """
    least_B1 = x_BD.topk(count, dim=1).values[:, -1:]
    above_BD, equal_BD = x_BD > least_B1, x_BD == least_B1
    room_B1 = count - above_BD.sum(dim=1, keepdim=True)
    return above_BD | (equal_BD & (equal_BD.cumsum(dim=1) <= room_B1))


class TopK(CompressorPart):
    """The k numbers of largest magnitude, the first ones among equals; all others become 0.

    Bits: ``k (v + ceil(log2 D))``, values and positions. omega = k / D.

    Args:
        k: numbers that are sent of each block.
        fraction: instead of k, a share of them; at least one is sent.

    Example:
        >>> TopK(k=1)(torch.tensor([[1.0, -5.0, 0.0]]))
        tensor([[ 0., -5.,  0.]])
        >>> TopK(fraction=0.01).message_bits(((1000,),), 32.0)
        420.0

    Reference: Stich, Cordonnier, Jaggi: Sparsified SGD with Memory. NeurIPS 2018.
    """

    kind: Literal["top_k"] = "top_k"
    k: Count | None = None
    fraction: Fraction | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Exactly one of the two ways to say how many."""
        return one_of_two(given)

    def __call__(self, x_BD: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        """The sparse rows."""
        count = kept(self.k, self.fraction, x_BD.shape[1])
        return torch.where(largest(x_BD.abs(), count), x_BD, 0)

    def block_bits(self, size: int, number_bits: float) -> float:
        """Values and positions."""
        return kept(self.k, self.fraction, size) * (number_bits + positions(size))

    def block_omega(self, size: int) -> float:
        """``k / D``; attained by equal magnitudes."""
        return kept(self.k, self.fraction, size) / size


class RandomK(RandomCompressorPart):
    """k numbers at random, every choice of k equally likely; all others become 0.

    Bits: ``k v``, and what tells the positions: the 64 bits of a seed, nothing if all nodes share their random numbers, or
    ``k ceil(log2 D)``. omega = k / D; unbiased, the variance is D / k - 1.

    Args:
        k: numbers that are sent of each block.
        fraction: instead of k, a share of them; at least one is sent.
        unbiased: multiply by D / k.
        positions: what tells them: ``seed`` or ``indices``.

    Example:
        >>> RandomK(k=3)(torch.tensor([[1.0, -5.0, 2.0]]), torch.tensor([[7]]))
        tensor([[ 1., -5.,  2.]])
        >>> RandomK(k=10).message_bits(((1000,),), 32.0), RandomK(k=10, positions="indices").message_bits(((1000,),), 32.0)
        (384.0, 420.0)

    Reference: Stich, Cordonnier, Jaggi: Sparsified SGD with Memory. NeurIPS 2018.
    """

    kind: Literal["random_k"] = "random_k"
    k: Count | None = None
    fraction: Fraction | None = None
    unbiased: bool = False
    positions: Literal["seed", "indices"] = "seed"

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Exactly one of the two ways to say how many."""
        return one_of_two(given)

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The sparse rows."""
        size = x_BD.shape[1]
        count = kept(self.k, self.fraction, size)
        sparse_BD = torch.where(largest(bits(row_keys(keys_B1), size), count), x_BD, 0)
        return sparse_BD * (size / count) if self.unbiased else sparse_BD

    def block_bits(self, size: int, number_bits: float) -> float:
        """The values, and the positions if they are sent."""
        count = kept(self.k, self.fraction, size)
        return count * (number_bits + (positions(size) if self.positions == "indices" else 0))

    def message_bits(self, layers: tuple[tuple[int, ...], ...], number_bits: float) -> float:
        """All blocks, and one seed if there is one."""
        has_seed = self.positions == "seed" and self.randomness == "own"
        return super().message_bits(layers, number_bits) + (SEED_BITS if has_seed else 0)

    def block_omega(self, size: int) -> float | None:
        """``k / D``, unless it is made unbiased."""
        return super().block_omega(size) if self.unbiased else kept(self.k, self.fraction, size) / size

    def block_variance(self, size: int) -> float | None:
        """``D / k - 1``, if it is made unbiased."""
        return size / kept(self.k, self.fraction, size) - 1 if self.unbiased else None
