"""The two executors: in waves as large as the dependencies allow, or every operation at once.

B: rows in one batched call. D: numbers in a model. b: samples in one mini-batch.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from time import perf_counter
from typing import Protocol

import numpy as np
import torch

from simnet.problems import Problem
from simnet.values.arena import Arena
from simnet.values.gradients import KeptGradient, samples, write_gradients
from simnet.values.kernels import GRADIENT, Kernel
from simnet.values.on_data import OnData
from simnet.values.vector import PENDING, QUEUED, Operation, Row, Scalar

by_key = attrgetter("key")
inputs_of = attrgetter("inputs")
Waves = dict[int, list[Operation]]


class Executor(Protocol):
    """What the rest of simnet may ask of the value plane.

    Attributes:
        eager: whether operations have to be computed at once, in the order in which they are recorded.
        freed: slots whose rows are gone; every `Row` appends its own.
        gradients: how many mini-batch gradients have been computed.
        gradient_calls: in how many batched calls.
        seconds: real time spent in `compute`.
        numbers: what algorithms have asked for, by the key of the operation.
    """

    eager: bool
    freed: list[int]
    gradients: int
    gradient_calls: int
    seconds: float
    numbers: dict[int, float]

    def store(self, models_ND: torch.Tensor) -> list[int]:
        """Keeps rows that were not computed here: the initial models.

        Args:
            models_ND: one row for each, copied.

        Returns:
            Their slots, in the same order.
        """
        ...

    def compute(self, operations: Iterable[Operation]) -> None:
        """Computes these operations, and first whatever they depend on.

        Args:
            operations: rows and scalars, in any order; those that are computed already cost nothing.
        """
        ...

    def read(self, rows: Sequence[Row]) -> torch.Tensor:
        """The numbers of computed rows, ``[B, D]``; not to be changed, and good while somebody holds them.

        Args:
            rows: B of them.
        """
        ...

    def number(self, scalar: Scalar) -> float:
        """One number, now, for a decision; it is kept in `numbers`, so that one which all nodes ask for is computed once.

        Args:
            scalar: the operation that gives it.
        """
        ...

    def close(self) -> None:
        """Lets all rows go: nothing can be read any more."""
        ...

    @property
    def peak_rows(self) -> int:
        """The largest number of rows that were alive at once."""
        ...


class WaveExecutor:
    """Computes what is asked for, and its ancestors, in waves: all cheap rows that are ready, then every gradient that is.

    The waves follow from the operations alone, never from the clock: an operation's level says how many gradients lie
    before it, a wave is one level, and inside a wave the order is (node, count). So batches and last bits are the same
    whenever the operations are.

    Args:
        problem: computes the gradients.
        max_batch: the memory budget: most rows in one batched call; larger waves are split in canonical order.
    """

    eager = False

    def __init__(self, problem: Problem, max_batch: int) -> None:
        self.problem = problem
        self.max_batch = max_batch
        silence_torch(problem.device)
        self.arena = Arena(problem.num_parameters, problem.dtype, problem.device)
        self.freed = self.arena.freed
        self.gradients = 0
        self.gradient_calls = 0
        self.seconds = 0.0
        self.numbers: dict[int, float] = {}

    @property
    def peak_rows(self) -> int:
        """The largest number of rows that were alive at once."""
        return self.arena.peak_rows

    def number(self, scalar: Scalar) -> float:
        """One number, now."""
        if scalar.key not in self.numbers:
            self.compute([scalar])
            self.numbers[scalar.key] = scalar.value
        return self.numbers[scalar.key]

    def close(self) -> None:
        """Gives the arena's memory back."""
        self.arena.data = self.arena.data.new_empty((0, 0))

    def store(self, models_ND: torch.Tensor) -> list[int]:
        """Keeps initial models and returns their slots."""
        slots = self.arena.allocate(len(models_ND))
        self.arena.data[slots[0] : slots[0] + len(slots), : self.arena.num_parameters] = models_ND
        return slots

    def read(self, rows: Sequence[Row]) -> torch.Tensor:
        """The numbers of computed rows, ``[len(rows), D]``; not to be changed."""
        return self.arena.block([row.slot for row in rows])

    def compute(self, operations: Iterable[Operation]) -> None:
        """Computes these operations and their ancestors, wave after wave."""
        start = perf_counter()
        sums, others = self._waves(operations)
        for level in sorted(sums.keys() | others.keys()):
            groups = by_kernel(others.pop(level)) if level in others else []
            for kernel, wave in [(None, sums.pop(level)), *groups] if level in sums else groups:
                wave.sort(key=by_key)
                for first in range(0, len(wave), self.max_batch):
                    self._run(kernel, wave[first : first + self.max_batch])
        self.seconds += perf_counter() - start

    def _waves(self, operations: Iterable[Operation]) -> tuple[Waves, Waves]:
        """What is pending among these and their ancestors, by level: linear combinations, and everything else."""
        found: list[Operation] = []
        parents: Iterable[Sequence[Operation]] = chain([list(operations)], map(inputs_of, found))  # grows as it is read
        for inputs in parents:
            for operation in inputs:
                if operation.slot == PENDING:
                    operation.slot = QUEUED
                    found.append(operation)
        sums: Waves = defaultdict(list)
        others: Waves = defaultdict(list)
        for operation in found:
            (sums if operation.kernel is None else others)[operation.level].append(operation)
        return sums, others

    def _run(self, kernel: Kernel | None, wave: list[Operation]) -> None:
        if isinstance(wave[0], Scalar):
            values = run_kernel(kernel, wave, self.arena, self.problem).tolist()
            for operation, value in zip(wave, values, strict=True):
                operation.value = value  # type: ignore[attr-defined]
                operation.slot = 0
                operation.inputs = ()
            return
        slots = self.arena.allocate(len(wave))
        padded = self.arena.output(slots)
        out_BD = padded[:, : self.arena.num_parameters]
        if kernel is None:
            combine(wave, self.arena, padded)
        elif kernel is GRADIENT or isinstance(kernel, KeptGradient):
            inputs_BD = self.arena.block([operation.inputs[0].slot for operation in wave])
            write_gradients(kernel, wave, self.problem, inputs_BD, out_BD)
            self.gradients += len(wave)
            self.gradient_calls += 1
        else:
            out_BD.copy_(run_kernel(kernel, wave, self.arena, self.problem))
        self.arena.write(slots, padded)
        for operation, slot in zip(wave, slots, strict=True):
            operation.slot = slot
            operation.inputs = operation.constants = ()


class EagerExecutor:
    """Computes every operation when it is recorded, one by one, in plain tensor arithmetic: the oracle for the other.

    Args:
        problem: computes the gradients.
    """

    eager = True

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.vectors: dict[int, torch.Tensor] = {}
        self.freed: list[int] = []
        self.gradients = 0
        self.gradient_calls = 0
        self.seconds = 0.0
        self.numbers: dict[int, float] = {}
        self.peak_rows = 0
        self.count = 0

    def number(self, scalar: Scalar) -> float:
        """One number, now."""
        if scalar.key not in self.numbers:
            self.compute([scalar])
            self.numbers[scalar.key] = scalar.value
        return self.numbers[scalar.key]

    def close(self) -> None:
        """Gives the memory back."""
        self.vectors.clear()

    def store(self, models_ND: torch.Tensor) -> list[int]:
        """Keeps initial models and returns their slots."""
        return [self._keep(model_D.clone()) for model_D in models_ND]

    def read(self, rows: Sequence[Row]) -> torch.Tensor:
        """The numbers of computed rows, ``[len(rows), D]``."""
        return torch.stack([self.vectors[row.slot] for row in rows])

    def compute(self, operations: Iterable[Operation]) -> None:
        """Computes the operations that are not computed yet; their inputs always are."""
        start = perf_counter()
        for operation in operations:
            if operation.slot == PENDING:
                self._compute(operation)
        self.seconds += perf_counter() - start

    def _compute(self, operation: Operation) -> None:
        inputs = [self.vectors[row.slot] for row in operation.inputs]
        if operation.kernel is None:
            value = torch.zeros(self.problem.num_parameters, dtype=self.problem.dtype, device=self.problem.device)
            for weight, row in zip(operation.constants, operation.inputs, strict=True):
                value = value + weight * self.vectors[row.slot]
        elif operation.kernel is GRADIENT or isinstance(operation.kernel, KeptGradient):
            value = torch.empty_like(inputs[0])
            write_gradients(operation.kernel, [operation], self.problem, inputs[0][None], value[None])
            self.gradients += 1
            self.gradient_calls += 1
        elif isinstance(operation.kernel, OnData):
            value = operation.kernel.of(self.problem, samples([operation], self.problem.device), *[x[None] for x in inputs])[0]
        else:
            numbers = [column([c], self.problem) for c in operation.constants]
            value = operation.kernel(*[x[None] for x in inputs], *numbers)[0]
        if isinstance(operation, Scalar):
            operation.value, operation.slot = float(value), 0
        else:
            operation.slot = self._keep(value)
        operation.inputs = ()

    def _keep(self, vector_D: torch.Tensor) -> int:
        while self.freed:
            del self.vectors[self.freed.pop()]
        self.vectors[self.count] = vector_D
        self.count += 1
        self.peak_rows = max(self.peak_rows, len(self.vectors))
        return self.count - 1


def silence_torch(device: torch.device) -> None:
    """Lets torch say once, unheard, that sparse CSR tensors are beta; it says so once per process, to whoever listens.

    Args:
        device: on which they are used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.zeros((1, 1), device=device).to_sparse_csr()


def by_kernel(wave: list[Operation]) -> list[tuple[Kernel | None, list[Operation]]]:
    """Splits a level into operations that run in one call, in a fixed order: the same kernel, on inputs of the same form.

    Args:
        wave: the operations of one level, less the linear combinations; at least one.

    Returns:
        Pairs of a kernel and its operations, sorted by the kernel's ``repr``, then by form.
    """
    if wave[0].kernel is GRADIENT and len({len(operation.constants) for operation in wave}) == 1:
        return [(GRADIENT, wave)]
    kernels = {id(operation.kernel): operation.kernel for operation in wave}
    names = {number: repr(kernel) for number, kernel in kernels.items()}
    groups: dict[tuple[str, int, str], list[Operation]] = defaultdict(list)
    for operation in wave:
        groups[names[id(operation.kernel)], *form_of(operation)].append(operation)
    return [(groups[group][0].kernel, groups[group]) for group in sorted(groups)]


def form_of(operation: Operation) -> tuple[int, str]:
    """What else must agree in one call: how many inputs, and how many constants of which type.

    Args:
        operation: one that is not a linear combination.

    Returns:
        The number of inputs, and a letter for each constant: ``i`` for int, ``f`` for float. For a gradient, and
        whatever else takes a mini-batch, how many bytes the sample ids take, and nothing.
    """
    if isinstance(operation.constants, bytes):
        return len(operation.constants), ""
    return len(operation.inputs), "".join("i" if isinstance(c, int) else "f" for c in operation.constants)


def combine(wave: list[Operation], arena: Arena, out_BD: torch.Tensor) -> None:
    """A batch of linear combinations: one sparse matrix (CSR) ``[B, slots]`` times the arena ``[slots, D]``.

    Args:
        wave: the B combinations; their inputs are computed.
        arena: where the inputs lie.
        out_BD: receives the sums.
    """
    slots = np.array([row.slot for operation in wave for row in operation.inputs], dtype=np.int64)
    weights = np.fromiter(chain.from_iterable([operation.constants for operation in wave]), np.float64, len(slots))
    starts = np.zeros(len(wave) + 1, dtype=np.int64)
    np.cumsum([len(operation.inputs) for operation in wave], out=starts[1:])
    device, rows_SD = arena.data.device, arena.data
    weights_BS = torch.sparse_csr_tensor(
        torch.from_numpy(starts).to(device),
        torch.from_numpy(slots).to(device),
        torch.from_numpy(weights).to(device, rows_SD.dtype),
        size=(len(wave), len(rows_SD)),
        check_invariants=False,
    )
    torch.addmm(out_BD, weights_BS, rows_SD, beta=0, out=out_BD)


def run_kernel(kernel: Kernel | None, wave: list[Operation], arena: Arena, problem: Problem) -> torch.Tensor:
    """One call of a row kernel for a whole wave.

    Args:
        kernel: that of all operations in the wave; not None.
        wave: B operations of one form (see `form_of`); their inputs are computed.
        arena: where the inputs lie.
        problem: tells device and type of the constants, and computes what depends on data.

    Returns:
        ``[B, D]`` for rows, ``[B]`` for scalars.
    """
    assert kernel is not None
    first = wave[0]
    inputs = [arena.block([operation.inputs[k].slot for operation in wave]) for k in range(len(first.inputs))]
    if isinstance(kernel, OnData):
        return kernel.of(problem, samples(wave, problem.device), *inputs)
    numbers = [column([operation.constants[k] for operation in wave], problem) for k in range(len(first.constants))]
    return kernel(*inputs, *numbers)


def column(numbers: list[float], problem: Problem) -> torch.Tensor:
    """One number of each row, as kernels take it.

    Args:
        numbers: B of them, all int or all float.
        problem: tells device and type.

    Returns:
        ``[B, 1]``: int64 if they are integers, else of the problem's type.
    """
    dtype = torch.int64 if isinstance(numbers[0], int) else problem.dtype
    return torch.tensor(numbers, dtype=dtype, device=problem.device)[:, None]
