"""Executors for what an earlier run of the same operations has computed: all of it, or all up to a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from time import perf_counter
from weakref import WeakValueDictionary

import numpy as np
import torch

from simnet.problems import Problem
from simnet.values.executor import WaveExecutor
from simnet.values.kernels import Kernel
from simnet.values.vector import ELSEWHERE, Operation, Row, Scalar


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
        self._recall(chain(*sums.values(), *others.values()))
        self.seconds += perf_counter() - start

    def _recall(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            operation.slot = ELSEWHERE
            operation.inputs = ()
            if isinstance(operation, Scalar):
                operation.value = 0.0  # of a tally, whose sum the earlier run has

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


class ResumableExecutor(RecallingExecutor):
    """An executor whose rows can be taken out, and put back into another run that has gone the same way up to there.

    It computes as a `WaveExecutor` does; while it is asleep it only goes through the motions.

    Args:
        problem: computes the gradients.
        max_batch: as of `WaveExecutor`.
        numbers: of the run that is resumed, by the key of the operation.
        awake: whether it computes from the start.

    Attributes:
        is_awake: whether it computes.
        known: the rows that have been computed and are still held, by key.
    """

    def __init__(self, problem: Problem, max_batch: int, numbers: Mapping[int, float], awake: bool) -> None:
        super().__init__(problem, max_batch, numbers)
        self.is_awake = awake
        self.known: WeakValueDictionary[int, Row] = WeakValueDictionary()

    def track(self, rows: Iterable[Row]) -> None:
        """Rows that were not computed here: the initial models.

        Args:
            rows: each with its key.
        """
        for row in rows:
            self.known[row.key] = row

    def store(self, models_ND: torch.Tensor) -> list[int]:
        """Keeps initial models, or a place for them, and returns their slots."""
        return WaveExecutor.store(self, models_ND) if self.is_awake else super().store(models_ND)

    def compute(self, operations: Iterable[Operation]) -> None:
        """Computes these operations and their ancestors, or marks them as computed."""
        operations = list(operations)
        if self.is_awake:
            WaveExecutor.compute(self, operations)
            return
        waves = self._waves(operations)
        found = [operation for wave in waves for level in wave.values() for operation in level]
        self._recall(found)
        self.track(operation for operation in found if isinstance(operation, Row))

    def number(self, scalar: Scalar) -> float:
        """One number, computed or recalled."""
        return WaveExecutor.number(self, scalar) if self.is_awake else super().number(scalar)

    def layout(self) -> dict[str, np.ndarray]:
        """What lies where: ``keys [K]`` and ``slots [K]`` of the rows that are held, ``freed [F]``, ``rows [K, D]``.

        Rows are put back where they were, since the last bits of a product may depend on how its operands are aligned.
        """
        keys = sorted(self.known.keys())
        slots = [self.known[key].slot for key in keys]
        rows_KD = self.arena.data[slots, : self.arena.num_parameters].cpu().numpy()
        freed = np.array(self.freed, dtype=np.int64)
        return {"keys": np.array(keys, np.uint64), "slots": np.array(slots, np.int64), "freed": freed, "rows": rows_KD}

    def wake(self, layout: Mapping[str, np.ndarray]) -> None:
        """Puts rows back; from now on everything is computed.

        Args:
            layout: as the method of this name gave it.

        Raises:
            ForgottenError: if they are not those that are held here.
        """
        keys = layout["keys"].tolist()
        if sorted(self.known.keys()) != keys:
            raise ForgottenError(f"{len(self.known)} rows")
        self.is_awake = True
        slots, freed, rows_KD = layout["slots"], layout["freed"], torch.from_numpy(layout["rows"])
        arena = self.arena
        arena.data = arena.data.new_zeros((len(slots) + len(freed), arena.data.shape[1]))
        arena.data[torch.from_numpy(slots), : arena.num_parameters] = rows_KD.to(arena.data.device)
        self.freed[:] = freed.tolist()
        for key, slot in zip(keys, slots.tolist(), strict=True):
            self.known[key].slot = slot

    def _run(self, kernel: Kernel | None, wave: list[Operation]) -> None:
        super()._run(kernel, wave)
        self.track(operation for operation in wave if isinstance(operation, Row))
