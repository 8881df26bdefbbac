"""Periodic averages: what they reduce to, their cycles, when they average, and what that costs.

Shapes: ``N`` nodes, ``D`` parameters.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.algorithms.cases import LR, Case, arrays, attempt, each, execute, metropolis, run, scenario
from tests.algorithms.oracles import PARAMETERS
from tests.algorithms.oracles.periodic import gossip_aga
from tests.algorithms.oracles.world import World, quadratic
from tests.algorithms.test_contracts import compare_with_matrix_form
from tests.algorithms.test_theory import stochastic

ATC = Case("dpsgd", {"order": "atc"})
NEVER = 1000
M = 32.0 * 3
"""Bits of a model."""


def local_sgd(period: int, **parameters: Any) -> Case:
    return Case("local_sgd", {"period": period, **parameters})


def gossip_pga(period: int, **parameters: Any) -> Case:
    return Case("gossip_pga", {"period": period, **parameters})


def dynamic(threshold: float, **parameters: Any) -> Case:
    return Case("dynamic_averaging", {"threshold": threshold, **parameters})


def models(case: Case, n: int = 5, **changes: Any) -> np.ndarray:
    """From one start, with noise: two algorithms see the same samples."""
    return run(case, n, **{"noise": 0.3, "steps": 12, "init": arrays(1)["init"], **changes}).models


IDENTITY = {"mixing": {"matrix": np.eye(5).tolist()}}


@pytest.mark.parametrize(
    ("case", "other", "changes"),
    [
        (local_sgd(1), Case("allreduce"), {}),
        (gossip_pga(1), Case("allreduce"), {}),
        (gossip_pga(NEVER), ATC, {}),
        (gossip_pga(3), local_sgd(3), IDENTITY),
        (gossip_pga(3), Case("allreduce"), {"topology": "complete"}),
        (Case("gossip_aga", {"period": 3, "max_period": 3}), gossip_pga(3), {}),
        (Case("gossip_aga", {"period": NEVER}), ATC, {}),
        (dynamic(0.0, period=3), local_sgd(3), {}),
        (dynamic(1e300), local_sgd(NEVER), {}),
        (Case("final_merging", {"last": False}), ATC, {}),
        (Case("final_merging", {"at": [3, 6, 9, 12], "last": False}), gossip_pga(3), {}),
    ],
    ids=str,
)
def test_reductions(case: Case, other: Case, changes: dict[str, Any]) -> None:
    np.testing.assert_allclose(models(case, **changes), models(other, **changes), rtol=0, atol=1e-13)


@each([local_sgd(3), gossip_pga(3), gossip_pga(3, exchange="halving_doubling"), gossip_pga(3, exchange="parameter_server")])
def test_models_are_equal_to_the_last_bit_after_each_global_average_and_only_then(case: Case) -> None:
    outcome = run(case, steps=12, noise=0.3)
    distances = outcome.column("consensus_distance")
    assert (distances[3::3] == 0).all()
    assert (np.delete(distances[1:], np.s_[2::3]) > 1e-3).all()
    assert (outcome.models[3::3] == outcome.models[3::3, :1]).all()


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each([Case(name, row) for name in ("local_sgd", "gossip_pga", "gossip_aga", "final_merging") for row in PARAMETERS[name][:2]])
def test_mean_moves_along_the_mean_of_the_sampled_gradients(case: Case, problem: str) -> None:
    """In every step, also in those with a global average; the loss that AGA looks at takes no samples away."""
    X, gradients = stochastic(case, problem)
    np.testing.assert_allclose(np.diff(X.mean(axis=1), axis=0), -LR * gradients.mean(axis=1), atol=1e-13)


@each([local_sgd(3), gossip_pga(3)])
def test_the_end_is_a_cycle(case: Case) -> None:
    X = run(case, steps=303, lr=0.3).models
    np.testing.assert_allclose(X[-7:-3:3], X[-4::3], rtol=0, atol=1e-13)
    assert np.abs(X[-1] - X[-2]).max() > 0.05


@pytest.mark.parametrize("period", [1, 2, 5])
def test_where_the_averages_of_local_sgd_end(period: int) -> None:
    """A mean of the optima, each with weight 1 - (1 - lr a_i)^H: not with its curvature, as it should be."""
    values, lr = arrays(5), 0.3
    weights = 1 - (1 - lr * values["curvature"]) ** period
    expected = (weights * values["optimum"]).sum(axis=0) / weights.sum(axis=0)
    steps = 120 * period
    X = run(local_sgd(period), steps=steps, evaluate_every=steps, lr=lr).models
    np.testing.assert_allclose(X[-1] - expected, 0, atol=1e-10)


@each([local_sgd(4), gossip_pga(4)])
def test_largest_stable_step(case: Case) -> None:
    """2 / L: averages come after the gradient."""
    L, sizes = 4.0, []
    for factor in (0.9, 1.1):
        source = scenario(case, 4, lr=factor * 2 / L, steps=300, evaluate_every=300, curvature=L, optimum=0.0)
        X = attempt(source).models
        sizes.append(np.abs(X[-1]).max() / np.abs(X[0]).max())
    assert sizes[0] < 0.02
    assert sizes[1] > 50


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(0, 12), st.floats(0.05, 0.4), st.integers(0, 99))
def test_the_period_of_aga_follows_the_loss(period: int, warmup: int, lr: float, seed: int) -> None:
    graph = nx.cycle_graph(6)
    case = Case("gossip_aga", {"period": period, "warmup": warmup, "max_period": 9})
    compare_with_matrix_form(case, graph, lr, seed, steps=40)


def global_steps(case: Case, steps: int) -> list[int]:
    """The steps after which all models are equal."""
    values = arrays(5) | {"optimum": arrays(5)["optimum"] / 10}  # a small floor of the loss
    distances = run(case, steps=steps, lr=0.2, **values).column("consensus_distance")
    return [k for k in range(1, steps + 1) if distances[k] == 0]


def test_global_averages_of_aga_become_seldom() -> None:
    steps = global_steps(Case("gossip_aga", {"period": 2, "max_period": 11}), 60)
    gaps = np.diff([0, *steps])
    assert gaps[0] == 2
    assert (np.diff(gaps) >= 0).all()
    assert gaps[-1] == 11


def test_the_period_of_aga_stays_during_the_warmup() -> None:
    steps = global_steps(Case("gossip_aga", {"period": 2, "warmup": 20}), 40)
    assert steps[:11] == list(range(2, 23, 2))
    assert np.diff(steps)[11] > 2


def test_dynamic_averaging_waits_until_one_node_has_gone_too_far() -> None:
    """From 0, nodes with unit curvature are at b_i (1 - (1 - lr)^k); the farthest has b = 4."""
    optimum = np.array([[1.0], [-2.0], [4.0], [0.5]])
    start = {"curvature": np.ones((4, 1)), "optimum": optimum, "init": np.zeros((1, 1)), "lr": 0.1}
    case = dynamic(2.0**2, exchange="ring")
    outcome = run(case, 4, steps=8, **start)
    first = next(k for k in range(1, 9) if 4 * (1 - 0.9**k) > 2)
    assert [k for k in range(1, 9) if outcome.column("consensus_distance")[k] == 0] == [first]
    np.testing.assert_allclose(outcome.models[first - 1], optimum * (1 - 0.9 ** (first - 1)), atol=1e-14)
    number, model = 4 * 2 * 3 * 32.0, 2 * 3 * 32.0
    expected = np.cumsum([0.0, *[number + model * (k == first) for k in range(1, 9)]])
    np.testing.assert_allclose(outcome.column("bits_sent"), expected, rtol=1e-12)


def reduced(n: int, exchange: str) -> float:
    """Bits of an all-reduce of a model."""
    return 2 * n * M if exchange == "parameter_server" else 2 * (n - 1) * M


def numbers(n: int, exchange: str) -> float:
    """Bits of an all-reduce of a number, which is not cut: each message has 32."""
    messages = {"ring": 2 * (n - 1) * n, "parameter_server": 2 * n}
    power = 1 << (n.bit_length() - 1)
    return 32.0 * messages.get(exchange, 2 * power * np.log2(power) + 2 * (n - power))


@pytest.mark.parametrize("exchange", ["ring", "halving_doubling", "parameter_server"])
@pytest.mark.parametrize("n", [4, 7])
def test_bits_are_those_of_the_payloads(n: int, exchange: str) -> None:
    def bits(name: str, **parameters: Any) -> list[float]:
        sent = run(Case(name, {"exchange": exchange, **parameters}), n, d=3).column("bits_sent")
        return np.diff(sent).tolist()

    gossip, average, number = 2 * n * M, reduced(n, exchange), numbers(n, exchange)
    expected = [
        (bits("local_sgd", period=3), [0, 0, average] * 2),
        (bits("gossip_pga", period=3), [gossip, gossip, average] * 2),
        (bits("gossip_aga", period=3, max_period=3), [gossip, gossip, average + number] * 2),
        (bits("dynamic_averaging", threshold=1e300), [number] * 6),
        (bits("dynamic_averaging", threshold=0, period=2), [0, number + average] * 3),
        (bits("final_merging", at=[2]), [gossip, gossip + average, gossip, gossip, gossip, gossip + average]),
    ]
    for sent, wanted in expected:
        np.testing.assert_allclose(sent, wanted, rtol=1e-12)


def test_who_merges_last_needs_to_know_the_last_step() -> None:
    case = Case("final_merging")
    for budget, merges in (({"steps": 9}, True), ({"epochs": 9}, True), ({"simulated_time": "9 s"}, False)):
        outcome = run(case, run={**budget, "evaluate_every": 1})
        distances = outcome.column("consensus_distance")
        assert (len(distances), distances[-1] == 0) == (10, merges)
        assert (distances[:-1] > 0).all()


def test_decisions_do_not_depend_on_crashes() -> None:
    """A node that is down for a while is waited for, and every node has taken the same decisions then."""
    network = {"latency": "100 ms", "loss": {"probability": 0, "timeout": "50 ms"}}
    crash = {"kind": "crash", "nodes": [1], "at": "2500 ms", "until": "4 s", "state": "kept"}
    cases = [Case("gossip_aga", {"period": 2}), dynamic(1.0), Case("consensus_control", {"target": 0.3, "exchange": "oracle"})]
    for case in cases:
        source = scenario(case, 4, noise=0.3, steps=8, network=network)
        quiet, shaken = execute(source), execute({**source, "faults": [crash]})
        assert quiet.models.tobytes() == shaken.models.tobytes()
        assert shaken.times[-1] > quiet.times[-1]


def test_the_oracle_of_aga_has_more_than_one_period() -> None:
    """So that the comparisons above mean something."""
    values = arrays(6, 2, 1)
    world = World(metropolis(nx.cycle_graph(6)), quadratic(values["curvature"], values["optimum"]))
    X, rows = values["init"], []
    for k, X_k in enumerate(gossip_aga(X, world, lambda _: 0.3, 1, 0, 9)):
        rows.append(np.ptp(X_k, axis=0).max() < 1e-12)
        if k == 40:
            break
    assert len(set(np.diff(np.flatnonzero(rows)))) > 1
