"""Mini-batch losses, and gradients of divergences, are what finite differences say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from simnet.errors import ParameterError
from simnet.problems.problem import Problem
from simnet.problems.quadratic import Quadratic
from tests.problems.test_gradients import MODELS

Make = Callable[..., Any]
RandomModels = Callable[..., torch.Tensor]
STEP = 1e-5


def slopes(function: Callable[[torch.Tensor], torch.Tensor], models: torch.Tensor) -> torch.Tensor:
    """The derivatives of ``function``, ``[B, D] -> [B]``, with respect to every number of the models, ``[B, D]``."""
    shifts = STEP * torch.eye(models.shape[1], dtype=models.dtype)
    columns = [(function(models + shift) - function(models - shift)) / (2 * STEP) for shift in shifts]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_gradients_are_those_of_the_losses(make: Make, random_models: RandomModels, name: str, classes: int) -> None:
    problem = make(model=MODELS[name][0], l2=0.3, classes=classes)
    models, ids = random_models(problem, 4), torch.arange(20).view(4, 5)
    out = torch.empty_like(models)
    problem.gradient(models, ids, out)
    torch.testing.assert_close(slopes(lambda x: problem.losses(x, ids), models), out, rtol=0, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_distillation_gradients_are_those_of_the_divergence(
    make: Make, random_models: RandomModels, name: str, classes: int
) -> None:
    problem = make(model=MODELS[name][0], l2=0.3, classes=classes)
    models, ids = random_models(problem, 4), torch.arange(20).view(4, 5)
    teachers = random_models(problem, 9)[:4]

    def log_probabilities(x: torch.Tensor) -> torch.Tensor:
        z_BCb = problem._model.outputs(x, problem._train.inputs[ids])
        if z_BCb.shape[1] == 1:
            z_BCb = torch.cat((torch.zeros_like(z_BCb), z_BCb), dim=1)
        return z_BCb.log_softmax(1)

    def divergence(x: torch.Tensor) -> torch.Tensor:
        terms = functional.kl_div(log_probabilities(x), log_probabilities(teachers), log_target=True, reduction="none")
        return terms.sum(1).mean(1)

    found = problem.distillation_gradients(models, teachers, ids)
    torch.testing.assert_close(found, slopes(divergence, models), rtol=0, atol=1e-8)
    assert problem.distillation_gradients(teachers, teachers, ids).abs().max() < 1e-14


def test_small_chunks_give_the_same(make: Make, random_models: RandomModels, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make()
    models, ids = random_models(problem, 7), torch.arange(35).view(7, 5)
    whole = problem.losses(models, ids), problem.distillation_gradients(models, models.flip(0), ids)
    monkeypatch.setattr(problem, "_rows_per_chunk", lambda _: 3)
    parts = problem.losses(models, ids), problem.distillation_gradients(models, models.flip(0), ids)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def test_of_a_quadratic() -> None:
    problem = Quadratic(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 1.0], [2.0, 3.0]]), dtype=torch.float64)
    x, y, ids = torch.ones(2, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64), torch.tensor([[1, 0], [0, 0]])
    assert problem.losses(x, ids).tolist() == [0.5 * (3 + 4 * 4), 0.5 * 1]
    assert problem.distillation_gradients(x, y, ids).tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_a_problem_that_cannot_tell_says_so() -> None:
    class Own(Quadratic):
        losses = Problem.losses
        distillation_gradients = Problem.distillation_gradients

    own = Own(np.ones((1, 1)), np.ones((1, 1)))
    x, ids = torch.ones(1, 1), torch.zeros(1, 2, dtype=torch.int64)
    with pytest.raises(ParameterError, match="found no mini-batch losses; allowed: a data set or a quadratic"):
        own.losses(x, ids)
    with pytest.raises(ParameterError, match="found no outputs to distill"):
        own.distillation_gradients(x, x, ids)
