from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest

from simnet.metrics import AXES, METRICS
from simnet.report.curves import curves, has_values, headline, is_log_axis, is_log_metric, is_rounding, limits
from simnet.result import Result, RunRecord


def made(
    series: dict[tuple[str, int], tuple[Sequence[float], Sequence[float]]], status: str = "done", **scenario: object
) -> Result:
    records = [
        RunRecord(label, seed, "done", "", [{"time_s": t, "train_loss": y} for t, y in zip(*xy, strict=True)], {})
        for (label, seed), xy in series.items()
    ]
    return Result(records, {}, "")


LOSS, TIME = METRICS["train_loss"], AXES["time_s"]


def test_seeds_with_equal_times_are_averaged_point_by_point() -> None:
    (curve,) = curves(made({("a", 1): ([0, 1, 2], [4, 2, 1]), ("a", 2): ([0, 1, 2], [4, 4, 3])}), LOSS, TIME)
    assert curve.x.tolist() == [0, 1, 2]
    assert curve.mean.tolist() == [4, 3, 2]
    assert (curve.low.tolist(), curve.high.tolist()) == ([4, 2, 1], [4, 4, 3])


def test_seeds_with_their_own_clocks_are_compared_at_equal_times() -> None:
    (curve,) = curves(made({("a", 1): ([0, 2], [4, 0]), ("a", 2): ([0, 1, 3], [4, 4, 0])}), LOSS, TIME)
    assert curve.x.tolist() == [0, 1, 2]
    assert curve.mean.tolist() == [4, 3, 1]
    assert curve.end == 2


def test_what_does_not_move_along_an_axis_has_no_curve() -> None:
    found = curves(made({("a", 1): ([0, 0], [4, 2]), ("b", 1): ([0, 1], [4, 2])}), LOSS, TIME)
    assert [(curve.label, curve.index) for curve in found] == [("b", 1)]


def test_failed_seeds_are_kept_apart_and_named() -> None:
    result = made({("a", seed): ([0, 1], [4.0, 2.0]) for seed in (1, 2, 3)})
    result.records[1] = dataclasses.replace(
        result.records[1], status="diverged", metrics=[{"time_s": 0, "train_loss": 9e9}]
    )
    (curve,) = curves(result, LOSS, TIME)
    assert curve.note == "1 of 3 seeds diverged"
    assert curve.high.max() == 4
    assert [y.tolist() for _, y in curve.failed] == [[9e9]]


def test_limits_show_finished_runs_and_targets_but_follow_no_divergence() -> None:
    result = made({("a", 1): ([0, 1], [4.0, 2.0])})
    worse = dataclasses.replace(
        result.records[0], algorithm="b", status="diverged", metrics=[{"time_s": 1, "train_loss": 1e30}]
    )
    result.records.append(worse)
    low, high = limits(curves(result, LOSS, TIME), LOSS, [0.5], is_log=True)
    assert low < 0.5
    assert 4 < high < 10
    alone = curves(Result([worse], {}, ""), LOSS, TIME)
    assert limits(alone, LOSS, [], is_log=True)[1] > 1e30


def test_shares_stay_between_zero_and_one() -> None:
    rows = [{"time_s": t, "accuracy": a} for t, a in ((0, 0.0), (1, 1.0))]
    drawn = curves(Result([RunRecord("a", 1, "done", "", rows, {})], {}, ""), METRICS["accuracy"], TIME)
    low, high = limits(drawn, METRICS["accuracy"], [], is_log=False)
    assert -0.03 < low < 0
    assert 1 < high < 1.03


@pytest.mark.parametrize(("ends", "expected"), [((1, 9), False), ((1, 11), True), ((5,), False), ((0, 5), False)])
def test_the_horizontal_axis_is_logarithmic_where_ends_lie_far_apart(ends: tuple[float, ...], expected: bool) -> None:
    drawn = curves(made({(str(k), 1): ([0, end], [2, 1]) for k, end in enumerate(ends)}), LOSS, TIME)
    assert is_log_axis(drawn) is expected


def test_the_vertical_axis_is_logarithmic_where_the_metric_wants_it_and_the_numbers_allow_it() -> None:
    assert is_log_metric(curves(made({("a", 1): ([0, 1], [2, 0])}), LOSS, TIME), LOSS)
    assert not is_log_metric(curves(made({("a", 1): ([0, 1], [2, -1])}), LOSS, TIME), LOSS)
    assert not is_log_metric(curves(made({("a", 1): ([0, 1], [0, 0])}), LOSS, TIME), LOSS)
    assert not is_log_metric(curves(made({("a", 1): ([0, 1], [2, 1])}), LOSS, TIME), METRICS["accuracy"])


def test_rounding_does_not_stretch_a_logarithmic_axis() -> None:
    drawn = curves(made({("a", 1): ([0, 1], [1e-8, 2e-7]), ("b", 1): ([0, 1], [1, 1e-9])}), LOSS, TIME)
    assert [is_rounding(curve, drawn) for curve in drawn] == [True, False]
    assert 1e-10 < limits(drawn, LOSS, [], is_log=True)[0] < 1e-9


def test_a_metric_needs_two_different_finite_values_for_a_figure() -> None:
    assert has_values(made({("a", 1): ([0, 1], [2, 1])}), LOSS)
    for values in ([1, 1], [math.nan, math.nan], [math.inf, 1], []):
        assert not has_values(made({("a", 1): (range(len(values)), values)}), LOSS)
    assert not has_values(made({("a", 1): ([0, 1], [2, 1])}), METRICS["accuracy"])


def test_the_headline_is_the_first_target() -> None:
    rows = [{"time_s": t, "accuracy": t, "test_loss": 1 - t} for t in (0.0, 0.5)]
    record = RunRecord("a", 1, "done", "", rows, {})

    def headline_for(**targets: float) -> str:
        return getattr(headline(Result([record], {"targets": targets}, "")), "name", "")

    assert headline_for(test_loss=0.1, accuracy=0.9) == "test_loss"
    assert headline_for() == "accuracy"
    assert headline_for(gradient_norm=0.1) == "accuracy"
    assert headline(Result([], {}, "")) is None


def test_means_are_exact() -> None:
    (curve,) = curves(made({("a", s): (np.arange(5), np.full(5, float(s))) for s in (1, 2, 3)}), LOSS, TIME)
    assert curve.mean.tolist() == [2.0] * 5
