"""Consensus control: how many rounds it takes, what it knows of the distance, and what that costs."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.algorithms.consensus_control import check_distance
from simnet.errors import ParameterError
from tests.algorithms.cases import LR, NO_GRADIENTS, Case, arrays, each, metropolis, random_graph, run
from tests.algorithms.oracles.graphs import bound, consensus_distance
from tests.algorithms.oracles.world import World, quadratic
from tests.algorithms.test_contracts import compare_with_matrix_form
from tests.algorithms.test_periodic import numbers
from tests.algorithms.test_theory import stochastic


def controlled(target: Any, **parameters: Any) -> Case:
    return Case("consensus_control", {"target": target, **parameters})


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 8), st.integers(0, 10**6), st.floats(0.01, 2.0), st.sampled_from(["ring", "oracle"]))
def test_matrix_form_is_reproduced_for_any_target(n: int, extra: int, seed: int, target: float, exchange: str) -> None:
    case = controlled(target, max_rounds=6, exchange=exchange)
    compare_with_matrix_form(case, random_graph(n, extra, seed), 0.2, seed)


@pytest.mark.parametrize("exchange", ["oracle", "halving_doubling"])
def test_models_are_as_near_as_wanted_with_no_more_rounds_than_needed(exchange: str) -> None:
    """One round on the 6-ring takes rho = 2/3 of the distance at most; the bound may take some rounds more."""
    case = controlled(0.05, max_rounds=50, exchange=exchange)
    values, W = arrays(6), metropolis(nx.cycle_graph(6))
    outcome = run(case, 6, steps=10)
    assert (outcome.column("consensus_distance")[1:] <= 0.05).all()
    if exchange == "oracle":
        rounds = np.rint(np.diff(outcome.column("bits_sent")) / (2 * 6 * 96)).astype(int)
        for k in range(10):
            X = outcome.models[k] - LR * values["curvature"] * (outcome.models[k] - values["optimum"])
            one_less = np.linalg.matrix_power(W, rounds[k] - 1) @ X
            assert rounds[k] == 1 or consensus_distance(one_less) > 0.05


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 9), st.integers(0, 10**6))
def test_the_bound_is_one(n: int, extra: int, seed: int) -> None:
    values = arrays(n, 3, seed)
    world = World(metropolis(random_graph(n, extra, seed)), quadratic(values["curvature"], values["optimum"]))
    X = values["init"]
    assert consensus_distance(world.W @ X) <= bound(X, world) * (1 + 1e-9) + 1e-12


def test_a_large_target_is_dpsgd() -> None:
    changes: dict[str, Any] = {"noise": 0.3, "steps": 12}
    for exchange in ("oracle", "ring"):
        X = run(controlled(1e9, exchange=exchange), **changes).models
        assert X.tobytes() == run(Case("dpsgd", {"order": "atc"}), **changes).models.tobytes()


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_target_of_zero_is_a_power_of_the_mixing_matrix(rounds: int) -> None:
    zeros = np.zeros((5, 5))
    start = {"init": np.eye(5), "optimum": zeros, "curvature": zeros + NO_GRADIENTS}
    X = run(controlled(0.0, max_rounds=rounds), steps=1, **start).models
    W = metropolis(nx.cycle_graph(5))
    np.testing.assert_allclose(X[1], np.linalg.matrix_power(W, rounds), atol=1e-14)


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each([controlled(0.1), controlled(0.1, exchange="oracle")])
def test_mean_moves_along_the_mean_of_the_sampled_gradients(case: Case, problem: str) -> None:
    X, gradients = stochastic(case, problem)
    np.testing.assert_allclose(np.diff(X.mean(axis=1), axis=0), -LR * gradients.mean(axis=1), atol=1e-13)


def test_targets_may_change_with_the_step() -> None:
    target = {"step_decay": {"start": 1.0, "factor": 1e-3, "at": [5]}}
    distances = run(controlled(target, max_rounds=100, exchange="oracle"), steps=10).column("consensus_distance")
    assert (distances[1:6] > 1e-3).all()
    assert (distances[6:] <= 1e-3).all()


@pytest.mark.parametrize("exchange", ["ring", "halving_doubling", "parameter_server", "oracle"])
@pytest.mark.parametrize("n", [4, 7])
def test_every_number_is_paid_for_unless_an_oracle_knows_it(n: int, exchange: str) -> None:
    bits = np.diff(run(controlled(0.0, max_rounds=3, exchange=exchange), n, d=3).column("bits_sent"))
    number = 0.0 if exchange == "oracle" else numbers(n, exchange)
    np.testing.assert_allclose(bits, 3 * 2 * n * 96 + 2 * number, rtol=1e-12)


def test_an_oracle_takes_no_time_beyond_waiting_for_the_last_node() -> None:
    """One slow node: every step takes its 3 s and then two rounds of 1 s."""
    compute = {"time": "1 s", "factors": [1.0, 1.0, 3.0, 1.0]}
    case = controlled(0.0, max_rounds=2, exchange="oracle")
    times = run(case, 4, compute=compute, network={"latency": "1 s"}).times
    np.testing.assert_allclose(np.diff(times), 5.0)


def test_a_matrix_that_does_not_mix_uses_all_its_rounds() -> None:
    case = controlled(0.1, max_rounds=4)
    outcome = run(case, 4, mixing={"matrix": np.eye(4).tolist()}, steps=2)
    assert outcome.column("bits_sent")[1] == 4 * 2 * 4 * 96 + 3 * numbers(4, "halving_doubling")


def test_the_bound_needs_the_spectral_gap() -> None:
    with pytest.raises(ParameterError, match="exchange: the bound needs the spectral gap"):
        check_distance({"exchange": "ring"}, None)
