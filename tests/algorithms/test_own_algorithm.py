"""A user's own algorithm, named by import path, is like the built-in ones."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

import simnet
from simnet.errors import AlgorithmError, ScenarioError
from tests.algorithms.cases import DEFAULTS, Case, attempt, each, execute, scenario, suited

FACTS = """
from dataclasses import fields
from simnet.algorithms import ALGORITHMS

ENTRY = ALGORITHMS["{name}"]
{name}.__simnet__ = {{field.name: getattr(ENTRY, field.name) for field in fields(ENTRY) if field.name != "program"}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the Python path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@each(DEFAULTS)
def test_a_copy_of_a_built_in_algorithm_gives_the_same_bytes(case: Case, folder: Path) -> None:
    text = Path(inspect.getfile(case.entry.program)).read_text()
    (folder / f"copied_{case.name}.py").write_text(text + FACTS.format(name=case.name))
    outcomes = []
    for name in (case.name, f"copied_{case.name}:{case.name}"):
        network = {"latency": "5 ms", "bandwidth": "10 kbit/s", "sharing": "queue"}
        facts = {"network": network, "topology": suited(case.entry, "ring", 5)}
        outcomes.append(execute(scenario(Case(name, case.parameters), noise=0.3, dtype="float32", **facts)))
    built_in, own = outcomes
    assert own.models.tobytes() == built_in.models.tobytes()
    assert own.record.metrics == built_in.record.metrics
    assert {**own.summary, "wall_s": 0} == {**built_in.summary, "wall_s": 0} | {"hash": own.summary["hash"]}
    if case.name != "moniqua":  # the kernels' own names count, and a copied kernel is another one
        assert own.summary["hash"] == built_in.summary["hash"]


PLAIN = '''
def plain(node, *, lr: float, rounds: int = 1):
    """Plain: gossip along the gradient."""
    for k in node.steps():
        gradient = node.gradient(node.x)
        received = yield node.exchange(node.x, tag=k)
        yield gradient
        {body}
'''


def write(folder: Path, module: str, body: str) -> Case:
    (folder / f"{module}.py").write_text(PLAIN.format(body=body))
    return Case(f"{module}:plain")


def test_it_needs_nothing_but_a_function(folder: Path) -> None:
    own = write(folder, "own_plain", "node.x = node.mix(node.x, received) - lr * gradient.value")
    assert execute(scenario(own)).models.tobytes() == execute(scenario(Case("dpsgd"))).models.tobytes()


def test_it_may_be_defined_in_a_cell_and_defined_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Case("__main__:plain")
    for rate, is_dpsgd in (("lr", True), ("2 * lr", False)):
        names: dict[str, object] = {"__name__": "__main__"}
        body = f"node.x = node.mix(node.x, received) - {rate} * gradient.value"
        exec(PLAIN.format(body=body), names)  # noqa: S102, RUF100  our own text
        monkeypatch.setattr(sys.modules["__main__"], "plain", names["plain"], raising=False)
        outcome = execute(scenario(own)).models.tobytes() == execute(scenario(Case("dpsgd"))).models.tobytes()
        assert outcome == is_dpsgd


def test_its_parameters_are_checked_like_all_others(folder: Path) -> None:
    own = write(folder, "own_checked", "pass")
    with pytest.raises(ScenarioError, match="round: unknown key; did you mean rounds") as caught:
        simnet.run(scenario(Case(own.name, {"round": 2}), lr="fast"))
    assert "algorithms[0].lr" in str(caught.value) or "algorithms.0.lr" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("node.x[0] = 1.0", "a deferred vector cannot be changed in place"),
        ("bool(node.x)", "a deferred vector has no truth value"),
        ("received[17]", "KeyError: 17"),
        ("node.send(0, object(), tag=k)", "a object has no size on the wire"),
    ],
)
def test_its_mistakes_are_told_in_a_sentence_that_says_where(folder: Path, body: str, message: str) -> None:
    own = write(folder, f"own_{folder.name}", body)
    with pytest.raises(AlgorithmError, match=r"it: node 0 in step 0 \(t = .* s\): ") as caught:
        simnet.run(scenario(own))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["no_such_module:f", "dpsdg", "json:dumps", "json:nothing"])
def test_what_cannot_be_found_is_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"did you mean dpsgd|cannot import|is not a generator function"):
        attempt(scenario(Case(name)))
