"""What the problem computes beside gradients: of the next gradient's mini-batch, and without taking it away."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch

from simnet.problems.quadratic import Quadratic
from simnet.values import LEAF, EagerExecutor, Recorder, Row, WaveExecutor
from simnet.values.on_data import Distillation, MiniBatchLoss


@pytest.mark.parametrize("kind", ["deferred", "eager"])
def test_it_sees_the_samples_of_the_next_gradient(kind: str) -> None:
    """The noise of a gradient tells which sample it has seen."""
    problem = Quadratic(np.ones((1, 2)), np.zeros((1, 2)), noise=1.0, dtype=torch.float64)
    executor = WaveExecutor(problem, 64) if kind == "deferred" else EagerExecutor(problem)
    (slot,) = executor.store(torch.ones(1, 2, dtype=torch.float64))
    x = Row.leaf(slot, LEAF, executor.freed)
    recorder = Recorder(0, executor, problem.draws(0, seed=3))
    gradients, losses = [], []
    for k in range(70):
        losses += [recorder.on_data(MiniBatchLoss(), x) for _ in range(k % 3)]  # looked at not at all, once, twice
        gradients.append(recorder.gradient(x))
    executor.compute([*gradients, *losses])
    found = executor.read(gradients)
    expected = torch.empty_like(found)
    samples = chain.from_iterable(problem.draws(0, seed=3))
    ids = torch.from_numpy(np.stack([next(samples) for _ in range(70)]))
    problem.gradient(torch.ones(70, 2, dtype=torch.float64), ids, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert executor.read(losses).tolist() == [[1.0, 1.0]] * len(losses)


def test_rows_of_one_kind_are_computed_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Quadratic(np.ones((5, 2)), np.zeros((5, 2)), dtype=torch.float64)
    calls: list[int] = []
    original = problem.distillation_gradients

    def counted(models: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        calls.append(len(models))
        return original(models, *others)

    monkeypatch.setattr(problem, "distillation_gradients", counted)
    executor = WaveExecutor(problem, 64)
    slots = executor.store(torch.ones(5, 2, dtype=torch.float64))
    rows = []
    for i, slot in enumerate(slots):
        recorder = Recorder(i, executor, problem.draws(i, seed=1))
        x = Row.leaf(slot, LEAF + i, executor.freed)
        rows.append(recorder.on_data(Distillation(), x, 0.5 * x))
    executor.compute(rows)
    assert calls == [5]
    assert executor.read(rows).tolist() == [[0.5, 0.5]] * 5


def test_nothing_without_a_problem() -> None:
    with pytest.raises(TypeError, match="computed by the problem"):
        MiniBatchLoss()(torch.ones(1, 1))
