"""`simnet report` and `compare`, and what the table after a run says of expectations, on real runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simnet
from simnet.cli import main
from simnet.scenario import load_text
from simnet.simulation import schemas

SCENARIO = """# Who is first?
#
# Nobody knows.
nodes: 3
topology: ring
network: {latency: 50 ms}
problem: {kind: quadratic, dimension: 2, noise: 0}
algorithms: [{name: dpsgd, lr: 0.1}, {name: allreduce, lr: 0.1}]
run: {steps: 10}
targets: {optimum_distance: 0.001}
expect: [dpsgd.time_s < allreduce.time_s, dpsgd.steps < 0.5 * allreduce.steps]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("first.yaml").write_text(SCENARIO)


def test_the_table_after_a_run_reports_expectations_and_a_run_is_done_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "first.yaml"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"holds +dpsgd.time_s < allreduce.time_s +0.5 +2 +75 %", out)
    assert re.search(r"FAILS +dpsgd.steps < 0.5 \* allreduce.steps +10 +5 +-100 %", out)


def test_a_report_lies_in_its_result_and_goes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    simnet.run("first.yaml").save("a")
    assert main(["report", "a"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "page:     a/report/report.html, to be opened in a browser; it needs nothing else",
        "markdown: a/report/report.md, with figures and tables (CSV, LaTeX) beside it",
    ]
    assert '<p class="question">Who is first?</p>' in Path("a/report/report.html").read_text()
    Path("a/mine.txt").touch()
    simnet.load("a").save("a")  # a new result: the old report is not about it
    assert not Path("a/report").exists()
    assert Path("a/mine.txt").exists()


def test_two_results_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    simnet.run("first.yaml").save("a")
    simnet.run("first.yaml", overrides={"network.latency": "10 ms", "algorithms.dpsgd.lr": "0.2"}).save("b")
    assert main(["compare", "a", "b"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A: a: Who is first?\nB: b: Who is first?\n")
    assert re.search(r"network.latency +50 ms +10 ms", out)
    assert re.search(r"algorithms.dpsgd.lr +0.1 +0.2", out)
    assert re.search(r"time_s +500 ms +100 ms +0.2 ", out)
    assert re.search(r"time_to.optimum_distance +not reached +", out)
    assert main(["compare", "a", "a", "b"]) == 0
    assert re.search(r"algorithm +quantity +A +B +C +B/A +C/A", capsys.readouterr().out)
    assert main(["compare", "a", "a"]) == 0
    assert "The scenarios and environments say the same." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["report", "nowhere"], "nowhere: no simnet result there"),
        (["report", "."], "no simnet result there"),
        (["report", "a", "--out", "first.yaml"], "first.yaml: found a file; allowed: FILE.html, or a folder"),
        (["report", "a", "--out", "x.pdf"], "x.pdf: found the ending '.pdf'"),
        (["compare", "nowhere", "a"], "nowhere: no simnet result there"),
        (["compare", "a"], "simnet compare: the following arguments are required: DIR"),
    ],
)
def test_what_cannot_be_shown_is_answered_with_a_sentence(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path().rglob("*"))
    assert main(words) == 2
    assert expected in capsys.readouterr().err
    assert sorted(Path().rglob("*")) == before


def test_the_question_goes_with_the_result() -> None:
    result = simnet.run("first.yaml", overrides={"run.steps": 2})
    assert result.question == "Who is first?"
    assert result.scenario_yaml.startswith("# Who is first?\nname: first\n")
    result.save("a")
    again = simnet.load("a")
    assert again.question == result.question
    assert simnet.run("a/scenario.yaml").scenario_yaml == result.scenario_yaml
    retimed = [known.retime(network={"latency": "1 ms"}) for known in (result, again)]
    assert [known.question for known in retimed] == ["Who is first?"] * 2
    assert retimed[0].scenario_yaml == retimed[1].scenario_yaml


@pytest.mark.parametrize(
    ("head", "question"),
    [
        ("", ""),
        ("# yaml-language-server: $schema=scenario.schema.json\n# Why?\n", "Why?"),
        ("\n##\n#   Who: \"a\" or {b}?  \r\n# because\n", 'Who: "a" or {b}?'),
    ],
)
def test_a_question_is_the_first_comment_before_anything_else(head: str, question: str) -> None:
    text = head + SCENARIO.partition("\n#\n# Nobody knows.\n")[2] + "# the end\n"
    scenario = load_text(text, algorithms=schemas())
    assert scenario.question == question
    again = load_text(scenario.to_yaml(), algorithms=schemas())
    assert (again, again.question, again.to_yaml()) == (scenario, question, scenario.to_yaml())
