"""Moniqua's parts: quantize modulo a period, and recover what is near enough.

B: rows in one batched call. D: numbers in a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from simnet.counter_random import uniform


def centered_modulo(x: torch.Tensor, period: float) -> torch.Tensor:
    """The representative of x in [-period/2, period/2): ``x - period * floor(x / period + 1/2)``.

    Args:
        x: any tensor.
        period: a positive number.

    Returns:
        A tensor like x.

    Example:
        >>> centered_modulo(torch.tensor([0.2, 0.5, 0.9, -1.1]), 1.0)
        tensor([ 0.2000, -0.5000, -0.1000, -0.1000])
    """
    return x - period * torch.floor(x / period + 0.5)


@dataclass(frozen=True)
class ModuloQuantizer:
    """Moniqua's message ``Q_delta((x / B) mod 1)``, a vector of numbers in [-1/2, 1/2] out of L = 2^bits.

    * ``nearest``: the centre of x's cell of width 1/L; biased; delta = 1 / (2 L).
    * ``stochastic``: unbiased rounding to one of L points, end points included; delta = 1 / (L - 1). It needs 2 bits or
      more, since B is finite and positive for delta < 1/2 only.

    Args:
        theta: bound on ``||x_i - x_j||_inf`` of neighbors.
        bits: b, per number on the wire.
        rounding: ``nearest`` or ``stochastic``.

    Example:
        >>> quantize = ModuloQuantizer(theta=0.75, bits=1, rounding="nearest")
        >>> quantize.period, quantize.delta
        (3.0, 0.25)
        >>> quantize(torch.tensor([[0.1, -0.1, 3.1]]))
        tensor([[ 0.2500, -0.2500,  0.2500]])

    Reference: Lu, De Sa: Moniqua: Modulo Quantized Communication in Decentralized SGD. ICML 2020.
    """

    theta: float
    bits: int
    rounding: Literal["nearest", "stochastic"]

    @property
    def levels(self) -> int:
        """L = 2^bits."""
        return 1 << self.bits

    @property
    def delta(self) -> float:
        """Largest quantization error on the unit interval."""
        return 1 / (2 * self.levels) if self.rounding == "nearest" else 1 / (self.levels - 1)

    @property
    def period(self) -> float:
        """B = 2 theta / (1 - 2 delta): just so large that no difference below theta wraps around."""
        return 2 * self.theta / (1 - 2 * self.delta)

    def __call__(self, x_BD: torch.Tensor, *keys_B1: torch.Tensor) -> torch.Tensor:
        """The quantized rows, ``[B, D]``.

        Args:
            x_BD: models.
            *keys_B1: for stochastic rounding, one tensor: the random key of each row, int64; rows with equal keys round
                with equal random numbers.
        """
        unit_BD = centered_modulo(x_BD / self.period, 1.0) + 0.5
        if self.rounding == "nearest":
            return (torch.floor(unit_BD * self.levels).clamp(0, self.levels - 1) + 0.5) / self.levels - 0.5
        noise_BD = uniform(keys_B1[0][:, 0], x_BD.shape[1], x_BD.dtype)
        rounded_BD = torch.floor(unit_BD * (self.levels - 1) + noise_BD).clamp(0, self.levels - 1)
        return rounded_BD / (self.levels - 1) - 0.5


@dataclass(frozen=True)
class ModuloRecovery:
    """What a node makes of a quantized message: ``((q B - x) mod B) + x``, for its own model x.

    Args:
        period: B.

    Example:
        >>> recover = ModuloRecovery(period=3.0)
        >>> recover(torch.tensor([[0.25]]), torch.tensor([[3.5]]))
        tensor([[3.7500]])

    Reference: Lu, De Sa: Moniqua (see `ModuloQuantizer`), Algorithm 1.
    """

    period: float

    def __call__(self, *q_and_x_BD: torch.Tensor) -> torch.Tensor:
        """The senders' models to within delta * B, where they are within theta of the receivers', ``[B, D]``.

        Args:
            *q_and_x_BD: what the quantizer gave, and the receivers' own models.
        """
        q_BD, x_BD = q_and_x_BD
        return centered_modulo(q_BD * self.period - x_BD, self.period) + x_BD


@dataclass(frozen=True)
class WrapCount:
    """How many numbers of a recovered model are off by a multiple of the period: the sender was farther away than theta.

    Args:
        period: B.

    Example:
        >>> WrapCount(period=3.0)(torch.tensor([[0.75, 3.75]]), torch.tensor([[0.75, 0.75]]))
        tensor([1])
    """

    period: float

    def __call__(self, *recovered_and_own_BD: torch.Tensor) -> torch.Tensor:
        """The counts, ``[B]``.

        Args:
            *recovered_and_own_BD: what the receiver recovered, and what the sender makes of the same message.
        """
        recovered_BD, own_BD = recovered_and_own_BD
        return ((recovered_BD - own_BD).abs() > self.period / 2).sum(dim=1)
