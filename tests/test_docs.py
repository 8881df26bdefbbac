"""What docs/clock.md shows is run, and what it names is all there is: page and program cannot drift apart."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any, get_args

import pytest

import simnet
from simnet.algorithms import ALGORITHMS
from simnet.clock.sharing import SHARING_RULES
from simnet.errors import ScenarioError
from simnet.part import Part
from simnet.scenario import Compute, Fault, Network
from simnet.scenario.disturbances import GilbertElliott, Loss
from simnet.scenario.schema_faults import State
from simnet.scenario.schema_protocol import Protocol, StartUp
from simnet.scenario.varying import Schedule
from tests.algorithms.oracles import PARAMETERS
from tests.clock.building import scenario

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "clock.md").read_text(encoding="utf-8")
HEADINGS = list(re.finditer(r"^##+ (.*)$", PAGE, re.MULTILINE))
TITLES = [heading[1] for heading in HEADINGS]
ENDS = [*[heading.start() for heading in HEADINGS[1:]], len(PAGE)]
SECTIONS = {heading[1]: (heading.end(), end) for heading, end in zip(HEADINGS, ENDS, strict=True)}
WORDS = {word for words in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"\w+", words)}


def examples(start: int, end: int) -> doctest.DocTest:
    """The code between two places of the page, at its own lines."""
    blocks = re.finditer(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [""] * PAGE.count("\n")
    for block in blocks:
        if start <= block.start() < end:
            first = PAGE.count("\n", 0, block.start(1))
            shown = block[1].splitlines()
            lines[first : first + len(shown)] = shown
    return doctest.DocTestParser().get_doctest("\n".join(lines), {}, "clock.md", "docs/clock.md", 0)


def run(test: doctest.DocTest, names: dict[str, Any]) -> None:
    test.globs = names
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=told.append, clear_globs=False)
    assert not told, "".join(told)


def test_the_page_shows_something_in_every_section_that_has_a_rule() -> None:
    without = [title for title, span in SECTIONS.items() if not examples(*span).examples]
    assert without == ["Two planes and a clock", "What each algorithm does then", "What the model leaves out", "Glossary"]


@pytest.mark.parametrize("title", TITLES)
def test_what_a_section_shows_is_so(title: str) -> None:
    names: dict[str, Any] = {}
    run(examples(0, HEADINGS[0].start()), names)
    run(examples(*SECTIONS[title]), names)


def parts(*kinds: type[Part]) -> set[str]:
    return {field.alias or name for kind in kinds for name, field in kind.model_fields.items()}


FAULTS = get_args(get_args(Fault)[0])


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("sharing rules", set(SHARING_RULES)),
        ("faults", {kind.model_fields["kind"].default for kind in FAULTS}),
        ("states", set(get_args(State))),
        ("keys of faults", parts(*FAULTS) - {"path", "nodes", "groups", "links"}),
        ("keys of network", parts(Network)),
        ("keys of compute", parts(Compute)),
        ("keys of protocol", parts(Protocol, StartUp)),
        ("keys of loss", {"probability", "gilbert_elliott", "then", "timeout"} & parts(Loss)),
        ("keys of a schedule", parts(Schedule)),
        ("exchanges", {"ring", "halving_doubling", "parameter_server"}),
        ("waiting rules", {"all", "none", "deadline"}),
    ],
)
def test_the_page_names_all(what: str, names: set[str]) -> None:
    assert names, what
    missing = {name for name in names if name not in WORDS}
    assert not missing, what


def test_the_page_explains_what_bursts_are() -> None:
    assert {key for key in parts(GilbertElliott) if not key.startswith("loss_in")} <= set(re.findall(r"\w+", PAGE))


def test_every_bold_word_is_in_the_glossary() -> None:
    page, glossary = PAGE.split("## Glossary\n")
    entries = re.findall(r"\*\*([\w ]+)\*\*", glossary)
    assert sorted(entries[: entries.index("uplink")]) == entries[: entries.index("uplink")]
    used = set(re.findall(r"\*\*([a-z ]+)\*\*", page)) - {"bold"}
    assert {word.rstrip("s") for word in used} <= {word.rstrip("s") for word in entries}


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]*)#?[^)]*\)", PAGE):
        assert not target or target.startswith("https://") or (ROOT / "docs" / target).exists(), target


def rows_of_faults() -> list[list[str]]:
    text = PAGE[slice(*SECTIONS["What each algorithm does then"])]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


SPAN = {"at": "2500 ms", "until": "6 s"}
CRASH = {"kind": "crash", "nodes": [1]}
LINK = {"kind": "link_down", "links": [[0, 1], [1, 2]]}
GROUPS = {"kind": "partition", "groups": [[0, 1], [2, 3]]}
FAULTS_OF_ROW: dict[str, list[dict[str, Any]]] = {
    "message lost, retransmit": [{"network": {"latency": "100 ms", "loss": {"probability": 0.5, "timeout": "1 s"}}}],
    "message lost, drop": [{"network": {"latency": "100 ms", "loss": {"probability": 0.5, "then": "drop"}}}],
    "crash, kept": [{"faults": [{**CRASH, **SPAN}]}],
    "crash, neighbor or start": [{"faults": [{**CRASH, **SPAN, "state": state}]} for state in ("neighbor", "start")],
    "join, leave": [{"faults": [{"kind": kind, "nodes": [1], "at": "2500 ms"}]} for kind in ("join", "leave")],
    "link or partition, for a while": [{"faults": [{**fault, **SPAN}]} for fault in (LINK, GROUPS)],
    "link or partition, for ever": [{"faults": [{**fault, "at": "2500 ms"}]} for fault in (LINK, GROUPS)],
}
TOLERANT: dict[str, dict[str, Any]] = {"moniqua": {"theta": 50.0}}
"""Parameters under which a fault changes nothing but what it is about."""

SELDOM = {"defacto", "relaysgd", "ada", "matcha", "fedavg", "feddkd"}
"""Who does not send over every link in every step: along a tree, to a server, or over the links of a graph of its own."""

RULES: dict[str, Any] = {"all": "all", "none": "none", "deadline": {"deadline": "1500 ms"}}


def algorithms_of(column: str) -> list[dict[str, Any]]:
    """Everybody under a rule who sends to all neighbors in every step (others may not meet a fault), and all-reduce."""
    asynchronous, pooled = column == "asynchronous", column == "one machine"
    rule = column.removeprefix("waits for ").strip("`")
    return [
        {"name": name, "wait": RULES[rule if rule in RULES else "all"], **PARAMETERS[name][0]} | TOLERANT.get(name, {})
        for name, entry in ALGORITHMS.items()
        if (entry.asynchronous, entry.pooled) == (asynchronous, pooled)
        and (asynchronous or pooled or rule in entry.tolerates)
        and name not in SELDOM
    ]


def outcome(algorithm: dict[str, Any], facts: dict[str, Any]) -> str:
    """What a fault does to an algorithm, in the words of the table."""
    common = {"network": {"latency": "100 ms"}, "compute": {"time": "1 s"}, "record": {"models": True}}
    quiet = simnet.run(scenario(4, algorithm, 8, **common))
    try:
        shaken = simnet.run(scenario(4, algorithm, 8, **{**common, **facts}))
    except ScenarioError:
        return "refused"
    if shaken.records[0].status == "stalled":
        return "stalls"
    label = quiet.labels[0]
    is_late = shaken.metrics["time_s"].iloc[-1] > quiet.metrics["time_s"].iloc[-1]
    if shaken.models(label).tobytes() != quiet.models(label).tobytes():
        return "goes on"
    return "waits" if is_late else "none"


@pytest.mark.parametrize("row", rows_of_faults()[1:], ids=lambda row: row[0])
def test_the_table_of_faults_says_what_happens(row: list[str]) -> None:
    for column, said in zip(rows_of_faults()[0][1:], row[1:], strict=True):
        assert algorithms_of(column)
        for algorithm in algorithms_of(column):
            for facts in FAULTS_OF_ROW[row[0]]:
                assert outcome(algorithm, facts) == said, (column, algorithm, facts)
