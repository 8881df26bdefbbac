"""Verdicts: which of the numbers are compared, for which seeds and algorithms, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

import simnet
from simnet.experiment.verdicts import Verdict, compare, is_confident, mean, number, verdicts
from simnet.result import Result, RunRecord
from simnet.scenario.expectations import FIRST_REACHED, TOTALS

Steps = Mapping[str, list[float | None]]


def result(steps: Steps, *expect: Any, seeds: list[int] | None = None) -> Result:
    """A result in which an algorithm's seeds 1, 2, ... took so many steps; None: it has no such run."""
    records = [
        RunRecord(label, seed, "done", "", [], {"steps": value})
        for label, values in steps.items()
        for seed, value in enumerate(values, start=1)
        if value is not None
    ]
    scenario = {"algorithms": [{"name": "x", "label": label} for label in steps], "expect": list(expect)}
    return Result(records, scenario | ({"seeds": seeds} if seeds else {}), "")


def judged(steps: Steps, expect: Any, **more: Any) -> Verdict:
    (verdict,) = verdicts(result(steps, expect, **more))
    return verdict


def test_both_numbers_and_the_margin_are_said() -> None:
    verdict = judged({"a": [3], "b": [4]}, "a.steps < b.steps")
    assert (verdict.holds, verdict.left, verdict.right, verdict.margin) == (True, 3, 4, 0.25)
    assert str(verdict) == "holds: a.steps < b.steps: 3 and 4, margin 25 %"
    assert str(judged({"a": [5], "b": [4]}, "a.steps < b.steps")) == "FAILS: a.steps < b.steps: 5 and 4, margin -25 %"
    assert str(judged({"a": [5], "b": [4]}, "a.steps > b.steps")) == "holds: a.steps > b.steps: 5 and 4, margin 25 %"


def test_a_margin_over_zero_is_a_difference_and_no_share() -> None:
    assert str(judged({"a": [3]}, "a.steps <= 0")) == "FAILS: a.steps <= 0: 3 and 0, margin -3"
    assert str(judged({"a": [0]}, "a.steps <= 0")) == "holds: a.steps <= 0: 0 and 0, margin 0"


def test_the_sign_in_a_label_is_not_the_sign_of_the_comparison() -> None:
    verdict = judged({"n<4": [5], "n>4": [4]}, "n<4.steps > n>4.steps")
    assert (verdict.holds, verdict.margin) == (True, 0.25)


def test_of_seeds_the_worst_decides() -> None:
    verdict = judged({"a": [3, 5, 3], "b": [9, 4, 4]}, "a.steps < b.steps")
    assert (verdict.holds, verdict.left, verdict.right, verdict.case) == (False, 5, 4, "seed 2")
    verdict = judged({"a": [3, 3, 3], "b": [9, 5, 4]}, "a.steps < b.steps")
    assert (verdict.holds, verdict.left, verdict.right, verdict.case) == (True, 3, 4, "seed 3")


def test_the_worst_is_known_even_where_the_right_side_is_zero_for_one_seed() -> None:
    verdict = judged({"a": [3, 5], "b": [0, 4]}, "a.steps < b.steps")
    assert (verdict.left, verdict.right, verdict.case) == (3, 0, "seed 1")


def test_the_mean_may_hold_where_a_seed_does_not() -> None:
    steps: Steps = {"a": [3, 5, 3], "b": [9, 4, 4]}
    verdict = judged(steps, {"that": "a.steps < b.steps", "seeds": "mean"})
    assert (verdict.holds, verdict.case) == (True, "mean of 3 seeds")
    assert (verdict.left, verdict.right) == pytest.approx((11 / 3, 17 / 3))
    assert judged({"a": [3], "b": [4]}, {"that": "a.steps < b.steps", "seeds": "mean"}).case == ""


@pytest.mark.parametrize(
    ("expect", "holds", "case"),
    [
        ("all(steps < 10)", True, "b, seed 2"),
        ("all(steps < 8)", False, "b, seed 2"),
        ("any(steps < 4)", False, "a, seed 2"),
        ("any(steps < 6)", True, "a, seed 2"),
        ("all(steps > 2)", True, "a, seed 1"),
        ({"that": "all(steps < 8)", "seeds": "mean"}, True, "b, mean of 2 seeds"),
        ({"that": "any(steps < 4)", "seeds": "mean"}, False, "a, mean of 2 seeds"),
    ],
)
def test_all_and_any_name_who_decides(expect: Any, holds: bool, case: str) -> None:
    verdict = judged({"a": [3, 5], "b": [5, 9]}, expect)
    assert (verdict.holds, verdict.case) == (holds, case)


def test_any_is_one_algorithm_for_all_seeds() -> None:
    assert not judged({"a": [3, 9], "b": [9, 3]}, "any(steps < 4)").holds


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_of_two_infinities_nothing_holds(sign: str) -> None:
    for one in (inf, -inf, nan):
        for other in (inf, -inf, nan):
            assert not compare(one, sign, other)
    assert [compare(3, sign, inf), compare(inf, sign, 3)] == ["<" in sign, ">" in sign]
    assert not compare(nan, sign, 3)
    assert not compare(3, sign, nan)


def test_an_infinity_is_said_as_it_is() -> None:
    verdict = judged({"a": [3], "b": [inf]}, "a.steps < b.steps")
    assert str(verdict) == "holds: a.steps < b.steps: 3 and inf, margin inf"
    assert str(judged({"a": [inf], "b": [3]}, "a.steps < b.steps")) == "FAILS: a.steps < b.steps: inf and 3, margin -inf %"
    assert str(judged({"a": [inf], "b": [inf]}, "a.steps < b.steps")) == "FAILS: a.steps < b.steps: inf and inf"


def test_a_mean_of_anything_is_a_number_or_none() -> None:
    assert mean([1, inf]) == inf
    assert isnan(mean([inf, -inf]))
    assert isnan(mean([nan, 1]))
    assert isnan(mean([]))
    assert mean([1e308] * 3) == inf
    assert not judged({"a": [1, inf], "b": [inf, 1]}, {"that": "a.steps < b.steps", "seeds": "mean"}).holds


def test_a_run_that_is_not_there_fails_and_is_named() -> None:
    verdict = judged({"a": [3, None], "b": [4, 4]}, "a.steps < b.steps", seeds=[1, 2])
    assert (verdict.holds, verdict.case) == (False, "seed 2, no run of a with seed 2")
    assert not judged({"a": [3], "b": [4]}, "a.steps < b.steps", seeds=[1, 2]).holds
    assert not judged({"a": [3], "b": [4]}, {"that": "a.steps < b.steps", "seeds": "mean"}, seeds=[1, 2]).holds
    assert not judged({"a": [3], "b": [None]}, "any(steps < 2)", seeds=[1]).holds
    assert judged({"a": []}, "a.steps < 3").case == "no run was finished"


def test_a_number_that_is_not_there_fails_and_is_named() -> None:
    verdict = judged({"a": [3, 3]}, "a.accuracy < 2")
    assert (verdict.holds, verdict.case) == (False, "seed 1, a has no accuracy")
    assert str(judged({"a": [3]}, "a.counters.lost < 2")) == "FAILS: a.counters.lost < 2: nan and 2 (a has no counters.lost)"
    assert judged({"a": [3]}, {"that": "a.accuracy < 2", "seeds": "mean"}).case == "a has no accuracy"


CONFIDENT = {"that": "a.steps < b.steps", "confidence": 0.95}


def test_a_confidence_is_that_of_a_paired_one_sided_test() -> None:
    verdict = judged({"a": [10, 11, 12, 13], "b": [12, 12, 15, 14]}, CONFIDENT)
    assert (verdict.holds, verdict.left, verdict.right) == (True, 11.5, 13.25)
    assert verdict.case == "confidence 0.982 over 4 seeds"
    verdict = judged({"a": [10, 15, 12, 13], "b": [12, 12, 15, 14]}, CONFIDENT)
    assert (verdict.holds, verdict.case) == (False, "confidence 0.696 over 4 seeds; 0.95 is wanted")


values = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=12)


@given(values, st.sampled_from(["<", "<=", ">", ">="]), st.floats(0.51, 0.99))
def test_the_confidence_is_that_of_scipy(pairs: list[tuple[float, float]], sign: str, confidence: float) -> None:
    differences = np.array([left - right for left, right in pairs])
    assume(np.ptp(differences) > 1e-6 * (1 + np.abs(differences).max()))
    p = stats.ttest_1samp(differences, 0.0, alternative="less" if "<" in sign else "greater").pvalue
    assume(abs(p - (1 - confidence)) > 1e-9)
    assert is_confident(pairs, sign, confidence)[0] == (p < 1 - confidence)


def test_a_confidence_over_one_seed_or_without_spread_or_of_infinities() -> None:
    assert str(judged({"a": [3], "b": [4]}, CONFIDENT)).startswith("FAILS: a.steps < b.steps: 3 and 4 (one seed gives no")
    assert judged({"a": [3, 4], "b": [4, 5]}, CONFIDENT).holds
    assert not judged({"a": [4, 5], "b": [4, 5]}, CONFIDENT).holds
    assert judged({"a": [3, 4], "b": [inf, 5]}, CONFIDENT).holds
    assert not judged({"a": [inf, 4], "b": [inf, 5]}, CONFIDENT).holds
    assert not judged({"a": [3, None], "b": [4, 5]}, CONFIDENT, seeds=[1, 2]).holds


finite = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=4), st.sampled_from(["all", "mean", 0.9]), st.booleans())
def test_whatever_the_numbers_are_there_is_a_verdict(pairs: list[tuple[float, float]], seeds: Any, one: bool) -> None:
    how = {"confidence": seeds} if seeds == 0.9 else {"seeds": seeds}
    steps: Steps = {"a": [left for left, _ in pairs], "b": [right for _, right in pairs]}
    verdict = judged(steps, {"that": "a.steps < b.steps" if one else "all(steps < 3)", **how})
    assert str(verdict)
    if verdict.holds and seeds != 0.9:
        assert verdict.left < verdict.right


QUADRATIC = {
    "nodes": 4,
    "topology": "ring",
    "problem": {"kind": "quadratic", "dimension": 3},
    "algorithms": [{"name": "dpsgd", "lr": 0.05}, {"name": "allreduce", "lr": 0.05}],
    "network": {"latency": "50 ms", "loss": {"probability": 0.01, "timeout": "1 s"}},
    "run": {"steps": 20},
    "targets": {"optimum_distance": 1.5},
}


def test_every_total_that_may_be_named_is_in_the_summary_of_a_run() -> None:
    found = simnet.run(QUADRATIC | {"expect": ["dpsgd.time_s < allreduce.time_s", "all(counters.lost_messages >= 0)"]})
    for name in [*TOTALS, *(f"{word}.optimum_distance" for word in FIRST_REACHED), "consensus_distance"]:
        assert not isnan(number(found.records[0], name)), name
    assert [verdict.holds for verdict in verdicts(found)] == [True, True]
    assert number(found.records[0], "time_to.optimum_distance") <= number(found.records[0], "time_s")


def test_an_unreached_target_is_infinitely_far(tmp_path: Any) -> None:
    expect = ["dpsgd.time_to.optimum_distance < 1000", "dpsgd.time_s < dpsgd.time_to.optimum_distance"]
    found = simnet.run(QUADRATIC | {"targets": {"optimum_distance": 1e-30}, "expect": expect})
    assert [verdict.holds for verdict in verdicts(found)] == [False, True]
    found.save(tmp_path / "a")
    assert list(map(str, verdicts(simnet.load(tmp_path / "a")))) == list(map(str, verdicts(found)))
