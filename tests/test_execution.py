"""One run: its record, and that the planes do not see each other."""

from __future__ import annotations

import gc
from math import inf
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.evaluation import reached
from simnet.execution import quiet_collector
from tests.clock.building import prepared, scenario

CLOCK: dict[str, Any] = {
    "network": {"sharing": "queue", "latency": {"uniform": {"low": "1 ms", "high": "2 s"}}, "uplink": "100 bit/s"},
    "compute": {"time": "1 s", "jitter": {"exponential": 1.0}},
}
ALGORITHMS: list[Any] = [
    {"name": "dpsgd"},
    {"name": "detag"},
    {"name": "moniqua", "theta": 9.0, "quantizer": "stochastic"},
    {"name": "adpsgd"},
    {"name": "allreduce", "exchange": "parameter_server"},
    {"name": "sgd"},
]
QUANTITIES = ["train_loss", "consensus_distance", "time_s", "bits_sent", "gradients", "idle_share"]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a["name"])
def test_eager_and_deferred_give_the_same_numbers(algorithm: dict[str, Any]) -> None:
    problem = {"kind": "quadratic", "dimension": 5, "noise": 0.1}
    source = scenario(5, algorithm, 8, **CLOCK, problem=problem)
    deferred, eager = (simnet.run(source, executor=name) for name in ("deferred", "eager"))
    np.testing.assert_allclose(deferred.metrics[QUANTITIES], eager.metrics[QUANTITIES], rtol=1e-12, atol=1e-13)
    assert deferred.summary["hash"].tolist() == eager.summary["hash"].tolist()


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a["name"])
def test_values_switched_off_leave_the_clock_as_it_is(algorithm: dict[str, Any]) -> None:
    source = scenario(4, algorithm, 10, **CLOCK)
    with_values, without = prepared(source), prepared(source, "off")
    record = with_values.execute()
    without.execute()
    assert without.clock.now == with_values.clock.now == record.summary["time_s"]
    sent = [[(m.bits_sent, m.messages_sent) for m in run.machines] for run in (with_values, without)]
    assert sent[0] == sent[1]


def test_a_run_leaves_nothing_behind() -> None:
    """The second run in one interpreter has the same numbers as the first, and so has a later one."""
    source = scenario(4, "adpsgd", 20, **CLOCK)
    records = [prepared(source).execute() for _ in range(2)]
    simnet.run(scenario(3))
    records.append(prepared(source).execute())
    assert records[0].metrics == records[1].metrics == records[2].metrics
    assert len({record.summary["hash"] for record in records}) == 1


def test_a_split_into_small_batches_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory budget decides how large a call may be, nothing else; a row has 8 numbers of 8 bytes."""
    source = scenario(9, "dpsgd", 6, problem={"kind": "quadratic", "dimension": 8, "noise": 1.0})
    whole = prepared(source).execute()
    monkeypatch.setattr("simnet.execution.MEMORY_BUDGET", 8 * 64 * 4)
    split = prepared(source).execute()
    assert whole.summary["mean_gradient_batch"] == 9
    assert split.summary["mean_gradient_batch"] == 3
    for first, second in zip(whole.metrics, split.metrics, strict=True):
        assert first == pytest.approx(second, rel=1e-13)


def test_targets_are_reached_at_the_first_evaluation_that_is_good_enough() -> None:
    rows = [{"step": k, "time_s": 2.0 * k, "bits_sent": 8.0 * k, "train_loss": 1.0 / (k + 1)} for k in range(5)]
    assert reached(rows, "train_loss", 0.4) == {"value": 0.4, "step": 2, "time_s": 4.0, "bits_sent": 16.0}
    assert reached(rows, "train_loss", 0.1) == {"value": 0.1, "step": inf, "time_s": inf, "bits_sent": inf}
    assert reached(rows, "accuracy", 0.1)["step"] == inf


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    with quiet_collector():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(RuntimeError), quiet_collector():
        raise RuntimeError
    assert gc.isenabled()


def test_the_summary_accounts_for_the_wall_time() -> None:
    wall = prepared(scenario(8, steps=20)).execute().summary["wall_s"]
    assert min(wall.values()) > 0
    assert wall["clock"] + wall["values"] + wall["evaluation"] == pytest.approx(wall["total"])
