"""Federated algorithms: who takes part, what that costs, and where distillation leads."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.algorithms.federation import Federation, sampled
from simnet.streams import stream_key
from tests.algorithms.cases import Case, arrays, execute, run, scenario

M = 32.0 * 3
NICS = {"sharing": "queue", "latency": "50 ms", "uplink": "1 kbit/s", "downlink": "1 kbit/s"}


def fedavg(**parameters: Any) -> Case:
    return Case("fedavg", parameters)


def feddkd(**parameters: Any) -> Case:
    return Case("feddkd", parameters)


def clients(round_: int, n: int, fraction: float) -> frozenset[int]:
    """As the runs below draw them, whose seed is 1."""
    return Federation(n, fraction, 1, lambda *names: stream_key(1, *names) >> 1).clients_of(round_)


@pytest.mark.parametrize("local_steps", [1, 3])
def test_with_all_nodes_it_is_local_sgd_through_a_parameter_server(local_steps: int) -> None:
    changes: dict[str, Any] = {
        "noise": 0.3,
        "steps": 12,
        "network": NICS,
        "compute": {"time": "1 s", "jitter": {"normal": 0.1}},
    }
    mine = run(fedavg(local_steps=local_steps), **changes)
    other = run(Case("local_sgd", {"period": local_steps, "exchange": "parameter_server"}), **changes)
    np.testing.assert_allclose(mine.models, other.models, rtol=0, atol=1e-14)
    assert mine.times.tolist() == other.times.tolist()
    assert mine.column("bits_sent").tolist() == other.column("bits_sent").tolist()


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5, 1.0])
def test_only_the_nodes_of_a_round_compute_and_send(fraction: float) -> None:
    n, rounds = 7, 6
    outcome = run(fedavg(local_steps=2, fraction=fraction), n, steps=2 * rounds, d=3)
    sets = [clients(r, n, fraction) for r in range(rounds + 1)]
    size = max(1, round(fraction * n))
    assert {len(members) for members in sets} == {size}
    taken = Counter(i for members in sets[:rounds] for i in members)
    assert outcome.summary["nodes"]["computing_s"] == [2.0 * taken[i] for i in range(n)]
    np.testing.assert_allclose(np.diff(outcome.column("bits_sent")[::2]), 2 * size * M)
    assert outcome.column("gradients")[-1] == 2 * rounds * size


def test_models_of_all_nodes_are_the_servers_after_each_round() -> None:
    X = run(fedavg(local_steps=3, fraction=0.4), noise=0.3, steps=12).models
    assert (X[3::3] == X[3::3, :1]).all()
    moved = (X[4] != X[3]).any(axis=1)
    assert {i for i in range(5) if moved[i]} == clients(1, 5, 0.4)


def test_all_nodes_are_drawn_equally_often() -> None:
    draws = 2000
    counts = Counter(i for key in range(draws) for i in sampled(key, 10, 3))
    spread = 4 * np.sqrt(draws * 0.3 * 0.7)
    assert all(abs(counts[i] - 0.3 * draws) < spread for i in range(10))


def test_a_round_takes_as_long_as_its_slowest_node() -> None:
    """Nobody waits for a node that was not drawn."""
    n, rounds = 5, 8
    factors = [1.0, 2.0, 3.0, 4.0, 5.0]
    compute = {"time": "1 s", "factors": factors}
    times = run(fedavg(local_steps=2, fraction=0.2), n, steps=2 * rounds, compute=compute, network={"latency": "250 ms"}).times
    expected = [2 * max(factors[i] for i in clients(r, n, 0.2)) + 0.5 for r in range(rounds)]
    np.testing.assert_allclose(np.diff(times[::2]), expected)
    assert len(set(expected)) > 2


def test_distillation_leads_to_the_mean_of_what_the_models_say() -> None:
    """On quadratics: from the mean of the y_i to their mean weighted by curvature."""
    values, E, J = arrays(5), 3, 300
    case = feddkd(local_steps=E, distillation_steps=J, distillation_lr=0.5)
    X = run(case, steps=E + J, **values).models
    Y = X[E - 1] - 0.05 * values["curvature"] * (X[E - 1] - values["optimum"])
    np.testing.assert_allclose(X[E] - Y.mean(axis=0), 0, atol=1e-14)
    weighted = (values["curvature"] * Y).sum(axis=0) / values["curvature"].sum(axis=0)
    np.testing.assert_allclose(X[-1] - weighted, 0, atol=1e-12)


def test_each_distillation_step_costs_a_round_of_fedavg() -> None:
    outcome = run(feddkd(local_steps=2, distillation_steps=3), 4, steps=10, d=3, network={"latency": "1 s"})
    assert np.diff(outcome.column("bits_sent")).tolist() == [0.0, *[2 * 4 * M] * 4] * 2
    assert np.diff(outcome.times).tolist() == [1.0, *[3.0] * 4] * 2


def test_distillation_with_rate_zero_is_fedavg() -> None:
    """It takes mini-batches of its own, so without noise."""
    mine = run(feddkd(local_steps=2, distillation_steps=1, distillation_lr=0, fraction=0.6), steps=12).models
    other = run(fedavg(local_steps=2, fraction=0.6), steps=8).models
    np.testing.assert_allclose(mine[[2, 5, 8, 11]], other[[2, 4, 6, 8]], rtol=0, atol=1e-14)
    np.testing.assert_allclose(mine[3], mine[2], rtol=0, atol=1e-14)


@pytest.mark.parametrize("model", ["linear", {"kind": "mlp", "hidden": [16]}])
def test_both_learn_digits(model: Any) -> None:
    problem = {"dataset": "digits", "model": model, "partition": {"kind": "dirichlet", "concentration": 0.3}, "batch_size": 32}
    result = simnet.run(
        {
            "nodes": 6, "topology": "star", "problem": problem, "run": {"steps": 300, "evaluate_every": 300},
            "algorithms": [
                {"name": "fedavg", "lr": 0.2, "local_steps": 4, "fraction": 0.5},
                {"name": "feddkd", "lr": 0.2, "local_steps": 4, "distillation_steps": 2, "fraction": 0.5},
            ],
        },
        device="cpu",
    )  # fmt: skip
    last = result.metrics.groupby("algorithm").last()
    assert (last["accuracy"] > 0.75).all()


def test_eager_distillation_gives_the_same_on_data() -> None:
    source = scenario(feddkd(local_steps=2, distillation_steps=2, fraction=0.5), 4, steps=8)
    del source["init"]
    source["problem"] = {"dataset": "gaussian_mixture", "features": 2, "classes": 3, "samples_per_node": 9, "batch_size": 2}
    deferred, eager = execute(source), execute(source, "eager")
    np.testing.assert_allclose(deferred.models, eager.models, rtol=0, atol=1e-13)
    assert deferred.summary["hash"] == eager.summary["hash"]
