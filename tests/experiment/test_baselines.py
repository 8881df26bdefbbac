"""Golden trajectories: what is written is read, people may edit it, and what moves is found where it moves first."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.errors import OutputError, ScenarioError
from simnet.experiment.baselines import MOST_ROWS, Tolerance, read, record, text_of, to_text
from simnet.experiment.drift import changes, distance
from simnet.result import Result, RunRecord

Rows = list[dict[str, float]]
Change = Callable[[str, int, Rows], Rows]


def made(change: Change = lambda label, seed, rows: rows, count: int = 21) -> Result:
    """Two algorithms, two seeds, an evaluation every ten steps."""
    records = []
    for label in ("dpsgd", "q: 8 #1"):
        for seed in (1, 2):
            rows: Rows = [
                {"step": 10 * k, "time_s": 0.5 * k, "accuracy": 1 - 0.9 / (1 + k), "train_loss": 2.0 / (seed + k)}
                for k in range(count)
            ]
            records.append(RunRecord(label, seed, "done", "", change(label, seed, rows), {}))
    return Result(records, {"name": "tiny"}, "name: tiny")


def moved(label: str, seed: int, step: int, **factors: float) -> Change:
    """A change of one run from one step on."""

    def change(of: str, seed_of: int, rows: Rows) -> Rows:
        if (of, seed_of) != (label, seed):
            return rows
        scale = [{name: factors[name] if row["step"] >= step else 1.0 for name in factors} for row in rows]
        return [{name: value * by.get(name, 1.0) for name, value in row.items()} for row, by in zip(rows, scale, strict=True)]

    return change


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "baselines" / "tiny.yaml"
    assert record(made(), path, "tiny.yaml")
    return path


def found(path: Path, result: Result) -> list[str]:
    return [str(change) for change in changes(read(path), result)]


def test_what_is_recorded_is_read_and_nothing_has_moved(path: Path) -> None:
    assert found(path, made()) == []
    assert not record(made(), path, "tiny.yaml")
    assert [file.name for file in path.parent.iterdir()] == ["tiny.yaml"]


def test_it_is_short_and_every_line_can_be_read(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) == 2 + 1 + 4 + 1 + 4 * (3 + 1 + MOST_ROWS)
    assert max(map(len, lines)) <= 120
    assert lines[:2] == [line for line in lines if line.startswith("#")]
    assert "  accuracy: {rel: 0, abs: 0.01}" in lines
    assert '- algorithm: "q: 8 #1"' in lines
    assert "     200      10   0.95714    0.090909" in lines


def test_few_evaluations_are_all_recorded(tmp_path: Path) -> None:
    record(made(count=3), tmp_path / "a.yaml", "a.yaml")
    assert [len(run.rows()) for run in read(tmp_path / "a.yaml").runs] == [3] * 4


def test_the_first_step_of_the_first_run_that_moved_comes_first(path: Path) -> None:
    late, early = moved("dpsgd", 1, 100, train_loss=1.5), moved("q: 8 #1", 2, 50, train_loss=1.1, accuracy=0.9)
    both = made(lambda label, seed, rows: late(label, seed, early(label, seed, rows)))
    first, second = found(path, both)
    assert first == "q: 8 #1 (seed 2): accuracy at step 50 was 0.85, is 0.765; allowed: ±0.01"
    assert second == "dpsgd (seed 1): train_loss at step 100 was 0.18182, is 0.27273; allowed: ±0.00364"


def test_a_tolerance_is_what_the_file_says(path: Path) -> None:
    slower = made(moved("dpsgd", 1, 0, time_s=1.004))
    assert found(path, slower) == ["dpsgd (seed 1): time_s at step 20 was 1, is 1.004; allowed: ±0.001"]
    path.write_text(path.read_text().replace("time_s: {rel: 0.001, abs: 0}", "time_s: {rel: 0.005}"))
    assert found(path, slower) == []


def test_an_update_keeps_edited_tolerances(path: Path) -> None:
    path.write_text(path.read_text().replace("train_loss: {rel: 0.02, abs: 1e-06}", "train_loss: {rel: 0.5}"))
    assert record(made(moved("dpsgd", 1, 0, train_loss=2.0)), path, "tiny.yaml")
    assert "  train_loss: {rel: 0.5, abs: 0}\n" in path.read_text()
    assert read(path).tolerance("train_loss") == Tolerance(rel=0.5)
    assert found(path, made()) != []


def test_without_any_tolerance_the_same_run_still_passes(path: Path) -> None:
    text = path.read_text()
    for name in ("time_s", "accuracy", "train_loss"):
        line = next(line for line in text.splitlines() if line.startswith(f"  {name}: "))
        text = text.replace(line, f"  {name}: {{}}")
    path.write_text(text)
    assert found(path, made()) == []
    assert found(path, made(moved("dpsgd", 1, 0, train_loss=1.001))) != []


def test_a_run_or_an_evaluation_or_a_metric_that_is_gone_or_new(path: Path) -> None:
    assert found(path, Result(made().records[:3], {}, "")) == ["q: 8 #1 (seed 2): in the baseline, now no such run"]
    more = [*made().records, RunRecord("detag", 1, "done", "", [], {})]
    assert found(path, Result(more, {}, "")) == ["detag (seed 1): not in the baseline, now there"]
    assert found(path, made(count=18))[0] == "dpsgd (seed 1): evaluation at step 180 was there, is not made"
    less = made(lambda label, seed, rows: [{k: v for k, v in row.items() if k != "accuracy"} for row in rows])
    assert found(path, less)[0] == "dpsgd (seed 1): accuracy at step 0 was 0.1, is -"
    new = made(lambda label, seed, rows: [{**row, "test_loss": 1.0} for row in rows])
    assert found(path, new)[0] == "dpsgd (seed 1): test_loss at step 0 was -, is 1"


def test_what_is_not_finite_is_only_like_itself(tmp_path: Path) -> None:
    def with_value(value: float) -> Result:
        return Result([RunRecord("a", 1, "done", "", [{"step": 0, "train_loss": value}], {})], {}, "")

    for value in (inf, -inf, nan):
        record(with_value(value), tmp_path / "a.yaml", "a")
        assert found(tmp_path / "a.yaml", with_value(value)) == []
        assert len(found(tmp_path / "a.yaml", with_value(1.0))) == 1
    record(with_value(1.0), tmp_path / "a.yaml", "a")
    assert found(tmp_path / "a.yaml", with_value(nan)) == ["a (seed 1): train_loss at step 0 was 1, is nan; allowed: ±0.02"]


@given(st.floats())
def test_a_number_is_at_no_distance_from_itself_as_it_is_written(value: float) -> None:
    assert distance(float(text_of(value)), value, Tolerance())[1] == 0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("format: 1", "format: 2", ":3: format: found 2; allowed: 1"),
        ("time_s: {rel: 0.001", "time_s: {rel: -0.001", ":5: tolerances.time_s.rel: found -0.001; allowed: a number >= 0"),
        ("time_s: {rel: 0.001", "time_s: {real: 0.001", ":5: tolerances.time_s.real: unknown key; did you mean rel?"),
        ("seed: 1", "seed: one", ":10: runs.0.seed: found 'one'; allowed: a whole number"),
        ("    step  time_s", "    stop  time_s", "runs.0.table: found a table of 'stop time_s accuracy train_loss'; allowed:"),
        ("     200      10 ", "     200       ", "runs.0.table: found the row '200 0.95714 0.095238'; allowed: 4 numbers"),
        ("     200      10 ", "     200      x ", "runs.0.table: found the row '200 x 0.95714 0.095238'; allowed: 4 numbers"),
        ("runs:", "ruins:", "ruins: unknown key; did you mean runs?"),
        ("runs:", "runs: [", ": "),
    ],
)
def test_a_damaged_file_is_refused_with_its_lines(path: Path, old: str, new: str, sentence: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ScenarioError) as error:
        read(path)
    assert sentence in str(error.value)
    assert str(error.value).startswith(f"{path}:")
    with pytest.raises(ScenarioError):
        record(made(), path, "tiny.yaml")


@pytest.mark.parametrize("text", ["", "5", "[]", "format: 1", "\x00"])
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ScenarioError):
        read(tmp_path / "a.yaml")


def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/a\.yaml: cannot be written"):
        record(made(), tmp_path / "file" / "a.yaml", "a")


def test_a_result_without_runs_has_a_baseline_too(tmp_path: Path) -> None:
    empty: Any = Result([], {}, "")
    (tmp_path / "a.yaml").write_text(to_text(empty, {}))
    assert changes(read(tmp_path / "a.yaml"), empty) == []
