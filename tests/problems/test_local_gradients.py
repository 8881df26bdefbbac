"""The nodes' full gradients in one call, and the largest curvature of their objectives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from simnet.insight import smoothness
from simnet.problems.quadratic import Quadratic

Make = Callable[..., Any]
RandomModels = Callable[..., torch.Tensor]
UNEVEN = SimpleNamespace(kind="dirichlet", concentration=0.3)
MODELS = {
    "linear": {"model": SimpleNamespace(kind="linear")},
    "mlp": {"model": SimpleNamespace(kind="mlp", hidden=[7])},
    "cnn": {"dataset": "digits", "model": SimpleNamespace(kind="cnn", channels=[2])},
}


@pytest.mark.parametrize("chunk_bytes", [None, 4000])
@pytest.mark.parametrize("model", MODELS)
def test_a_local_gradient_is_that_of_one_batch_of_all_local_samples(
    make: Make, random_models: RandomModels, model: str, chunk_bytes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make(partition=UNEVEN, l2=0.1, **MODELS[model])
    models_ND = 0.1 * random_models(problem, 4)
    expected_ND = torch.empty_like(models_ND)
    for i, (start, end) in enumerate(pairwise([0, *problem._ends])):
        samples_1b = torch.arange(start, end)[None]
        problem.gradient(models_ND[i : i + 1], samples_1b, expected_ND[i : i + 1])
    if chunk_bytes:
        monkeypatch.setattr(problem, "_chunk_bytes", lambda: chunk_bytes)
    torch.testing.assert_close(problem.local_gradients(models_ND), expected_ND, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("pooled", [False, True])
def test_their_mean_is_the_full_gradient(make: Make, random_models: RandomModels, pooled: bool) -> None:
    problem = make(partition=UNEVEN, l2=0.1)
    full_1D = problem._full_gradient(random_models(problem, 1))
    problem = problem.pooled(4) if pooled else problem
    local_ND = problem.local_gradients(random_models(problem, 1).expand(problem.num_nodes, -1))
    torch.testing.assert_close(local_ND.mean(0, keepdim=True), full_1D, rtol=1e-10, atol=1e-12)


class Unknown(Quadratic):
    """A quadratic that does not tell how curved it is."""

    @property
    def smoothness(self) -> None:  # type: ignore[override]
        return None


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-3)])
def test_the_curvature_of_a_quadratic_is_found(dtype: torch.dtype, tolerance: float) -> None:
    curvature = np.array([[1.0, 0.2, 0.1], [0.3, 3.0, 0.0]])
    problem = Unknown(curvature, np.ones((2, 3)), dtype=dtype)
    model_1D = torch.tensor([[5.0, -7.0, 1.0]], dtype=dtype)
    assert smoothness(problem, model_1D, seed=1) == pytest.approx(3.0, rel=tolerance)


def test_the_curvature_of_softmax_regression_is_found(make: Make) -> None:
    """At zero its Hessian is (I - 11'/C)/C times the second moment of the samples, with a one for the bias."""
    problem = make(partition=SimpleNamespace(kind="label_sorted", shuffled=0.0))
    expected = []
    for start, end in pairwise([0, *problem._ends]):
        inputs = problem._train.inputs[start:end]
        inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], dim=1)
        expected.append(float(torch.linalg.eigvalsh(inputs.T @ inputs / len(inputs)).max()) / 3)
    found = smoothness(problem, torch.zeros(1, problem.num_parameters, dtype=torch.float64), seed=1)
    assert found == pytest.approx(max(expected), rel=1e-3)
