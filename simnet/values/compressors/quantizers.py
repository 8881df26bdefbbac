"""Quantizers: few bits for each number.

B: rows in one batched call. D: numbers in a block.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat

from simnet.counter_random import uniform
from simnet.values.adaptive import row_norms, row_sums
from simnet.values.compressors.base import CompressorPart, RandomCompressorPart, row_keys

Bits = Annotated[int, Field(ge=1, le=32)]


class Identity(CompressorPart):
    """No compression: every number in full precision; ``D v`` bits, where v is what a number takes; omega = 1.

    Example:
        >>> Identity().message_bits(((3,),), 32.0)
        96.0
    """

    kind: Literal["identity"] = "identity"

    def __call__(self, x_BD: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        """The rows themselves."""
        return x_BD

    def block_bits(self, size: int, number_bits: float) -> float:
        """D v."""
        return size * number_bits

    def block_variance(self, size: int) -> float:
        """None at all: 0."""
        return 0.0


class Qsgd(RandomCompressorPart):
    """QSGD: each magnitude is rounded at random to one of s levels of the block's norm, so that it is unbiased.

    ``C(x) = ||x|| sign(x_c) l_c / s``, with ``l_c = floor(s |x_c| / ||x|| + u_c)`` for uniform u_c in [0, 1).
    Bits: ``v + D (1 + ceil(log2(s + 1)))``: the norm, signs, levels. Variance at most ``min(D / s^2, sqrt(D) / s)``.

    Args:
        levels: s.
        biased: divide by 1 + that bound: biased, but with omega = 1 / (1 + bound) for any s.

    Example:
        >>> Qsgd(levels=1)(torch.tensor([[0.0, -3.0, 0.0]]), torch.tensor([[7]]))
        tensor([[ 0., -3.,  0.]])
        >>> Qsgd(levels=15).message_bits(((1000,),), 32.0)
        5032.0

    Reference: Alistarh, Grubic, Li, Tomioka, Vojnovic: QSGD. NeurIPS 2017, equation 5; the scaling is that of Koloskova,
    Stich, Jaggi: Decentralized Stochastic Optimization and Gossip Algorithms with Compressed Communication. ICML 2019.
    """

    kind: Literal["qsgd"] = "qsgd"
    levels: Annotated[int, Field(ge=1, le=1 << 20)]
    biased: bool = False

    def bound(self, size: int) -> float:
        """The bound on the variance before any scaling.

        Args:
            size: numbers in the block.
        """
        return min(size / self.levels**2, sqrt(size) / self.levels)

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The rounded rows."""
        norm_B1 = row_norms(x_BD)
        unit_BD = x_BD.abs() / torch.where(norm_B1 > 0, norm_B1, 1)
        noise_BD = uniform(row_keys(keys_B1), x_BD.shape[1], x_BD.dtype)
        levels_BD = torch.floor(self.levels * unit_BD + noise_BD).clamp(max=self.levels)
        rounded_BD = norm_B1 * torch.sign(x_BD) * levels_BD / self.levels
        return rounded_BD / (1 + self.bound(x_BD.shape[1])) if self.biased else rounded_BD

    def block_bits(self, size: int, number_bits: float) -> float:
        """Norm, signs and levels."""
        return number_bits + size * (1 + self.levels.bit_length())

    def block_omega(self, size: int) -> float | None:
        """1 / (1 + bound) if scaled."""
        return 1 / (1 + self.bound(size)) if self.biased else super().block_omega(size)

    def block_variance(self, size: int) -> float | None:
        """The bound, unless it is scaled."""
        return None if self.biased else self.bound(size)


class Terngrad(RandomCompressorPart):
    """TernGrad: each number becomes 0 or plus or minus the block's largest magnitude, unbiased.

    ``C(x) = max|x| sign(x_c) b_c`` with ``b_c = 1`` with probability ``|x_c| / max|x|``, else 0. Bits: ``v + 2 D``, since
    two bits hold one of three values. ``E ||C(x) - x||^2 = max|x| ||x||_1 - ||x||^2``, at most ``(sqrt(D) - 1) / 2 ||x||^2``.

    Example:
        >>> Terngrad()(torch.tensor([[0.0, -3.0, 3.0]]), torch.tensor([[7]]))
        tensor([[ 0., -3.,  3.]])

    Reference: Wen, Xu, Yan, Wu, Wang, Chen, Li: TernGrad. NeurIPS 2017, equations 1 and 2, without its clipping.
    """

    kind: Literal["terngrad"] = "terngrad"

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The ternary rows."""
        most_B1 = x_BD.abs().amax(dim=1, keepdim=True)
        noise_BD = uniform(row_keys(keys_B1), x_BD.shape[1], x_BD.dtype)
        return torch.where(noise_BD * most_B1 < x_BD.abs(), most_B1 * torch.sign(x_BD), 0)

    def block_bits(self, size: int, number_bits: float) -> float:
        """The largest magnitude, and two bits per number."""
        return number_bits + 2 * size

    def block_variance(self, size: int) -> float:
        """(sqrt(D) - 1) / 2; attained by (sqrt(D) + 1, 1, 1, ...)."""
        return (sqrt(size) - 1) / 2


class Sign(CompressorPart):
    """The signs, scaled by the mean magnitude of the block: ``C(x) = ||x||_1 / D sign(x)``.

    One bit tells two signs only, so zero counts as positive. Bits: ``D + v``. The error is exactly
    ``1 - ||x||_1^2 / (D ||x||^2)`` of ``||x||^2``, so omega = 1 / D in the worst case; 2 / pi for normal numbers.

    Example:
        >>> Sign()(torch.tensor([[1.0, -5.0, 0.0]]))
        tensor([[ 2., -2.,  2.]])

    Reference: Karimireddy, Rebjock, Stich, Jaggi: Error Feedback Fixes SignSGD. ICML 2019.
    """

    kind: Literal["sign"] = "sign"

    def __call__(self, x_BD: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        """The scaled signs."""
        mean_B1 = row_sums(x_BD.abs()) / x_BD.shape[1]
        return torch.where(x_BD < 0, -mean_B1, mean_B1)

    def block_bits(self, size: int, number_bits: float) -> float:
        """A bit per number, and the scale."""
        return size + number_bits

    def block_omega(self, size: int) -> float:
        """1 / D; attained by a vector with a single number that is not 0."""
        return 1 / size


class SignUnscaled(CompressorPart):
    """The signs alone, plus or minus 1; zero counts as positive. ``D`` bits; no bound on the error.

    Example:
        >>> SignUnscaled()(torch.tensor([[1.0, -5.0, 0.0]]))
        tensor([[ 1., -1.,  1.]])

    Reference: Bernstein, Wang, Azizzadenesheli, Anandkumar: signSGD. ICML 2018.
    """

    kind: Literal["sign_unscaled"] = "sign_unscaled"

    def __call__(self, x_BD: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        """The signs."""
        return torch.where(x_BD < 0, -1.0, 1.0).to(x_BD.dtype)

    def block_bits(self, size: int, number_bits: float) -> float:
        """A bit per number."""
        return float(size)

    def block_omega(self, size: int) -> None:
        """There is none."""


class Natural(RandomCompressorPart):
    """Natural compression: each number is rounded at random to one of the two powers of two around it, unbiased.

    Bits: ``9 D``, a sign and the 8 bits of an exponent. Variance at most 1/8.

    Example:
        >>> Natural()(torch.tensor([[0.5, -4.0, 0.0]]), torch.tensor([[7]]))
        tensor([[ 0.5000, -4.0000,  0.0000]])

    Reference: Horvath, Ho, Horvath, Sahu, Canini, Richtarik: Natural Compression for Distributed Deep Learning. MSML 2022.
    """

    kind: Literal["natural"] = "natural"

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The rounded rows."""
        share_BD = 2 * torch.frexp(x_BD).mantissa.abs()  # of the power of two below: 1 to 2
        below_BD = x_BD / share_BD  # exact
        noise_BD = uniform(row_keys(keys_B1), x_BD.shape[1], x_BD.dtype)
        return torch.where(x_BD == 0, x_BD, torch.where(noise_BD < share_BD - 1, 2 * below_BD, below_BD))

    def block_bits(self, size: int, number_bits: float) -> float:
        """9 per number."""
        return 9.0 * size

    def block_variance(self, size: int) -> float:
        """1/8; attained by 4/3 of a power of two."""
        return 1 / 8


class StochasticRounding(RandomCompressorPart):
    """Stochastic rounding to multiples of a fixed spacing h: unbiased, whatever the number's size.

    ``C(x) = h floor(x / h + u)``. Bits: ``b D``; multiples beyond ``-2^(b-1)`` or ``2^(b-1) - 1`` are cut off there. Below
    that, an error is less than h, its variance at most ``h^2 / 4``, and no smaller for small vectors: there is no omega.

    Args:
        spacing: h.
        bits: b, per number.

    Example:
        >>> StochasticRounding(spacing=0.5)(torch.tensor([[1.0, -1.5]]), torch.tensor([[7]]))
        tensor([[ 1.0000, -1.5000]])
    """

    kind: Literal["stochastic_rounding"] = "stochastic_rounding"
    spacing: PositiveFloat
    bits: Bits = 16

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The rounded rows."""
        noise_BD = uniform(row_keys(keys_B1), x_BD.shape[1], x_BD.dtype)
        half = 2 ** (self.bits - 1)
        return self.spacing * torch.floor(x_BD / self.spacing + noise_BD).clamp(-half, half - 1)

    def block_bits(self, size: int, number_bits: float) -> float:
        """So many per number."""
        return float(self.bits * size)


class FixedPoint(RandomCompressorPart):
    """Fixed point numbers: the nearest of 2^b points from -range to range; what is outside becomes the end point.

    Bits: ``b D``. Inside, an error is at most half the spacing ``2 range / (2^b - 1)``; no smaller for small vectors.

    Args:
        range: the largest number.
        bits: b, per number.
        rounding: ``nearest``, or ``stochastic``, which is unbiased inside, with errors below the spacing.

    Example:
        >>> FixedPoint(range=1.0, bits=1)(torch.tensor([[0.2, -7.0]]))
        tensor([[ 1., -1.]])
    """

    kind: Literal["fixed_point"] = "fixed_point"
    range: PositiveFloat
    bits: Bits = 8
    rounding: Literal["nearest", "stochastic"] = "nearest"

    @property
    def is_random(self) -> bool:
        """Only if it rounds at random."""
        return self.rounding == "stochastic"

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The rounded rows."""
        most = (1 << self.bits) - 1
        noise: torch.Tensor | float = 0.5
        if self.rounding == "stochastic":
            noise = uniform(row_keys(keys_B1), x_BD.shape[1], x_BD.dtype)
        points_BD = torch.floor((x_BD / self.range + 1) / 2 * most + noise).clamp(0, most)
        return (2 * points_BD / most - 1) * self.range

    def block_bits(self, size: int, number_bits: float) -> float:
        """So many per number."""
        return float(self.bits * size)
