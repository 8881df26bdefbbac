"""Counted floating-point operations are those of the matrix products and convolutions, and counting leaves no trace."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from simnet.gradient_cost import first_samples
from simnet.problems import Problem
from simnet.simulation import prepare
from tests.clock.building import scenario

FEATURES, CLASSES, BATCH = 64, 10, 16


def digits(model: Any, batch_size: Any = BATCH, **changes: Any) -> Problem:
    problem = {"dataset": "digits", "model": model, "batch_size": batch_size}
    return prepare(scenario(4, problem=problem, **changes), device="cpu").setting.problem


def count(problem: Problem, node: int = 0) -> float:
    return problem.gradient_flops(first_samples(problem, node, 1))


def dense(sizes: list[int], batch: int = BATCH) -> int:
    """2 b i o for each product: forward, the weights' gradient, and the inputs' gradient but of the first layer."""
    products = [2 * batch * num_in * num_out for num_in, num_out in pairwise(sizes)]
    return 3 * sum(products) - products[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("linear", [FEATURES, CLASSES]),
        ({"kind": "mlp", "hidden": [32]}, [FEATURES, 32, CLASSES]),
        ({"kind": "mlp", "hidden": [20, 30]}, [FEATURES, 20, 30, CLASSES]),
    ],
    ids=["linear", "mlp", "deep"],
)
def test_dense_models(model: Any, sizes: list[int], dtype: str) -> None:
    assert count(digits(model, dtype=dtype)) == dense(sizes)


def test_a_module_of_ones_own() -> None:
    """A linear layer by import path, batched by vmap, counts like the model written out."""
    mixture = {"dataset": "gaussian_mixture", "features": 6, "classes": 3, "batch_size": BATCH}
    factory = {"factory": "torch.nn:Linear", "in_features": 6, "out_features": 3}
    found = [prepare(scenario(4, problem={**mixture, "model": model})).setting.problem for model in ("linear", factory)]
    assert [count(problem) for problem in found] == [dense([6, 3])] * 2


def test_convolutions() -> None:
    """3x3 convolutions, 1 -> 4 channels on 8x8 and 4 -> 8 on 4x4, then a linear layer of 8 * 4 * 4 inputs."""
    first, second = 2 * 9 * 1 * 4 * 64 * BATCH, 2 * 9 * 4 * 8 * 16 * BATCH
    last = 2 * 128 * CLASSES * BATCH
    assert count(digits({"kind": "cnn", "channels": [4, 8]})) == 3 * (first + second + last) - first


def test_full_batches_count_each_nodes_own_samples() -> None:
    problem = digits("linear", "full")
    sizes = [first_samples(problem, i, 1).shape[1] for i in range(4)]
    assert [count(problem, i) for i in range(4)] == [dense([FEATURES, CLASSES], size) for size in sizes]


def test_a_quadratic_takes_a_difference_and_a_product_for_each_parameter() -> None:
    problem = prepare(scenario(4, problem={"kind": "quadratic", "dimension": 7, "noise": 1.0})).setting.problem
    assert count(problem) == 14


def test_counting_leaves_no_trace() -> None:
    problem, random_state = digits("mlp"), torch.random.get_rng_state()
    before, same = problem.draws(0, 1), problem.draws(0, 1)
    first = next(before)
    count(problem)
    assert np.array_equal(first, next(same))
    assert np.array_equal(next(before), next(same))
    assert torch.equal(random_state, torch.random.get_rng_state())
