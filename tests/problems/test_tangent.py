"""The tangent kernel against explicit Jacobians, and what models become under it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch.autograd.functional import jacobian

from simnet.problems.tangent import tangent_kernel

Make = Callable[..., Any]
RandomModels = Callable[..., torch.Tensor]
MODELS = {
    "linear": {"model": SimpleNamespace(kind="linear")},
    "mlp": {"model": SimpleNamespace(kind="mlp", hidden=[7])},
    "cnn": {"dataset": "digits", "model": SimpleNamespace(kind="cnn", channels=[2])},
}
NUM = 9


def explicit(problem: Any, model_1D: torch.Tensor, samples_b: torch.Tensor) -> torch.Tensor:
    """J, [b, C, D], by automatic differentiation of a module with the same parameters."""
    inputs = problem._train.inputs[samples_b]
    if hasattr(problem._model, "_module"):
        module, names = problem._model._module, list(problem._model.shapes)

        def outputs(flat: torch.Tensor) -> torch.Tensor:
            views = [view[0] for view in problem._model.views(flat[None])]
            return torch.func.functional_call(module, dict(zip(names, views, strict=True)), (inputs,))

    else:

        def outputs(flat: torch.Tensor) -> torch.Tensor:
            h, views = inputs, [view[0] for view in problem._model.views(flat[None])]
            for weight, bias in zip(views[::2], views[1::2], strict=True):
                h = (h if weight is views[0] else h.relu()) @ weight.T + bias
            return h

    return jacobian(outputs, model_1D[0])


@pytest.mark.parametrize("block", [100, 4])
@pytest.mark.parametrize("model", MODELS)
def test_the_kernel_is_the_mean_of_products_of_gradients(
    make: Make, random_models: RandomModels, model: str, block: int
) -> None:
    problem = make(**MODELS[model])
    model_1D, samples_b = random_models(problem, 1), torch.arange(NUM)
    J = explicit(problem, model_1D, samples_b)
    expected = torch.einsum("scd,tcd->st", J, J) / J.shape[1]
    found = tangent_kernel(problem._model, model_1D, problem._train.inputs[samples_b], J.shape[1], block)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_the_evolved_model_follows_the_differential_equation(make: Make, random_models: RandomModels, model: str) -> None:
    """The same from the formulas, with SciPy's solver and explicit Jacobians."""
    problem, lr, duration = make(**MODELS[model]), 0.01, 30
    model_1D, samples_b = 0.3 * random_models(problem, 1), torch.arange(3, 3 + NUM)
    J = explicit(problem, model_1D, samples_b).numpy()
    Y = np.eye(J.shape[1])[problem._train.labels[samples_b].numpy()]
    H = np.einsum("scd,tcd->st", J, J) / J.shape[1]
    z0 = problem._model.outputs(model_1D, problem._train.inputs[samples_b])[0].T.numpy()

    def residual(z: np.ndarray) -> np.ndarray:
        e = np.exp(z.reshape(Y.shape))
        return e / e.sum(axis=1, keepdims=True) - Y

    def slope(_: float, z: np.ndarray) -> np.ndarray:
        return (-lr / NUM * H @ residual(z)).ravel()

    path = solve_ivp(slope, (0, duration), z0.ravel(), t_eval=np.arange(duration), rtol=1e-11, atol=1e-13)
    total = sum(residual(z) for z in path.y.T)
    expected = model_1D[0].numpy() - lr / NUM * np.einsum("scd,sc->d", J, total)
    found = problem.evolve(model_1D, samples_b[None], lr, duration)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
    assert np.abs(expected - model_1D[0].numpy()).max() > 1e-2


@pytest.mark.parametrize("classes", [2, 3])
def test_one_unit_of_time_is_one_gradient_step(make: Make, random_models: RandomModels, classes: int) -> None:
    problem = make(classes=classes)
    models_BD, samples_Bb = random_models(problem, 2), torch.tensor([[1, 5, 30], [7, 7, 2]])
    gradients_BD = torch.empty_like(models_BD)
    problem.gradient(models_BD, samples_Bb, gradients_BD)
    found = problem.evolve(models_BD, samples_Bb, 0.1, 1)
    torch.testing.assert_close(found, models_BD - 0.1 * gradients_BD, rtol=1e-12, atol=1e-12)


def test_a_linear_model_with_one_output_ends_where_its_outputs_do(make: Make, random_models: RandomModels) -> None:
    """There the kernel is exact, so in short units of time weights and outputs evolve alike: the gradient flow."""
    problem = make(dataset="logistic")
    model_1D, samples_1b, lr, duration = random_models(problem, 1), torch.arange(8)[None], 1e-4, 5000
    expected_1D, gradient_1D = model_1D.clone(), torch.empty_like(model_1D)
    for _ in range(duration):
        problem.gradient(expected_1D, samples_1b, gradient_1D)
        expected_1D -= lr * gradient_1D
    found = problem.evolve(model_1D, samples_1b, lr, duration)
    assert (expected_1D - model_1D).abs().max() > 1e-2
    torch.testing.assert_close(found, expected_1D, rtol=0, atol=1e-4)
