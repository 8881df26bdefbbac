"""Losses of a classifier and their derivatives with respect to its outputs.

Shapes: ``B`` models, ``C`` outputs, ``b`` samples. Outputs are class-major, z_BCb: on a CPU, softmax over C runs some
twenty times faster when the samples lie next to each other.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Loss(Protocol):
    """A loss per sample, its derivative, and what the outputs predict."""

    def values(self, outputs_BCb: Tensor, labels_Bb: Tensor) -> Tensor:
        """The loss of every sample, [B, b].

        Args:
            outputs_BCb: z, of each model for each sample.
            labels_Bb: y, class numbers.
        """

    def derivative(self, outputs_BCb: Tensor, labels_Bb: Tensor, weights: float | Tensor) -> Tensor:
        """The derivative of ``weights * loss`` with respect to the outputs, [B, C, b].

        Args:
            outputs_BCb: z, of each model for each sample.
            labels_Bb: y, class numbers.
            weights: of each sample's loss: a number, or [B or 1, b].
        """

    def divergence_derivative(self, outputs_BCb: Tensor, teachers_BCb: Tensor, weight: float) -> Tensor:
        """The derivative of ``weight * KL(teacher's probabilities || own ones)`` with respect to the own outputs, [B, C, b].

        Args:
            outputs_BCb: z, of each model for each sample.
            teachers_BCb: those of its teacher.
            weight: of each sample's divergence.
        """

    def predictions(self, outputs_BCb: Tensor) -> Tensor:
        """The most likely class of every sample, [B, b].

        Args:
            outputs_BCb: z, of each model for each sample.
        """


class SoftmaxLoss:
    """Cross-entropy after softmax: l(z, y) = ln(sum_c exp z_c) - z_y.

    Example:
        >>> float(SoftmaxLoss().values(torch.zeros(1, 10, 1), torch.zeros(1, 1, dtype=torch.int64)).exp())
        10.0
    """

    def values(self, outputs_BCb: Tensor, labels_Bb: Tensor) -> Tensor:
        """The loss of every sample, [B, b]."""
        return outputs_BCb.logsumexp(1) - outputs_BCb.gather(1, labels_Bb.unsqueeze(1)).squeeze(1)

    def derivative(self, outputs_BCb: Tensor, labels_Bb: Tensor, weights: float | Tensor) -> Tensor:
        """The weights times softmax(z) - onehot(y)."""
        delta_BCb = outputs_BCb.softmax(1)
        labels_B1b = labels_Bb.unsqueeze(1)
        delta_BCb.scatter_add_(1, labels_B1b, delta_BCb.new_full((1, 1, 1), -1.0).expand(labels_B1b.shape))
        return delta_BCb.mul_(_over_outputs(weights))

    def divergence_derivative(self, outputs_BCb: Tensor, teachers_BCb: Tensor, weight: float) -> Tensor:
        """The weight times softmax(z) - softmax(teacher's z)."""
        return outputs_BCb.softmax(1).sub_(teachers_BCb.softmax(1)).mul_(weight)

    def predictions(self, outputs_BCb: Tensor) -> Tensor:
        """The class with the largest output, [B, b]."""
        return outputs_BCb.max(1).indices  # argmax(1) takes seven times as long


class LogisticLoss:
    """Binary logistic loss of a single output: l(z, y) = ln(1 + exp(-s z)) with s = 2 y - 1, y in {0, 1}.

    Example:
        >>> float(LogisticLoss().values(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.int64)).exp())
        2.0
    """

    def values(self, outputs_BCb: Tensor, labels_Bb: Tensor) -> Tensor:
        """The loss of every sample, [B, b]."""
        return torch.nn.functional.softplus(outputs_BCb.squeeze(1) * (1 - 2 * labels_Bb))

    def derivative(self, outputs_BCb: Tensor, labels_Bb: Tensor, weights: float | Tensor) -> Tensor:
        """The weights times sigmoid(z) - y."""
        return outputs_BCb.sigmoid().sub_(labels_Bb.unsqueeze(1)).mul_(_over_outputs(weights))

    def divergence_derivative(self, outputs_BCb: Tensor, teachers_BCb: Tensor, weight: float) -> Tensor:
        """The weight times sigmoid(z) - sigmoid(teacher's z)."""
        return outputs_BCb.sigmoid().sub_(teachers_BCb.sigmoid()).mul_(weight)

    def predictions(self, outputs_BCb: Tensor) -> Tensor:
        """1 where the output is positive, else 0, [B, b]."""
        return (outputs_BCb.squeeze(1) > 0).long()


def _over_outputs(weights: float | Tensor) -> float | Tensor:
    return weights if isinstance(weights, float) else weights.unsqueeze(1)
