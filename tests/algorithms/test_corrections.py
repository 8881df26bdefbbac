"""What corrects the bias of heterogeneous data: recursions of the mean, fixed points, step limits, relatives.

Shapes: ``N`` nodes, ``D`` parameters, ``K`` steps.
"""

from __future__ import annotations

from itertools import islice
from math import ceil, log
from typing import Any

import networkx as nx
import numpy as np
import pytest

from simnet.simulation import prepare
from tests.algorithms.cases import LR, NO_GRADIENTS, Case, arrays, attempt, each, execute, metropolis, run, scenario
from tests.algorithms.oracles.corrections import ORACLES
from tests.algorithms.oracles.world import World, quadratic
from tests.algorithms.test_theory import LAZY_RING, MIXTURE, one_start, sampled_gradients

ATC_DPSGD = Case("dpsgd", {"order": "atc"})
D2, EXTRA, ED, GUT = Case("d2"), Case("extra"), Case("exact_diffusion"), Case("gut")
D2_RESCALED = Case("d2", {"rescale": True})
MULTI_GOSSIP = Case("exact_diffusion", {"gossip_rounds": 3})
AWC, ATC, FULL = [Case("gradient_tracking", {"form": form}) for form in ("awc", "atc", "full")]
PROOF, STAR = [Case("detag", {"order": order, "gossip_rounds": 1, "eta": 0.0}) for order in ("proof", "star")]
PROOF_2, STAR_2 = [Case("detag", {"order": order}) for order in ("proof", "star")]
RELAY, RELAY_OVERLAP = Case("relaysgd"), Case("relaysgd", {"overlap": True})
W5 = metropolis(nx.cycle_graph(5))


def stochastic(case: Case, problem: str, where: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Recorded models ``[K + 1, N, D]`` and the gradients ``[K, N, D]`` that were taken at ``where @ models``."""
    source = scenario(case, noise=0.5, steps=12)
    if problem == "mixture":
        source = {key: value for key, value in source.items() if key != "init"} | {"problem": MIXTURE}
    models = execute(source).models
    at = models if where is None else where @ models
    return models, sampled_gradients(source, at[:-1])


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each([D2, D2_RESCALED, ED, EXTRA, AWC, ATC, FULL, STAR])
def test_mean_moves_along_the_mean_of_the_sampled_gradients(case: Case, problem: str) -> None:
    models, gradients = stochastic(case, problem)
    np.testing.assert_allclose(np.diff(models.mean(axis=1), axis=0), -LR * gradients.mean(axis=1), atol=1e-13)


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
def test_mean_of_gut_moves_along_gradients_at_the_averaged_models(problem: str) -> None:
    models, gradients = stochastic(GUT, problem, where=W5)
    np.testing.assert_allclose(np.diff(models.mean(axis=1), axis=0), -LR * gradients.mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each([MULTI_GOSSIP, STAR_2, PROOF_2])
def test_mean_moves_once_in_a_phase(case: Case, problem: str) -> None:
    """Along the mean of the phase's gradients; in the order of DeTAG's proof, of those of the phase before."""
    R = case.parameters.get("gossip_rounds", 2)
    models, gradients = stochastic(case, problem)
    expected = -LR * gradients.reshape(-1, R, *gradients.shape[1:]).mean(axis=(1, 2))
    if case is PROOF_2:
        expected = np.concatenate([np.zeros_like(expected[:1]), expected[:-1]])
    np.testing.assert_allclose(np.diff(models[::R].mean(axis=1), axis=0), expected, atol=1e-13)


@each([D2, D2_RESCALED, ED, MULTI_GOSSIP, EXTRA, AWC, ATC, FULL, PROOF, STAR, PROOF_2, STAR_2, RELAY, RELAY_OVERLAP])
def test_fixed_point_is_the_optimum(case: Case) -> None:
    values = arrays(5)
    optimum = (values["curvature"] * values["optimum"]).sum(axis=0) / values["curvature"].sum(axis=0)
    steps = 600 * case.parameters.get("gossip_rounds", 2)
    models = run(case, steps=steps, evaluate_every=steps, lr=0.15, mixing=LAZY_RING).models
    np.testing.assert_allclose(models[-1] - optimum, 0, atol=1e-12)


@pytest.mark.parametrize("mu", [0.1, 0.5, 0.9])
def test_gut_ends_where_gossip_ends_with_a_smaller_step(mu: float) -> None:
    """With z = W x and e = (1 - mu) lr, that is x <- z - e g(z): the bias shrinks by that factor and does not vanish."""
    values, n, lr = arrays(5), 5, 0.2
    models = run(Case("gut", {"mu": mu}), steps=3000, evaluate_every=3000, lr=lr).models
    e = (1 - mu) * lr
    for c, (a, b) in enumerate(zip(values["curvature"].T, values["optimum"].T, strict=True)):
        A = np.diag(a)
        expected = np.linalg.solve(np.eye(n) - W5 + e * A @ W5, e * A @ b)
        np.testing.assert_allclose(models[-1][:, c], expected, atol=1e-11)


@pytest.mark.parametrize(
    ("case", "mixing", "limit"),
    [
        (EXTRA, "metropolis", 1.0),
        (EXTRA, LAZY_RING, 5 / 4),
        (ED, "metropolis", 2.0),
        (ED, LAZY_RING, 2.0),
        (D2, LAZY_RING, 2.0),
        (AWC, "metropolis", 2 / 9),
        (AWC, LAZY_RING, 1 / 2),
        (ATC, "metropolis", 2.0),
        (FULL, "metropolis", 2.0),
        (STAR, "metropolis", 2.0),
        (PROOF, "metropolis", 1.0),
        (PROOF, LAZY_RING, 1.0),
    ],
    ids=str,
)
def test_largest_stable_step(case: Case, mixing: Any, limit: float) -> None:
    """With curvature L on all nodes of an even ring, at most limit / L; lambda_n is -1/3, or 0 on the lazy ring."""
    L, sizes = 4.0, []
    for factor in (0.95, 1.05):
        start = {"curvature": L, "optimum": 0.0, "mixing": mixing}
        source = scenario(case, 4, lr=factor * limit / L, steps=600, evaluate_every=600, **start)
        models = attempt(source).models
        sizes.append(np.abs(models[-1]).max() / np.abs(models[0]).max())
    assert sizes[0] < 0.02
    assert sizes[1] > 50


@pytest.mark.parametrize(("step", "stable", "unstable"), [(1e-3, -0.33, -0.34), (0.5, -0.49, -0.51)])
def test_d2_needs_the_smallest_eigenvalue_above_minus_a_third(step: float, stable: float, unstable: float) -> None:
    """Exactly, with curvature h: lambda_n > -1 / (3 - 2 lr h). Two nodes have lambda_n = w_ii - w_ij."""
    ratios = []
    for eigenvalue in (stable, unstable):
        own, other = (1 + eigenvalue) / 2, (1 - eigenvalue) / 2
        mixing = {"matrix": [[own, other], [other, own]]}
        source = scenario(D2, 2, lr=step, curvature=1.0, optimum=0.0, mixing=mixing, steps=1000, evaluate_every=1000)
        distances = attempt(source).column("consensus_distance")
        ratios.append(distances[-1] / distances[0])
    assert ratios[0] < 1e-2
    assert ratios[1] > 1e2


def test_who_uses_d2_beyond_its_limit_is_told() -> None:
    (note,) = [note for note in prepare(scenario(D2, 4)).notes if "eigenvalue" in note]
    assert note == (
        "it: the smallest eigenvalue of the mixing matrix is -0.3333; d2 needs more than -0.3333, "
        "or it diverges, however small lr is; use mixing: {kind: lazy}"
    )
    for source in (scenario(D2, 4, mixing=LAZY_RING), scenario(ED, 4)):
        assert not [note for note in prepare(source).notes if "eigenvalue" in note]


@each([D2, ATC, FULL, STAR])
def test_complete_graph_and_one_start_is_allreduce(case: Case) -> None:
    reference = run(Case("allreduce"), **one_start(4)).models
    models = run(case, **one_start(4, topology="complete")).models
    np.testing.assert_allclose(models, reference, rtol=0, atol=1e-13)


@each([ED, EXTRA, AWC, GUT, PROOF])
def test_others_are_not_allreduce_even_there(case: Case) -> None:
    reference = run(Case("allreduce"), **one_start(4)).models
    assert np.abs(run(case, **one_start(4, topology="complete")).models - reference).max() > 1e-3


def test_exact_diffusion_is_d2_with_the_lazy_matrix() -> None:
    lazy = run(D2, noise=0.3, steps=20, mixing="lazy").models
    np.testing.assert_allclose(run(ED, noise=0.3, steps=20).models, lazy, rtol=0, atol=1e-13)


def test_exact_diffusion_without_the_correction_is_gossip() -> None:
    """There is nothing to correct in the first step."""
    first = run(ATC_DPSGD, noise=0.3, steps=1, mixing="lazy").models
    np.testing.assert_allclose(run(ED, noise=0.3, steps=1).models, first, rtol=0, atol=1e-14)


def test_exact_diffusion_is_its_primal_dual_form() -> None:
    """That is x <- Wbar (x - lr g) - V y and y <- y + V x with V^2 = I - Wbar, y = 0 at first."""
    values, n = arrays(5), 5
    Wbar = (np.eye(n) + W5) / 2
    eigenvalues, Q = np.linalg.eigh(np.eye(n) - Wbar)
    V = Q @ np.diag(np.sqrt(np.where(eigenvalues < 1e-12, 0.0, eigenvalues))) @ Q.T
    X, Y = values["init"], np.zeros((n, 3))
    for expected in run(ED, steps=20).models:
        np.testing.assert_allclose(X, expected, rtol=0, atol=1e-12)
        X = Wbar @ (X - LR * values["curvature"] * (X - values["optimum"])) - V @ Y
        Y = Y + V @ X


def test_phases_of_multi_gossip_mix_almost_completely() -> None:
    """With R = (ln n + 4) / sqrt(1 - rho) rounds the eigenvalues 2..n of what a phase applies lie in [1/4n, 3/4n]."""
    n = 32
    rho = np.linalg.norm(metropolis(nx.cycle_graph(n)) - 1 / n, 2)
    R = ceil((log(n) + 4) / np.sqrt(1 - rho))
    assert R == 66
    zeros = np.zeros((n, n))
    start = {"init": np.eye(n), "optimum": zeros, "curvature": zeros + NO_GRADIENTS}
    case = Case("exact_diffusion", {"gossip_rounds": R})
    M = run(case, n, steps=R, evaluate_every=R, **start).models[-1]
    eigenvalues = np.linalg.eigvalsh((M + M.T) / 2)
    np.testing.assert_allclose(M, M.T, atol=1e-12)
    assert eigenvalues[-1] == pytest.approx(1.0)
    assert 1 / (4 * n) <= eigenvalues[0]
    assert eigenvalues[-2] <= 3 / (4 * n)


def test_detag_star_with_one_round_is_gradient_tracking() -> None:
    values = {"noise": 0.3, "steps": 15}
    np.testing.assert_allclose(run(STAR, **values).models, run(ATC, **values).models, rtol=0, atol=1e-13)


def test_detag_in_the_order_of_its_proof_is_tracking_with_the_tracker_of_the_step_before() -> None:
    values = arrays(5)
    X, before, Y, G_before = values["init"], np.zeros((5, 3)), np.zeros((5, 3)), np.zeros((5, 3))
    for expected in run(PROOF, steps=15).models:
        np.testing.assert_allclose(X, expected, rtol=0, atol=1e-13)
        G = values["curvature"] * (X - values["optimum"])
        Y = W5 @ (Y + G - G_before)
        X, before, G_before = W5 @ (X - LR * before), Y, G


def test_gut_without_tracking_is_gossip_with_the_gradient_at_the_average() -> None:
    values = {"noise": 0.3, "steps": 15}
    models = run(Case("gut", {"mu": 0.0}), **values).models
    expected = run(ATC_DPSGD, **values, init=W5 @ arrays(5)["init"]).models
    np.testing.assert_allclose(W5 @ models, expected, rtol=0, atol=1e-13)


@each([GUT, Case("gut", {"mu": 0.3})])
def test_gut_that_hears_nothing_is_gradient_descent_of_each_node(case: Case) -> None:
    rules = {"run": {"steps": 6, "evaluate_every": 1, "wait": {"deadline": "100 ms"}}, "network": {"latency": "1 h"}}
    values = arrays(4)
    world = World(np.eye(4), quadratic(values["curvature"], values["optimum"]))
    expected = list(islice(ORACLES["extra"](values["init"], world, lambda _: LR), 6))
    np.testing.assert_allclose(run(case, 4, **rules).models[1:], expected, rtol=0, atol=1e-13)


def test_rescaling_leaves_no_old_correction_after_the_rate_has_dropped() -> None:
    """At rest the correction is lr g; after a drop to a tenth, nine tenths of it would push the nodes apart."""
    drop = {"step_decay": {"start": 0.2, "factor": 0.1, "at": [400]}}
    source = {"lr": drop, "steps": 401, "evaluate_every": 1, "mixing": LAZY_RING}
    moved = [np.abs(np.diff(run(case, **source).models[-2:], axis=0)).max() for case in (D2, D2_RESCALED)]
    assert moved[0] > 1e-2
    assert moved[1] < 1e-10
