"""A sweep is the table of its runs: whatever is retimed, interrupted, killed or failing."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import simnet
from simnet.cli import main
from simnet.cli.parser import parser
from simnet.errors import OutputError, ParameterError
from simnet.experiment import sweeping
from simnet.experiment.planning import asked, planned
from simnet.experiment.sweep import load_sweep
from tests.experiment.sweeping import LATENCIES, SMALL, tables

GRID = {"network.latency": LATENCIES, "network.bandwidth": ["1 Mbit/s", "20 kbit/s"]}


def swept(out: Path, **options: Any) -> simnet.Sweep:
    return simnet.sweep(**{"source": SMALL, "grid": GRID, "workers": 0, "device": "cpu", "out": out, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> simnet.Sweep:
    return swept(tmp_path_factory.mktemp("sweep") / "whole", source={**SMALL, "seeds": [1, 2]})


def test_every_row_is_that_of_a_run_of_its_point(whole: simnet.Sweep) -> None:
    assert whole.complete
    assert whole.how == {"computed": 2 * 2 + 2 * 6, "retimed": 2 * 2 * 5}
    for point, values in whole.points.iterrows():
        result = simnet.run({**SMALL, "seeds": [1, 2]}, device="cpu", overrides=values.to_dict())
        mine = whole.metrics[whole.metrics["point"] == point].drop(columns=["point", *whole.keys])
        both = [table.sort_values(["seed", "algorithm", "step"], ignore_index=True) for table in (mine, result.metrics)]
        pd.testing.assert_frame_equal(both[0][both[1].columns], both[1], check_exact=True, check_dtype=False)
        own = whole.summary[whole.summary["point"] == point].sort_values(["seed", "algorithm"], ignore_index=True)
        expected = result.summary.sort_values(["seed", "algorithm"], ignore_index=True)
        for column in ("hash", "status", "bits_sent", "final.train_loss", "targets.train_loss.time_s", "idle_share"):
            assert own[column].tolist() == expected[column].tolist(), column


def test_the_folder_is_one_data_set_for_pandas(whole: simnet.Sweep) -> None:
    table = pd.read_parquet(whole.folder / "metrics")
    assert len(table) == len(whole.metrics) == 6 * 3 * 2 * 4
    assert set(table["network.latency"]) == set(LATENCIES)
    assert len(pd.read_parquet(whole.folder / "summary")) == 6 * 3 * 2
    assert "train_loss" in table.columns


def test_the_joined_tables_are_those_of_the_parts(whole: simnet.Sweep, tmp_path: Path) -> None:
    shutil.copytree(whole.folder, tmp_path / "copy")
    for name in ("metrics", "summary"):
        (tmp_path / "copy" / f"{name}.parquet").unlink()
    assert tables(tmp_path / "copy") == tables(whole.folder)


def test_what_was_computed_without_the_cache_is_the_same(whole: simnet.Sweep, tmp_path: Path) -> None:
    source = {**SMALL, "seeds": [1, 2]}
    for index, (_, values) in enumerate(whole.points.iterrows()):
        grid = {key: [value] for key, value in values.items()}
        alone = swept(tmp_path / str(index), source=source, grid=grid)
        assert "retimed" not in alone.how
        mine = whole.metrics[whole.metrics["point"] == index].assign(point=0)
        assert alone.metrics.to_csv(index=False) == mine.to_csv(index=False)


def test_a_second_start_does_nothing_and_a_larger_grid_only_what_is_new(tmp_path: Path) -> None:
    first = swept(tmp_path)
    again = swept(tmp_path)
    assert again.how == {}
    assert tables(again) == tables(first)
    larger = swept(tmp_path, grid={**GRID, "network.latency": [*LATENCIES, "70 ms"]})
    assert larger.how == {"retimed": 2 * 2, "computed": 2}
    smaller = swept(tmp_path)
    assert smaller.how == {}
    assert len(list((tmp_path / "metrics").iterdir())) == len(smaller.finished) == 18
    assert tables(smaller) == tables(first)


def test_a_changed_learning_rate_recomputes_one_algorithm_only(tmp_path: Path) -> None:
    assert swept(tmp_path).how == {"computed": 2 + 6, "retimed": 2 * 5}
    changed = swept(tmp_path, overrides={"algorithms.moniqua.lr": 0.2})
    assert changed.how == {"computed": 1, "retimed": 5}
    assert set(changed.summary.groupby("algorithm").size()) == {6}


def test_points_that_differ_in_values(tmp_path: Path) -> None:
    grid = {"topology": ["ring", {"kind": "complete"}], "nodes": [4, 6]}
    found = swept(tmp_path, grid=grid, zip={"run.steps": [4, 8], "algorithms.dpsgd.lr": [0.1, 0.2]})
    assert found.complete
    assert found.points["topology"].tolist() == ["ring"] * 4 + ['{"kind": "complete"}'] * 4
    assert found.summary.groupby(["nodes", "run.steps"])["steps"].unique().map(list).to_dict() == {
        (n, k): [k] for n in (4, 6) for k in (4, 8)
    }
    drawn = swept(tmp_path / "drawn", grid={}, random={"count": 3, "algorithms.dpsgd.lr": {"log_uniform": [0.01, 0.1]}})
    assert len(drawn.points) == 3
    assert drawn.how == {"computed": 3 + 2, "retimed": 2, "reused": 2}


FLAKY = '''
from pathlib import Path

def flaky(node, *, lr: float):
    """Flaky: fails where lr is large, and once where it is small."""
    for k in node.steps():
        mark = Path(__file__).with_name(f"tried-{lr}")
        if lr > 0.5 or not mark.exists():
            mark.touch()
            raise RuntimeError("no luck")
        yield node.exchange(node.x, tag=k)
'''


def test_what_fails_is_tried_again_then_reported_and_loses_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "flaky_of_sweep.py").write_text(FLAKY)
    flaky = {"name": "flaky_of_sweep:flaky", "label": "flaky", "lr": 1.0}
    source = {**SMALL, "algorithms": [*SMALL["algorithms"][:1], flaky]}
    grid = {"algorithms.flaky.lr": [0.1, 0.7, 0.2]}
    found = swept(tmp_path / "out", source=source, grid=grid, retries=1)
    assert list(found.failures) == ["flaky (seed 0), algorithms.flaky.lr=0.7"]
    assert "no luck" in next(iter(found.failures.values()))
    assert len(found.finished) == found.planned - 1 == 5
    assert (found.summary["status"] == "done").all()
    never = swept(tmp_path / "never", source=source, grid={"algorithms.flaky.lr": [0.3]}, retries=0)
    assert len(never.failures) == 1
    (tmp_path / "it.yaml").write_text(json.dumps(source))
    words = ["sweep", str(tmp_path / "it.yaml"), "--grid", "algorithms.flaky.lr=0.7,0.2", "--workers", "0", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "cli")]) == 2
    told = capsys.readouterr()
    assert "flaky (seed 0), algorithms.flaky.lr=0.7 failed: AlgorithmError" in told.err
    assert "not complete: 3 of 4 runs" in told.err
    assert "Traceback" not in told.err


def test_an_interrupted_sweep_goes_on(
    whole: simnet.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it.yaml").write_text(json.dumps({**SMALL, "seeds": [1, 2]}))
    words = ["sweep", str(tmp_path / "it.yaml"), "--workers", "0", "--device", "cpu", "--out", str(tmp_path / "out")]
    words += [word for key, values in GRID.items() for word in ("--grid", f"{key}={','.join(values)}")]
    note, count = sweeping.Foreman.note, iter(range(100))

    def interrupted(*args: Any) -> None:
        note(*args)
        if next(count) == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweeping.Foreman, "note", interrupted)
        assert main(words) == 130
    assert "interrupted: 8 of 36 runs are in" in capsys.readouterr().err
    partial = load_sweep(tmp_path / "out")
    assert (len(partial.finished), partial.complete) == (8, False)
    assert main(words) == 0
    told = capsys.readouterr()
    assert "36 of 36 finished; now" in told.out
    assert "first by time_to.train_loss" in told.out
    assert tables(tmp_path / "out") == tables(whole)


KILLER = """
import json, os, shutil, signal, time
from pathlib import Path
import numpy as np
import simnet
from simnet.experiment.parts import finished_in

source, grid, out = *json.loads(Path("sweep.in").read_text()), Path("killed")
rng, kills, before, between = np.random.default_rng(3), 0, set(), 0
while True:
    child = os.fork()
    if not child:
        found = simnet.sweep(source, grid=grid, out=out, workers=0, device="cpu")
        os._exit(0 if found.complete else 1)
    if kills < 20:
        moment, give_up = rng.uniform(0.0, 0.15), time.monotonic() + 5
        while kills % 2 and finished_in(out) == before and time.monotonic() < give_up:
            time.sleep(0.002)  # every other time it is killed only after it has got somewhere
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    finished = finished_in(out)
    assert before <= finished, before - finished
    before = finished
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, status
        if kills >= 20:
            break
        shutil.rmtree(out)  # done before it could be killed: once more from the beginning
        before = set()
    else:
        kills += 1
        between += 0 < len(finished) < 18
print(kills, between >= 8)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_twenty_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    source, grid = {**SMALL, "run": {"steps": 100, "evaluate_every": 20}, "seeds": [1, 2]}, {"network.latency": LATENCIES}
    (tmp_path / "sweep.in").write_text(json.dumps([source, grid]))
    (tmp_path / "killer.py").write_text(KILLER)
    words = [sys.executable, "-W", "ignore", "killer.py"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert found.stdout.strip() == "20 True", found.stdout + found.stderr
    assert tables(tmp_path / "killed") == tables(swept(tmp_path / "whole", source=source, grid=grid))


def test_a_table_and_a_map_of_winners(whole: simnet.Sweep) -> None:
    rows, columns = "network.latency", "network.bandwidth"
    times = {label: whole.table(rows, columns, "time_to.train_loss", label) for label in whole.head["labels"]}
    winners = whole.winners(rows, columns, "time_to.train_loss")
    assert winners.index.tolist() == LATENCIES
    assert winners.columns.tolist() == GRID[columns]
    for row in LATENCIES:
        for column in GRID[columns]:
            best = min(times, key=lambda label: times[label].loc[row, column])
            assert winners.loc[row, column] == best
            mine = whole.summary.query("algorithm == @best and `network.latency` == @row and `network.bandwidth` == @column")
            assert times[best].loc[row, column] == mine["targets.train_loss.time_s"].mean()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("network.latency", "nodes", "steps", "dpsgd"), "columns: found 'nodes'; allowed: network.latency"),
        (("network.latency", "network.bandwidth", "speed", "dpsgd"), "value: found 'speed'"),
        (("network.latency", "network.bandwidth", "steps", "dpsgdd"), "did you mean dpsgd?"),
        (("network.latency", "network.latency", "steps", "dpsgd"), "found no value for network.bandwidth, which vary too"),
    ],
)
def test_a_table_that_cannot_be_is_refused(whole: simnet.Sweep, arguments: Any, complaint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        whole.table(*arguments)
    assert complaint in str(caught.value)


def test_the_best_learning_rate_is_reported_with_a_warning_at_the_edge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {**SMALL, "seeds": [1, 2], "algorithms": [{"name": "dpsgd", "lr": 9.0}, {"name": "allreduce", "lr": 9.0}]}
    lrs = [1e-4, 0.05, 1e3]
    found = swept(tmp_path / "out", source=source, grid={"nodes": [4, 6]}, best_of={"lr": lrs, "by": "train_loss"})
    assert found.warnings == []
    assert found.best["best_of.lr"].tolist() == [0.05] * 4
    assert found.best["algorithm"].tolist() == ["dpsgd", "allreduce"] * 2
    losses = found.summary.groupby(["nodes", "algorithm", "best_of.lr"])["final.train_loss"].mean()
    assert found.best["score"].tolist() == [losses[n, label, 0.05] for n in (4, 6) for label in ("dpsgd", "allreduce")]
    assert set(found.summary[found.summary["best_of.lr"] == 1e3]["status"]) == {"diverged"}
    tuned = {**source, "sweep": {"best_of": {"lr": lrs[:2], "by": "train_loss"}}}
    (tmp_path / "it.yaml").write_text(json.dumps(tuned))
    words = ["sweep", str(tmp_path / "it.yaml"), "--out", str(tmp_path / "edge"), "--workers", "0", "--device", "cpu"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "warning: dpsgd: the best lr, 0.05, lies on the edge of its grid; there may be a better one beyond" in told
    assert load_sweep(tmp_path / "edge").best["edges"].tolist() == ["lr", "lr"]


def test_what_was_not_tuned_has_no_best(whole: simnet.Sweep) -> None:
    with pytest.raises(ParameterError, match="nothing was tuned"):
        _ = whole.best


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError, match="holds something that is not a sweep"):
        swept(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_importing_simnet_loads_no_dask() -> None:
    code = "import sys, simnet; print([name for name in ('dask', 'distributed', 'matplotlib') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_scenario_of_the_page_is_a_sweep(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    (tmp_path / "it.yaml").write_text(text)
    plan = planned(asked(tmp_path / "it.yaml", {}, {}), "cpu")
    assert len(plan.points) == 6
    assert len(plan.units) == 6 * 5 * 2 * 3


def test_the_commands_of_the_page_parse() -> None:
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert [parser().parse_args(words[1:]).word for words in lines] == ["sweep", "sweep"]


def test_the_call_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = blocks("python")[0].replace('"scenarios/quickstart.yaml"', '"it.yaml"').replace("out=", "workers=0, out=")
    source = {**SMALL, "network": {"latency": "1 ms", "uplink": "1 Mbit/s"}, "targets": {"train_loss": 3.0}}
    (tmp_path / "it.yaml").write_text(json.dumps(source))
    exec(compile(code.replace("to.accuracy", "to.train_loss"), "sweeps.md", "exec"), {})  # noqa: S102, RUF100  our own text
    assert load_sweep(tmp_path / "runs" / "map").complete
