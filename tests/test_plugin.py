"""The pytest plug-in, in folders that hold nothing but a scenario."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import pytest_simnet
import simnet
from tests.experiment.test_testing import RING

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
IS_INSTALLED = any(point.name == "simnet" for point in entry_points(group="pytest11"))
"""Whether pytest finds the plug-in by itself, as it does where simnet was installed as it is now."""

PLUGINS = [] if IS_INSTALLED else [pytest_simnet]
WRONG = RING.replace("0.2 *", "0.1 *")
FIRST, SECOND = "dpsgd.time_s < 0.2 * allreduce.time_s", "all(consensus_distance < 0.1)"


def write(pytester: pytest.Pytester, text: str) -> None:
    pytester.path.joinpath("ring.yaml").write_text(text)


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*words, plugins=PLUGINS)


def outside(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Another process, which has imported nothing yet."""
    named = () if IS_INSTALLED else ("-p", "pytest_simnet")
    words = (sys.executable, "-m", "pytest", *named, "-q", *words)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_each_expectation_is_a_test_and_the_scenario_runs_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Path] = []

    def counted(source: Path) -> simnet.Result:
        ran.append(source)
        return simnet.run(source)

    monkeypatch.setattr("simnet.plugin.run", counted)
    pytester.path.joinpath("scenarios").mkdir()
    pytester.path.joinpath("scenarios/ring.yaml").write_text(RING)
    result = run(pytester, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"*scenarios/ring.yaml::{FIRST} PASSED*", f"*scenarios/ring.yaml::{SECOND} PASSED*"])
    assert ran == [pytester.path / "scenarios" / "ring.yaml"]


def test_a_failure_is_a_table_with_both_numbers_and_no_traceback(pytester: pytest.Pytester) -> None:
    write(pytester, WRONG)
    result = run(pytester, "--junitxml=found.xml")
    result.assert_outcomes(passed=1, failed=1)
    table = ["*expectation * left * right * margin * where*", "*FAILS *0.1 * allreduce.time_s *1 *0.6 *-66.7 %*"]
    result.stdout.fnmatch_lines(table)
    result.stdout.fnmatch_lines(["FAILED ring.yaml::dpsgd.time_s < 0.1 * allreduce.time_s - 1 and 0.*"])
    assert "Traceback" not in result.stdout.str()
    cases = ET.parse(pytester.path / "found.xml").findall(".//testcase")
    assert [case.get("name") for case in cases] == ["dpsgd.time_s < 0.1 * allreduce.time_s", SECOND]
    assert [len(case.findall("failure")) for case in cases] == [1, 0]
    assert cases[0][0].get("message", "").startswith("1 and 0.6 (seed 1), margin -66.7 %")


def test_k_selects_and_x_stops(pytester: pytest.Pytester) -> None:
    write(pytester, WRONG)
    run(pytester, "-k", "consensus_distance").assert_outcomes(passed=1, deselected=1)
    run(pytester, "-x").assert_outcomes(failed=1)
    run(pytester, f"ring.yaml::{SECOND}").assert_outcomes(passed=1)


def test_seeds_are_part_of_the_name(pytester: pytest.Pytester) -> None:
    more = "  - {that: dpsgd.steps < 30, seeds: mean}\n  - {that: dpsgd.steps < 30, confidence: 0.9}\n"
    write(pytester, RING + more)
    result = run(pytester, "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*::dpsgd.steps < 30 (mean of the seeds) *", "*::dpsgd.steps < 30 (confidence 0.9) *"])


def test_a_wrong_scenario_is_an_error_with_all_complaints(pytester: pytest.Pytester) -> None:
    write(pytester, RING.replace("lr: 0.05}", "lr: x}").replace("topology: ring", "topology: rung"))
    result = run(pytester)
    result.assert_outcomes(errors=1)
    complaints = ["4: topology*did you mean ring?", "8: algorithms.0.lr: found 'x'*", "9: algorithms.1.lr: found 'x'*"]
    result.stdout.fnmatch_lines([f"*ring.yaml:{complaint}" for complaint in complaints])
    assert "Traceback" not in result.stdout.str()


def test_an_expectation_about_another_label_is_an_error_with_its_line(pytester: pytest.Pytester) -> None:
    write(pytester, RING.replace("dpsgd.time_s <", "dpgd.time_s <"))
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ring.yaml:12: expect.0: found 'dpgd' in *did you mean dpsgd?*"])


def test_a_run_that_diverges_fails_all_that_is_expected_of_it(pytester: pytest.Pytester) -> None:
    text = RING.replace("{name: dpsgd, lr: 0.05}", "{name: dpsgd, lr: 1.0e+30}")
    write(pytester, text)
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["dpsgd (seed 1): diverged*"])


def test_an_algorithm_that_raises_fails_with_its_own_words(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(own="def own(node, *, lr: float):\n    yield node.gradient(node.x)\n    raise ValueError('no idea')\n")
    write(pytester, RING.replace("{name: dpsgd,", '{name: "own:own", label: dpsgd,'))
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*no idea*"])


def test_other_files_and_results_are_left_alone(pytester: pytest.Pytester) -> None:
    write(pytester, RING)
    simnet.run(pytester.path / "ring.yaml").save(pytester.path / "runs" / "ring")
    pytester.path.joinpath("quiet.yaml").write_text(RING.partition("expect:")[0])
    pytester.path.joinpath("other.yaml").write_text("expect: 200\nnodes: 3\n")
    pytester.path.joinpath("binary.yaml").write_bytes(bytes(range(256)))
    run(pytester).assert_outcomes(passed=2)


def test_a_file_that_cannot_be_read_is_left_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(path)

    write(pytester, RING)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert run(pytester).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_what_a_project_wants_of_warnings_is_not_about_scenarios(pytester: pytest.Pytester) -> None:
    write(pytester, RING)
    run(pytester, "-W", "error").assert_outcomes(passed=2)


def test_a_baseline_beside_a_scenario_is_one_test_more(pytester: pytest.Pytester) -> None:
    write(pytester, RING)
    run(pytester, "--simnet-update").assert_outcomes(passed=3)
    assert pytester.path.joinpath("baselines/ring.yaml").exists()
    run(pytester, "-k", "baseline").assert_outcomes(passed=1, deselected=2)
    write(pytester, RING.replace("{name: allreduce, lr: 0.05}", "{name: allreduce, lr: 0.06}"))
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=1)
    said = ["*baselines/ring.yaml: allreduce (seed 2): gradient_norm at step 4 was *", "*algorithm *seed *step *"]
    result.stdout.fnmatch_lines(said)
    write(pytester, RING)
    run(pytester, "--simnet-baselines=elsewhere").assert_outcomes(passed=2)


TEST_FILE = '''
import pytest
import simnet

@pytest.fixture(scope="module")
def ring(simnet_run):
    return simnet_run("ring.yaml", seed=1)

def test_once(simnet_run, ring):
    assert simnet_run("ring.yaml", seed=1) is ring
    assert simnet_run("ring.yaml", seed=2) is not ring
    assert list(ring.metrics["seed"].unique()) == [1]

def test_overrides(simnet_run):
    slow = simnet_run("ring.yaml", overrides={"network.latency": "1 s"})
    assert slow is simnet_run("ring.yaml", overrides={"network.latency": "1 s"})
    assert slow.metrics["time_s"].max() > 100

def test_error(simnet_run):
    for _ in range(2):
        with pytest.raises(simnet.SimnetError, match="nowhere"):
            simnet_run("nowhere.yaml")

def test_baseline(ring, assert_matches_baseline):
    assert_matches_baseline(ring)

def test_another_name(ring, assert_matches_baseline):
    assert_matches_baseline(ring.retime(network={"latency": "60 ms"}), name="slower")
'''


def test_the_fixtures(pytester: pytest.Pytester) -> None:
    write(pytester, RING.partition("expect:")[0])
    pytester.makepyfile(test_ring=TEST_FILE)
    result = run(pytester)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*baselines/ring.yaml: no baseline there; record it with pytest --simnet-update*"])
    run(pytester, "--simnet-update").assert_outcomes(passed=5)
    assert sorted(path.name for path in pytester.path.joinpath("baselines").iterdir()) == ["ring.yaml", "slower.yaml"]
    run(pytester).assert_outcomes(passed=5)
    pytester.makepyfile(test_ring=TEST_FILE.replace("60 ms", "61 ms"))
    result = run(pytester)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*slower.yaml: dpsgd (seed 1): time_s at step 2 was 0.12, is 0.122; allowed: ±0.00012*"])


def test_who_has_no_scenario_pays_nothing(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("expect: 200\nurl: /\n")
    (tmp_path / "test_light.py").write_text(
        "import sys\n\ndef test_light():\n    heavy = {'simnet', 'torch', 'numpy', 'pydantic', 'rich', 'ruamel'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    found = outside(tmp_path, "-p", "no:hypothesispytest")
    assert found.returncode == 0, found.stdout + found.stderr


def test_plain_pytest_here_does_not_run_the_scenarios_a_second_time(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.inipath == ROOT / "setup.cfg"
    assert pytestconfig.getini("testpaths") == ["tests", "simnet"]
    below = [path for name in ("tests", "simnet") for path in (ROOT / name).rglob("*.y*ml")]
    assert [path for path in below if pytest_simnet.LOOKS_RIGHT[0].search(path.read_bytes())] == []
