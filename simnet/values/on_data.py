"""What the problem computes from rows and a mini-batch, beside gradients.

B: rows in one batched call. D: numbers in a model. b: samples in one mini-batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from simnet.problems import Problem


class OnData(ABC):
    """A kernel whose constants are sample ids: one call of the problem for all rows. A frozen dataclass, as any kernel."""

    def __call__(self, *_: torch.Tensor) -> torch.Tensor:
        """Nothing, ever: without a problem there are no data.

        Raises:
            TypeError: whenever it is called.
        """
        raise TypeError("what depends on data is computed by the problem")

    @abstractmethod
    def of(self, problem: Problem, samples_Bb: torch.Tensor, *rows_BD: torch.Tensor) -> torch.Tensor:
        """The result, ``[B, D]``.

        Args:
            problem: has the data.
            samples_Bb: a mini-batch of sample ids for each row.
            *rows_BD: the inputs.
        """


@dataclass(frozen=True)
class MiniBatchLoss(OnData):
    """The loss of a model on its mini-batch, in every place (see `simnet.values.numbers`)."""

    def of(self, problem: Problem, samples_Bb: torch.Tensor, *rows_BD: torch.Tensor) -> torch.Tensor:
        """The losses of the models ``rows_BD[0]``."""
        return problem.losses(rows_BD[0], samples_Bb)[:, None].expand_as(rows_BD[0])


@dataclass(frozen=True)
class TangentEvolution(OnData):
    """A model after its outputs on the samples have evolved for a while under the neural tangent kernel.

    Args:
        lr: length of a unit of time.
        duration: units of time.
    """

    lr: float
    duration: int

    def of(self, problem: Problem, samples_Bb: torch.Tensor, *rows_BD: torch.Tensor) -> torch.Tensor:
        """The models that ``rows_BD[0]`` become."""
        return problem.evolve(rows_BD[0], samples_Bb, self.lr, self.duration)


@dataclass(frozen=True)
class Distillation(OnData):
    """The gradient, with respect to a model, of the divergence between its outputs and those of a teacher."""

    def of(self, problem: Problem, samples_Bb: torch.Tensor, *rows_BD: torch.Tensor) -> torch.Tensor:
        """The gradients for the models ``rows_BD[0]`` and the teachers ``rows_BD[1]``."""
        models_BD, teachers_BD = rows_BD
        return problem.distillation_gradients(models_BD, teachers_BD, samples_Bb)
