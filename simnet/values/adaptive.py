"""Kernels of clipped, normalized and adaptive steps: whatever of Adam and its kin is not a linear combination.

B: rows in one batched call. D: numbers in a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


def row_sums(x_BD: torch.Tensor) -> torch.Tensor:
    """The sum of each row, by halves: a reduction of torch may add up in another order when there are more or fewer rows.

    Args:
        x_BD: the rows, ``[B, D]``.

    Returns:
        ``[B, 1]``; the bits of row b depend on row b alone.

    Example:
        >>> row_sums(torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.5, 0.25]]))
        tensor([[7.0000],
                [0.7500]])
    """
    while x_BD.shape[1] > 1:
        half = x_BD.shape[1] // 2
        sums_BH, rest_BR = x_BD[:, :half] + x_BD[:, half : 2 * half], x_BD[:, 2 * half :]
        sums_BH[:, : rest_BR.shape[1]] += rest_BR
        x_BD = sums_BH
    return x_BD


def row_norms(x_BD: torch.Tensor) -> torch.Tensor:
    """The Euclidean norm of each row.

    Args:
        x_BD: the rows, ``[B, D]``.

    Returns:
        ``[B, 1]``; see `row_sums`.
    """
    return row_sums(x_BD * x_BD).sqrt()


@dataclass(frozen=True)
class ClipNorm:
    """A vector that is made shorter if it is longer than a bound: ``g min(1, bound / ||g||)``.

    Args:
        bound: the largest norm that is left as it is.

    Example:
        >>> ClipNorm(1.0)(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])

    Reference: Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks. ICML 2013, Algorithm 1.
    """

    bound: float

    def __call__(self, *g_BD: torch.Tensor) -> torch.Tensor:
        """The clipped rows, ``[B, D]``.

        Args:
            *g_BD: one tensor, the gradients.
        """
        (rows_BD,) = g_BD
        return rows_BD * (self.bound / row_norms(rows_BD).clamp(min=self.bound))


@dataclass(frozen=True)
class Normalize:
    """A vector of length one: ``d / (||d|| + eps)``.

    Args:
        eps: what keeps zero at zero.

    Example:
        >>> Normalize(1e-8)(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """

    eps: float

    def __call__(self, *d_BD: torch.Tensor) -> torch.Tensor:
        """The normalized rows, ``[B, D]``.

        Args:
            *d_BD: one tensor, the vectors.
        """
        (rows_BD,) = d_BD
        return rows_BD / (row_norms(rows_BD) + self.eps)


@dataclass(frozen=True)
class SecondMoment:
    """The second moment of Adam: ``beta2 v + (1 - beta2) g^2``, number by number.

    Args:
        beta2: its decay rate.

    Example:
        >>> SecondMoment(0.75)(torch.tensor([[4.0, 0.0]]), torch.tensor([[2.0, 2.0]]))
        tensor([[4., 1.]])

    Reference: Kingma, Ba: Adam: A Method for Stochastic Optimization. ICLR 2015, Algorithm 1.
    """

    beta2: float

    def __call__(self, *v_and_g_BD: torch.Tensor) -> torch.Tensor:
        """The new second moments, ``[B, D]``.

        Args:
            *v_and_g_BD: the moments before, and the gradients.
        """
        v_BD, g_BD = v_and_g_BD
        return self.beta2 * v_BD + (1 - self.beta2) * (g_BD * g_BD)


@dataclass(frozen=True)
class RunningMaximum:
    """What never falls: ``beta3 p + (1 - beta3) max(p, v / c)``, number by number; for beta3 = 0 AMSGrad's maximum.

    Args:
        beta3: how slowly it rises.

    Example:
        >>> RunningMaximum(0.5)(torch.tensor([[1.0, 1.0]]), torch.tensor([[6.0, 1.0]]), torch.tensor([[2.0]]))
        tensor([[2., 1.]])

    Reference: Reddi, Kale, Kumar: On the Convergence of Adam and Beyond. ICLR 2018, Algorithm 2 (beta3 = 0).
    """

    beta3: float

    def __call__(self, *p_v_and_c: torch.Tensor) -> torch.Tensor:
        """The new maxima, ``[B, D]``.

        Args:
            *p_v_and_c: the maxima before, the second moments, and each row's bias correction of these, ``[B, 1]``.
        """
        p_BD, v_BD, c_B1 = p_v_and_c
        return self.beta3 * p_BD + (1 - self.beta3) * torch.maximum(p_BD, v_BD / c_B1)


@dataclass(frozen=True)
class AdaptiveDirection:
    """Where an adaptive method steps: ``m / (sqrt(max(v / c, floor)) + eps)``, number by number.

    Args:
        eps: added to the square root, as in Adam.
        floor: the least number under the square root, as in decentralized AMSGrad.

    Example:
        >>> m, v, c = torch.tensor([[2.0, 2.0]]), torch.tensor([[8.0, 0.0]]), torch.tensor([[2.0]])
        >>> AdaptiveDirection(floor=0.25)(m, v, c)
        tensor([[1., 4.]])

    Reference: Kingma, Ba: Adam (see `SecondMoment`).
    """

    eps: float = 0.0
    floor: float = 0.0

    def __call__(self, *m_v_and_c: torch.Tensor) -> torch.Tensor:
        """The directions, ``[B, D]``.

        Args:
            *m_v_and_c: first and second moments, and each row's bias correction of the latter, ``[B, 1]``.
        """
        m_BD, v_BD, c_B1 = m_v_and_c
        return m_BD / ((v_BD / c_B1).clamp(min=self.floor).sqrt() + self.eps)


@dataclass(frozen=True)
class Constant:
    """The same number everywhere.

    Args:
        value: that number.

    Example:
        >>> Constant(0.5)(torch.zeros(1, 2))
        tensor([[0.5000, 0.5000]])
    """

    value: float

    def __call__(self, *like_BD: torch.Tensor) -> torch.Tensor:
        """Constant rows, ``[B, D]``.

        Args:
            *like_BD: one tensor, of the wanted shape and type.
        """
        return torch.full_like(like_BD[0], self.value)
