"""What a scenario may expect: the grammar, what each text means, and that everything else is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import inf, isnan
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simnet.errors import ParameterError, ScenarioError
from simnet.scenario import Scenario
from simnet.scenario.expectations import MOST_NESTED, Expectation, Quantity, parse

Read = Callable[..., Scenario]

LABELS = ["dpsgd", "detag", "dpsgd-deadline", "two words", "v1.5", "8bit", "q(8)", "a.b", "a", "steps", "all"]
TARGETS = ["accuracy"]
BASE = {
    "nodes": 4,
    "topology": "ring",
    "problem": {"dataset": "digits"},
    "algorithms": [{"name": "dpsgd", "lr": 0.1}, {"name": "detag", "lr": 0.1}],
    "run": {"steps": 10},
    "targets": {"accuracy": 0.9},
}


def value(text: str, numbers: dict[str, float] | None = None) -> float:
    """The left side of ``text < dpsgd.steps`` with these numbers of a summary."""
    return parse(f"{text} < dpsgd.steps", LABELS, TARGETS).left(lambda q: (numbers or {})[f"{q.label}.{q.name}"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("1.5e3", 1500),
        (".5", 0.5),
        ("2.", 2),
        ("1e-3", 0.001),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 - 3 - 4", -5),
        ("24 / 3 / 4", 2),
        ("24 / (3 / 4)", 32),
        ("2 - -3", 5),
        ("-2 * 3", -6),
        ("--2", 2),
        ("-(2 + 3) * 2", -10),
        ("2*3-4/5", 5.2),
        ("  \t2\n+ 3", 5),
        ("0 / 2", 0),
        ("3 / 0", inf),
        ("-3 / 0", -inf),
    ],
)
def test_arithmetic_is_what_it_is_on_paper(text: str, number: float) -> None:
    assert value(text) == pytest.approx(number)


def test_nothing_by_nothing_is_no_number() -> None:
    assert isnan(value("0 / 0"))


terms = st.recursive(
    st.integers(0, 9).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
    ),
    max_leaves=8,
)


@given(terms)
def test_sums_and_products_agree_with_exact_ones(text: str) -> None:
    """Python's own reading of the same digits and signs, exact: `Fraction` and no floats."""
    expected = eval("".join(f"Fraction({c})" if c.isdigit() else c for c in text), {"Fraction": Fraction})  # noqa: S307, RUF100
    try:
        assert value(text) == float(expected)
    except ParameterError as error:
        assert "one inside the other" in str(error)  # noqa: PT017  hypothesis may nest deeper than allowed


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("dpsgd.steps", Quantity("dpsgd", "steps")),
        ("dpsgd-deadline.time_to.accuracy", Quantity("dpsgd-deadline", "time_to.accuracy")),
        ("two words.bits_sent", Quantity("two words", "bits_sent")),
        ("v1.5.steps", Quantity("v1.5", "steps")),
        ("8bit.steps", Quantity("8bit", "steps")),
        ("q(8).final_loss", None),
        ("q(8).train_loss", Quantity("q(8)", "train_loss")),
        ("a.b.steps", Quantity("a.b", "steps")),
        ("a.steps", Quantity("a", "steps")),
        ("steps.steps", Quantity("steps", "steps")),
        ("all.steps", Quantity("all", "steps")),
        ("detag.counters.wrap_violations", Quantity("detag", "counters.wrap_violations")),
        ("detag.steps_to.accuracy", Quantity("detag", "steps_to.accuracy")),
        ("detag.bits_to.accuracy", Quantity("detag", "bits_to.accuracy")),
    ],
)
def test_a_quantity_is_a_label_and_a_name(text: str, quantity: Quantity | None) -> None:
    if quantity is None:
        with pytest.raises(ParameterError, match="found final_loss"):
            parse(f"{text} < 3", LABELS, TARGETS)
    else:
        assert parse(f"{text} < 3", LABELS, TARGETS).left == quantity


def test_a_sign_in_a_label_is_no_sign_and_one_after_it_is() -> None:
    numbers = {"dpsgd.steps": 10.0, "detag.steps": 4.0, "dpsgd-deadline.steps": 7.0, "8bit.steps": 3.0}
    assert value("dpsgd.steps-detag.steps", numbers) == 6
    assert value("dpsgd.steps-dpsgd-deadline.steps", numbers) == 3
    assert value("2*8bit.steps-8", numbers) == -2
    assert value("-detag.steps", numbers) == -4


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_all_and_any_speak_of_every_algorithm(sign: str) -> None:
    one = parse(f"dpsgd.steps{sign}3", LABELS, TARGETS)
    assert (one.sign, one.of) == (sign, "one")
    for of in ("all", "any"):
        found = parse(f" {of} ( time_to.accuracy {sign} 2 * time_s ) ", LABELS, TARGETS)
        assert (found.sign, found.of, found.left) == (sign, of, Quantity(None, "time_to.accuracy"))


REFUSALS = [
    ("", "found 'the end' in ''; allowed: a number, or LABEL.QUANTITY with a label of"),
    ("dpsgd.steps", "found 'the end' after 'dpsgd.steps' of 'dpsgd.steps'; allowed: <, <=, > or >="),
    ("dpsgd.steps <", "found 'the end' in"),
    ("dpsgd.steps == 3", "found '== 3' after 'dpsgd.steps' of 'dpsgd.steps == 3'; allowed: <, <=, > or >="),
    ("dpsgd.steps < 3 < 4", "found '< 4' after 'dpsgd.steps < 3' of 'dpsgd.steps < 3 < 4'; allowed: the end"),
    ("dpsgd.steps < 3 and 4", "found 'and 4' after"),
    ("(dpsgd.steps < 3)", "found '< 3)' after '(dpsgd.steps' of '(dpsgd.steps < 3)'; allowed: )"),
    ("all(steps < 3", "found 'the end' after 'all(steps < 3' of 'all(steps < 3'; allowed: )"),
    ("all(steps < 3) + 1", "found '+ 1' after"),
    ("all(dpsgd.steps < 3)", "found dpsgd.steps; allowed inside all and any: no label, such as steps"),
    ("1 < 2", "found '1 < 2', which is so in every result; allowed: a comparison with a LABEL.NAME in it"),
    ("any(1 < 2)", "found 'any(1 < 2)', which is so in every result; allowed: a comparison with a NAME in it"),
    ("steps < 3", "found 'steps' in 'steps < 3'; allowed: a number, or LABEL.QUANTITY with a label of"),
    ("dpsg.steps < 3", "did you mean dpsgd?"),
    ("dpsgd < 3", "found 'dpsgd' in 'dpsgd < 3'; allowed: a number, or LABEL.QUANTITY with a label of"),
    ("dpsgd < 3", "did you mean dpsgd.steps?"),
    ("dpsgd.stepps < 3", "found stepps; allowed: steps, epochs, time_s"),
    ("dpsgd.stepps < 3", "did you mean steps?"),
    ("dpsgd.time_to.test_loss < 3", "found time_to.test_loss, but targets has no test_loss; there is: accuracy; add it there"),
    ("dpsgd.time_to < 3", "found time_to, but targets has no metric; there is: accuracy; add it there"),
    ("dpsgd.counters. < 3", "found counters.; allowed: "),
    ("dpsgd.steps < 1e999", "found '1e999' after 'dpsgd.steps <' of 'dpsgd.steps < 1e999'; allowed: a number below 1.8e308"),
    ("dpsgd.steps < 3 % 2", "found '% 2' after"),
    ("__import__('os').getcwd() < 3", "found '__import__' in"),
    ("(" * 30 + "dpsgd.steps" + ")" * 30 + " < 3", f"allowed: at most {MOST_NESTED} signs and parentheses"),
    ("-" * 400 + "3 < dpsgd.steps", f"allowed: at most {MOST_NESTED} signs"),
    ("1+" * 1000 + "1 < dpsgd.steps", "found 2015 letters; allowed: 500; compare less at once"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSALS)
def test_everything_else_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ParameterError) as error:
        parse(text, LABELS, TARGETS)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


words = st.sampled_from([*LABELS, *"().<>=+-*/ ", "all(", "any(", "steps", "time_to.accuracy", "counters.x", "1.5", "e", "9"])


@given(st.one_of(st.text(max_size=600), st.lists(words, max_size=60).map("".join)))
@example("(" * 500)
@example("-" * 500)
@example("٣ < dpsgd.steps")
@example("²")
@example("\x00")
@example("dpsgd.steps < " + "9" * 400)
def test_no_text_gives_a_traceback(text: str) -> None:
    try:
        found = parse(text, LABELS, TARGETS)
    except ParameterError as error:
        assert str(error)  # noqa: PT017
    else:
        assert isinstance(found.left(lambda _: 1.0) + found.right(lambda _: 0.0), float)


def test_the_longest_text_can_be_judged() -> None:
    assert value("+".join(["1"] * 240)) == 240


def complaint(read: Read, expect: Any) -> str:
    with pytest.raises(ScenarioError) as error:
        read({**BASE, "expect": expect})
    return str(error.value)


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ([5], "scenario: expect.0: found 5; allowed: a comparison, or a mapping with that and seeds or confidence"),
        ([{"seeds": "mean"}], "scenario: expect.0.that: missing; it is needed here"),
        ([{"that": "dpsgd.steps < 3", "sedes": "mean"}], "scenario: expect.0.sedes: unknown key; did you mean seeds?"),
        ([{"that": "dpsgd.steps < 3", "seeds": "most"}], "scenario: expect.0.seeds: found 'most'; allowed: all, mean"),
        ([{"that": "dpsgd.steps < 3", "confidence": 0.5}], "expect.0.confidence: found 0.5; allowed: a number > 0.5"),
        ([{"that": "dpsgd.steps < 3", "confidence": 1}], "expect.0.confidence: found 1; allowed: a number < 1"),
        (
            [{"that": "dpsgd.steps < 3", "seeds": "mean", "confidence": 0.9}],
            "scenario: expect.0.confidence: found seeds and confidence; allowed: one of the two",
        ),
        (["moniqua.steps < 3"], "scenario: expect.0: found 'moniqua' in 'moniqua.steps < 3'; allowed: a number, or"),
    ],
)
def test_a_scenario_refuses_it_too(read: Read, expect: Any, sentence: str) -> None:
    assert sentence in complaint(read, expect)


def test_all_of_them_are_refused_at_once_with_file_and_line(read: Read) -> None:
    text = """\
nodes: 4
topology: ring
problem: {dataset: digits}
run: {steps: 10}
algorithms: [{name: dpsgd, lr: 0.1}]
expect:
  - dpsgd.steps < 3
  - detag.steps < 3
  - {that: 1 < 2, seeds: mean}
  - dpsgd.time_to.accuracy < 1
"""
    with pytest.raises(ScenarioError) as error:
        read(text, file="ring.yaml")
    found = str(error.value).splitlines()
    assert [line.partition(": found")[0] for line in found] == [f"ring.yaml:{8 + i}: expect.{1 + i}" for i in range(3)]


@given(text=st.text(max_size=80))
def test_no_text_in_a_file_gives_a_traceback(read: Read, text: str) -> None:
    try:
        read({**BASE, "expect": [text]})
    except ScenarioError as error:
        assert str(error).startswith("scenario: expect.0")  # noqa: PT017


@pytest.mark.parametrize(
    "expect",
    [
        "dpsgd.steps < 3",
        {"that": "dpsgd.steps < 3", "seeds": "mean"},
        {"that": "dpsgd.steps < 3", "confidence": 0.95},
    ],
)
def test_what_is_written_is_read_again(read: Read, expect: Any) -> None:
    scenario = read({**BASE, "expect": [expect]})
    assert scenario.to_plain()["expect"] == [expect]
    assert read(scenario.to_plain()) == scenario
    assert read(scenario.to_yaml()) == scenario


def test_without_more_words_it_holds_for_each_seed() -> None:
    assert Expectation.model_validate({"that": "a.steps < 3"}).seeds == "all"
    assert Expectation.model_validate({"that": "a.steps < 3", "seeds": "all"}).model_dump() == "a.steps < 3"
