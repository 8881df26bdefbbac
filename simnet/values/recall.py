"""An executor that computes nothing, since an earlier run of the same operations has computed it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from time import perf_counter

import torch

from simnet.problems import Problem
from simnet.values.executor import WaveExecutor
from simnet.values.vector import ELSEWHERE, Operation, Scalar


class ForgottenError(Exception):
    """The earlier run has not got as far as this, or took another way: the values have to be computed anew."""


class RecallingExecutor(WaveExecutor):
    """Goes through the same motions as a `WaveExecutor`, without values.

    Operations are recorded as ever, so their digest shows in the end whether they are those of the earlier run. Whoever
    decides by a number gets the one that the earlier run had.

    Args:
        problem: whose gradients are not computed.
        max_batch: as of `WaveExecutor`.
        numbers: of the earlier run, by the key of the operation.
    """

    def __init__(self, problem: Problem, max_batch: int, numbers: Mapping[int, float]) -> None:
        super().__init__(problem, max_batch)
        self.recalled = numbers

    def store(self, models_ND: torch.Tensor) -> list[int]:
        """A place that holds nothing, for each initial model."""
        return [ELSEWHERE] * len(models_ND)

    def compute(self, operations: Iterable[Operation]) -> None:
        """Marks these operations and their ancestors as computed."""
        start = perf_counter()
        sums, others = self._waves(operations)
        for operation in chain(*sums.values(), *others.values()):
            operation.slot = ELSEWHERE
            operation.inputs = ()
            if isinstance(operation, Scalar):
                operation.value = 0.0  # of a tally, whose sum the earlier run has
        self.seconds += perf_counter() - start

    def number(self, scalar: Scalar) -> float:
        """One number of the earlier run.

        Args:
            scalar: the operation that gave it.

        Raises:
            ForgottenError: if that run has not asked for it.
        """
        self.compute([scalar])
        if scalar.key not in self.recalled:
            raise ForgottenError(f"number {scalar.key}")
        value = self.numbers[scalar.key] = self.recalled[scalar.key]
        return value
