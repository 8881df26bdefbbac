"""`simnet trace`, on real runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simnet.cli import main
from simnet.result import Result
from tests.clock.building import scenario

NETWORK = {"latency": "1 s", "bandwidth": "32 bit/s", "sharing": "queue"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str = "two.yaml", **changes: Any) -> str:
    plain = {"nodes": 2, "steps": 4, "network": NETWORK, "compute": {"time": "500 ms"}}
    source = scenario(**{**plain, **changes})
    source["algorithms"] = changes.get("algorithms", [{"name": "dpsgd", "lr": 0.1}, {"name": "adpsgd", "lr": 0.1}])
    with Path(name).open("w") as file:
        YAML(typ="safe").dump(source, file)
    return name


def events(folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(folder, "trace.json").read_text())["traceEvents"]
    return found


def test_a_trace_and_its_figures_are_written_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", write()]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "dpsgd (seed 0): 24 events from 0 s to 8 s",
        "adpsgd (seed 0): 12 events from 0 s to 4 s",  # 9 computations, a wait, a question and its reply
        "trace:   runs/two-trace/trace.json, to be opened at ui.perfetto.dev or in chrome://tracing",
        "figures: runs/two-trace/figures/timeline_adpsgd.png and 3 more",
    ]
    assert err.count("runs\n") == 2
    names = {path.name for path in Path("runs/two-trace/figures").iterdir()}
    assert names == {f"{kind}_{label}.png" for kind in ("timeline", "utilization") for label in ("dpsgd", "adpsgd")}
    result = Result.load("runs/two-trace")
    assert result.environment["executor"] == "off"
    assert "train_loss" not in result.metrics
    assert [(row["step"], row["time_s"]) for row in result.records[0].metrics] == [(k, 2.0 * k) for k in range(5)]
    assert {e["name"] for e in events("runs/two-trace") if e["ph"] == "i"} == {f"step {k}" for k in range(5)}


def test_one_algorithm_one_seed_one_window(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--algorithm", "dpsgd", "--seed", "7", "--from", "1s", "--until", "3 s", "--out", "x", "--set", "run.steps=1000"]
    assert main(["trace", write(), *words]) == 0
    assert "dpsgd (seed 7): 10 events from 1 s to 3 s\n" in capsys.readouterr().out
    result = Result.load("x")
    assert result.labels == ["dpsgd"]
    assert result.scenario["run"]["trace"] == {"from": "1 s", "until": "3 s", "most_events": 50_000}
    assert result.scenario["run"]["simulated_time"] == "3 s"  # the run need not go on
    assert {e["name"] for e in events("x") if e["ph"] == "M" and "name" in e["args"]} == {"process_name", "thread_name"}


def test_the_window_of_the_scenario_holds(capsys: pytest.CaptureFixture[str]) -> None:
    name = write(run={"trace": {"nodes": [1], "most_events": 3}, "simulated_time": "3 s"})
    assert main(["trace", name, "--until", "5 s", "--algorithm", "dpsgd"]) == 0
    out = capsys.readouterr().out
    assert "; the timeline ends after 3 events, as run.trace.most_events says" in out
    run = Result.load("runs/two-trace").scenario["run"]
    assert (run["simulated_time"], run["trace"]["until"], run["trace"]["nodes"]) == ("3 s", "5 s", [1])


def test_an_algorithm_that_asks_for_numbers_is_run_with_values() -> None:
    Path("asking.py").write_text(
        "from dataclasses import dataclass\n"
        "\n\n"
        "@dataclass(frozen=True)\n"
        "class Norm:\n"
        "    def __call__(self, rows_BD):\n"
        "        return rows_BD.norm(dim=1)\n"
        "\n\n"
        "def asking(node, *, lr: float):\n"
        '    """Asking: does what it does only if its model has a norm."""\n'
        "    for k in node.steps():\n"
        "        gradient = node.gradient(node.x)\n"
        "        yield gradient\n"
        "        node.x = node.x - lr * gradient.value\n"
        "        norm = yield node.number(node.measure(Norm(), node.x))\n"
        "        if norm > 0 or node.id == 0:\n"
        "            yield node.gradient(node.x)\n"
    )
    name = write(algorithms=[{"name": "asking:asking", "lr": 0.1, "label": "asking"}])
    assert main(["trace", name]) == 0
    result = Result.load("runs/two-trace")
    assert result.environment["executor"] == "deferred"
    assert (result.timeline("asking")["kind"] == "compute").sum() == 16


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--algorithm", "dpsdg"], "--algorithm: found 'dpsdg'; allowed: dpsgd, adpsgd; did you mean dpsgd?"),
        (["--until", "3"], "--set run.trace.until=3: found 3 without a unit"),
        (["--from", "3 s", "--until", "2 s"], "found 2 s; allowed: more than from, which is 3 s"),
        (["--set", "nods=3"], "--set nods=3: unknown key; did you mean nodes?"),
        (["--out", "full"], "full: holds something that is not a simnet result"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("precious")
    assert main(["trace", write(), *words]) == 2
    out, err = capsys.readouterr()
    assert complaint in err
    assert (out, err.count("\n")) == ("", 1)
    assert not Path("runs").exists()


def test_a_broken_algorithm_is_reported_as_by_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.py").write_text('def broken(node, *, lr: float):\n    """Broken: is."""\n    yield node.gradient(node.y)\n')
    name = write(algorithms=[{"name": "broken:broken", "lr": 0.1, "label": "broken"}])
    assert main(["trace", name]) == 2
    assert "AttributeError" in capsys.readouterr().out
    assert main(["run", name]) == 2


def test_ctrl_c_keeps_what_is_finished(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from simnet import execution  # noqa: PLC0415

    execute = execution.Run.execute

    def interrupted(run: Any) -> Any:
        if run.named.label == "adpsgd":
            raise KeyboardInterrupt
        return execute(run)

    monkeypatch.setattr(execution.Run, "execute", interrupted)
    assert main(["trace", write()]) == 130
    assert "interrupted: finished runs dpsgd (seed 0) are in runs/two-trace" in capsys.readouterr().err
    assert main(["trace", write(), "--algorithm", "adpsgd", "--out", "x"]) == 130
    assert not Path("x").exists()


def test_a_traced_run_says_where_its_trace_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", write(), "--set", "run.trace=true", "--out", "x"]) == 0
    assert "trace:   x/trace.json, to be opened at ui.perfetto.dev or in chrome://tracing\n" in capsys.readouterr().out
    figures = {path.name: path.read_bytes() for path in Path("x/figures").iterdir()}
    assert {"overview.png", "timeline_dpsgd.png", "utilization_adpsgd.png"} <= set(figures)
    assert main(["plot", "x"]) == 0
    assert {path.name: path.read_bytes() for path in Path("x/figures").iterdir()} == figures
