"""`simnet test` and `simnet.test`: what is run, what is said, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

import simnet
from simnet.cli import main
from simnet.errors import OutputError, ScenarioError
from simnet.experiment.testing import is_test, scenarios_of

RING = """\
# Does gossip beat an all-reduce on a slow ring?
nodes: 4
seeds: [1, 2]
topology: ring
network: {latency: 50 ms}
problem: {kind: quadratic, dimension: 3, noise: 0.1}
algorithms:
  - {name: dpsgd, lr: 0.05}
  - {name: allreduce, lr: 0.05}
run: {steps: 20, evaluate_every: 2}
expect:
  - dpsgd.time_s < 0.2 * allreduce.time_s
  - all(consensus_distance < 0.1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    Path("ring.yaml").write_text(RING)
    return tmp_path


def rows(out: str) -> list[str]:
    """The lines of a table, however wide its columns are."""
    return [" ".join(line.split()) for line in out.splitlines()]


def test_what_is_as_expected_exits_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "ring.yaml"]) == 0
    out = capsys.readouterr().out
    assert "holds dpsgd.time_s < 0.2 * allreduce.time_s 1 1.2 16.7 % seed 1" in rows(out)
    assert out.endswith("all is as expected\n")
    assert list(folder.iterdir()) == [folder / "ring.yaml"]


def test_what_is_not_exits_1_with_both_numbers_and_the_margin(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ring.yaml").write_text(RING.replace("0.2 *", "0.1 *"))
    assert main(["test", "ring.yaml"]) == 1
    captured = capsys.readouterr()
    assert "FAILS dpsgd.time_s < 0.1 * allreduce.time_s 1 0.6 -66.7 % seed 1" in rows(captured.out)
    assert any(row.startswith("holds all(consensus_distance < 0.1)") for row in rows(captured.out))
    assert captured.err.endswith("1 of 1 failed: ring.yaml\n")


def test_quiet_says_only_what_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "ring.yaml", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    Path("ring.yaml").write_text(RING.replace("0.2 *", "0.1 *"))
    assert main(["test", ".", "--quiet"]) == 1
    captured = capsys.readouterr()
    assert "FAILS" in captured.out
    assert captured.err == "1 of 1 failed: ring.yaml\n"


def test_a_bad_scenario_exits_2_before_anything_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(RING.replace("dpsgd.time_s <", "dpgd.time_s <"))
    Path("worse.yaml").write_text(RING.replace("nodes: 4", "node: 4"))
    assert main(["test", "."]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = [line for line in err.splitlines() if "missing" not in line]
    assert first.startswith("bad.yaml:12: expect.0: found 'dpgd' in")
    assert second == "worse.yaml:2: node: unknown key; did you mean nodes?"


def test_a_run_that_diverges_exits_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ring.yaml").write_text(RING.replace("{name: dpsgd, lr: 0.05}", "{name: dpsgd, lr: 1.0e+30}"))
    assert main(["test", "ring.yaml", "--update"]) == 3
    assert "dpsgd (seed 1): diverged" in capsys.readouterr().out
    assert not Path("baselines").exists()


def test_all_scenarios_of_a_folder_are_tested_and_results_and_other_files_are_not(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "b.yml").write_text(RING)
    (folder / "more" / "asks_nothing.yaml").write_text(RING.partition("expect:")[0])
    (folder / "other.yaml").write_text("expect: nothing\nkind: Deployment\n")
    (folder / "binary.yaml").write_bytes(bytes(range(256)))
    simnet.run("ring.yaml").save("runs/ring")
    assert (folder / "runs" / "ring" / "scenario.yaml").exists()
    assert scenarios_of(Path()) == [Path("more/b.yml"), Path("ring.yaml")]


@pytest.mark.parametrize("key", ["nodes", "topology", "network", "problem", "algorithms", "run"])
def test_a_misspelt_key_does_not_hide_a_scenario(folder: Path, key: str) -> None:
    Path("ring.yaml").write_text(RING.replace(f"\n{key}:", f"\n{key}x:"))
    assert is_test(Path("ring.yaml"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.yaml"], "nowhere.yaml: cannot be read: No such file or directory; allowed: the path of a YAML file"),
        (["empty"], "empty: found no scenario with expect: in this folder; name a file, or write what it expects"),
        (["asks_nothing.yaml"], "asks_nothing.yaml: found neither expect: nor the baseline baselines/asks_nothing.yaml"),
        (["one_seed.yaml"], "one_seed.yaml:12: expect.0: found a confidence with one seed; allowed: two or more"),
        (["a", "b", "--baselines", "c", "--update"], "b/ring.yaml: found the same baseline c/ring.yaml for a/ring.yaml"),
        ([], "simnet test: the following arguments are required: FILE|FOLDER; see simnet test --help"),
    ],
)
def test_what_cannot_be_tested_is_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    for name in ("empty", "a", "b"):
        Path(name).mkdir()
    Path("a/ring.yaml").write_text(RING)
    Path("b/ring.yaml").write_text(RING)
    Path("asks_nothing.yaml").write_text(RING.partition("expect:")[0])
    expectation = "- {that: dpsgd.time_s < 0.2 * allreduce.time_s, confidence: 0.9}"
    one = RING.replace("seeds: [1, 2]", "seed: 1").replace("- dpsgd.time_s < 0.2 * allreduce.time_s", expectation)
    Path("one_seed.yaml").write_text(one)
    assert main(["test", *words]) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_a_baseline_is_recorded_and_then_compared_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", ".", "--update"]) == 0
    assert "baselines/ring.yaml: recorded" in capsys.readouterr().out
    assert main(["test", "."]) == 0
    assert "baselines/ring.yaml: nothing has moved" in capsys.readouterr().out
    assert main(["test", ".", "--update"]) == 0
    assert "baselines/ring.yaml: unchanged" in capsys.readouterr().out
    Path("ring.yaml").write_text(RING.replace("{name: allreduce, lr: 0.05}", "{name: allreduce, lr: 0.06}"))
    assert main(["test", "."]) == 1
    out = capsys.readouterr().out
    assert [row for row in rows(out) if row.startswith("allreduce 2 4 gradient_norm ")]
    assert "baselines/ring.yaml: allreduce (seed 2): gradient_norm at step 4 was " in out
    assert out.endswith("; and 1 more; if that is meant, record it with simnet test --update\n")
    assert main(["test", ".", "--update"]) == 0
    assert "baselines/ring.yaml: recorded" in capsys.readouterr().out


def test_a_baseline_alone_is_something_to_test(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ring.yaml").write_text(RING.partition("expect:")[0])
    assert main(["test", "ring.yaml", "--update", "--baselines", "golden"]) == 0
    assert main(["test", "ring.yaml", "--baselines", "golden", "--quiet"]) == 0
    Path("golden/ring.yaml").write_text("format: 3")
    capsys.readouterr()
    assert main(["test", "ring.yaml", "--baselines", "golden"]) == 2
    assert "golden/ring.yaml:1: format: found 3; allowed: 1" in capsys.readouterr().err


def test_a_failed_expectation_does_not_keep_a_baseline_from_being_recorded(folder: Path) -> None:
    Path("ring.yaml").write_text(RING.replace("0.2 *", "0.1 *"))
    assert main(["test", "ring.yaml", "--update", "--quiet"]) == 1
    assert Path("baselines/ring.yaml").exists()


def test_ctrl_c_is_no_verdict(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simnet.simulation, "followed", interrupt)
    assert main(["test", "ring.yaml", "--update"]) == 130
    assert capsys.readouterr().err == "interrupted: ring.yaml not tested\n"
    assert not Path("baselines").exists()


def test_the_same_from_python(folder: Path) -> None:
    (outcome,) = simnet.test("ring.yaml")
    assert outcome.passed
    assert [verdict.text for verdict in outcome.verdicts] == outcome.result.scenario["expect"]
    assert [one.recorded for one in simnet.test(folder, update=True)] == ["recorded"]
    Path("ring.yaml").write_text(RING.replace("{name: allreduce, lr: 0.05}", "{name: allreduce, lr: 0.06}"))
    (outcome,) = simnet.test("ring.yaml")
    assert (outcome.exit_status, len(outcome.changes)) == (1, 2)
    with pytest.raises(OutputError):
        simnet.test("baselines")
    Path("ring.yaml").write_text(RING.replace("nodes", "node"))
    with pytest.raises(ScenarioError):
        simnet.test("ring.yaml")


def test_run_says_whether_expectations_hold_and_exits_0_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simnet.cli.running.write_figures", lambda *_: [])
    Path("ring.yaml").write_text(RING.replace("0.2 *", "0.1 *"))
    assert main(["run", "ring.yaml", "--out", "runs/a"]) == 0
    assert "FAILS dpsgd.time_s < 0.1 * allreduce.time_s 1 0.6 -66.7 % seed 1" in rows(capsys.readouterr().out)


def test_a_trace_of_one_algorithm_expects_nothing_of_the_others(folder: Path) -> None:
    assert main(["trace", "ring.yaml", "--algorithm", "dpsgd", "--until", "1 s", "--out", "runs/t"]) == 0
    assert simnet.prepare("runs/t/scenario.yaml").scenario.expect == ()
