"""What every compressor has in common: it is a part of a scenario, a row kernel, and it knows its size on the wire.

B: rows in one batched call. D: numbers in a vector, or in a block of it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Literal

import torch

from simnet.counter_random import bits
from simnet.part import Part
from simnet.values.kernels import Kernel

Layers = tuple[tuple[int, ...], ...]
"""The shapes of the model's tensors, in the order in which they lie in a flat vector."""


class CompressorPart(Part):
    """A compressor ``C(x)``: called with rows, it gives what the receivers make of the messages, ``[B, D]``.

    Random ones are called with a key for each row, too, and depend on row and key alone.

    Args:
        scope: ``whole`` treats the vector as one block; ``layer`` treats every tensor of the model on its own, with its
            own scale and its own choice of numbers.
    """

    scope: Literal["whole", "layer"] = "whole"

    @property
    def is_random(self) -> bool:
        """Whether it is called with keys."""
        return False

    @property
    def is_shared(self) -> bool:
        """Whether all nodes use the same random numbers."""
        return False

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """What the receivers make of these blocks, ``[B, D]``.

        Args:
            x_BD: blocks.
            *keys_B1: for random compressors, one tensor: the random key of each row, int64.
        """
        raise NotImplementedError

    def block_bits(self, size: int, number_bits: float) -> float:
        """The size of one block on the wire [bit].

        Args:
            size: numbers in it.
            number_bits: that a number takes in full precision.
        """
        raise NotImplementedError

    def block_omega(self, size: int) -> float | None:
        """The omega of one block (see `omega`): of an unbiased compressor, 1 less its variance.

        Args:
            size: numbers in it.
        """
        variance = self.block_variance(size)
        return None if variance is None or variance >= 1 else 1 - variance

    def block_variance(self, size: int) -> float | None:
        """The variance of one block (see `variance`); None for what is biased.

        Args:
            size: numbers in it.
        """
        del size
        return None

    def sizes(self, layers: Layers) -> tuple[int, ...]:
        """The sizes of the blocks that are compressed on their own.

        Args:
            layers: shapes of the model's tensors.

        Returns:
            How many numbers each block has.

        Example:
            >>> CompressorPart().sizes(((2, 3), (2,))), CompressorPart(scope="layer").sizes(((2, 3), (2,)))
            ((8,), (6, 2))
        """
        sizes = tuple(prod(shape) for shape in layers)
        return sizes if self.scope == "layer" else (sum(sizes),)

    def kernel(self, layers: Layers) -> Kernel:
        """The kernel for whole vectors.

        Args:
            layers: shapes of the model's tensors.

        Returns:
            A function of rows, and for random compressors of a key for each.
        """
        sizes = self.sizes(layers)
        return self if len(sizes) == 1 else Blocks(self, sizes)

    def message_bits(self, layers: Layers, number_bits: float) -> float:
        """The size of one message on the wire.

        Args:
            layers: shapes of the model's tensors.
            number_bits: that a number takes in full precision.

        Returns:
            Bits; they depend on shapes alone, never on values.
        """
        return sum(self.block_bits(size, number_bits) for size in self.sizes(layers))

    def omega(self, layers: Layers) -> float | None:
        """How much of a vector arrives: ``E ||C(x) - x||^2 <= (1 - omega) ||x||^2``, for all x.

        Args:
            layers: shapes of the model's tensors.

        Returns:
            omega in (0, 1]; None if there is none, as for roundings whose error does not shrink with x.
        """
        omegas = [self.block_omega(size) for size in self.sizes(layers)]
        return None if None in omegas else min(omegas)  # type: ignore[type-var]  # no None is left

    def variance(self, layers: Layers) -> float | None:
        """The relative variance of an unbiased compressor: ``E C(x) = x``, ``E ||C(x) - x||^2 <= variance ||x||^2``.

        Args:
            layers: shapes of the model's tensors.

        Returns:
            The factor (zeta - 1 in the literature); None if it is biased, or the bound is not relative.
        """
        variances = [self.block_variance(size) for size in self.sizes(layers)]
        return None if None in variances else max(variances)  # type: ignore[type-var]  # no None is left


class RandomCompressorPart(CompressorPart):
    """A compressor that rounds or chooses at random, with random numbers that are a function of a key.

    Args:
        randomness: ``own`` gives every node its own random numbers; ``shared`` the same ones to all nodes in a step, so
            that the errors of close vectors are close.
    """

    randomness: Literal["own", "shared"] = "own"

    @property
    def is_random(self) -> bool:
        """Whether it is called with keys."""
        return True

    @property
    def is_shared(self) -> bool:
        """Whether all nodes use the same random numbers."""
        return self.randomness == "shared"


@dataclass(frozen=True)
class Blocks:
    """A compressor on each block of a vector alone.

    Args:
        compressor: of one block.
        sizes: of the blocks, one after the other.

    Example:
        >>> from simnet.values.compressors import Sign
        >>> Blocks(Sign(), (2, 1))(torch.tensor([[1.0, -3.0, 5.0]]))
        tensor([[ 2., -2.,  5.]])
    """

    compressor: CompressorPart
    sizes: tuple[int, ...]

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """What the receivers make of the rows, ``[B, D]``.

        Args:
            x_BD: the rows.
            *keys_B1: see `CompressorPart`; each block gets a key of its own out of it.
        """
        starts = accumulate(self.sizes, initial=0)
        keys_BL = [bits(keys[:, 0], len(self.sizes)) for keys in keys_B1]
        blocks = [
            self.compressor(x_BD[:, start : start + size], *[keys[:, number, None] for keys in keys_BL])
            for number, (start, size) in enumerate(zip(starts, self.sizes, strict=False))
        ]
        return torch.cat(blocks, dim=1)


@functools.cache
def prepared(compressor: CompressorPart, layers: Layers, number_bits: float) -> tuple[Kernel, float]:
    """A compressor for one model: the same kernel for all nodes.

    Args:
        compressor: a part of a scenario.
        layers: shapes of the model's tensors.
        number_bits: that a number takes in full precision.

    Returns:
        The kernel, and the bits of each message.

    Example:
        >>> from simnet.values.compressors import Sign
        >>> prepared(Sign(), ((4, 2),), 32.0)[1]
        40.0
    """
    return compressor.kernel(layers), compressor.message_bits(layers, number_bits)


def positions(size: int) -> int:
    """The bits that tell one of so many positions.

    Args:
        size: how many there are.

    Returns:
        ``ceil(log2(size))``.

    Example:
        >>> [positions(size) for size in (1, 2, 3, 1000)]
        [0, 1, 2, 10]
    """
    return (size - 1).bit_length()


def row_keys(keys_B1: Sequence[torch.Tensor]) -> torch.Tensor:
    """The random keys that a random compressor was called with.

    Args:
        keys_B1: one tensor, int64.

    Returns:
        The keys, ``[B]``.
    """
    return keys_B1[0][:, 0]
