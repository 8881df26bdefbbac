"""Exact facts of the literature: recursions of the mean, fixed points, step limits, reductions to other algorithms.

Shapes: ``N`` nodes, ``D`` parameters, ``K`` steps.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from simnet.simulation import prepare
from tests.algorithms.cases import LR, PARAMETERS, Case, arrays, attempt, each, execute, metropolis, run, scenario
from tests.algorithms.oracles.references import allreduce
from tests.algorithms.oracles.world import World, quadratic

CTA, ATC = Case("dpsgd"), Case("dpsgd", {"order": "atc"})
DETAGS = [Case("detag", {"gossip_rounds": R, "eta": eta}) for R, eta in ((1, 0.0), (2, 0.2), (3, "auto"))]
MIXTURE = {"dataset": "gaussian_mixture", "features": 2, "classes": 3, "samples_per_node": 9, "batch_size": 2}
LAZY_RING = {"kind": "uniform", "self_weight": 0.5}


def sampled_gradients(source: dict[str, Any], models_KND: np.ndarray) -> np.ndarray:
    """The stochastic gradients of every step, taken anew at the recorded models with the same samples."""
    setting = prepare(source, device="cpu").setting
    num_steps, n, d = models_KND.shape
    gradients_KND = torch.empty((num_steps, n, d), dtype=torch.float64)
    for i in range(n):
        draw = chain.from_iterable(setting.problem.draws(i, setting.seed)).__next__
        for k in range(num_steps):
            x_1D = torch.from_numpy(models_KND[k, i : i + 1])
            sample = torch.from_numpy(np.array(draw()))[None]
            setting.problem.gradient(x_1D, sample, gradients_KND[k, i : i + 1])
    return gradients_KND.numpy()


def stochastic(case: Case, problem: str) -> tuple[np.ndarray, np.ndarray]:
    """Recorded models ``[K + 1, N, D]`` and gradients ``[K, N, D]`` of a run with noise or mini-batches."""
    source = scenario(case, noise=0.5, steps=12)
    if problem == "mixture":
        source = {key: value for key, value in source.items() if key != "init"} | {"problem": MIXTURE}
    models = execute(source).models
    return models, sampled_gradients(source, models[:-1])


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each([Case("allreduce"), CTA, ATC, *[Case("moniqua", row) for row in PARAMETERS["moniqua"]]])
def test_mean_moves_along_the_mean_of_the_sampled_gradients(case: Case, problem: str) -> None:
    models, gradients = stochastic(case, problem)
    np.testing.assert_allclose(np.diff(models.mean(axis=1), axis=0), -LR * gradients.mean(axis=1), atol=1e-13)


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each(DETAGS)
def test_mean_of_detag_moves_one_phase_late(case: Case, problem: str) -> None:
    R = case.parameters["gossip_rounds"]
    models, gradients = stochastic(case, problem)
    phase_gradients = gradients.reshape(-1, R, *gradients.shape[1:]).mean(axis=(1, 2))
    moves = np.diff(models[::R].mean(axis=1), axis=0)
    np.testing.assert_allclose(moves[0], 0, atol=1e-14)
    np.testing.assert_allclose(moves[1:], -LR * phase_gradients[:-1], atol=1e-13)


def fixed_point(W: np.ndarray, lr: float, order: str) -> np.ndarray:
    """CTA: ``(I - W + lr A)^-1 lr A B``; ATC: ``(I - W (I - lr A))^-1 lr W A B``; for each coordinate."""
    values, n = arrays(5), 5
    columns = []
    for a, b in zip(values["curvature"].T, values["optimum"].T, strict=True):
        A = np.diag(a)
        left = np.eye(n) - W + lr * A if order == "cta" else np.eye(n) - W @ (np.eye(n) - lr * A)
        columns.append(np.linalg.solve(left, lr * (A if order == "cta" else W @ A) @ b))
    return np.stack(columns, axis=1)


@each([CTA, ATC])
def test_fixed_point_of_dpsgd_with_unequal_curvatures(case: Case) -> None:
    models = run(case, steps=400, evaluate_every=400, lr=0.3).models
    expected = fixed_point(metropolis(nx.cycle_graph(5)), 0.3, case.parameters.get("order", "cta"))
    np.testing.assert_allclose(models[-1], expected, atol=1e-13)


@each([*DETAGS, Case("detag", {"gossip_rounds": 2, "eta": 0.2, "momentum": 0.5})])
def test_fixed_point_of_detag_is_the_optimum(case: Case) -> None:
    values = arrays(5)
    optimum = (values["curvature"] * values["optimum"]).sum(axis=0) / values["curvature"].sum(axis=0)
    steps = 300 * case.parameters["gossip_rounds"]
    models = run(case, steps=steps, evaluate_every=steps, lr=0.15, mixing=LAZY_RING).models
    np.testing.assert_allclose(models[-1] - optimum, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("case", "mixing", "limit"),
    [
        (CTA, "metropolis", 2 / 3),
        (CTA, LAZY_RING, 1.0),
        (ATC, "metropolis", 2.0),
        (DETAGS[0], "metropolis", 2 / 3),
        (DETAGS[0], LAZY_RING, 1.0),
    ],
    ids=str,
)
def test_largest_stable_step(case: Case, mixing: Any, limit: float) -> None:
    """With curvature L on all nodes of an even ring, at most limit / L; lambda_n is -1/3, or 0 on the lazy ring."""
    L, sizes = 4.0, []
    for factor in (0.9, 1.1):
        start = {"curvature": L, "optimum": 0.0, "mixing": mixing}
        source = scenario(case, 4, lr=factor * limit / L, steps=300, evaluate_every=300, **start)
        models = attempt(source).models
        sizes.append(np.abs(models[-1]).max() / np.abs(models[0]).max())
    assert sizes[0] < 0.02
    assert sizes[1] > 50


def one_start(n: int, **changes: Any) -> dict[str, Any]:
    return {"n": n, "noise": 0.3, "steps": 12, "init": arrays(1)["init"], **changes}


@pytest.mark.parametrize("exchange", ["ring", "halving_doubling", "parameter_server"])
@pytest.mark.parametrize("n", [4, 5, 7])
def test_all_exchanges_of_allreduce_give_the_same_bytes(exchange: str, n: int) -> None:
    models = run(Case("allreduce", {"exchange": exchange}), **one_start(n)).models
    assert models.tobytes() == run(Case("allreduce"), **one_start(n)).models.tobytes()
    assert (models == models[:, :1]).all()


def test_atc_on_the_complete_graph_is_allreduce_and_cta_is_not() -> None:
    reference = run(Case("allreduce"), **one_start(4)).models
    complete = one_start(4, topology="complete")
    np.testing.assert_allclose(run(ATC, **complete).models, reference, rtol=0, atol=1e-14)
    for case in (CTA, Case("moniqua", {"theta": 8.0, "bits": 16})):
        models = run(case, **complete).models
        assert np.abs(models.mean(axis=1) - reference[:, 0]).max() > 1e-3
        assert np.abs(models - reference).max() > 1e-2


def test_detag_on_the_complete_graph_is_sgd_with_the_gradient_of_the_step_before() -> None:
    values = arrays(4) | {"init": np.repeat(arrays(1)["init"], 4, axis=0)}
    models = run(DETAGS[0], 4, steps=12, topology="complete", **values).models
    X = values["init"]
    before = np.zeros(3)
    for k in range(12):
        np.testing.assert_allclose(models[k], X, rtol=0, atol=1e-13)
        gradient = (values["curvature"] * (X - values["optimum"])).mean(axis=0)
        X, before = X - LR * before, gradient


@each([CTA, ATC, Case("moniqua", {"theta": 8.0})])
def test_identity_matrix_means_independent_nodes(case: Case) -> None:
    models = run(case, 4, mixing={"matrix": np.eye(4).tolist()}, steps=12).models
    values = arrays(4)
    for i in range(4):
        own = {key: value[i : i + 1] for key, value in values.items()}
        world = World(np.ones((1, 1)), quadratic(own["curvature"], own["optimum"]))
        expected = list(islice(allreduce(own["init"], world, lambda _: LR), 12))
        np.testing.assert_allclose(models[1:, i : i + 1], expected, rtol=0, atol=1e-13)


def test_moniqua_with_many_bits_is_cta() -> None:
    fine = Case("moniqua", {"theta": 8.0, "bits": 16})
    error = np.abs(run(fine, noise=0.3, steps=12).models - run(CTA, noise=0.3, steps=12).models).max()
    assert 0 < error < 12 * 16 / 2**16
