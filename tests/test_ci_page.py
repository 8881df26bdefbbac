"""docs/ci.md: its scenario, its commands, its fixtures and its workflow, in a fresh environment outside this repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from simnet.cli import main
from simnet.scenario.expectations import FIRST_REACHED, TOTALS
from tests.test_plugin import PLUGINS

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
PACKAGE = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "pytest_simnet.py", "constraints.txt", "simnet")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


SCENARIO, WORKFLOW = blocks("yaml")
STEPS = [step["run"] for step in YAML(typ="safe").load(WORKFLOW)["jobs"]["scenarios"]["steps"] if "run" in step]


def test_the_page_names_every_quantity() -> None:
    assert {name for name in (*FIRST_REACHED, *TOTALS) if not re.search(rf"`{name}\b", PAGE)} == set()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "ring.yaml").write_text(SCENARIO)
    return tmp_path


def test_the_commands_do_what_the_page_says(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    (block,) = blocks("sh")
    commands = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    assert [main(words) for words in commands] == [0, 0, 0]
    assert capsys.readouterr().out.count("holds") == 8
    assert (project / "scenarios" / "baselines" / "ring.yaml").exists()


def test_the_fixtures_do_what_the_page_says(project: Path, pytester: pytest.Pytester) -> None:
    shutil.copytree(project / "scenarios", pytester.path / "scenarios")
    pytester.makepyfile(test_network=blocks("python")[0])
    result = pytester.runpytest_inprocess("test_network.py", "--simnet-update", plugins=PLUGINS)
    result.assert_outcomes(passed=1)
    assert (pytester.path / "baselines" / "ring_1ms.yaml").exists()


def fresh(folder: Path) -> Path:
    """An environment without simnet that sees the other packages of this one."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "seen.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}) + "\n")
    return folder / "bin"


@pytest.mark.skipif(sys.platform == "win32", reason="the workflow is for Linux")
def test_the_workflow_runs_in_a_fresh_environment(project: Path) -> None:
    for name in PACKAGE:
        place = project / "tools" / "simnet" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        is_folder = (ROOT / name).is_dir()
        copy = shutil.copytree if is_folder else shutil.copy
        copy(ROOT / name, place, **({"ignore": shutil.ignore_patterns("__pycache__")} if is_folder else {}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    environment["PATH"] = f"{fresh(project / 'env')}{os.pathsep}{environment['PATH']}"

    def run(command: str, *more: str) -> subprocess.CompletedProcess[str]:
        words = [*shlex.split(command), *more]
        return subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False)

    install, test = STEPS
    installed = run(install, "--no-index", "--no-build-isolation", "--no-deps")  # what it needs is there: no network
    assert installed.returncode == 0, installed.stdout + installed.stderr
    (project / "scenarios" / "wrong.yaml").write_text(SCENARIO.replace("0.5 * allreduce", "0.01 * allreduce"))
    found = run(test)
    assert found.returncode == 1, found.stdout + found.stderr
    assert str(project / "env") in run("python", "-c", "import pytest_simnet; print(pytest_simnet.__file__)").stdout
    cases = ET.parse(project / "scenarios.xml").findall(".//testcase")
    assert sorted(str(case.get("classname")) for case in cases) == ["scenarios.ring.yaml"] * 4 + ["scenarios.wrong.yaml"] * 4
    (failed,) = [case for case in cases if case.find("failure") is not None]
    assert failed.get("classname") == "scenarios.wrong.yaml"
    assert failed.get("name") == "dpsgd.time_to.accuracy < 0.01 * allreduce.time_to.accuracy"
