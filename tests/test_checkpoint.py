"""A run that goes on from a checkpoint ends with the same bytes as one that was never interrupted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.checkpoint import Checkpoints, Keeper, State
from simnet.cli import main
from simnet.errors import OutputError
from simnet.execution import Run
from simnet.progress import Silent
from simnet.result import RunRecord
from simnet.result.record import same
from simnet.simulation import Plan, limited_threads, prepare
from tests.algorithms.cases import ALL, Case, each, scenario

MIXTURE = {"dataset": "gaussian_mixture", "features": 4, "classes": 3, "samples_per_node": 12, "batch_size": 3}


def planned(case: Case, **changes: Any) -> Plan:
    source = scenario(case, 4, steps=14, evaluate_every=4, dtype="float32", **changes)
    del source["init"]
    jittered = {"time": "20 ms", "jitter": {"exponential": 1.0}}
    network = {"latency": {"exponential": {"mean": "30 ms"}}, "sharing": "queue", "bandwidth": "20 kbit/s"}
    return prepare({**source, "compute": jittered, "network": network, "problem": MIXTURE}, device="cpu")


def execute(plan: Plan, keeper: Keeper) -> RunRecord:
    with limited_threads(1):
        return Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], "deferred", Silent(), keeper=keeper).execute()


def told(record: RunRecord) -> dict[str, Any]:
    return {**vars(record), "summary": {key: value for key, value in record.summary.items() if key != "wall_s"}}


def states(plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch, every: int = 3) -> tuple[RunRecord, list[State]]:
    """A whole run, and its state at every checkpoint, read back from its file."""
    kept: list[State] = []
    write = State.write

    def wrote(state: State, path: Path) -> None:
        write(state, path)
        kept.append(State.read(path))

    monkeypatch.setattr(State, "write", wrote)
    record = execute(plan, Keeper(folder / "state.npz", every))
    monkeypatch.setattr(State, "write", write)
    return record, kept


@each(ALL)
def test_every_algorithm_goes_on_from_every_checkpoint(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(case)
    record, kept = states(plan, tmp_path, monkeypatch)
    assert record.status == "done", record.message
    assert [state.step for state in kept] == [3, 6, 9, 12]
    for state in kept if case.is_default else kept[1::2]:
        assert same(told(execute(plan, Keeper(tmp_path / "again.npz", 3, state))), told(record)), state.step


FAULTS = [
    {"kind": "random_crashes", "up": "900 ms", "down": "200 ms", "state": "neighbor"},
    {"kind": "leave", "nodes": [2], "at": "700 ms"},
]


@pytest.mark.parametrize("changes", [{"faults": FAULTS}, {"wait": "none"}, {"simulated_time": "1500 ms"}], ids=str)
def test_whatever_else_happens(changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = {"steps": 14, "evaluate_every": 4, "wait": changes.pop("wait", {"deadline": "50 ms"}), **changes}
    faults = run.pop("faults", [])
    plan = planned(Case("dpsgd"), run=run, faults=faults)
    record, kept = states(plan, tmp_path, monkeypatch)
    assert kept
    for state in kept:
        assert same(told(execute(plan, Keeper(tmp_path / "again.npz", 3, state))), told(record)), state.step


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, kept = states(planned(Case("dpsgd")), tmp_path, monkeypatch)
    with pytest.raises(OutputError, match="other code"):
        execute(planned(Case("dpsgd"), lr=0.3), Keeper(tmp_path / "again.npz", 3, kept[0]))


@pytest.mark.parametrize("damage", ["cut", "format", "head"])
def test_a_damaged_checkpoint_is_refused(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_interrupted(tmp_path / "out", monkeypatch)
    folder = tmp_path / "out" / "checkpoint"
    (state,) = folder.glob("state-*.npz")
    if damage == "cut":
        state.write_bytes(state.read_bytes()[:100])
    elif damage == "format":
        monkeypatch.setattr("simnet.checkpoint.FORMAT", 99)
    else:
        shutil.rmtree(folder)
    assert main(["run", "--resume", str(tmp_path / "out"), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert any(word in told for word in ("damaged checkpoint", "reads", "holds no checkpoint")), told
    assert "Traceback" not in told


SCENARIO = """# Does it go on?
nodes: 4
topology: ring
compute: {time: 20 ms, jitter: {lognormal: 0.3}}
network: {latency: 30 ms, bandwidth: 5 Mbit/s}
problem: {dataset: gaussian_mixture, features: 4, classes: 3, samples_per_node: 12, batch_size: 3}
algorithms: [{name: dpsgd, lr: 0.1}, {name: moniqua, lr: 0.1, theta: 2.0}, {name: adpsgd, lr: 0.1}]
run: {steps: 60, evaluate_every: 20, checkpoint_every: 10}
"""


def write_interrupted(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that Ctrl-C ended in its second algorithm, after a checkpoint."""
    (out.parent / "it.yaml").write_text(SCENARIO)
    wake, write, count = Keeper.wake, State.write, iter(range(100))

    def interrupted(state: State, path: Path) -> None:
        write(state, path)
        if next(count) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "write", interrupted)
    assert main(["run", str(out.parent / "it.yaml"), "--out", str(out), "--quiet"]) == 130
    monkeypatch.setattr(State, "write", write)
    assert Keeper.wake is wake


def test_an_interrupted_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    write_interrupted(out, monkeypatch)
    assert f"go on with: simnet run --resume {out}" in capsys.readouterr().err
    assert simnet.load(out).labels == ["dpsgd", "moniqua", "adpsgd"]
    assert main(["run", "--resume", str(out), "--quiet"]) == 0
    assert not (out / "checkpoint").exists()
    assert main(["run", str(tmp_path / "it.yaml"), "--out", str(tmp_path / "whole"), "--quiet"]) == 0
    assert (out / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    assert (out / "scenario.yaml").read_bytes() == (tmp_path / "whole" / "scenario.yaml").read_bytes()


@pytest.mark.parametrize("words", [["it.yaml", "--resume", "out"], ["--resume", "out", "--seed", "3"], []], ids=" ".join)
def test_options_that_do_not_go_together(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    told = capsys.readouterr().err
    assert "--resume" in told
    assert "allowed" in told or "see simnet run --help" in told


KILLER = """
import os, signal, sys, time
import numpy as np
from simnet.cli import main

rng, out = np.random.default_rng(int(sys.argv[3])), sys.argv[2]
kills = 0
while True:
    child = os.fork()
    if not child:
        begun = os.path.exists(out + "/checkpoint/head.json")
        words = ["--resume", out] if begun else [sys.argv[1], "--out", out]
        os._exit(main(["run", *words, "--quiet"]))
    if kills < 20:
        time.sleep(rng.uniform(0.0, 0.6))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, status
        if kills >= 20:
            break
        # it was done before it could be killed: once more from the beginning
    else:
        kills += 1
print(kills)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_twenty_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    text = SCENARIO.replace("steps: 60", "steps: 400")
    (tmp_path / "it.yaml").write_text(text)
    (tmp_path / "killer.py").write_text(KILLER)
    words = [sys.executable, "-W", "ignore", "killer.py", "it.yaml", "killed", "7"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert found.stdout.strip() == "20", found.stderr
    whole = simnet.run(tmp_path / "it.yaml", device="cpu")
    whole.save(tmp_path / "whole")
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    killed = simnet.load(tmp_path / "killed")
    assert [record.summary["hash"] for record in killed.records] == [record.summary["hash"] for record in whole.records]
    assert not np.isnan(killed.metrics["train_loss"]).any()


def test_an_old_checkpoint_is_removed_when_a_run_starts_anew(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, resumes=False)
    checkpoints.begin(planned(Case("dpsgd")).scenario)
    (checkpoints.folder / "state-0.npz").touch()
    checkpoints.begin(planned(Case("dpsgd")).scenario)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["head.json", "scenario.yaml"]
