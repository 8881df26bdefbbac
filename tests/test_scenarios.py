"""Every scenario is valid, asks a question, and shows what its comment says, in the mean over its seeds."""

from __future__ import annotations

import operator
import re
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest

import simnet

SLACK = 0.2
"""Another processor rounds differently, and rounding grows: near 90 % that moves the target by an evaluation or two."""

SCENARIOS = sorted((Path(__file__).resolve().parents[1] / "scenarios").rglob("*.yaml"))

each = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)


@cache
def run(path: Path) -> simnet.Result:
    return simnet.run(path)


def mean_to(result: simnet.Result, label: str, axis: str, metric: str) -> float:
    runs = [record.summary["targets"][metric] for record in result.records if record.algorithm == label]
    return fmean(reached[axis] for reached in runs)


def find(name: str) -> Path:
    return next(path for path in SCENARIOS if path.stem == name)


def comment(path: Path) -> str:
    """The comment block that a file begins with."""
    return "".join(re.match(r"(#.*\n)+", path.read_text(encoding="utf-8")).group())  # type: ignore[union-attr]


@each
def test_a_scenario_asks_a_question_is_valid_and_has_expectations(path: Path) -> None:
    plan = simnet.prepare(path)
    assert re.match(r"# [A-Z].*\?$", comment(path).splitlines()[0])
    assert plan.scenario.expect
    assert plan.scenario.targets


@each
def test_what_a_scenario_expects_is_so(path: Path) -> None:
    result = run(path)
    assert [record.status for record in result.records] == ["done"] * len(result.records)
    axes = {"steps_to": "step", "time_to": "time_s", "bits_to": "bits_sent"}
    for line in result.scenario["expect"]:
        left, _, right = line.partition(" < ")
        values = []
        for side in (left, right):
            label, axis, metric = side.split(".")
            values.append(mean_to(result, label, axes[axis], metric))
        assert operator.lt(*values), f"{line}: {values}"


@each
def test_the_numbers_in_a_comment_are_those_of_a_run(path: Path) -> None:
    result = run(path)
    metrics = list(result.scenario["targets"])
    rows = re.findall(r"^#   ([\w-]+) +([\d.]+) +([\d.]+)", comment(path), re.MULTILINE)  # label, steps, seconds
    assert {label for label, *_ in rows} == set(result.labels)
    for label, steps, seconds in rows:
        assert mean_to(result, label, "step", metrics[0]) == pytest.approx(float(steps), rel=SLACK)
        assert mean_to(result, label, "time_s", metrics[0]) == pytest.approx(float(seconds), rel=SLACK)


def test_the_quickstart_reverses_its_order_in_every_seed() -> None:
    result = run(find("quickstart"))
    seeds = {record.seed for record in result.records}
    assert len(seeds) == 3
    for seed in seeds:
        to = {r.algorithm: r.summary["targets"]["accuracy"] for r in result.records if r.seed == seed}
        steps, seconds = ({label: reached[axis] for label, reached in to.items()} for axis in ("step", "time_s"))
        assert steps["allreduce"] < steps["detag"] < min(steps["dpsgd"], steps["moniqua"])
        assert seconds["moniqua"] < seconds["detag"] < seconds["allreduce"]
        assert seconds["dpsgd"] < seconds["allreduce"]


def test_the_three_all_reduces_take_the_same_steps_to_the_last_bit() -> None:
    result = run(find("latency_limited"))
    loss = {r.algorithm: {row["step"]: row["train_loss"] for row in r.metrics} for r in result.records if r.seed == 1}
    common = loss["ring"].keys() & loss["halving-doubling"].keys() & loss["parameter-server"].keys()
    assert len(common) > 5
    for step in common:
        assert loss["ring"][step] == loss["halving-doubling"][step] == loss["parameter-server"][step]


def test_without_tracking_the_nodes_own_models_never_get_there() -> None:
    result = run(find("heterogeneous_data"))
    runs = [r.summary["targets"]["node_accuracy_mean"]["step"] for r in result.records if r.algorithm == "dpsgd"]
    assert runs == [float("inf")] * 3
    assert mean_to(result, "detag", "step", "node_accuracy_mean") == pytest.approx(243, rel=SLACK)
