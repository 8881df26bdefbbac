"""Adaptive methods: torch's Adam and AMSGrad, recursions of the mean, whose denominators move the limit and whose do not.

Shapes: ``N`` nodes, ``D`` parameters, ``K`` steps.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from tests.algorithms.cases import LR, Case, arrays, each, metropolis, run
from tests.algorithms.test_theory import ATC, CTA, stochastic

IDENTITY = {"matrix": np.eye(4).tolist()}
W5 = metropolis(nx.cycle_graph(5))


def adam_of_torch(n: int, steps: int, rate: Callable[[int], float], **options: Any) -> np.ndarray:
    """The models ``[K + 1, N, D]`` of torch's own Adam at each of n independent nodes."""
    values = arrays(n)
    x = torch.from_numpy(values["init"].copy()).requires_grad_()
    optimizer = torch.optim.Adam([x], **options)
    models = [values["init"]]
    for k in range(steps):
        optimizer.param_groups[0]["lr"] = rate(k)
        x.grad = torch.from_numpy(values["curvature"] * (models[-1] - values["optimum"]))
        optimizer.step()
        models.append(x.detach().numpy().copy())
    return np.array(models)


@pytest.mark.parametrize(
    "case",
    [
        Case("dadam", {"denominator": "vhat", "eps": 1e-4}),
        Case("d_adam", {"eps": 1e-4}),
        Case("d_adam", {"eps": 1e-4, "period": 5}),
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [1, 4])
def test_alone_they_are_the_adam_of_torch(case: Case, n: int) -> None:
    facts = {"mixing": IDENTITY} if n == 4 else {}
    expected = adam_of_torch(n, 12, lambda _: LR, eps=1e-4)
    np.testing.assert_allclose(run(case, n, steps=12, **facts).models, expected, rtol=0, atol=1e-13)


def test_alone_damsgrad_is_the_amsgrad_of_torch_without_bias_correction() -> None:
    case = Case("damsgrad", {"tracker": "fresh", "eps": 1e-30, "beta2": 0.9})
    undone = lambda k: LR * (1 - 0.9 ** (k + 1)) / np.sqrt(1 - 0.9 ** (k + 1))  # noqa: E731
    expected = adam_of_torch(1, 12, undone, amsgrad=True, eps=0.0, betas=(0.9, 0.9))
    np.testing.assert_allclose(run(case, 1, steps=12).models, expected, rtol=0, atol=1e-13)


def test_between_the_averages_of_d_adam_nodes_are_alone() -> None:
    models = run(Case("d_adam", {"period": 4}), 5, steps=4).models
    alone = adam_of_torch(5, 4, lambda _: LR)
    np.testing.assert_allclose(models[:4], alone[:4], rtol=0, atol=1e-13)
    np.testing.assert_allclose(models[4], W5 @ alone[4], rtol=0, atol=1e-13)


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each(
    [
        Case("dadam", {"denominator": "vhat"}),
        Case("dadam"),
        Case("dadam", {"corrected": True}),
        Case("d_adam", {"eps": 1e-4}),
        Case("d_adam", {"eps": 1e-4, "period": 3}),
    ]
)
def test_mean_moves_along_the_mean_of_the_local_directions(case: Case, problem: str) -> None:
    models, gradients = stochastic(case, problem)
    m = v = vbar = np.zeros(models.shape[1:])
    for k, (move, g) in enumerate(zip(np.diff(models.mean(axis=1), axis=0), gradients, strict=True), start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        vhat = v / (1 - 0.999**k)
        vbar = 0.9 * vbar + 0.1 * np.maximum(vbar, vhat)
        is_plain = case.name == "d_adam" or case.parameters.get("denominator") == "vhat"
        u = m / (1 - 0.9**k) / (np.sqrt(vhat if is_plain else vbar) + 1e-4)
        np.testing.assert_allclose(move, -LR * u.mean(axis=0), rtol=0, atol=1e-12)


@each([Case("dadam", {"eps": 1e9}), Case("dadam", {"eps": 1e9, "denominator": "vhat"}), Case("d_adam", {"eps": 1e9})])
def test_with_constant_denominators_and_without_momentum_they_are_dpsgd(case: Case) -> None:
    """An eps beside which no gradient counts, and a learning rate as many times as large."""
    models = run(Case(case.name, {**case.parameters, "beta1": 0.0}), lr=LR * 1e9, steps=12).models
    reference = run(ATC if case.name == "d_adam" else CTA, steps=12).models
    np.testing.assert_allclose(models, reference, rtol=0, atol=1e-7)


@pytest.mark.parametrize("tracker", ["late", "fresh"])
def test_damsgrad_with_constant_denominators_and_without_momentum_is_dpsgd(tracker: str) -> None:
    case = Case("damsgrad", {"beta1": 0.0, "eps": 1e12, "tracker": tracker})
    np.testing.assert_allclose(run(case, lr=LR * 1e6, steps=12).models, run(CTA, steps=12).models, rtol=0, atol=1e-13)


def test_corrected_dadam_with_constant_denominators_reaches_the_optimum() -> None:
    """It is EXTRA then; without the correction it has the bias of D-PSGD."""
    values = arrays(5)
    optimum = (values["curvature"] * values["optimum"]).sum(axis=0) / values["curvature"].sum(axis=0)
    facts: dict[str, Any] = {"lr": 0.2e12, "steps": 600, "evaluate_every": 600}
    errors = [
        np.abs(run(Case("dadam", {"beta1": 0.0, "eps": 1e12, "corrected": corrected}), **facts).models[-1] - optimum).max()
        for corrected in (True, False)
    ]
    assert errors[0] < 1e-10
    assert errors[1] > 0.05


TWO_NODES = {"curvature": [[4.0], [1.0]], "optimum": [[1.0], [-1.0]], "topology": "complete"}
"""The average objective is least at (4 - 1) / (4 + 1) = 0.6."""


def two_nodes(case: Case, start: float, lr: float, steps: int) -> np.ndarray:
    """The models ``[N]`` after so many steps."""
    return run(case, 2, lr=lr, steps=steps, evaluate_every=steps, init=[[start]], **TWO_NODES).models[-1, :, 0]


@pytest.mark.parametrize(("start", "limit"), [(0.0, 0.0), (3.0, 1 / 3)])
def test_denominators_of_their_own_move_the_limit(start: float, limit: float) -> None:
    """To the zero of ``g_1 / d_1 + g_2 / d_2``, where d_i is the largest gradient that the node has seen: its first one."""
    curvature, optimum = np.array([4.0, 1.0]), np.array([1.0, -1.0])
    A = np.diag(curvature / np.abs(curvature * (start - optimum)))
    assert np.sum(A @ (limit - optimum)) == pytest.approx(0, abs=1e-12)
    fixed = {"beta1": 0.0, "beta3": 0.0, "eps": 1e-14}

    corrected = two_nodes(Case("dadam", {**fixed, "corrected": True}), start, 0.1, 1000)
    np.testing.assert_allclose(corrected, limit, rtol=0, atol=1e-10)  # they agree, and are wrong

    W = np.full((2, 2), 0.5)
    expected = np.linalg.solve(np.eye(2) - W + 0.1 * A, 0.1 * A @ optimum)  # CTA with these curvatures
    np.testing.assert_allclose(two_nodes(Case("dadam", fixed), start, 0.1, 1000), expected, rtol=0, atol=1e-10)
    assert abs(expected.mean() - 0.6) > 0.2


@pytest.mark.parametrize("tracker", ["late", "fresh"])
@pytest.mark.parametrize("start", [0.0, 3.0])
def test_tracked_denominators_do_not_move_the_limit(start: float, tracker: str) -> None:
    """What is left is the bias of D-PSGD, which goes with the learning rate."""
    case = Case("damsgrad", {"beta1": 0.0, "beta2": 0.9, "tracker": tracker, "eps": 0.5})
    errors = [abs(two_nodes(case, start, lr, 1200).mean() - 0.6) for lr in (0.04, 0.02)]
    assert errors[0] < 0.03
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.2)


@pytest.mark.parametrize("tracker", ["late", "fresh"])
def test_tracked_denominators_have_the_sum_of_the_second_moments(tracker: str) -> None:
    """Without momentum they show in the models: ``W x - x' = lr g / sqrt(ut)``; fresh ones know the newest gradient."""
    eps, values = 1e-6, arrays(5)
    models = run(Case("damsgrad", {"beta1": 0.0, "beta2": 0.8, "tracker": tracker, "eps": eps}), steps=15).models
    v, vhat = np.zeros((5, 3)), np.full((5, 3), eps)
    for before, after in pairwise(models):
        g = values["curvature"] * (before - values["optimum"])
        v, vhat_before = 0.8 * v + 0.2 * g**2, vhat
        vhat = np.maximum(vhat, v)
        ut = (LR * g / (W5 @ before - after)) ** 2
        expected = vhat if tracker == "fresh" else vhat_before
        np.testing.assert_allclose(ut.sum(axis=0), expected.sum(axis=0), rtol=1e-9)
    assert np.ptp(ut, axis=0).max() < 0.05 * np.ptp(vhat, axis=0).max()  # and agree far better than those do


def test_the_first_step_of_a_late_tracker_knows_eps_alone() -> None:
    """However large the gradients are; a fresh one divides by them at once."""
    values = arrays(5)
    g = values["curvature"] * (values["init"] - values["optimum"])
    late, fresh = [run(Case("damsgrad", {"tracker": tracker}), steps=1).models[1] for tracker in ("late", "fresh")]
    np.testing.assert_allclose(W5 @ values["init"] - late, LR * 0.1 * g / np.sqrt(1e-6), rtol=1e-9)
    assert np.abs(W5 @ values["init"] - fresh).max() < 10 * LR


def test_the_first_step_of_qg_adam_is_that_of_d_adam() -> None:
    first = run(Case("qg_adam"), steps=2).models
    reference = run(Case("d_adam"), steps=2).models
    np.testing.assert_allclose(first[1], reference[1], rtol=0, atol=1e-14)
    assert np.abs(first[2] - reference[2]).max() > 1e-3


def test_without_dampening_the_first_step_of_qg_adam_is_ten_times_as_long() -> None:
    start, dampened = run(Case("qg_adam"), steps=1).models
    _, free = run(Case("qg_adam", {"dampened": False}), steps=1).models
    np.testing.assert_allclose(free - W5 @ start, 10 * (dampened - W5 @ start), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [4, 7])
@pytest.mark.parametrize(
    ("case", "vectors"),
    [
        *[(Case("qg_adam"), [1] * 6), (Case("dadam"), [1] * 6), (Case("dadam", {"corrected": True}), [1] * 6)],
        *[(Case("damsgrad"), [2] * 6), (Case("damsgrad", {"tracker": "fresh"}), [2] * 6)],
        *[(Case("d_adam"), [1] * 6), (Case("d_adam", {"period": 3}), [0, 0, 1, 0, 0, 1])],
    ],
    ids=str,
)
def test_bits_are_those_of_the_payloads(case: Case, vectors: list[int], n: int) -> None:
    bits = run(case, n).column("bits_sent")
    np.testing.assert_allclose(np.diff(bits), np.array(vectors) * 2 * n * 3 * 32.0, rtol=1e-12)


@each([Case(name) for name in ("qg_adam", "dadam", "damsgrad", "d_adam")])
def test_a_bound_that_no_gradient_reaches_changes_nothing(case: Case) -> None:
    free = run(case, noise=0.3).models
    assert run(Case(case.name, {"clip": 1e9}), noise=0.3).models.tobytes() == free.tobytes()
    assert np.abs(run(Case(case.name, {"clip": 0.5}), noise=0.3).models - free).max() > 1e-6
