from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import pytest

from simnet import simulation
from simnet.algorithms import ALGORITHMS
from simnet.checkpoint import Checkpoints
from simnet.cli import main
from simnet.cli.catalog import TOPICS
from simnet.cli.parser import parser
from simnet.cli.running import folder_name
from simnet.errors import ScenarioError
from simnet.metrics import METRICS
from simnet.progress import Progress
from simnet.result import Result, RunRecord

LABELS, SEEDS = ("dpsgd", "detag"), (1, 2)


def make_record(label: str, seed: int, status: str = "done") -> RunRecord:
    rows = [
        {"step": k, "time_s": 0.1 * k, "bits_sent": 1e6 * k, "accuracy": 0.1 + 0.04 * k, "test_loss": 2.3 / (1 + k)}
        for k in range(0, 21, 5)
    ]
    reached = {"value": 0.5, "step": 10, "time_s": 1.0, "bits_sent": 1e7}
    summary = {"time_s": 2.0, "bits_sent": 2e7, "idle_share": 0.25, "final": rows[-1], "targets": {"accuracy": reached}}
    return RunRecord(label, seed, status, "" if status == "done" else "loss is nan", rows, summary)  # type: ignore[arg-type]


class FakePlan:
    """Two algorithms, two seeds; what happens in a run is the test's choice."""

    notes = ("models are run one by one",)

    def __init__(self, happens: Callable[[str, int], str], seeds: tuple[int, ...]) -> None:
        self.happens = happens
        self.scenario = SimpleNamespace(
            name="fake/../ring",
            nodes=4,
            seeds=seeds,
            topology=SimpleNamespace(kind="ring"),
            algorithms=[SimpleNamespace(label=label) for label in LABELS],
            run=SimpleNamespace(steps=20, epochs=None, simulated_time=60.0),
        )
        self.setting = SimpleNamespace(graph=nx.cycle_graph(4), sequence=None, gradient_cost=None)
        self.node_memory = {"dpsgd": SimpleNamespace(bits=8e6), "detag": SimpleNamespace(bits=2e7)}

    def estimate(self) -> SimpleNamespace:
        costs = {"messages": {"dpsgd": 160, "detag": 12_345}, "simulated_s": {"dpsgd": 2.0, "detag": 150.0}}
        return SimpleNamespace(wall_s=3.21, memory_bytes=5_000_000, **costs)

    def execute(self, executor: str, progress: Progress, checkpoints: Checkpoints) -> Result:
        del checkpoints
        assert executor == "deferred"
        records, complete = [], True
        progress.begin(len(LABELS) * len(self.scenario.seeds))
        try:
            for seed in self.scenario.seeds:
                for label in LABELS:
                    progress.start(label, seed, 20, None)
                    status = self.happens(label, seed)
                    progress.advance(20, 2.0)
                    progress.finish(label, seed, status)
                    records.append(make_record(label, seed, status))
        except KeyboardInterrupt:
            complete = False
        scenario = {
            "name": "ring",
            "seeds": list(self.scenario.seeds),
            "algorithms": [{"name": label, "label": label} for label in LABELS],
            "targets": {"accuracy": 0.5},
        }
        return Result(records, scenario, json.dumps(scenario), {"python": "3"}, complete=complete, planned=4)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """The command line on a fake simulation, in an empty folder."""
    seen = SimpleNamespace(happens=lambda *_: "done", overrides={}, device="")

    def prepare(source: str, overrides: Mapping[str, Any], device: str) -> FakePlan:
        seen.overrides, seen.device = overrides, device
        if source == "bad.yaml":
            raise ScenarioError("bad.yaml:3: nods: unknown key; did you mean nodes?\nbad.yaml:4: run: missing")
        return FakePlan(seen.happens, (overrides["seed"],) if "seed" in overrides else SEEDS)

    monkeypatch.setattr(simulation, "prepare", prepare)
    monkeypatch.chdir(tmp_path)
    return seen


def test_a_run_leaves_a_result_with_figures_and_a_table(
    calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "ring.yaml", "--set", "run.steps=20", "--set", "network.latency=5 ms", "--device", "cpu"]) == 0
    assert calls.overrides == {"run.steps": "20", "network.latency": "5 ms"}
    assert calls.device == "cpu"
    out, err = capsys.readouterr()
    assert Result.load("runs/fake-..-ring").exit_status == 0
    assert Path("runs/fake-..-ring/figures/overview.png").stat().st_size > 10_000
    assert "result:  runs/fake-..-ring\n" in out
    assert "figures: runs/fake-..-ring/figures/overview.png and 6 more" in out
    assert "to reach test accuracy 50 %" in out
    assert len(re.findall(r"^ dpsgd .*90\.0 % ± 0\.0 .*done", out, re.MULTILINE)) == 1
    assert "note: models are run one by one" in err
    assert err.count("runs\n") == 4
    assert "\x1b" not in out + err


def test_quiet_says_nothing_but_what_goes_wrong(calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "ring.yaml", "--quiet", "--out", "x", "--seed", "7"]) == 0
    assert capsys.readouterr() == ("", "")
    assert calls.overrides == {"seed": 7}
    assert {record.seed for record in Result.load("x").records} == {7}
    calls.happens = lambda label, seed: "diverged" if (label, seed) == ("detag", 2) else "done"
    assert main(["run", "ring.yaml", "--quiet", "--out", "x"]) == 3
    assert capsys.readouterr() == ("", "detag (seed 2): diverged: loss is nan\n")
    assert len(Result.load("x").records) == 4


def interrupt_at(label: str, seed: int, how: Callable[[], None]) -> Callable[[str, int], str]:
    def happens(*run: Any) -> str:
        if run == (label, seed):
            how()
        return "done"

    return happens


def ctrl_c() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("label", "seed", "sentence"),
    [
        ("detag", 1, "finished runs dpsgd (seed 1) are in x; dpsgd (seed 2), detag were not finished"),
        ("dpsgd", 2, "finished runs dpsgd (seed 1), detag (seed 1) are in x; dpsgd (seed 2), detag (seed 2) were not"),
        ("detag", 2, "finished runs dpsgd (seeds 1, 2), detag (seed 1) are in x; detag (seed 2) was not finished"),
    ],
)
def test_ctrl_c_saves_what_is_finished(
    calls: SimpleNamespace, capsys: pytest.CaptureFixture[str], label: str, seed: int, sentence: str
) -> None:
    calls.happens = interrupt_at(label, seed, ctrl_c)
    assert main(["run", "ring.yaml", "--out", "x"]) == 130
    assert f"interrupted: {sentence}" in capsys.readouterr().err
    assert not Result.load("x").complete


def test_ctrl_c_with_one_seed_reads_as_in_the_manual(
    calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.happens = interrupt_at("detag", 1, ctrl_c)
    assert main(["run", "ring.yaml", "--out", "runs/x", "--seed", "1"]) == 130
    expected = "interrupted: finished runs dpsgd (seed 1) are in runs/x; detag was not finished\n"
    assert capsys.readouterr().err.endswith(expected)


def test_ctrl_c_before_anything_is_finished_writes_nothing(
    calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.happens = interrupt_at("dpsgd", 1, ctrl_c)
    assert main(["run", "ring.yaml", "--out", "x"]) == 130
    assert capsys.readouterr().err.endswith("interrupted: no run was finished, nothing was written\n")
    assert not list(Path().iterdir())


def test_sigterm_saves_what_is_finished(calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    calls.happens = interrupt_at("detag", 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["run", "ring.yaml", "--out", "x"]) == 128 + signal.SIGTERM
    assert "interrupted: finished runs dpsgd (seed 1) are in x" in capsys.readouterr().err
    assert len(Result.load("x").records) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_complaints_are_printed_and_nothing_is_written(
    calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("run", "validate"):
        assert main([command, "bad.yaml"]) == 2
        out, err = capsys.readouterr()
        assert (out, err) == ("", "bad.yaml:3: nods: unknown key; did you mean nodes?\nbad.yaml:4: run: missing\n")
    assert not list(Path().iterdir())


def test_an_occupied_folder_is_refused_before_anything_runs(
    calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("precious")
    calls.happens = pytest.fail
    assert main(["run", "ring.yaml", "--out", "full"]) == 2
    assert capsys.readouterr().err.startswith("full: holds something that is not a simnet result")
    assert Path("full/thesis.tex").read_text() == "precious"


def test_figures_that_cannot_be_drawn_do_not_cost_the_result(
    calls: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("simnet.cli.running.write_figures", fail)
    with pytest.raises(ZeroDivisionError):
        main(["run", "ring.yaml", "--out", "x"])
    assert len(Result.load("x").records) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "simnet: the following arguments are required: command; see simnet --help"),
        (["rnu"], "simnet: argument command: invalid choice: 'rnu'"),
        (["run", "x", "--set", "a"], "simnet run: argument --set: found 'a'; allowed: key.path=value"),
        (["run", "x", "--device", "tpu"], "simnet run: argument --device: invalid choice: 'tpu'"),
        (["run", "x", "--seed", "-1"], "simnet run: argument --seed: "),
        (["run", "x", "--quie"], "simnet: unrecognized arguments: --quie"),
        (["list", "algorithm"], "simnet list: argument topic: invalid choice"),
    ],
)
def test_bad_options_are_one_line_on_standard_error(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "validate", "list", "plot", "trace", "schema"])
def test_help_shows_an_example_that_parses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    example = re.sub(r"\s+", " ", capsys.readouterr().out.rpartition("example: simnet ")[2]).split()
    assert parser().parse_args(example).word == command


def test_version_and_help_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["--help"]) == 0
    assert "simnet run scenarios/quickstart.yaml" in capsys.readouterr().out


def test_validate_says_what_a_run_would_cost(calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "ring.yaml", "--set", "nodes=4"]) == 0
    lines = {
        line.partition("  ")[0].strip(): line.partition("  ")[2].strip()
        for line in capsys.readouterr().out.splitlines()
    }
    assert "ring.yaml is valid." in lines
    assert "note: models are run one by one" in lines
    assert lines["network"] == "4 nodes, 8 links (ring)"
    assert lines["runs"] == "4 (2 algorithms, 2 seeds)"
    assert lines["budget"] == "20 steps or 60 s simulated"
    assert lines["messages"] == "dpsgd about 160, detag about 12.3k"
    assert lines["simulated time"] == "dpsgd about 2 s, detag about 2.5 min"
    assert lines["wall time"] == "about 3.2 s"
    assert lines["memory"] == "about 5 MB"
    assert lines["node memory"].startswith("dpsgd about 1 MB, detag about 2.5 MB, without data")
    assert not list(Path().iterdir())


def test_plot_draws_everything_again_or_one_figure(calls: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "ring.yaml", "--out", "x", "--quiet"])
    before = {path.name: path.read_bytes() for path in Path("x/figures").iterdir()}
    Path("x/figures/overview.png").write_bytes(b"spoilt")
    Path("x/figures/old.png").write_bytes(b"of a metric that is gone")
    assert main(["plot", "x"]) == 0
    assert {path.name: path.read_bytes() for path in Path("x/figures").iterdir()} == before
    assert main(["plot", "x", "--metric", "accuracy", "--against", "time", "--out", "a.pdf"]) == 0
    assert main(["plot", "x", "--metric", "accuracy", "--against", "epoch"]) == 2
    assert main(["plot", "x", "--out", "o.svg"]) == 0
    assert main(["plot", "x", "--against", "bits"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["7 figures are in x/figures", "a.pdf", "o.svg", "x/figures/accuracy_vs_bits_sent.png"]
    assert err == "metric: accuracy has no values against epoch; measured: test_loss, accuracy\n"
    assert Path("a.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in Path().iterdir()) == ["a.pdf", "o.svg", "x"]


def test_plot_of_what_is_no_result_is_answered_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", str(tmp_path)]) == 2
    assert "no simnet result there" in capsys.readouterr().err


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_can_be_listed(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", topic]) == 0
    assert capsys.readouterr().out.strip()


def test_lists_name_everything(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["list"]) == 0
    everything = capsys.readouterr().out
    names = [*ALGORITHMS, *METRICS, "ring", "watts_strogatz", "metropolis", "digits", "quadratic", "cnn", "link_down"]
    assert [name for name in names if not re.search(rf"\b{name}\b", everything)] == []
    assert main(["list", "algorithms"]) == 0
    listed = capsys.readouterr().out
    assert [entry.paper for entry in ALGORITHMS.values() if entry.paper not in listed] == []
    assert main(["list", "partitions"]) == 0
    assert re.search(r"label_sorted +shuffled = 0 ", capsys.readouterr().out)
    assert main(["list", "faults"]) == 0
    assert re.search(r"leave +nodes, at +Nodes that leave for good", capsys.readouterr().out)


def test_scenarios_are_listed_with_their_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios" / "papers").mkdir(parents=True)
    (tmp_path / "scenarios" / "ring.yaml").write_text("# Which one is first?\nnodes: 4\n")
    (tmp_path / "scenarios" / "papers" / "odd.yaml").write_bytes(b"\xff\xfe")
    assert main(["list", "scenarios"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"scenarios/ring.yaml +Which one is first\?", out)
    assert "scenarios/papers/odd.yaml" in out


def test_the_schema_is_json_on_standard_output_or_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "algorithms" in schema["properties"]
    assert main(["schema", "--out", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema
    assert main(["schema", "--out", str(tmp_path / "no" / "s.json")]) == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_went_away_does_no_harm(
    calls: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as broken:
        monkeypatch.setattr(sys, stream, broken)
        assert main(["run", "ring.yaml", "--out", "x"]) == 0
        assert main(["list", "metrics"]) == 0
    assert Result.load("x").complete


def test_letters_that_the_terminal_lacks_do_no_harm(calls: SimpleNamespace) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "simnet", "list", "metrics"]
    done = subprocess.run(command, capture_output=True, env=environment, check=True, cwd=Path(__file__).parents[1])
    assert b"accuracy" in done.stdout
    assert done.stdout.isascii()
    assert done.stderr == b""


@pytest.mark.parametrize("name", ["a/b", "..", "", "C:\\x", "x" * 50, "näher dran"])
def test_a_folder_is_named_without_leaving_its_parent(name: str) -> None:
    assert re.fullmatch(r"[\w-][\w.-]*", folder_name(name))
