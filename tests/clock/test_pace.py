"""Speed that varies: work is integrated over it exactly, whatever makes it vary, and however it is combined."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock import compute_times
from simnet.clock.pace import STEPS_OF_A_PERIOD, Pace, Piece, UnevenTimes, product
from simnet.errors import ParameterError, ScenarioError
from simnet.scenario import Compute
from simnet.simulation import prepare
from tests.clock.building import completion_times, prepared, scenario

WINDOW = {"slowdowns": {"from": "10 s", "until": "20 s", "factor": 2}}


def times(nodes: int = 2, seed: int = 1, folder: Path = Path(), **keys: Any) -> list[Any]:
    return compute_times(Compute.model_validate({"time": "3 s", **keys}), nodes, seed, folder=folder)


def durations(times: Any, starts: Sequence[float]) -> list[float]:
    found = []
    for start in starts:
        times.start = start
        found.append(next(times))
    return found


def pace(pieces: Sequence[Piece]) -> Pace:
    return Pace(iter(pieces))


@pytest.mark.parametrize(
    ("start", "duration"),
    [
        (0.0, 3.0),  # before it
        (7.0, 3.0),  # ends as it begins
        (8.0, 4.0),  # 2 s of work before it, 1 s in it
        (10.0, 6.0),  # inside
        (14.0, 6.0),  # ends with it
        (18.0, 4.0),  # 1 s of work in it, 2 s after
        (20.0, 3.0),
        (25.0, 3.0),
    ],
)
def test_a_gradient_that_spans_the_edge_of_a_slowdown(start: float, duration: float) -> None:
    assert durations(times(**WINDOW)[1], [start]) == [duration]


def test_a_gradient_may_outlast_a_slowdown() -> None:
    assert durations(times(**{**WINDOW, "time": "12 s"})[0], [8.0]) == [17.0]  # 2 + 5 in it + 5


def test_only_the_named_nodes_are_slow_and_the_seed_does_not_matter() -> None:
    window = {"slowdowns": [{**WINDOW["slowdowns"], "nodes": [1]}]}
    for seed in (1, 2):
        assert [durations(t, [12.0])[0] for t in times(3, seed, **window)] == [3.0, 6.0, 3.0]


def test_slowdowns_factors_and_stragglers_multiply() -> None:
    both = [WINDOW["slowdowns"], {"from": "15 s", "until": "30 s", "factor": 5}]
    keys = {"slowdowns": both, "factors": [1, 3], "stragglers": {"fraction": 1, "slowdown": 2}, "time": "0.1 s"}
    fast, slow = times(**keys)
    assert durations(fast, [0.0, 10.0, 16.0, 25.0]) == pytest.approx([0.2, 0.4, 2.0, 1.0])
    assert durations(slow, [0.0, 10.0, 15.0, 25.0]) == pytest.approx([0.6, 1.2, 5.5, 3.0])  # 0.5 s of work by 20 s, 0.1 s after


def test_jitter_is_of_the_work() -> None:
    plain = list(islice(times(jitter={"lognormal": 0.3})[0], 5))
    slow = times(jitter={"lognormal": 0.3}, slowdowns={"from": "0 s", "until": "1 h", "factor": 4})[0]
    assert durations(slow, [0.0, 10.0, 20.0, 40.0, 60.0]) == [4 * seconds for seconds in plain]


def test_without_anything_that_varies_the_times_are_a_plain_sequence() -> None:
    assert not isinstance(times(jitter={"normal": 0.1})[0], UnevenTimes)
    assert isinstance(times(**WINDOW)[0], UnevenTimes)


factors = st.floats(0.1, 10)
lengths = st.floats(0.01, 5)
pieces = st.lists(st.tuples(lengths, factors), min_size=1, max_size=8).map(
    lambda drawn: [(float(b), f) for b, (_, f) in zip([0.0, *np.cumsum([x for x, _ in drawn])], drawn, strict=False)]
)


@settings(max_examples=100, deadline=None)
@given(pieces, st.floats(0, 20), st.floats(0, 20), st.floats(0, 20))
def test_work_adds_up(pieces: list[Piece], start: float, first: float, second: float) -> None:
    """What is done in two halves, one after the other, takes as long as the whole."""
    half = pace(pieces).duration(start, first)
    whole = half + pace(pieces).duration(start + half, second)
    assert whole == pytest.approx(pace(pieces).duration(start, first + second), rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(pieces, st.floats(0, 20), st.floats(0, 5), st.floats(0, 20), st.floats(0, 20))
def test_later_starts_and_more_work_never_end_earlier(
    pieces: list[Piece], start: float, later: float, work: float, more: float
) -> None:
    same = pace(pieces)
    end = start + same.duration(start, work)
    assert start + same.duration(start, work + more) >= end - 1e-9
    assert start + later + same.duration(start + later, work) >= end - 1e-9


@settings(max_examples=100, deadline=None)
@given(pieces, st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=2, max_size=6))
def test_a_pace_does_not_depend_on_what_was_asked_before(pieces: list[Piece], asked: list[tuple[float, float]]) -> None:
    same = pace(pieces)
    assert [same.duration(*q) for q in asked] == [pace(pieces).duration(*q) for q in asked]


@settings(max_examples=100, deadline=None)
@given(st.lists(pieces, min_size=1, max_size=3), st.floats(0, 20))
def test_a_product_of_paces_has_the_product_of_their_factors(parts: list[list[Piece]], moment: float) -> None:
    def factor(part: Sequence[Piece]) -> float:
        return [f for begin, f in part if begin <= moment][-1]

    together = list(product([iter(part) for part in parts]))
    assert factor(together) == pytest.approx(np.prod([factor(part) for part in parts]))
    begins = [begin for begin, _ in together]
    assert begins == sorted(set(begins))


@pytest.mark.parametrize("phase", [0, 0.3, 0.25, 1, 1 / 96])
def test_a_whole_period_of_a_diurnal_pattern_does_a_period_of_work(phase: float) -> None:
    diurnal = {"period": "24 h", "amplitude": 0.6, "phase": phase}
    for start in (0.0, 1234.5, 50_000.0):
        assert durations(times(diurnal=diurnal, time="24 h")[0], [start]) == [pytest.approx(86400.0, rel=1e-12)]


def test_a_diurnal_pattern_follows_the_sine() -> None:
    """At the end of each piece, as much has been done as the sine says: its integral."""
    amplitude, phase, period = 0.6, 0.25, 960.0
    for k in (1, 10, 50):
        end = period * k / STEPS_OF_A_PERIOD
        angle = 2 * pi * (end / period + phase)
        work = end + amplitude * period / (2 * pi) * (cos(2 * pi * phase) - cos(angle))
        spec = {"diurnal": {"period": "960 s", "amplitude": amplitude, "phase": phase}, "time": f"{work!r} s"}
        assert durations(times(**spec)[0], [0.0])[0] == pytest.approx(end, rel=1e-12)


def test_phases_are_each_nodes_own() -> None:
    diurnal = {"period": "100 s", "amplitude": 0.9, "phase": [0.25, 0.75]}
    fast, slow = (durations(t, [0.0])[0] for t in times(diurnal=diurnal))
    assert fast == pytest.approx(3 / 1.9, rel=0.02)
    assert slow - 90 / (2 * pi) * sin(2 * pi * slow / 100) == pytest.approx(3.0, rel=0.02)
    drawn = [[durations(t, [0.0])[0] for t in times(4, seed, diurnal={**diurnal, "phase": "random"})] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 4


@pytest.mark.parametrize(
    ("duration", "mean"),
    [("50 s", 50.0), ({"exponential": {"mean": "50 s"}}, 50.0), ({"uniform": {"low": "0 s", "high": "60 s"}}, 30.0)],
    ids=str,
)
def test_random_slowdowns_have_their_share_of_all_time(duration: Any, mean: float) -> None:
    """A share d / (e + d) of all time at a factor 4, so speed is 1 - 3/4 d / (e + d) on average."""
    share = mean / (100.0 + mean)
    slowdowns = {"every": "100 s", "duration": duration, "factor": 4}
    work = 400_000.0
    found = [durations(t, [0.0])[0] for t in times(4, slowdowns=slowdowns, time=f"{work} s")]
    # some 3,000 to 4,000 slowdowns each, whose number and length vary by about 2 %
    assert found == pytest.approx([work / (1 - 0.75 * share)] * 4, rel=0.04)
    assert len(set(found)) == 4


def test_the_phase_may_be_that_of_the_longitude() -> None:
    """London, Tokyo, New York: at time 0 the sine is at their longitude over 360 degrees."""
    latency = {"positions": [[51.5, 0.0], [35.7, 139.5], [40.7, -74.0]]}
    diurnal = {"period": "24 h", "amplitude": 0.5, "phase": "longitude"}

    def first(phase: Any, network: Any) -> list[float]:
        source = scenario(3, network=network, compute={"time": "1 h", "diurnal": {**diurnal, "phase": phase}})
        return [next(times) for times in prepare(source).setting.compute_times()]

    assert first("longitude", {"latency": latency}) == first([0.0, 139.5 / 360, 1 - 74 / 360], {})
    with pytest.raises(ScenarioError, match=r"compute\.diurnal\.phase: found longitude; it needs network: {latency: {pos"):
        first("longitude", {"latency": "1 ms"})


def test_random_slowdowns_come_from_streams_of_their_own() -> None:
    slowdown = {"every": "10 s", "duration": "10 s", "factor": 4}
    starts = [float(t) for t in range(0, 1000, 7)]

    def drawn(nodes: int, seed: int, **keys: Any) -> list[list[float]]:
        return [durations(t, starts) for t in times(nodes, seed, slowdowns=slowdown, **keys)]

    four, nine = drawn(4, 1), drawn(9, 1)
    assert nine[:4] == four
    assert four[0] != four[1]
    assert drawn(4, 2) != four
    twice = [durations(t, starts) for t in times(4, 1, slowdowns=[slowdown, slowdown])]
    assert all(a >= b - 1e-9 for both, one in zip(twice, four, strict=True) for a, b in zip(both, one, strict=True))
    assert twice != four


def test_a_trace_holds_or_repeats(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("# a load\ntime, factor\n0, 1\n10, 2\n\n20, 4\n")
    for then, late in (("hold", [12.0, 12.0]), ("repeat", [10.5, 3.0])):  # the last row lasts 10 s, too: 2.5 s of work
        trace = {"file": "load.csv", "then": then}
        found = durations(times(trace=trace, folder=tmp_path)[0], [0.0, 8.0, 12.0, 20.0, 30.0])
        assert found == [3.0, 4.0, 6.0, *late]


def test_traces_per_node_are_columns_or_files(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("0,1,2\n10,3,4\n")
    (tmp_path / "load0.csv").write_text("0,1\n10,3\n")
    (tmp_path / "load1.csv").write_text("0,2\n10,4\n")
    for name in ("load.csv", "load{node}.csv"):
        both = times(trace={"file": name, "then": "hold"}, folder=tmp_path)
        assert [durations(t, [0.0, 10.0]) for t in both] == [[3.0, 9.0], [6.0, 12.0]]


def test_recorded_times_are_taken_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("30,1\n40,2\n")
    for then, rest in (("hold", [0.04, 0.04]), ("repeat", [0.03, 0.04])):
        file = {"file": "times.csv", "unit": "ms", "then": then}
        first, second = times(time=file, factors=[1, 10], folder=tmp_path)
        assert [next(first) for _ in range(4)] == pytest.approx([0.03, 0.04, *rest])
        assert next(second) == pytest.approx(0.01)
        slow = times(time=file, slowdowns={"from": "0 s", "until": "1 s", "factor": 3}, folder=tmp_path)[0]
        assert durations(slow, [0.0, 0.5, 2.0]) == pytest.approx([0.09, 0.12, rest[0]])


@pytest.mark.parametrize(
    ("text", "keys", "complaint"),
    [
        ("0,1,2,3\n", "trace", "trace.file: found 4 columns in x.csv; 2 or 3 are needed"),
        ("1,1\n", "trace", "trace.file: found times in x.csv that do not ascend from 0; let the first row start at 0"),
        ("0,1\n5,1\n5,2\n", "trace", "trace.file: found times in x.csv that do not ascend from 0"),
        ("0,0\n", "trace", "trace.file: found the factor 0 in x.csv; positive ones are needed"),
        ("a,b\n", "trace", "trace.file: found no numbers"),
        ("0,nan\n", "trace", "trace.file: found no numbers, or some that are not finite"),
        ("0,1\n2\n", "trace", "trace.file: cannot read x.csv"),
        ("-1\n", "time", "time.file: found -1 in x.csv; times of at least 0"),
        ("0\n0\n", "time", "time.file: found 0 in x.csv; times of at least 0, not all 0, are needed"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text: str, keys: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    spec: Any = {"trace": {"trace": {"file": "x.csv"}}, "time": {"time": {"file": "x.csv", "unit": "s"}}}[keys]
    with pytest.raises(ParameterError) as error:
        times(**spec, folder=tmp_path)
    assert str(error.value).startswith(complaint)


def test_a_missing_file_is_a_complaint_about_the_scenario() -> None:
    with pytest.raises(ScenarioError, match=r"compute\.trace\.file: cannot read no\.csv: .*No such file"):
        prepare(scenario(compute={"time": "1 s", "trace": {"file": "no.csv"}}))


@pytest.mark.parametrize("executor", ["off", "deferred"])
def test_a_run_is_timed_by_its_slow_node(executor: Any) -> None:
    """Without latency everyone waits for node 2: steps end at 3, 6, 9, then 1 s of work and 2 s of half speed, ..."""
    slowdowns = [{"from": "10 s", "until": "20 s", "factor": 2, "nodes": [2]}]
    source = scenario(5, "allreduce", 7, compute={"time": "3 s", "slowdowns": slowdowns})
    run = prepared(source, executor)
    run.execute()
    # 9 + 1 + 2 * 2 = 14, 14 + 6 = 20, 23, 26
    assert run.clock.now == pytest.approx(26.0)


def test_steps_that_span_a_slowdown_in_a_run() -> None:
    slowdowns = {"from": "10 s", "until": "20 s", "factor": 2}
    ends = completion_times(scenario(3, "dpsgd", 7, compute={"time": "3 s", "slowdowns": slowdowns}))
    assert ends[:, 0].tolist() == pytest.approx([0, 3, 6, 9, 14, 20, 23, 26])
    assert (ends == ends[:, :1]).all()
