"""DeTAG's own facts: its tracker, its accelerated gossip, and when that expands differences."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.algorithms.detag import acceleration
from simnet.errors import ParameterError
from tests.algorithms.cases import LR, NO_GRADIENTS, Case, arrays, metropolis, run
from tests.algorithms.oracles.gossip import accelerated, formula

W5 = metropolis(nx.cycle_graph(5))


def gossip_operator(n: int, rounds: int, eta: float | str) -> np.ndarray:
    """The matrix that one phase without gradients applies: what becomes of the unit vectors on a ring."""
    case = Case("detag", {"gossip_rounds": rounds, "eta": eta})
    zeros = np.zeros((n, n))
    start = {"init": np.eye(n), "optimum": zeros, "curvature": zeros + NO_GRADIENTS}
    return run(case, n, steps=rounds, evaluate_every=rounds, **start).models[-1]


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.floats(0, 0.9))
def test_accelerated_gossip_preserves_the_mean_for_any_eta(rounds: int, eta: float) -> None:
    M = gossip_operator(6, rounds, eta)
    np.testing.assert_allclose(M.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(M, accelerated(np.eye(6), metropolis(nx.cycle_graph(6)), rounds, eta), atol=1e-12)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_without_acceleration_a_phase_is_a_power_of_the_mixing_matrix(rounds: int) -> None:
    np.testing.assert_allclose(gossip_operator(5, rounds, 0.0), np.linalg.matrix_power(W5, rounds), atol=1e-14)


@pytest.mark.parametrize(
    ("n", "rounds", "eta", "norm"),
    [(32, 1, "auto", 1.30), (64, 1, "auto", 1.47), (64, 50, "auto", 0.088), (64, 50, 0.0, 0.851)],
)
def test_acceleration_expands_differences_in_short_phases_and_shrinks_them_in_long_ones(
    n: int, rounds: int, eta: float | str, norm: float
) -> None:
    assert np.linalg.norm(gossip_operator(n, rounds, eta) - 1 / n, 2) == pytest.approx(norm, rel=5e-3)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.99, 1.0])
def test_eta_is_the_formula_that_gives_the_fast_rate(rho: float) -> None:
    assert acceleration(rho) == pytest.approx(formula(rho), abs=1e-15)


def test_eta_auto_needs_the_spectral_gap() -> None:
    with pytest.raises(ParameterError, match="eta: found auto, but the spectral gap is not computed"):
        acceleration(None)


@pytest.mark.parametrize(("rounds", "eta"), [(1, 0.0), (2, 0.2), (3, 0.4)])
def test_mean_of_the_trackers_is_the_mean_of_the_latest_gradients(rounds: int, eta: float) -> None:
    """The tracker shows in the models: ``lr AG(y) = AG(x) - x_next``, and then ``y <- AG(y) + g - g'``."""
    values = arrays(5)
    X = run(Case("detag", {"gossip_rounds": rounds, "eta": eta}), steps=8 * rounds, evaluate_every=rounds).models
    mixed_y = [(accelerated(X[k], W5, rounds, eta) - X[k + 1]) / LR for k in range(8)]
    gradients = values["curvature"] * (X - values["optimum"])
    np.testing.assert_allclose(mixed_y[0], 0, atol=1e-13)
    y, before = mixed_y[0], np.zeros((5, 3))
    for k in range(7):
        y, before = y + gradients[k] - before, gradients[k]
        np.testing.assert_allclose(y.mean(axis=0), gradients[k].mean(axis=0), atol=1e-12)
        y = accelerated(y, W5, rounds, eta)
        np.testing.assert_allclose(y, mixed_y[k + 1], atol=1e-12)


def test_models_stand_still_during_a_phase() -> None:
    models = run(Case("detag", {"gossip_rounds": 4, "eta": 0.1}), steps=10).models
    moved = [k for k in range(1, 11) if (models[k] != models[k - 1]).any()]
    assert moved == [4, 8]


def test_equal_nodes_stay_equal() -> None:
    same = {key: value[:1] for key, value in arrays(5).items()}
    models = run(Case("detag"), steps=20, **same).models
    np.testing.assert_allclose(models - models[:, :1], 0, atol=1e-14)
    assert np.abs(models[-1] - models[0]).max() > 0.1
