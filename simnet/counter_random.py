"""Random numbers that are a pure function of (key, position): the same bits whatever the batch.

Shapes: ``B`` rows in one batched call, each with its own key; ``D`` numbers per row.

A row's bits are the SplitMix64 sequence that starts at its key, in 64-bit integer arithmetic that wraps around, which
is exact on every device. ``uniform`` is therefore identical on all devices; ``normal`` uses the device's logarithm and
cosine in float64 and agrees across devices to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
_BLOCK = 1 << 15  # integers mixed at a time: three arrays of this size fit in a core's cache


def bits(keys_B: Tensor, num_words: int) -> Tensor:
    """The first words of the SplitMix64 sequences that start at these keys.

    Word d of row B is mix(key_B + (d + 1) * golden), all modulo 2**64.

    Args:
        keys_B: int64 keys, one per row.
        num_words: how many 64-bit words each row gets.

    Returns:
        int64 tensor [B, num_words], every bit equally likely.

    Example:
        >>> int(bits(torch.tensor([1234567]), 1)[0, 0])
        6457827717110365317

    Reference:
        Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014
        (with the constants of S. Vigna's splitmix64.c).
    """
    steps_W = torch.arange(1, num_words + 1, device=keys_B.device, dtype=torch.int64).mul_(_GOLDEN)
    words_BW = torch.empty(len(keys_B), num_words, dtype=torch.int64, device=keys_B.device)
    rows = max(1, _BLOCK // max(1, num_words)) if keys_B.device.type == "cpu" else max(1, len(keys_B))
    for start in range(0, len(keys_B), rows):
        block = words_BW[start : start + rows]
        torch.add(keys_B[start : start + rows, None], steps_W, out=block)
        _mix_(block)
    return words_BW


def uniform(keys_B: Tensor, num_numbers: int, dtype: torch.dtype) -> Tensor:
    """Uniform random numbers in [0, 1), on a grid of 2**-24 (float32) or 2**-53 (float64).

    Args:
        keys_B: int64 keys, one per row; rows with equal keys get equal numbers.
        num_numbers: D, how many numbers each row gets.
        dtype: ``torch.float32`` or ``torch.float64``.

    Returns:
        Tensor [B, D] on the keys' device.

    Example:
        >>> together = uniform(torch.tensor([7, 8]), 5, torch.float32)
        >>> torch.equal(together[1:], uniform(torch.tensor([8]), 5, torch.float32))
        True
    """
    if dtype == torch.float64:
        return _shift_right_(bits(keys_B, num_numbers), 11).to(dtype).mul_(2.0**-53)
    halves_BD = bits(keys_B, (num_numbers + 1) // 2).view(torch.int32)[:, :num_numbers]  # one word makes two numbers
    return halves_BD.bitwise_right_shift(8).bitwise_and_((1 << 24) - 1).to(dtype).mul_(2.0**-24)


def normal(keys_B: Tensor, num_numbers: int, dtype: torch.dtype) -> Tensor:
    """Standard normal random numbers by the Box-Muller transform.

    z = sqrt(-2 ln(1 - u)) * (cos, sin)(2 pi v) for uniform u, v, computed in float64 and then rounded to ``dtype``.

    Args:
        keys_B: int64 keys, one per row; rows with equal keys get equal numbers.
        num_numbers: D, how many numbers each row gets.
        dtype: ``torch.float32`` or ``torch.float64``.

    Returns:
        Tensor [B, D] on the keys' device.

    Example:
        >>> z = normal(torch.tensor([1]), 100_000, torch.float64)
        >>> bool(abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01)
        True

    Reference:
        Box, Muller: A note on the generation of random normal deviates, 1958.
    """
    num_pairs = (num_numbers + 1) // 2
    uniform_BD = uniform(keys_B, 2 * num_pairs, torch.float64)
    radius_BP = torch.sqrt(-2.0 * torch.log1p(-uniform_BD[:, :num_pairs]))
    angle_BP = 2.0 * math.pi * uniform_BD[:, num_pairs:]
    z_BD = torch.cat((radius_BP * torch.cos(angle_BP), radius_BP * torch.sin(angle_BP)), dim=1)
    return z_BD[:, :num_numbers].to(dtype)


def _mix_(words: Tensor) -> Tensor:
    """SplitMix64's output function, in place."""
    words ^= _shift_right(words, 30)
    words *= _FIRST
    words ^= _shift_right(words, 27)
    words *= _SECOND
    words ^= _shift_right(words, 31)
    return words


def _shift_right(words: Tensor, places: int) -> Tensor:
    """Shift to the right filling with zeros; torch fills with the sign."""
    return (words >> places).bitwise_and_((1 << (64 - places)) - 1)


def _shift_right_(words: Tensor, places: int) -> Tensor:
    return words.bitwise_right_shift_(places).bitwise_and_((1 << (64 - places)) - 1)
