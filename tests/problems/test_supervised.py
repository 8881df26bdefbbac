"""Classification problems: draws, metrics by definition, class table, refusals."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from simnet.errors import ParameterError

Make = Callable[..., Any]
RandomModels = Callable[..., torch.Tensor]


def test_draws_stay_in_the_nodes_own_data_and_follow_seed_and_node(make: Make) -> None:
    problem = make(partition=SimpleNamespace(kind="label_sorted", shuffled=0.0))

    def first(node: int, seed: int) -> np.ndarray:
        draw = chain.from_iterable(problem.draws(node, seed)).__next__
        return np.stack([draw() for _ in range(300)])

    for node in range(4):
        drawn = first(node, 1)
        assert drawn.shape == (300, 5)
        assert drawn.dtype == np.int64
        assert set(drawn.ravel()) == set(range(20 * node, 20 * node + 20))
    assert (first(0, 1) == first(0, 1)).all()
    assert (first(0, 1) != first(0, 2)).any()
    assert (first(0, 1) != first(1, 1) - 20).any()


def test_rows_that_were_drawn_stay_as_they_are(make: Make) -> None:
    draw = chain.from_iterable(make().draws(0, 1)).__next__
    rows = [draw() for _ in range(500)]
    copies = [row.copy() for row in rows]
    for _ in range(500):
        draw()
    assert all((row == copy).all() for row, copy in zip(rows, copies, strict=True))


def test_a_draw_is_cheap(make: Make) -> None:
    draw = chain.from_iterable(make(batch_size=32).draws(0, 1)).__next__

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(2000):
            draw()
        return (time.perf_counter() - start) / 2000

    assert min(seconds() for _ in range(5)) < 3e-6  # 0.25 us alone on a core; a draw at a time takes 6


def test_a_mini_batch_gradient_is_unbiased(make: Make, random_models: RandomModels) -> None:
    problem, full = make(), make(batch_size="full")
    model = random_models(problem, 1)
    draw = chain.from_iterable(problem.draws(2, 1)).__next__
    ids = torch.from_numpy(np.stack([draw() for _ in range(20_000)]))
    gradients, expected = torch.empty(20_000, problem.num_parameters, dtype=torch.float64), torch.empty_like(model)
    problem.gradient(model.expand(20_000, -1), ids, gradients)
    full.gradient(model, torch.from_numpy(next(full.draws(2, 1))[0])[None], expected)
    error = gradients.mean(0) - expected[0]
    assert bool((error.abs() <= 5 * gradients.std(0) / 20_000**0.5 + 1e-12).all())


@pytest.mark.parametrize("chunk", [None, 1, 4000])
def test_metrics_equal_their_definitions(
    make: Make, random_models: RandomModels, chunk: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make(nodes=3, partition=SimpleNamespace(kind="dirichlet", concentration=0.5), l2=0.2)
    if chunk is not None:
        monkeypatch.setattr(problem._model, "cpu_bytes", chunk)
    models = random_models(problem, 3)
    mean = models.mean(0)

    def score(model: torch.Tensor, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
        logits = inputs @ model[:18].view(3, 6).T + model[18:]
        return float(functional.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).double().mean())

    train, test = problem._train, problem._test
    own = [slice(start, end) for start, end in zip(problem._starts, problem._ends, strict=True)]
    local = [score(mean, train.inputs[part], train.labels[part])[0] for part in own]
    on_test = [score(model, test.inputs, test.labels) for model in models]
    expected = {
        "train_loss": np.mean(local) + 0.1 * float((mean**2).sum()),
        "train_accuracy": score(mean, train.inputs, train.labels)[1],
        "test_loss": score(mean, test.inputs, test.labels)[0],
        "accuracy": score(mean, test.inputs, test.labels)[1],
        "node_loss_mean": np.mean([loss for loss, _ in on_test]),
        "node_loss_worst": max(loss for loss, _ in on_test),
        "node_accuracy_mean": np.mean([accuracy for _, accuracy in on_test]),
        "node_accuracy_worst": min(accuracy for _, accuracy in on_test),
    }
    metrics = problem.evaluate(models)
    assert metrics == problem.evaluate(models)
    gradient_norm = metrics.pop("gradient_norm")
    assert metrics == pytest.approx(expected, rel=1e-12)
    leaf = mean.clone().requires_grad_()
    logits = train.inputs @ leaf[:18].view(3, 6).T + leaf[18:]
    objective = sum(functional.cross_entropy(logits[part], train.labels[part]) for part in own) / 3
    (gradient,) = torch.autograd.grad(objective + 0.1 * (leaf**2).sum(), leaf)
    assert gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-12)


def test_without_test_data_nodes_are_judged_on_training_data(make: Make, random_models: RandomModels) -> None:
    problem = make(test_samples=0)
    metrics = problem.evaluate(random_models(problem, 4))
    assert "accuracy" not in metrics
    assert "test_loss" not in metrics
    same = random_models(problem, 1).expand(4, -1)
    metrics = problem.evaluate(same)
    assert metrics["node_accuracy_worst"] == metrics["train_accuracy"]


def test_a_diverged_model_gives_numbers_that_are_not_finite(make: Make) -> None:
    problem = make()
    models = torch.full((4, problem.num_parameters), float("nan"), dtype=torch.float64)
    metrics = problem.evaluate(models)
    assert not np.isfinite(metrics["train_loss"])
    assert not np.isfinite(metrics["node_loss_worst"])


def test_logistic_metrics_start_at_ln_2(make: Make) -> None:
    problem = make(dataset="logistic")
    metrics = problem.evaluate(problem.initial_model(1).expand(4, -1))
    assert metrics["train_loss"] == pytest.approx(np.log(2))
    assert metrics["test_loss"] == pytest.approx(np.log(2))


def test_gradient_steps_learn_digits(make: Make) -> None:
    problem = make(nodes=1, dataset="digits", batch_size=32, dtype=torch.float32)
    draw, model = chain.from_iterable(problem.draws(0, 1)).__next__, problem.initial_model(1)[None].clone()
    gradient = torch.empty_like(model)
    for _ in range(600):
        problem.gradient(model, torch.from_numpy(draw())[None], gradient)
        model -= 0.5 * gradient
    assert problem.evaluate(model)["accuracy"] > 0.93


def test_class_table_counts_every_training_sample(make: Make) -> None:
    table = make(partition=SimpleNamespace(kind="label_sorted", shuffled=0.0)).class_table()
    assert table.shape == (4, 3)
    assert table.to_numpy().sum(1).tolist() == [20] * 4
    assert table.loc[0].tolist() == [20, 0, 0]


def test_epochs_start_and_names(make: Make) -> None:
    problem = make(model=SimpleNamespace(kind="mlp", hidden=[7]))
    assert problem.epoch_length(0) == 4
    assert make(batch_size="full").epoch_length(0) == 1
    start = problem.initial_model(1)
    assert torch.equal(start, problem.initial_model(1))
    assert not torch.equal(start, problem.initial_model(2))
    assert list(problem.state_dict(start)) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert float(start.abs().max()) <= 1 / 6**0.5
    assert problem.pooled(4).batch_size == 20
    assert "80 training and 31 test samples in 3 classes on 4 nodes" in problem.describe()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": 2000, "dataset": "digits"}, "partition: found 1438 training samples for 2000 nodes"),
        (
            {"dataset": "logistic", "partition": SimpleNamespace(kind="dirichlet", concentration=1.0)},
            "partition: found dirichlet; logistic draws each node's data",
        ),
        ({"partition": SimpleNamespace(kind="alphabetic")}, "partition: found 'alphabetic'; allowed are iid"),
        ({"model": SimpleNamespace(kind="transformer")}, "model: found 'transformer'; allowed are linear"),
        ({"dataset": "mnist"}, "dataset: found 'mnist'; allowed are"),
    ],
)
def test_impossible_problems_are_refused(make: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make(**changes)
