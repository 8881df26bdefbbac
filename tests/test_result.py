from __future__ import annotations

import json
import math
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from simnet.errors import OutputError, SimnetError
from simnet.metrics import AXES, METRICS
from simnet.result import Result, RunRecord, check_output

YAML_TEXT = "# a question\nname: tiny\nseeds: [1, 2]\nalgorithms: [{name: dpsgd, label: a}, {name: sgd}]\n"
SCENARIO = {"name": "tiny", "seeds": [1, 2], "algorithms": [{"name": "dpsgd", "label": "a"}, {"name": "sgd"}]}


def make_record(label: str = "a", seed: int = 1, **changes: Any) -> RunRecord:
    rows = [{"step": k, "time_s": 0.1 * k, "accuracy": 0.5 + 0.01 * k} for k in (0, 10)]
    summary = {"steps": 10, "final": {"accuracy": 0.6}, "targets": {"accuracy": {"value": 0.9, "time_s": math.inf}}}
    return RunRecord(
        **{"algorithm": label, "seed": seed, "status": "done", "message": "", "metrics": rows}
        | {"summary": summary}
        | changes
    )


def make_result(*records: RunRecord, **changes: Any) -> Result:
    arguments = {"scenario": SCENARIO, "scenario_yaml": YAML_TEXT, "environment": {"python": "3.11"}} | changes
    return Result(records or (make_record(),), **arguments)


# Text without control characters and surrogates, which YAML does not allow either.
labels = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12) | st.sampled_from(
    ["a/1", "a", "x y", "näher", "1", "../..", ".", "a,b", '"', "nan", "inf", "a/1/2", "%2F", "file", "a.npy"]
)
numbers = (
    st.floats() | st.integers(-(2**70), 2**70) | st.sampled_from([5e-324, -0.0, 0.1 + 0.2, 1e16, 2.0**53, -math.inf])
)
rows = st.lists(st.dictionaries(st.sampled_from([*AXES, *METRICS, "own metric"]), numbers, max_size=6), max_size=4)
parameters = arrays(
    st.sampled_from([np.float32, np.float64]), array_shapes(min_dims=0, max_dims=2, max_side=3, min_side=0)
)
summaries = st.fixed_dictionaries(
    {
        "steps": st.integers(0, 10**6),
        "time_s": st.floats(),
        "final": st.dictionaries(st.sampled_from(list(METRICS)), st.floats()),
        "targets": st.dictionaries(
            st.sampled_from(list(METRICS)), st.dictionaries(st.sampled_from(["step", "value"]), st.floats())
        ),
        "spectrum": st.none() | st.just({"rho": None, "gap": None, "how": "not computed (n > 4096)"}),
        "wall_s": st.dictionaries(st.sampled_from(["total", "clock"]), st.floats(0, 1e9)),
        "counters": st.dictionaries(st.sampled_from(["wrap_violations", "dropped_messages"]), st.integers(0, 99)),
    }
)


@st.composite
def results(draw: st.DrawFn) -> Result:
    keys = draw(st.lists(st.tuples(labels, st.integers(0, 2**63)), min_size=1, max_size=4, unique=True))
    records = [
        RunRecord(
            label,
            seed,
            draw(st.sampled_from(["done", "diverged", "stalled"])),
            draw(labels),
            draw(rows),
            draw(summaries),
            draw(st.none() | arrays(np.float32, array_shapes(min_dims=3, max_dims=3, max_side=3))),
            draw(
                st.none() | st.dictionaries(st.sampled_from(["0.weight", "bias", "odd/name"]), parameters, min_size=1)
            ),
        )
        for label, seed in keys
    ]
    table = draw(st.none() | st.just(pd.DataFrame([[1, 2], [3, 4]], columns=[0, 1])))
    return make_result(*records, class_table=table, complete=draw(st.booleans()), planned=draw(st.integers(0, 9)))


@settings(max_examples=60, deadline=None)
@given(result=results())
def test_a_loaded_result_equals_the_saved_one_bit_for_bit(result: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        result.save(Path(folder) / "x")
        loaded = Result.load(Path(folder) / "x")
        assert loaded == result
        assert loaded.scenario == result.scenario
        pd.testing.assert_frame_equal(loaded.metrics, result.metrics)
        loaded.save(Path(folder) / "y")
        for file in ("metrics.csv", "summary.json", "environment.json"):
            assert (Path(folder) / "x" / file).read_bytes() == (Path(folder) / "y" / file).read_bytes()


def test_equality_sees_every_bit() -> None:
    def with_loss(loss: float) -> Result:
        return make_result(make_record(metrics=[{"step": 0, "train_loss": loss}]))

    assert with_loss(0.1) == with_loss(0.1)
    assert with_loss(math.nan) == with_loss(math.nan)
    assert with_loss(0.0) != with_loss(-0.0)
    assert with_loss(0.3) != with_loss(0.1 + 0.2)
    assert make_result() != make_result(complete=False)
    assert make_result() != "a result"


def test_numpy_numbers_are_written_like_pythons() -> None:
    row = {"step": np.int64(3), "time_s": np.float32(0.1), "accuracy": np.float64(0.1)}
    record = make_record(metrics=[row])
    assert record.metrics == [{"step": 3, "time_s": float(np.float32(0.1)), "accuracy": 0.1}]
    assert make_result(record).metrics["step"].tolist() == [3]


def test_infinities_are_null_in_the_file_and_infinite_again(tmp_path: Path) -> None:
    make_result().save(tmp_path / "x")
    text = (tmp_path / "x" / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["runs"][0]["targets"]["accuracy"]["time_s"] is None
    assert Result.load(tmp_path / "x").records[0].summary["targets"]["accuracy"]["time_s"] == math.inf


def test_metrics_are_a_tidy_table_in_the_order_of_the_tables() -> None:
    rows = [{"accuracy": 0.1, "own": 1.0, "step": 0, "train_loss": 2.0, "bits_sent": 0.0}]
    table = make_result(make_record(metrics=rows), make_record(seed=2)).metrics
    assert list(table.columns) == ["algorithm", "seed", "step", "time_s", "bits_sent", "train_loss", "accuracy", "own"]
    assert table["seed"].tolist() == [1, 2, 2]
    assert math.isnan(table["own"][1])


def test_the_summary_has_dotted_columns() -> None:
    table = make_result(make_record(), make_record("b", message="why", status="diverged")).summary
    assert table["targets.accuracy.time_s"].tolist() == [math.inf, math.inf]
    assert table[["algorithm", "seed", "status", "message"]].to_numpy().tolist()[1] == ["b", 1, "diverged", "why"]


def test_runs_are_found_by_label_and_seed() -> None:
    models = np.zeros((2, 3, 4))
    result = make_result(
        make_record(models=models), make_record(seed=2, models=models + 1, average_model={"x": models})
    )
    assert result.models("a").max() == 0
    assert result.models("a", seed=2).min() == 1
    assert list(result.state_dict("a", 2)) == ["x"]
    with pytest.raises(SimnetError, match=r"found 'b'; there is: a \(seeds 1, 2\)"):
        result.models("b")
    with pytest.raises(SimnetError, match="found 'a' with seed 7"):
        result.models("a", 7)
    with pytest.raises(SimnetError, match=r"no recorded average model; write record: \{average_model: true\}"):
        result.state_dict("a", 1)
    with pytest.raises(SimnetError, match=r"no recorded models; write record: \{models: true\}"):
        make_result().models("a")


def test_the_exit_status_tells_of_failures() -> None:
    assert make_result().exit_status == 0
    assert make_result(make_record(), make_record("b", status="diverged")).exit_status == 3
    assert make_result(make_record(status="stalled")).exit_status == 3


def test_labels_keep_the_scenarios_order_and_places() -> None:
    assert make_result(make_record("sgd"), make_record("own")).labels == ["a", "sgd", "own"]


def test_a_notebook_shows_the_summary() -> None:
    html = make_result(make_record("<b>"))._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert repr(make_result(complete=False, planned=4)) == "<simnet.Result tiny: a (seed 1) (1 of 4 runs)>"


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "error", [RuntimeError("no figure"), KeyboardInterrupt(), OSError(28, "No space left on device")]
)
@pytest.mark.parametrize("existed", [True, False])
def test_a_failing_save_leaves_what_was_there(tmp_path: Path, error: BaseException, existed: bool) -> None:
    if existed:
        make_result(make_record(seed=7)).save(tmp_path / "x")
    before = files_in(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        make_result().save(tmp_path / "x", extra=fail)
    assert files_in(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["x"] if existed else [])


@pytest.mark.parametrize("failing", [0, 1, 2, 3])
def test_a_swap_that_fails_anywhere_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    make_result(make_record(seed=7)).save(tmp_path / "x")
    for name in ("notes.txt", "thoughts.txt"):
        (tmp_path / "x" / name).write_text("mine")
    before, rename, calls = files_in(tmp_path), Path.rename, []

    def brittle(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == failing + 1:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", brittle)
    with pytest.raises(OutputError, match="Input/output error"):
        make_result().save(tmp_path / "x")
    assert files_in(tmp_path) == before


def test_a_previous_result_is_replaced_and_the_users_own_files_stay(tmp_path: Path) -> None:
    make_result(make_record(models=np.zeros((1, 1, 1)))).save(
        tmp_path / "x", extra=lambda folder: (folder / "figures").mkdir()
    )
    (tmp_path / "x" / "notes.txt").write_text("mine")
    make_result(make_record(seed=2)).save(tmp_path / "x")
    names = {path.name for path in (tmp_path / "x").iterdir()}
    assert names == {"notes.txt", "scenario.yaml", "environment.json", "metrics.csv", "summary.json"}
    assert Result.load(tmp_path / "x").records[0].seed == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_new_folder_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    make_result().save(tmp_path / "deep" / "x")
    assert stat.S_IMODE((tmp_path / "deep" / "x").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_link_to_a_result_stays_a_link(tmp_path: Path) -> None:
    make_result().save(tmp_path / "x")
    (tmp_path / "latest").symlink_to(tmp_path / "x")
    make_result(make_record(seed=2)).save(tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert Result.load(tmp_path / "x").records[0].seed == 2


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty")
    check_output(tmp_path / "new" / "deeper")
    for name, message in (("file", "is a file"), ("full", "not a simnet result"), ("file/x", "nothing can be written")):
        with pytest.raises(OutputError, match=message):
            check_output(tmp_path / name)
        with pytest.raises(OutputError, match=message):
            make_result().save(tmp_path / name)
    with pytest.raises(OutputError, match="cannot be written"):
        check_output(tmp_path / ("x" * 300))
    assert (tmp_path / "full" / "thesis.tex").read_text() == "precious"


def test_a_damaged_result_is_answered_with_a_sentence(tmp_path: Path) -> None:
    record = make_record(models=np.zeros((1, 1, 1)))
    make_result(record, class_table=pd.DataFrame([[1]])).save(tmp_path / "x")
    for file in ("summary.json", "metrics.csv", "scenario.yaml", "environment.json", "models.npz", "classes.csv"):
        shutil.copytree(tmp_path / "x", tmp_path / file)
        for damage in (b"", b"\xff\xfe\x00{", b"[1, 2", b"a,b\n1\n"):
            (tmp_path / file / file).write_bytes(damage)
            with pytest.raises(OutputError, match="damaged simnet result"):
                Result.load(tmp_path / file)
    with pytest.raises(OutputError, match=r"no simnet result there \(summary.json is missing\)"):
        Result.load(tmp_path)
