"""What nodes minimize: the interface between the value plane and a loss with its data.

Shapes: ``N`` nodes, ``D`` parameters, ``B`` gradients in one batched call, ``b`` samples in one mini-batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from simnet.errors import ParameterError
from simnet.problems.orders import Order

if TYPE_CHECKING:
    import pandas as pd

    from simnet.problems.keepers import OrderKeeper

SampleIds = npt.NDArray[np.int64]


class Problem(ABC):
    """n nodes' local objectives f_i; the goal is the minimum of f(x) = 1/n sum_i f_i(x).

    Every node counts the same in f, however much data it has. Data live once on the device; a mini-batch is an array of
    indices, so ``gradient`` is a pure function of models and sample ids.

    Attributes:
        num_nodes: n.
        num_parameters: D, the length of a model.
        dtype: of models and gradients.
        device: where models and data live.
        notes: sentences a user should see before the run (a slow fall-back, a missing statistic).
    """

    num_nodes: int
    num_parameters: int
    dtype: torch.dtype
    device: torch.device
    notes: list[str]

    @abstractmethod
    def initial_model(self, seed: int) -> Tensor:
        """The model [D] from which all nodes start.

        Args:
            seed: the run's seed.
        """

    @abstractmethod
    def epoch_length(self, node: int) -> float:
        """How many mini-batches make one pass over this node's own data.

        Args:
            node: its number.
        """

    @abstractmethod
    def draws(self, node: int, seed: int) -> Iterator[SampleIds]:
        """The sample ids of the node's mini-batches, without end, in blocks: int64 ``[k, b]``, one row a mini-batch.

        They come from the streams (seed, "batch", node) and (seed, "order", node, epoch) and from nothing else. Where the
        gradients decide the order (`order_keeper`), all epochs here are as the first one.

        Args:
            node: its number.
            seed: the run's seed.
        """

    @abstractmethod
    def gradient(self, models_BD: Tensor, samples_Bb: Tensor, out_BD: Tensor) -> None:
        """Writes B mini-batch gradients, each the mean over its row's samples, in one batched call.

        Args:
            models_BD: one model per row; rows may be strided or expanded; not changed.
            samples_Bb: int64 sample ids on the device, one row per model.
            out_BD: receives the gradients; last stride 1; must not overlap ``models_BD``.
        """

    def example_gradients(self, models_BD: Tensor, samples_Bb: Tensor, out_BbD: Tensor) -> None:
        """Writes the gradients of single examples, whose mean over a row is what `gradient` gives, in one batched call.

        Args:
            models_BD: one model per row; not changed.
            samples_Bb: int64 sample ids on the device, one row per model.
            out_BbD: receives the gradients; contiguous.
        """
        models = models_BD.repeat_interleave(samples_Bb.shape[1], dim=0)
        self.gradient(models, samples_Bb.reshape(-1, 1), out_BbD.view(len(models), -1))

    def order_keeper(self, seed: int) -> OrderKeeper | None:
        """What decides in which order the nodes visit their examples, at the start of a run; None if gradients do not.

        Args:
            seed: the run's seed.
        """
        del seed
        return None

    def mini_batches(self, node: int, order: Order) -> Iterator[SampleIds]:
        """One pass over a node's examples.

        Args:
            node: its number.
            order: a permutation of its examples.

        Returns:
            Sample ids of mini-batches, in blocks ``[k, b]``.

        Raises:
            NotImplementedError: if there are no examples that a pass could be over.
        """
        raise NotImplementedError(f"{type(self).__name__} has no examples")

    def fixed_mini_batches(self, node: int, seed: int) -> list[SampleIds]:
        """A node's examples cut into mini-batches that stay as they are, for algorithms that decide their order.

        Args:
            node: its number.
            seed: the run's seed.

        Returns:
            Sample ids, ``[b]`` each; as many on all nodes, an even number; none where there is nothing to order.

        Raises:
            ParameterError: if some node has too few examples for that.
        """
        del node, seed
        return []

    @abstractmethod
    def local_gradients(self, models_ND: Tensor) -> Tensor:
        """The full gradient of each node's objective f_i at a model of its own, over all its data, in bounded memory.

        Args:
            models_ND: one model per node; rows may be strided or expanded; not changed.

        Returns:
            The gradients, ``[N, D]``; their mean at one common model is the gradient of f.
        """

    @property
    def smoothness(self) -> float | None:
        """L, the largest curvature of any f_i anywhere, where it is known."""
        return None

    def losses(self, models_BD: Tensor, samples_Bb: Tensor) -> Tensor:
        """The losses whose gradients are those of `gradient`.

        Args:
            models_BD: one model per row; not changed.
            samples_Bb: int64 sample ids on the device, one row per model.

        Returns:
            B mini-batch losses, ``[B]``.

        Raises:
            ParameterError: if this problem cannot tell.
        """
        raise ParameterError(f"{self.describe()}: found no mini-batch losses; allowed: a data set or a quadratic")

    @abstractmethod
    def mini_batch(self, node: int) -> tuple[int, int]:
        """How many samples a mini-batch of a node has, and how many outputs there are for each.

        Args:
            node: its number.

        Returns:
            Both; 0 outputs where the loss is not a function of them alone.
        """

    def evolve(self, models_BD: Tensor, samples_Bb: Tensor, lr: float, duration: int) -> Tensor:
        """The models after their outputs on the samples have evolved under the neural tangent kernel at the start.

        With outputs z, their Jacobian J, mean loss l over N samples, kernel H, and time in units of lr::

            dz/dt = -lr H dl/dz;    x <- x - lr J^T sum_{t < duration} dl/dz(t)

        Args:
            models_BD: B models; not changed.
            samples_Bb: int64 sample ids on the device, one row per model.
            lr: length of a unit of time.
            duration: units of time, at least 1.

        Returns:
            The evolved models, ``[B, D]``.

        Raises:
            ParameterError: if the loss is not a function of outputs.
        """
        raise ParameterError(f"{self.describe()}: found no outputs to evolve; allowed: a data set or a quadratic")

    def distillation_gradients(self, models_BD: Tensor, teachers_BD: Tensor, samples_Bb: Tensor) -> Tensor:
        """The gradients of a divergence between two models' outputs on a mini-batch, mean over the samples.

        Args:
            models_BD: with respect to which the gradients are taken; not changed.
            teachers_BD: whose outputs the others are compared with; not changed.
            samples_Bb: int64 sample ids on the device, one row per model.

        Returns:
            B gradients, ``[B, D]``.

        Raises:
            ParameterError: if the models of this problem have no outputs.
        """
        raise ParameterError(f"{self.describe()}: found no outputs to distill; allowed: a data set or a quadratic")

    def gradient_flops(self, samples_1b: Tensor) -> float:
        """Floating-point operations of one mini-batch gradient, forward and backward, for one model.

        Counted by torch on a real call: matrix products and convolutions, two operations for each multiply-add; what is done
        number by number is left out. Nothing is drawn, and no state is changed.

        Args:
            samples_1b: a mini-batch of sample ids, ``[1, b]``.

        Returns:
            Operations.
        """
        models_1D = torch.zeros(1, self.num_parameters, dtype=self.dtype, device=self.device)
        with FlopCounterMode(display=False) as counter:
            self.gradient(models_1D, samples_1b, torch.empty_like(models_1D))
        return float(counter.get_total_flops())

    @abstractmethod
    def evaluate(self, models_ND: Tensor) -> dict[str, float]:
        """The metrics of all nodes' models and of their average, in bounded memory (names: ``simnet.metrics``).

        Args:
            models_ND: one model per node; not changed.
        """

    @abstractmethod
    def state_dict(self, model_D: Tensor) -> dict[str, Tensor]:
        """The flat model as named tensors (views), as ``torch.nn.Module.load_state_dict`` wants them.

        Args:
            model_D: one model.
        """

    @abstractmethod
    def pooled(self, num_nodes_merged: int) -> Problem:
        """The same objective f on ONE node: all data, mini-batches that many times as large.

        Args:
            num_nodes_merged: n, times which a mini-batch grows; its gradient's variance falls as that of a mean of n.
        """

    @abstractmethod
    def class_table(self) -> pd.DataFrame | None:
        """The number of training samples per class (columns) of each node (rows); None where there are no classes."""

    @abstractmethod
    def describe(self) -> str:
        """One line for people."""

    def fingerprint(self) -> bytes:
        """A digest of all that gradients depend on beside models and sample ids: the data, and what is done with them."""
        digest = blake2b(self.describe().encode(), digest_size=16)
        for part in self.ingredients():
            digest.update(part.cpu().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode())
        return digest.digest()

    @abstractmethod
    def ingredients(self) -> Iterable[object]:
        """What a gradient is made of: tensors, and whatever else its ``repr`` tells apart."""
