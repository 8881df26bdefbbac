"""Results side by side: numbers are those of the summaries, differences those of the scenarios."""

from __future__ import annotations

from math import inf, isnan
from typing import Any

import pytest

import simnet
from simnet.errors import ParameterError
from simnet.experiment.comparison import differences
from simnet.result import Result, RunRecord

SCENARIO: dict[str, Any] = {
    "nodes": 4,
    "topology": "ring",
    "network": {"latency": "50 ms"},
    "problem": {"kind": "quadratic", "dimension": 3},
    "algorithms": [{"name": "dpsgd", "lr": 0.05}, {"name": "allreduce", "lr": 0.05}],
    "run": {"steps": 20, "evaluate_every": 5},
    "targets": {"optimum_distance": 3.0},
}


def of(steps: float | None, *, seeds: int = 1, **scenario: Any) -> Result:
    """Runs of one algorithm that reached their target at a step, or never; of more seeds, the last one never."""
    reached = [inf if steps is None or i else steps for i in range(seeds)]
    records = [
        RunRecord("a", i, "done", "", [], {"targets": {"accuracy": {"step": k}}, "steps": 9}) for i, k in enumerate(reached)
    ]
    return Result(records, {"targets": {"accuracy": 0.9}, **scenario}, "")


def test_numbers_are_those_of_the_summaries_and_ratios_are_to_the_first() -> None:
    slow = simnet.run(SCENARIO)
    fast = slow.retime(network={"latency": "10 ms"})
    table = simnet.compare(slow, fast, names=["slow", "fast"])
    assert list(table.columns) == ["slow", "fast", "fast / slow"]
    for name, result in (("slow", slow), ("fast", fast)):
        for record in result.records:
            summary = record.summary
            assert table.loc[(record.algorithm, "time_s"), name] == summary["time_s"]
            assert table.loc[(record.algorithm, "optimum_distance"), name] == summary["final"]["optimum_distance"]
            reached = summary["targets"]["optimum_distance"]
            for word, key in (("steps_to", "step"), ("time_to", "time_s"), ("bits_to", "bits_sent")):
                assert table.loc[(record.algorithm, f"{word}.optimum_distance"), name] == reached[key]
    assert table.loc[("dpsgd", "time_s"), "fast / slow"] == pytest.approx(0.2)
    assert table.loc[("dpsgd", "optimum_distance"), "fast / slow"] == 1
    assert table.attrs["differences"] == {"network.latency": ["50 ms", "10 ms"]}


def test_unreached_targets_are_infinite_and_unasked_ones_absent() -> None:
    table = simnet.compare(of(4), of(None), of(8, seeds=2), of(2))
    row = table.loc[("a", "steps_to.accuracy")]
    names = ["scenario", "scenario (2)", "scenario (3)", "scenario (4)"]
    assert row[names].tolist() == [4, inf, inf, 2]
    assert row[[f"{name} / scenario" for name in names[1:]]].tolist() == [inf, inf, 0.5]
    other = Result([RunRecord("a", 1, "done", "", [], {"steps": 5})], {}, "")
    assert isnan(simnet.compare(of(4), other).loc[("a", "steps_to.accuracy"), "scenario (2)"])


def test_several_seeds_are_means_of_those_that_finished() -> None:
    records = [RunRecord("a", i, "done", "", [], {"time_s": t}) for i, t in enumerate((1.0, 3.0))]
    records.append(RunRecord("a", 2, "diverged", "", [], {"time_s": 100.0}))
    table = simnet.compare(Result(records, {}, ""), Result(records[:1], {}, ""))
    assert table.loc[("a", "time_s")].tolist() == [2.0, 1.0, 0.5]


def test_algorithms_that_only_one_has_are_listed_too() -> None:
    one, two = (Result([RunRecord(label, 1, "done", "", [], {"steps": 3})], {}, "") for label in "ab")
    table = simnet.compare(one, two)
    assert set(table.index.get_level_values("algorithm")) == {"a", "b"}
    assert table["scenario (2) / scenario"].isna().all()


def test_differences_go_by_labels_and_leave_out_what_is_the_same() -> None:
    entries = [[{"label": "a", "lr": 0.1}, {"label": "b", "lr": 0.2}], [{"label": "b", "lr": 0.3}]]
    environments = [{"code": "x", "hashes": {"a/1": "1"}, "packages": {"torch": v, "numpy": "2"}} for v in ("2.11", "2.12")]
    results = [
        Result([], {"name": str(i), "algorithms": e, "faults": [{"kind": "crash", "node": i}]}, "", environment)
        for i, (e, environment) in enumerate(zip(entries, environments, strict=True))
    ]
    assert differences(*results) == {
        "algorithms.a.label": ["a", "-"],
        "algorithms.a.lr": ["0.1", "-"],
        "algorithms.b.lr": ["0.2", "0.3"],
        "faults.0.node": ["0", "1"],
        "environment.packages.torch": ["2.11", "2.12"],
    }


def test_one_result_is_none_to_compare() -> None:
    with pytest.raises(ParameterError, match="found 1 result; allowed: at least two"):
        simnet.compare(of(1))
    with pytest.raises(ParameterError, match="found 1 different names for 2 results"):
        simnet.compare(of(1), of(2), names=["x", "x"])
