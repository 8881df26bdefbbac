"""What README.md and CONTRIBUTING.md show is tried: code runs, commands parse, tables are those of the program."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import simnet
from simnet.algorithms import ALGORITHMS
from simnet.cli.parser import parser
from simnet.scenario import Scenario

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    lines = [line for block in blocks(README + CONTRIBUTING, "sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line and Path(line[0]).name == program]


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_a_python_block_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102, RUF100  our own text


def test_the_dpsgd_of_the_readme_is_the_one_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (text,) = [block for block in blocks(README, "python") if block.startswith("def dpsgd(")]
    text = text.replace("*, lr)", "*, lr: simnet.Schedule)")
    (tmp_path / "readme_dpsgd.py").write_text(f"import simnet\n\n\n{text}")
    scenario = {
        "nodes": 4,
        "topology": "ring",
        "problem": {"kind": "quadratic", "dimension": 3, "noise": 0.1},
        "algorithms": [
            {"name": "dpsgd", "lr": 0.05},
            {"name": "readme_dpsgd:dpsgd", "lr": 0.05, "label": "own"},
        ],
        "record": {"models": True},
        "run": {"steps": 10},
    }
    result = simnet.run(scenario)
    assert result.models("own").tobytes() == result.models("dpsgd").tobytes()


def test_the_algorithm_of_contributing_runs_by_import_path(tmp_path: Path) -> None:
    (code,), (question,) = blocks(CONTRIBUTING, "python"), blocks(CONTRIBUTING, "yaml")
    (tmp_path / "damped.py").write_text(code)
    (tmp_path / "question.yaml").write_text(question)
    result = simnet.run(tmp_path / "question.yaml")
    assert [record.status for record in result.records] == ["done", "done"]
    first, last = result.metrics.groupby("algorithm").first(), result.metrics.groupby("algorithm").last()
    assert (last["optimum_distance"] < first["optimum_distance"]).all()
    assert last["consensus_distance"]["damped"] > last["consensus_distance"]["dpsgd"]


def test_without_damping_the_algorithm_of_contributing_is_dpsgd(tmp_path: Path) -> None:
    (code,), (question,) = blocks(CONTRIBUTING, "python"), blocks(CONTRIBUTING, "yaml")
    (tmp_path / "damped.py").write_text(code)
    (tmp_path / "question.yaml").write_text(question.replace("consensus_lr: 0.5", "consensus_lr: 1"))
    result = simnet.run(tmp_path / "question.yaml", overrides={"record.models": True, "dtype": "float64"})
    assert result.models("damped") == pytest.approx(result.models("dpsgd"), abs=1e-12)


def test_there_are_commands_to_try() -> None:
    words = {"run", "validate", "list", "plot", "report", "compare", "trace", "test", "sweep", "schema"}
    assert {found[0] for found in commands("simnet")} == words


@pytest.mark.parametrize("words", commands("simnet"), ids=" ".join)
def test_a_command_of_the_readme_parses(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args(words).word == words[0]
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([words[0], "--help"])
    assert stop.value.code == 0
    assert "example: simnet" in capsys.readouterr().out


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_a_target_of_make_exists(words: list[str]) -> None:
    assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_pages_say_of_the_algorithms_what_the_program_does() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    for name, (marker, content) in generate["PAGES"].items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert text == generate["inserted"](text, marker, content()), f"{name} is old; run make docs"
        assert all(f"`{algorithm}`" in text or f"### {algorithm}" in text for algorithm in ALGORITHMS)


def test_the_reference_has_every_key_of_a_scenario() -> None:
    reference = README[README.index("## Scenario files") : README.index("## Results")]
    named = set(re.findall(r"`(\w+)", reference)) | set(re.findall(r"\b(\w+)[\],.:`]", reference))
    assert set(Scenario.model_fields) <= named
    for key in ("network", "compute", "message", "run", "record", "mixing"):
        part = Scenario.model_fields[key].annotation
        inner = next(p for p in [part, *getattr(part, "__args__", ())] if hasattr(p, "model_fields"))
        missing = {name for name in inner.model_fields if f"{key}.{name}" not in reference}
        assert not missing, f"{key}: {missing}"


def test_the_table_of_scenarios_has_their_questions() -> None:
    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        question = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        row = f"| [{path.stem}](scenarios/{path.name}) | {question} |"
        assert path.stem == "quickstart" or row in README, f"the row should be: {row}"
        YAML(typ="safe").load(path)


def test_every_link_leads_somewhere() -> None:
    for text in (README, CONTRIBUTING):
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            assert target.startswith("https://") or (ROOT / path).exists(), target
            assert not anchor or f"### {anchor}\n" in (ROOT / path).read_text(encoding="utf-8"), target


def test_the_numbers_of_the_quickstart_are_those_of_its_scenario() -> None:
    said = dict(re.findall(r"^#   (\w+) +(\d+) ", (ROOT / "scenarios/quickstart.yaml").read_text(), re.MULTILINE))
    shown = dict(re.findall(r"^ (\w+) +(\d+) .*3 of 3 seeds$", README, re.MULTILINE))
    ordered = re.search(r"by steps \|(.*)\|", README)
    assert said == shown
    assert ordered is not None
    assert dict(re.findall(r"(\w+) \((\d+)\)", ordered.group(1))) == said
