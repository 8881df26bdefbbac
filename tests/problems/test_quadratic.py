"""Quadratics: gradients by hand, noise as a pure function of the sample, the optimum, pooling."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simnet.errors import ParameterError
from simnet.problems import build_problem
from simnet.problems.quadratic import Quadratic

CURVATURE = np.array([[1.0, 2.0, 0.5], [3.0, 1.0, 0.0]])
OPTIMUM = np.array([[0.0, 1.0, 2.0], [4.0, -1.0, 9.0]])


def quadratic(noise: float = 0.0, dtype: torch.dtype = torch.float64) -> Quadratic:
    return Quadratic(CURVATURE, OPTIMUM, noise, dtype=dtype)


def gradient(problem: Quadratic, models: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(models)
    problem.gradient(models, samples, out)
    return out


@settings(max_examples=30, deadline=None)
@given(
    models=arrays(np.float64, (4, 3), elements=st.floats(-10, 10)),
    nodes=st.lists(st.integers(0, 1), min_size=4, max_size=4),
)
def test_gradient_is_curvature_times_distance(models: np.ndarray, nodes: list[int]) -> None:
    samples = torch.tensor([[node, 0] for node in nodes])
    expected = CURVATURE[nodes] * (models - OPTIMUM[nodes])
    np.testing.assert_array_equal(gradient(quadratic(), torch.from_numpy(models), samples), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_the_same_whatever_the_batch(dtype: torch.dtype) -> None:
    problem = quadratic(0.3, dtype)
    draw = chain.from_iterable(problem.draws(1, seed=5)).__next__
    samples = torch.from_numpy(np.stack([draw() for _ in range(50)]))
    models = torch.zeros(50, 3, dtype=dtype)
    together = gradient(problem, models, samples)
    for row in range(0, 50, 7):
        assert torch.equal(together[row], gradient(problem, models[:1], samples[row : row + 1])[0])


def test_noise_has_the_given_standard_deviation_and_mean_zero() -> None:
    problem = quadratic(0.3)
    draw = chain.from_iterable(problem.draws(0, seed=5)).__next__
    samples = torch.from_numpy(np.stack([draw() for _ in range(20_000)]))
    noise = gradient(problem, torch.zeros(20_000, 3, dtype=torch.float64), samples) + torch.tensor(
        CURVATURE[0] * OPTIMUM[0]
    )
    assert float(noise.mean().abs()) < 0.01
    assert float(noise.std()) == pytest.approx(0.3, rel=0.02)


def test_draws_depend_on_node_and_seed_only() -> None:
    problem = quadratic(0.1)

    def first(node: int, seed: int) -> list[list[int]]:
        draw = chain.from_iterable(problem.draws(node, seed)).__next__
        return [draw().tolist() for _ in range(70)]

    assert first(0, 1) == first(0, 1)
    assert first(0, 1) != first(0, 2)
    assert len({key for _, key in first(0, 1)} & {key for _, key in first(1, 1)}) == 0
    assert {node for node, _ in first(1, 1)} == {1}


def test_the_minimum_has_no_gradient_and_the_least_loss() -> None:
    problem = quadratic()
    models = problem.minimum.expand(2, 3)
    metrics = problem.evaluate(models)
    assert metrics["gradient_norm"] == pytest.approx(0, abs=1e-14)
    assert metrics["optimum_distance"] == pytest.approx(0, abs=1e-14)
    assert problem.evaluate(models + 0.1)["train_loss"] > metrics["train_loss"]


def test_metrics_equal_their_definitions() -> None:
    problem = quadratic()
    models = torch.tensor([[1.0, 2.0, 3.0], [5.0, 4.0, 3.0]], dtype=torch.float64)

    def objective(x: np.ndarray) -> float:
        return float(np.mean([0.5 * (a * (x - b) ** 2).sum() for a, b in zip(CURVATURE, OPTIMUM, strict=True)]))

    mean = models.mean(0).numpy()
    metrics = problem.evaluate(models)
    assert metrics["train_loss"] == pytest.approx(objective(mean), rel=1e-13)
    own = [objective(x) for x in models.numpy()]
    assert metrics["node_loss_mean"] == pytest.approx(np.mean(own), rel=1e-13)
    assert metrics["node_loss_worst"] == pytest.approx(max(own), rel=1e-13)
    full = np.mean([a * (mean - b) for a, b in zip(CURVATURE, OPTIMUM, strict=True)], axis=0)
    assert metrics["gradient_norm"] == pytest.approx(np.linalg.norm(full), rel=1e-13)


def test_pooled_is_the_average_objective() -> None:
    problem = quadratic(0.4)
    pooled = problem.pooled(2)
    model = torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)
    assert pooled.num_nodes == 1
    assert pooled.noise == pytest.approx(0.4 / np.sqrt(2))
    for key, value in problem.evaluate(model).items():
        assert pooled.evaluate(model)[key] == pytest.approx(value, rel=1e-13, abs=1e-13)


def test_a_random_quadratic_has_the_chosen_conditioning_and_heterogeneity() -> None:
    spec = SimpleNamespace(
        kind="quadratic", curvature=None, dimension=200, heterogeneity=2.0, conditioning=50.0, noise=0.0
    )
    problem = build_problem(spec, 50, 3, torch.float64, torch.device("cpu"), None)
    curvature, optimum = problem._arrays
    assert curvature.max() / curvature.min() == pytest.approx(50)
    assert (optimum - optimum.mean(0)).std() == pytest.approx(2.0, rel=0.05)
    spec.heterogeneity = 0.0
    optimum = build_problem(spec, 5, 3, torch.float64, torch.device("cpu"), None)._arrays[1]
    assert (optimum == optimum[0]).all()


@pytest.mark.parametrize(
    ("curvature", "optimum", "message"),
    [
        ([[1.0], [1.0], [1.0]], [[0.0]], "curvature: found 3 rows; 2"),
        ([[1.0, 2.0], [1.0]], [[0.0]], "curvature: the rows must be equally long"),
        ([[1.0, 2.0]], [[0.0]], "optimum: found 1 columns, curvature has 2"),
        ([[-1.0]], [[0.0]], "curvature: found -1"),
        ([[1.0, 0.0]], [[0.0, 0.0]], "curvature: coordinate 1 is 0 on all nodes"),
        ([[1.0]], [[float("nan")]], "optimum: found an array"),
        ([[]], [[]], "curvature: found an array"),
    ],
)
def test_impossible_arrays_are_refused(curvature: list[list[float]], optimum: list[list[float]], message: str) -> None:
    spec = SimpleNamespace(kind="quadratic", curvature=curvature, optimum=optimum, noise=0.0)
    with pytest.raises(ParameterError, match=message):
        build_problem(spec, 2, 1, torch.float64, torch.device("cpu"), None)


def test_state_dict_and_start() -> None:
    problem = quadratic()
    assert problem.initial_model(1).tolist() == [0, 0, 0]
    assert list(problem.state_dict(problem.initial_model(1))) == ["x"]
    assert problem.class_table() is None
    assert problem.epoch_length(0) == 1
