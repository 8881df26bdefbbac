"""NTK-DFL: kernel regression in closed form, honest messages and times, and where it makes no sense."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.errors import AlgorithmError, ScenarioError
from tests.algorithms.cases import Case, arrays, execute, run, scenario

MIXTURE = {"dataset": "gaussian_mixture", "features": 4, "classes": 3, "samples_per_node": 12, "test_samples": 30}


def on_data(n: int, problem: dict[str, Any], duration: int = 5, **changes: Any) -> dict[str, Any]:
    source = scenario(Case("ntk_dfl", {"duration": duration}), n, **changes)
    del source["init"]
    return source | {"problem": {**MIXTURE, "batch_size": 4, "model": "linear", **problem}}


def test_alone_on_a_quadratic_it_is_kernel_regression() -> None:
    """The gap to the optimum shrinks by 1 - lr a (1 - q^T) / (1 - q), q = exp(-lr a); in short units by exp(-lr a T)."""
    values = arrays(1)
    a, gap = values["curvature"][0], values["init"][0] - values["optimum"][0]
    for lr, duration in ((0.3, 7), (1e-5, 100_000)):
        found = run(Case("ntk_dfl", {"duration": duration}), 1, lr=lr, steps=1).models[-1][0] - values["optimum"][0]
        q = np.exp(-lr * a)
        np.testing.assert_allclose(found, gap * (1 - lr * a * (1 - q**duration) / (1 - q)), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found, gap * np.exp(-a), rtol=1e-4)


def test_on_a_complete_graph_all_agree_after_each_step() -> None:
    models = run(Case("ntk_dfl", {"duration": 9}), 4, topology="complete", mixing="uniform").models
    np.testing.assert_allclose(models[1:] - models[1:, :1], 0, atol=1e-13)


def test_messages_are_as_large_as_jacobians_and_take_their_time() -> None:
    """4 samples, 3 classes, 15 parameters, on a ring: 2 vectors, then 4 * 3 * (15 + 2) numbers; 3 models times 3 gradients."""
    network = {"latency": "1 s", "bandwidth": "1 kbit/s"}
    outcome = execute(on_data(5, {}, steps=3, compute={"time": "2 s"}, network=network))
    first, last = 32 * 15, 32 * 4 * 3 * (15 + 2)
    assert outcome.column("bits_sent").tolist() == [5 * 2 * k * (2 * first + last) for k in range(4)]
    step = 2 * (1 + first / 1000) + 3 * 3 * 2 + (1 + last / 1000)
    assert outcome.times.tolist() == pytest.approx([k * step for k in range(4)], rel=1e-12)
    assert outcome.column("gradients").tolist() == [5 * 9 * k for k in range(4)]


def test_one_unit_of_time_on_a_complete_graph_is_gradient_descent() -> None:
    models = execute(on_data(4, {"batch_size": "full"}, 1, topology="complete", mixing="uniform", steps=5)).models
    source = on_data(4, {"batch_size": "full"}, steps=5) | {"algorithms": [{"name": "sgd", "label": "it", "lr": 0.05}]}
    np.testing.assert_allclose(models[:, 0], execute(source).models[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", ["linear", {"kind": "mlp", "hidden": [5]}])
def test_it_learns_from_neighbors_that_see_other_classes(model: Any) -> None:
    problem = {"model": model, "batch_size": "full", "partition": {"kind": "label_sorted"}, "separation": 6.0}
    source = on_data(4, problem, 50, lr=0.2, steps=20, evaluate_every=20, topology="ring", dtype="float32")
    rows = execute(source).record.metrics
    assert rows[-1]["accuracy"] > 0.9
    assert rows[-1]["train_loss"] < 0.3 * rows[0]["train_loss"]
    assert math.isfinite(rows[-1]["node_loss_worst"])


def test_what_it_is_not_defined_for_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"algorithms\.0: it needs a loss of the model's outputs alone, but problem\.l2"):
        simnet.run(on_data(4, {"l2": 0.1}))
    one_way = {"kind": "edges", "edges": [[0, 1], [1, 2], [2, 0]], "directed": True}
    with pytest.raises(AlgorithmError, match="topology: found links in one direction; allowed: links in both"):
        simnet.run(on_data(3, {}, topology=one_way, mixing="uniform"))
