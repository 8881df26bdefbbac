"""Momentum: recursions of the mean, fixed points, reductions to D-PSGD and to torch's SGD.

Shapes: ``N`` nodes, ``D`` parameters, ``K`` steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from tests.algorithms.cases import LR, Case, arrays, each, metropolis, run
from tests.algorithms.test_contracts import compare_with_matrix_form
from tests.algorithms.test_theory import ATC, CTA, fixed_point, one_start, stochastic

FORMS = [Case("dmsgd"), Case("dmsgd", {"order": "cta"}), Case("dmsgd", {"synchronized": True}), Case("decentlam")]
NAMES = ["dmsgd", "decentlam", "qg_dsgdm"]
Gradient = Callable[[np.ndarray], np.ndarray]


def more(case: Case, **parameters: Any) -> Case:
    return Case(case.name, {**case.parameters, **parameters})


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@pytest.mark.parametrize("nesterov", [False, True])
@each(FORMS)
def test_mean_moves_as_that_of_sgd_with_momentum(case: Case, problem: str, nesterov: bool) -> None:
    """``m <- beta m + g`` and ``x <- x - lr m`` for the means, step by step, noise included."""
    models, gradients = stochastic(more(case, momentum=0.8, nesterov=nesterov), problem)
    m = np.zeros(models.shape[2])
    for move, g in zip(np.diff(models.mean(axis=1), axis=0), gradients.mean(axis=1), strict=True):
        m = 0.8 * m + g
        np.testing.assert_allclose(move, -LR * (g + 0.8 * m if nesterov else m), rtol=0, atol=1e-13)


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
def test_mean_of_qg_dsgdm_moves_by_quasi_global_momentum(problem: str) -> None:
    models, gradients = stochastic(Case("qg_dsgdm", {"momentum": 0.8, "mu": 0.7}), problem)
    mh = np.zeros(models.shape[2])
    for move, g in zip(np.diff(models.mean(axis=1), axis=0), gradients.mean(axis=1), strict=True):
        m = 0.8 * mh + g
        np.testing.assert_allclose(move, -LR * m, rtol=0, atol=1e-13)
        mh = 0.7 * mh + 0.3 * m


def limit(case: Case, lr: float, steps: int = 900) -> np.ndarray:
    """The models ``[N, D]`` after many steps, on a ring of 5 unequal quadratics without noise."""
    return run(case, steps=steps, evaluate_every=steps, lr=lr).models[-1]


def expected_limit(lr: float, order: str = "atc") -> np.ndarray:
    return fixed_point(metropolis(nx.cycle_graph(5)), lr, order)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("order", ["atc", "cta"])
@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_fixed_point_of_dmsgd_is_that_of_dpsgd_with_a_larger_step(beta: float, order: str, nesterov: bool) -> None:
    models = limit(Case("dmsgd", {"momentum": beta, "order": order, "nesterov": nesterov}), 0.04)
    np.testing.assert_allclose(models, expected_limit(0.04 / (1 - beta), order), rtol=0, atol=1e-12)


def test_averaging_the_momentum_too_makes_another_fixed_point_nearer_to_the_optimum() -> None:
    """There ``m = W (beta m + g)`` and ``x = W (x - lr (beta m + g))``: linear, coordinate by coordinate."""
    values, W, lr, beta = arrays(5), metropolis(nx.cycle_graph(5)), 0.04, 0.9
    models = limit(Case("dmsgd", {"momentum": beta, "synchronized": True}), lr)
    unaveraged = np.linalg.inv(np.eye(5) - beta * W)  # beta m + g = (I - beta W)^-1 g
    for a, b, found in zip(values["curvature"].T, values["optimum"].T, models.T, strict=True):
        system = np.eye(5) - W + lr * W @ unaveraged @ np.diag(a)
        np.testing.assert_allclose(found, np.linalg.solve(system, lr * W @ unaveraged @ (a * b)), rtol=0, atol=1e-12)
    assert bias(models) < 0.7 * bias(limit(Case("dmsgd", {"momentum": beta}), lr))


@pytest.mark.parametrize(
    "case",
    [
        *[Case("decentlam", {"momentum": beta, "nesterov": n}) for beta, n in ((0.5, False), (0.9, False), (0.9, True))],
        *[Case("qg_dsgdm", {"momentum": beta, "mu": mu}) for beta, mu in ((0.5, 0.5), (0.9, 0.9), (0.9, 0.3))],
        Case("qg_dsgdm", {"tau": 3}),
    ],
    ids=str,
)
def test_fixed_point_of_decentlam_and_qg_dsgdm_is_that_of_dpsgd(case: Case) -> None:
    np.testing.assert_allclose(limit(case, 0.1, 1200), expected_limit(0.1), rtol=0, atol=1e-12)


def test_with_nesterov_qg_dsgdm_counts_the_gradient_twice() -> None:
    """Its momentum is zero where nothing moves, and the direction is then ``g + beta g``."""
    models = limit(Case("qg_dsgdm", {"momentum": 0.6, "nesterov": True}), 0.1)
    np.testing.assert_allclose(models, expected_limit(0.16), rtol=0, atol=1e-12)


def bias(models: np.ndarray) -> float:
    """Root mean square distance from the optimum of the average objective."""
    values = arrays(5)
    optimum = (values["curvature"] * values["optimum"]).sum(axis=0) / values["curvature"].sum(axis=0)
    return float(np.sqrt(((models - optimum) ** 2).sum(axis=1).mean()))


def test_momentum_amplifies_the_bias_of_dmsgd_alone() -> None:
    """By 1 / (1 - beta), so by its square in the squared bias, while the learning rate is small."""
    small = {"lr": 0.01, "steps": 3000}
    reference = bias(limit(ATC, **small))
    assert bias(limit(Case("dmsgd", {"momentum": 0.8}), **small)) == pytest.approx(5 * reference, rel=0.15)
    for name in ("decentlam", "qg_dsgdm"):
        assert bias(limit(Case(name, {"momentum": 0.8}), **small)) == pytest.approx(reference, rel=1e-9)


@each(
    [
        *[Case(name, {"momentum": 0.0}) for name in NAMES],
        Case("dmsgd", {"momentum": 0.0, "nesterov": True, "synchronized": True}),
        Case("qg_dsgdm", {"mu": 1.0}),
        Case("qg_dsgdm", {"tau": 99}),
    ]
)
def test_without_momentum_they_are_dpsgd(case: Case) -> None:
    facts: dict[str, Any] = {"noise": 0.3, "steps": 12}
    np.testing.assert_allclose(run(case, **facts).models, run(ATC, **facts).models, rtol=0, atol=1e-14)


def test_without_momentum_dmsgd_has_both_orders_of_dpsgd() -> None:
    case = Case("dmsgd", {"momentum": 0.0, "order": "cta"})
    np.testing.assert_allclose(run(case, noise=0.3).models, run(CTA, noise=0.3).models, rtol=0, atol=1e-14)


def sgd_of_torch(start: np.ndarray, gradient: Gradient, steps: int, **options: Any) -> np.ndarray:
    """The models ``[K + 1, ...]`` of torch's own SGD."""
    x = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = torch.optim.SGD([x], lr=LR, **options)
    models = [start]
    for _ in range(steps):
        x.grad = torch.from_numpy(gradient(models[-1]))
        optimizer.step()
        models.append(x.detach().numpy().copy())
    return np.array(models)


@pytest.mark.parametrize("nesterov", [False, True])
@each([*FORMS[:2], FORMS[3]])
def test_independent_nodes_do_what_torch_does(case: Case, nesterov: bool) -> None:
    values = arrays(4)
    identity = {"matrix": np.eye(4).tolist()}
    models = run(more(case, momentum=0.7, nesterov=nesterov), 4, steps=12, mixing=identity).models
    gradient = lambda X: values["curvature"] * (X - values["optimum"])  # noqa: E731
    expected = sgd_of_torch(values["init"], gradient, 12, momentum=0.7, nesterov=nesterov)
    np.testing.assert_allclose(models, expected, rtol=0, atol=1e-13)


@each([FORMS[0], FORMS[2], FORMS[3]])
def test_on_the_complete_graph_with_one_start_they_are_centralized_sgd_with_momentum(case: Case) -> None:
    values = arrays(4) | {"init": np.repeat(arrays(1)["init"], 4, axis=0)}
    gradient = lambda X: np.broadcast_to((values["curvature"] * (X - values["optimum"])).mean(axis=0), X.shape).copy()  # noqa: E731
    models = run(more(case, momentum=0.7), 4, steps=12, topology="complete", **values).models
    np.testing.assert_allclose(models, sgd_of_torch(values["init"], gradient, 12, momentum=0.7), rtol=0, atol=1e-13)


def test_on_the_complete_graph_qg_dsgdm_has_the_momentum_of_the_mean() -> None:
    models = run(Case("qg_dsgdm", {"momentum": 0.7, "mu": 0.6}), **one_start(4, topology="complete", noise=0.0)).models
    values = arrays(4)
    x, mh = models[0, 0], 0.0
    for k in range(12):
        np.testing.assert_allclose(models[k], np.broadcast_to(x, (4, 3)), rtol=0, atol=1e-13)
        m = 0.7 * mh + (values["curvature"] * (x - values["optimum"])).mean(axis=0)
        x, mh = x - LR * m, 0.6 * mh + 0.4 * m


@each([Case("decentlam"), Case("qg_dsgdm"), Case("qg_dsgdm", {"tau": 2, "nesterov": True})])
@pytest.mark.parametrize(
    "lr", [0.0, {"cosine": {"start": 0.2, "steps": 4}}, {"step_decay": {"start": 0.1, "factor": 0, "at": [3]}}], ids=str
)
def test_a_learning_rate_of_zero_is_the_limit_of_small_ones(case: Case, lr: Any) -> None:
    """Both divide by it; where it is zero gossip goes on, with momentum, and nothing becomes infinite."""
    compare_with_matrix_form(case, nx.cycle_graph(5), lr, seed=3, steps=12)


@pytest.mark.parametrize("n", [4, 7])
@pytest.mark.parametrize(
    ("case", "vectors"),
    [*[(Case(name), 1) for name in NAMES], (Case("dmsgd", {"synchronized": True}), 2),
     (Case("dmsgd", {"synchronized": True, "order": "cta"}), 2)],
    ids=str,
)  # fmt: skip
def test_bits_are_one_vector_for_each_neighbor_or_two(case: Case, vectors: int, n: int) -> None:
    bits = run(case, n).column("bits_sent")
    np.testing.assert_allclose(bits, vectors * 2 * n * 3 * 32.0 * np.arange(7), rtol=1e-12)


@each([Case(name) for name in NAMES])
def test_a_bound_that_no_gradient_reaches_changes_nothing(case: Case) -> None:
    free = run(case, noise=0.3).models
    assert run(more(case, clip=1e9), noise=0.3).models.tobytes() == free.tobytes()
    assert np.abs(run(more(case, clip=0.1), noise=0.3).models - free).max() > 1e-3


def test_a_clipped_step_has_the_length_of_the_bound() -> None:
    """One node far away from its optimum, without momentum."""
    case = Case("dmsgd", {"momentum": 0.0, "clip": 0.2})
    models = run(case, 1, optimum=100.0, steps=5).models
    np.testing.assert_allclose(np.linalg.norm(np.diff(models[:, 0], axis=0), axis=1), LR * 0.2, rtol=1e-12)
