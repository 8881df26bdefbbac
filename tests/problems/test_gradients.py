"""Batched gradients of models on data equal autograd, one model at a time."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from simnet.problems.supervised import Supervised

Make = Callable[..., Any]
RandomModels = Callable[..., torch.Tensor]

MODELS = {
    "linear": (SimpleNamespace(kind="linear"), nn.Linear(6, 3)),
    "mlp": (SimpleNamespace(kind="mlp", hidden=[7]), nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3))),
    "mlp-2": (
        SimpleNamespace(kind="mlp", hidden=[7, 5]),
        nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)),
    ),
    "factory": (
        SimpleNamespace(factory="torch.nn:Linear", keywords={"in_features": 6, "out_features": 3}),
        nn.Linear(6, 3),
    ),
}


def autograd(problem: Supervised, module: nn.Module, model: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The gradient of one row by torch's own loss and modules."""
    module = module.double()
    module.load_state_dict(problem.state_dict(model))
    module.zero_grad()
    samples = problem._train
    logits = module(samples.inputs[ids])
    if logits.shape[1] == 1:
        loss = functional.binary_cross_entropy_with_logits(logits[:, 0], samples.labels[ids].double())
    else:
        loss = functional.cross_entropy(logits, samples.labels[ids])
    loss = loss + problem.l2 / 2 * sum((p**2).sum() for p in module.parameters())
    loss.backward()
    return torch.cat([p.grad.flatten() for p in module.parameters()])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_a_batched_gradient_equals_autograd(make: Make, random_models: RandomModels, name: str, l2: float) -> None:
    spec, module = MODELS[name]
    problem = make(model=spec, l2=l2)
    models = random_models(problem, 9)
    ids = torch.randint(0, 80, (9, 5), generator=torch.Generator().manual_seed(1))
    out = torch.empty_like(models)
    problem.gradient(models, ids, out)
    for row in range(9):
        torch.testing.assert_close(out[row], autograd(problem, module, models[row], ids[row]), rtol=0, atol=1e-12)


def test_logistic_equals_autograd(make: Make, random_models: RandomModels) -> None:
    problem = make(dataset="logistic", l2=0.1)
    assert problem.num_parameters == 6  # one output without a bias
    models, ids = random_models(problem, 3), torch.arange(12).view(3, 4)
    out = torch.empty_like(models)
    problem.gradient(models, ids, out)
    module = nn.Linear(6, 1, bias=False)
    for row in range(3):
        torch.testing.assert_close(out[row], autograd(problem, module, models[row], ids[row]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_strided_expanded_and_chunked_rows_give_the_same(
    make: Make, random_models: RandomModels, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make(model=MODELS[name][0], l2=0.1)
    models, ids = random_models(problem, 1).expand(6, -1), torch.arange(24).view(6, 4)
    expected = torch.empty(6, problem.num_parameters, dtype=torch.float64)
    problem.gradient(models.contiguous(), ids, expected)
    before = models.clone()
    wide = torch.zeros(6, problem.num_parameters + 3, dtype=torch.float64)
    problem.gradient(models, ids, wide[:, 1:-2])
    torch.testing.assert_close(wide[:, 1:-2], expected, rtol=0, atol=1e-14)
    assert (wide[:, 0] == 0).all()
    assert (wide[:, -2:] == 0).all()
    assert torch.equal(models, before)
    monkeypatch.setattr(problem._model, "cpu_bytes", 1)
    problem.gradient(models, ids, wide[:, 1:-2])
    torch.testing.assert_close(wide[:, 1:-2], expected, rtol=0, atol=1e-14)


def test_cnn_batched_equals_autograd(make: Make) -> None:
    problem = make(dataset="digits", model=SimpleNamespace(kind="cnn", channels=[2, 4]))
    assert problem.notes == []
    models = torch.stack([problem.initial_model(seed) for seed in range(3)])
    ids = torch.arange(12).view(3, 4)
    out = torch.empty_like(models)
    problem.gradient(models, ids, out)
    for row in range(3):
        expected = autograd(problem, problem._model._build(0), models[row], ids[row])
        torch.testing.assert_close(out[row], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*MODELS, "cnn"])
def test_float32_stays_float32_and_agrees(make: Make, random_models: RandomModels, name: str) -> None:
    spec = MODELS[name][0] if name in MODELS else SimpleNamespace(kind="cnn", channels=[2, 4])
    if name == "cnn":
        single, double = (make(dataset="digits", model=spec, dtype=d) for d in (torch.float32, torch.float64))
    else:
        single, double = (make(model=spec, dtype=d) for d in (torch.float32, torch.float64))
    models, ids = 0.3 * random_models(double, 3), torch.arange(12).view(3, 4)
    outs = [torch.empty_like(models.to(problem.dtype)) for problem in (single, double)]
    for problem, out in zip((single, double), outs, strict=True):
        problem.gradient(models.to(problem.dtype), ids, out)
    torch.testing.assert_close(outs[0].double(), outs[1], rtol=1e-3, atol=1e-5)


def test_pooled_full_gradient_is_that_of_the_average_objective(make: Make, random_models: RandomModels) -> None:
    problem = make(nodes=7, dataset="digits", batch_size="full", l2=0.1)  # parts of unequal size
    sizes = [len(next(problem.draws(node, 1))[0]) for node in range(7)]
    assert len(set(sizes)) == 2
    model = random_models(problem, 1)
    expected, own = torch.zeros_like(model), torch.empty_like(model)
    for node in range(7):
        problem.gradient(model, torch.from_numpy(next(problem.draws(node, 1))[0])[None], own)
        expected += own / 7
    pooled = problem.pooled(7)
    problem_of_one = torch.empty_like(model)
    pooled.gradient(model, torch.from_numpy(next(pooled.draws(0, 1))[0])[None], problem_of_one)
    torch.testing.assert_close(problem_of_one, expected, rtol=0, atol=1e-12)
    assert float(expected.norm()) == pytest.approx(problem.evaluate(model)["gradient_norm"], rel=1e-10)
    assert pooled.evaluate(model) == pytest.approx(problem.evaluate(model), rel=1e-12)
