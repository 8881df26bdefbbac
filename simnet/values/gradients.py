"""Batched calls of gradients, also of those whose examples decide which samples come next.

B: mini-batches in one batched call. D: numbers in a model. b: samples in one mini-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from simnet.problems import Problem
from simnet.problems.keepers import OrderKeeper
from simnet.values.kernels import Kernel
from simnet.values.vector import Operation, Row

CHUNK_BYTES = 256 << 20
"""Gradients of single examples that are there at once."""


class KeptGradient:
    """The kernel of mini-batch gradients that are means of their examples' gradients, which an order's keeper is fed with.

    Each is recorded as following the node's gradient before it, so the keeper is fed in the node's own order, whoever asks
    for what, and once.

    Args:
        problem: computes them.
        keeper: decides the order of the next epoch.

    Attributes:
        newest: each node's latest gradient that has been recorded.
    """

    def __init__(self, problem: Problem, keeper: OrderKeeper) -> None:
        self.problem = problem
        self.keeper = keeper
        self.newest: dict[int, Row] = {}

    def __repr__(self) -> str:
        """The same in every run."""
        return type(self).__name__

    def __call__(self, *_: Any) -> torch.Tensor:
        """Stands for `write`, which the executor calls."""
        raise TypeError("gradients are computed by the problem")

    def write(self, nodes: Sequence[int], models_BD: torch.Tensor, samples_Bb: torch.Tensor, out_BD: torch.Tensor) -> None:
        """Writes B gradients, and feeds the keeper.

        Args:
            nodes: whose they are; all different.
            models_BD: one model per row.
            samples_Bb: int64 sample ids on the device.
            out_BD: receives the gradients.
        """
        batch, num_parameters = samples_Bb.shape[1], models_BD.shape[1]
        size = max(1, CHUNK_BYTES // (batch * num_parameters * models_BD.dtype.itemsize))
        for start in range(0, len(nodes), size):
            rows = slice(start, start + size)
            gradients_BbD = models_BD.new_empty((len(nodes[rows]), batch, num_parameters))
            self.problem.example_gradients(models_BD[rows], samples_Bb[rows], gradients_BbD)
            out_BD[rows] = gradients_BbD.mean(1)
            self.keeper.feed(nodes[rows], gradients_BbD)


def write_gradients(
    kernel: Kernel, wave: list[Operation], problem: Problem, models_BD: torch.Tensor, out_BD: torch.Tensor
) -> None:
    """One batched call for a wave of gradients.

    Args:
        kernel: that of all operations in the wave.
        wave: B gradients, all of the same mini-batch size.
        problem: computes them.
        models_BD: where they are taken.
        out_BD: receives them.
    """
    samples_Bb = samples(wave, problem.device)
    if isinstance(kernel, KeptGradient):
        kernel.write([operation.key >> 40 for operation in wave], models_BD, samples_Bb, out_BD)
    else:
        problem.gradient(models_BD, samples_Bb, out_BD)


def samples(wave: list[Operation], device: torch.device) -> torch.Tensor:
    """The sample ids of a batch of gradients.

    Args:
        wave: B gradients, all of the same mini-batch size b.
        device: where the ids are wanted.

    Returns:
        int64, ``[B, b]``.
    """
    numbers = bytearray().join([operation.constants for operation in wave])  # type: ignore[misc]  # a gradient's are bytes
    return torch.frombuffer(numbers, dtype=torch.int64).to(device).view(len(wave), -1)
