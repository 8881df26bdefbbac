"""Series: piecewise constant values over time, against sums over small pieces and against their own repetition."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock.series import Series
from simnet.errors import ParameterError

# Eighths keep sums exact in tests that compare exactly.
gaps = st.integers(1, 24).map(lambda k: k / 8)
values = st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0])
moments = st.integers(0, 400).map(lambda k: k / 8)


@st.composite
def some_series(draw: st.DrawFn, repeats: bool | None = None) -> Series:
    rows = draw(st.lists(st.tuples(gaps, values), min_size=1, max_size=5))
    times = [0.0]
    for gap, _ in rows[:-1]:
        times.append(times[-1] + gap)
    return Series.of(tuple(times), tuple(value for _, value in rows), draw(st.booleans()) if repeats is None else repeats)


def unrolled(series: Series, until: float) -> list[tuple[float, float, float]]:
    """Pieces (from, to, value), written once more: row after row, period after period."""
    ends = [*series.times[1:], series.end]
    rows = list(zip(series.times, ends, series.values, strict=True))
    pieces, shift = [*rows], 0.0
    while series.first is not None and pieces[-1][1] < until:
        shift += series.end - series.times[series.first]
        pieces += [(start + shift, end + shift, value) for start, end, value in rows[series.first :]]
    return pieces


def integral(series: Series, start: float, end: float) -> float:
    pieces = unrolled(series, end)
    return sum(value * max(0.0, min(to, end) - max(since, start)) for since, to, value in pieces if since < end)


@settings(max_examples=200, deadline=None)
@given(some_series(), moments, st.integers(0, 200).map(lambda k: k / 4))
def test_finish_is_the_inverse_of_the_integral(series: Series, start: float, bits: float) -> None:
    """At the end the integral is what was to be moved, and just before it was less."""
    finish = series.finish(start, bits)
    if finish == inf:
        assert integral(series, start, start + 4 * (series.period if series.period < inf else 100.0)) < bits or not bits
        return
    assert integral(series, start, finish) == pytest.approx(bits, abs=1e-9)
    assert not bits or integral(series, start, start + (finish - start) * (1 - 1e-6)) < bits


@settings(max_examples=100, deadline=None)
@given(some_series(), moments)
def test_the_value_is_that_of_the_piece(series: Series, time: float) -> None:
    (value,) = [value for start, end, value in unrolled(series, time + 1) if start <= time < end]
    assert series.at(time) == value


@settings(max_examples=100, deadline=None)
@given(some_series(repeats=True), st.floats(0, 1e4), st.integers(1, 40))
def test_a_change_has_happened_at_its_own_moment(series: Series, time: float, count: int) -> None:
    """Whatever the rounding of a moment many periods later: its row holds from it on, and the next change is a later one."""
    before = time
    for moment, value in islice(series.changes(time), count):
        assert moment > before
        assert series.at(moment) == value
        assert next(series.changes(moment))[0] > moment
        before = moment


@settings(max_examples=100, deadline=None)
@given(some_series(), some_series(), moments)
def test_one_series_after_another(first: Series, second: Series, at: float) -> None:
    joined = first.then(at, second)
    for eighth in range(0, 480, 7):
        time = eighth / 8
        assert joined.at(time) == (first.at(time) if time < at else second.at(time - at))


@settings(max_examples=100, deadline=None)
@given(some_series(), some_series())
def test_the_minimum_of_two(first: Series, second: Series) -> None:
    least = first.minimum(second)
    for eighth in range(0, 480, 7):
        assert least.at(eighth / 8) == min(first.at(eighth / 8), second.at(eighth / 8))
    assert least.minimum(least) == least


@settings(max_examples=50, deadline=None)
@given(some_series(), moments, st.integers(1, 200).map(lambda k: k / 4))
def test_twice_the_time_takes_twice_the_time(series: Series, start: float, bits: float) -> None:
    """To the last bit: every duration doubled, every bandwidth halved."""
    slow = Series(tuple(2 * t for t in series.times), tuple(v / 2 for v in series.values), series.first, 2 * series.end)
    assert slow.finish(2 * start, bits) == 2 * series.finish(start, bits)


@pytest.mark.parametrize(
    ("start", "bits", "finish"),
    [
        (0.0, 20.0, 2.0),  # 10 bit/s for 2 s, then 1 bit/s for 3 s, then again
        (0.0, 21.0, 3.0),
        (1.0, 13.0, 5.0),  # 10 + 3
        (1.0, 23.0, 6.0),  # 10 + 3 + 10
        (0.0, 23 * 1_000_000.0, 5_000_000.0),  # a million periods of 23 bits
        (0.0, 23 * 1_000_000.0 + 20, 5_000_002.0),
        (4.0, 1.0, 5.0),
    ],
)
def test_a_trace_by_hand(start: float, bits: float, finish: float) -> None:
    assert Series.of((0.0, 2.0, 4.0), (10.0, 1.0, 1.0), repeats=True).end == 6.0
    assert Series((0.0, 2.0), (10.0, 1.0), first=0, end=5.0).finish(start, bits) == pytest.approx(finish, rel=1e-12)


def test_what_comes_after_the_last_row() -> None:
    times, rates = (0.0, 1.0), (4.0, 2.0)
    assert Series.of(times, rates, repeats=False).finish(0.0, 10.0) == 4.0  # 4, then 2 bit/s for ever
    assert Series.of(times, rates, repeats=True).finish(0.0, 10.0) == 3.0  # 4 + 2 + 4


def test_nothing_moves_without_bandwidth() -> None:
    dying = Series((0.0, 1.0), (4.0, 0.0))
    assert dying.finish(0.0, 4.0) == 1.0
    assert dying.finish(0.0, 4.5) == dying.finish(2.0, 0.0) == inf
    pausing = Series((0.0, 1.0), (4.0, 0.0), first=0, end=2.0)
    assert pausing.finish(0.0, 4.0) == 1.0  # not after the pause
    assert pausing.finish(1.0, 0.0) == 2.0  # not even nothing moves
    assert pausing.finish(0.5, 4.0) == 2.5


def test_an_exact_number_of_periods_ends_before_the_pause() -> None:
    """Tenths are no binary fractions: what rounding leaves over must not wait for the next period."""
    pausing = Series((0.0, 0.1), (30.0, 0.0), first=0, end=0.7)
    for periods in range(1, 200):
        assert pausing.finish(0.0, 3.0 * periods) == pytest.approx(0.7 * (periods - 1) + 0.1, rel=1e-9)


def test_two_that_are_never_open_together_stay_shut() -> None:
    even, odd = Series((0.0, 1.0), (1.0, 0.0), 0, 2.0), Series((0.0, 1.0), (0.0, 1.0), 0, 2.0)
    assert even.minimum(odd).finish(0.0, 1.0) == inf
    assert list(even.minimum(odd).changes(0.0)) == []


def test_periods_without_a_common_multiple_are_refused() -> None:
    first, second = (Series((0.0, 0.1), (1.0, 2.0), 0, end) for end in (1.0000001, 1.0000003))
    with pytest.raises(ParameterError, match=r"repeats every 1 s needs more than 1000000 rows"):
        first.minimum(second)


def test_a_number_is_a_series() -> None:
    exact = Series.constant(3.0)
    assert (exact.at(7.0), exact.finish(1.0, 6.0), exact.period) == (3.0, 3.0, inf)
    assert Series.constant(inf).finish(1.0, 6.0) == 1.0
    assert Series.constant(inf).then(2.0, Series.constant(1.0)).finish(2.0, 3.0) == 5.0
    assert Fraction(exact.finish(0.0, 1.0)) == Fraction(1 / 3)
