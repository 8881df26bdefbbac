"""Budgets, evaluations, and what ends a run."""

from __future__ import annotations

from typing import Any

import pytest

import simnet
from simnet.result import Result
from tests.clock.building import prepared, scenario

SECOND = {"time": "1 s"}


def ran(algorithm: Any = "dpsgd", nodes: int = 4, **run: Any) -> Result:
    """Gradients take one second, and an epoch is ten steps."""
    problem = {"dataset": "gaussian_mixture", "samples_per_node": 40, "test_samples": 10, "batch_size": 4, "model": "linear"}
    source = scenario(nodes, algorithm, 1, compute=SECOND, problem=problem)
    return simnet.run(source | {"run": run})


@pytest.mark.parametrize(
    ("run", "steps"),
    [
        ({"steps": 7}, 7),
        ({"epochs": 1.5}, 15),
        ({"simulated_time": "4500 ms"}, 4),
        ({"steps": 7, "epochs": 0.5}, 5),
        ({"steps": 7, "epochs": 3, "simulated_time": "3500 ms"}, 3),
        ({"steps": 2, "epochs": 3, "simulated_time": "1 h"}, 2),
    ],
    ids=str,
)
def test_the_budget_that_is_used_up_first_ends_the_run(run: dict[str, Any], steps: int) -> None:
    result = ran(**run, evaluate_every=100)
    assert result.metrics["step"].tolist() == [0, steps]
    assert result.metrics["time_s"].tolist() == [0, steps]
    assert result.exit_status == 0


def test_what_ends_exactly_with_the_time_counts() -> None:
    assert ran(simulated_time="3 s", evaluate_every=1).metrics["step"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("steps", "every", "looked"), [(6, 2, [0, 2, 4, 6]), (7, 3, [0, 3, 6, 7]), (2, 5, [0, 2])])
def test_the_last_step_is_evaluated(steps: int, every: int, looked: list[int]) -> None:
    for algorithm in ("dpsgd", "adpsgd", "sgd"):
        metrics = ran(algorithm, steps=steps, evaluate_every=every).metrics
        assert metrics["step"].tolist() == looked
        assert metrics["gradients"].tolist()[-1] >= steps * (1 if algorithm == "sgd" else 4)


@pytest.mark.parametrize("algorithm", ["adpsgd", {"name": "dpsgd", "wait": "none"}], ids=["adpsgd", "none"])
def test_an_asynchronous_run_counts_steps_of_all_nodes(algorithm: Any) -> None:
    """One node is ten times as slow; the others do its steps, and the run does not wait for it."""
    compute = {"time": "1 s", "factors": [10, 1, 1, 1]}
    run = prepared(scenario(4, algorithm, 30, compute=compute, run={"evaluate_every": 10}))
    record = run.execute()
    assert sum(node.step for node in run.nodes) == run.observer.total_steps == 4 * 30
    assert run.nodes[0].step < 6
    assert [row["step"] for row in record.metrics] == [0, 10, 20, 30]
    assert record.metrics[-1]["time_s"] < 45


def test_an_asynchronous_run_may_end_between_two_steps() -> None:
    source = scenario(4, "adpsgd", 30, compute=SECOND | {"factors": [2, 1, 1, 1]})
    record = prepared(source | {"run": {"simulated_time": "5500 ms", "evaluate_every": 2}}).execute()
    assert record.metrics[-1]["step"] == (2 + 3 * 5) / 4
    assert record.metrics[-1]["time_s"] == 5.5


def test_totals_of_a_synchronous_evaluation_stop_at_each_nodes_own_step() -> None:
    """Fast nodes are ahead; what they did beyond step k does not count at step k."""
    source = scenario(6, "dpsgd", 5, compute={"time": "1 s", "factors": [9, 1, 1, 1, 1, 1]})
    metrics = simnet.run(source).metrics
    assert metrics["gradients"].tolist() == [6 * k for k in range(6)]
    assert metrics["bits_sent"].tolist() == [6 * 2 * 32 * k for k in range(6)]


def test_idle_share() -> None:
    source = scenario(2, {"name": "dpsgd", "order": "atc"}, 4, topology="path", compute=SECOND, network={"latency": "3 s"})
    metrics = simnet.run(source).metrics
    assert metrics["idle_share"].tolist() == pytest.approx([0.0] + [0.75] * 4)


def test_divergence_ends_one_algorithm_and_leaves_the_others() -> None:
    source = scenario(4, {"name": "dpsgd", "lr": 1e3, "label": "wild"}, 300, run={"evaluate_every": 5})
    source["algorithms"].append({"name": "dpsgd", "lr": 0.1, "label": "calm"})
    result = simnet.run(source)
    wild, calm = result.records
    assert (wild.status, calm.status, result.exit_status) == ("diverged", "done", 3)
    assert "train_loss has grown from" in wild.message
    assert wild.metrics[-1]["step"] == 5
    assert calm.metrics[-1]["step"] == 300
    del source["algorithms"][0]
    assert simnet.run(source).records[0].metrics == calm.metrics


def test_numbers_that_are_none_are_divergence() -> None:
    source = scenario(2, {"name": "dpsgd", "lr": 1e200}, 10, topology="path", run={"evaluate_every": 10})
    record = simnet.run(source).records[0]
    assert record.status == "diverged"
    assert "at step 10" in record.message


def test_how_often_it_computes_does_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    source = scenario(6, "detag", 40, compute={"time": "1 s", "jitter": {"lognormal": 0.5}}, run={"evaluate_every": 20})
    expected = simnet.run(source)
    monkeypatch.setattr("simnet.execution.NODE_STEPS_AT_ONCE", dict.fromkeys(("synchronous", "asynchronous"), 18))
    assert simnet.run(source).metrics.equals(expected.metrics)
