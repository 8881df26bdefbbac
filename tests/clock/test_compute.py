"""Compute times: jitter, stragglers, factors; and that nothing but the seed decides them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock import compute_times
from simnet.scenario import Compute
from tests.clock.building import prepared, scenario


def first(times: Iterator[float], count: int) -> np.ndarray:
    return np.array(list(islice(times, count)))


def spec(**keys: Any) -> Compute:
    return Compute.model_validate({"time": "2 s", **keys})


def test_without_jitter_all_times_are_equal() -> None:
    assert first(compute_times(spec(), 3, seed=1)[2], 5).tolist() == [2.0] * 5
    assert first(compute_times(Compute(), 1, seed=1)[0], 2).tolist() == [0.0] * 2


@pytest.mark.parametrize(
    ("jitter", "spread"),
    [
        ({"lognormal": 0.1}, 0.1),
        ({"lognormal": 0.5}, np.sqrt(np.exp(0.25) - 1)),
        ({"normal": 0.1}, 0.1),
        ({"exponential": 1.0}, 1.0),
        ({"exponential": 0.3}, 0.3),
    ],
    ids=str,
)
def test_jitter_has_mean_one_and_its_spread(jitter: dict[str, float], spread: float) -> None:
    factors = first(compute_times(spec(jitter=jitter), 2, seed=3)[1], 40_000) / 2.0
    assert factors.mean() == pytest.approx(1.0, abs=5 * spread / 200)
    assert factors.std() == pytest.approx(spread, rel=0.05)
    assert factors.min() >= 0.0


def test_shapes_of_jitter() -> None:
    lognormal = np.log(first(compute_times(spec(jitter={"lognormal": 0.5}), 1, seed=3)[0], 20_000) / 2.0)
    assert lognormal.mean() == pytest.approx(-0.125, abs=0.02)
    assert lognormal.std() == pytest.approx(0.5, abs=0.02)
    exponential = first(compute_times(spec(jitter={"exponential": 0.25}), 1, seed=3)[0], 2000) / 2.0
    assert exponential.min() >= 0.75
    assert np.mean(exponential > 0.75 + 0.25 * np.log(2)) == pytest.approx(0.5, abs=0.05)


def test_jitter_of_zero_changes_nothing() -> None:
    for kind in ("lognormal", "normal", "exponential"):
        assert first(compute_times(spec(jitter={kind: 0.0}), 1, seed=1)[0], 3).tolist() == [2.0] * 3


def test_nodes_draw_from_streams_of_their_own() -> None:
    jitter = {"lognormal": 0.5}
    four = [first(times, 300) for times in compute_times(spec(jitter=jitter), 4, seed=1)]
    nine = [first(times, 300) for times in compute_times(spec(jitter=jitter), 9, seed=1)]
    other = [first(times, 300) for times in compute_times(spec(jitter=jitter), 4, seed=2)]
    for i in range(4):
        np.testing.assert_array_equal(four[i], nine[i])
        assert not np.array_equal(four[i], other[i])
        assert not np.array_equal(four[i], four[i - 1])


def test_factors_multiply_each_nodes_time() -> None:
    times = compute_times(spec(factors=[1, 0.5, 3]), 3, seed=1)
    assert [next(t) for t in times] == [2.0, 1.0, 6.0]


@settings(max_examples=20, deadline=None)
@given(nodes=st.integers(1, 40), fraction=st.floats(0, 1), slowdown=st.floats(1.5, 9), seed=st.integers(0, 99))
def test_stragglers_are_counted_and_slow(nodes: int, fraction: float, slowdown: float, seed: int) -> None:
    stragglers = {"fraction": fraction, "slowdown": slowdown}
    times = np.array([next(t) for t in compute_times(spec(stragglers=stragglers), nodes, seed)])
    slow = times == 2.0 * slowdown
    assert slow.sum() == round(fraction * nodes)
    assert (times[~slow] == 2.0).all()


def test_stragglers_depend_on_the_seed_and_keep_their_jitter() -> None:
    stragglers = {"fraction": 0.25, "slowdown": 4}

    def times(seed: int, **more: Any) -> np.ndarray:
        return np.array([next(t) for t in compute_times(spec(stragglers=stragglers, **more), 40, seed)])

    np.testing.assert_array_equal(times(1), times(1))
    assert not np.array_equal(times(1), times(2))
    plain = np.array([next(t) for t in compute_times(spec(jitter={"normal": 0.1}), 40, 1)])
    np.testing.assert_allclose(times(1, jitter={"normal": 0.1}), plain * times(1) / 2.0)


ALGORITHMS = [
    {"name": "dpsgd"},
    {"name": "dpsgd", "order": "atc", "lr": 0.5},
    {"name": "detag"},
    {"name": "moniqua", "theta": 9.0},
    {"name": "allreduce", "exchange": "parameter_server"},
    {"name": "allreduce"},
    {"name": "adpsgd"},
]


def test_all_algorithms_see_the_same_compute_times() -> None:
    """Paired comparisons: gradient m of node i takes as long in every algorithm, over every network."""

    def drawn(algorithm: dict[str, Any], network: dict[str, Any]) -> list[list[float]]:
        run = prepared(scenario(4, algorithm, 20, network=network, compute={"time": "1 s", "jitter": {"normal": 0.3}}))
        run.assemble()
        taken: list[list[float]] = [[] for _ in run.nodes]

        def noted(times: Iterator[float], into: list[float]) -> Iterator[float]:
            for seconds in times:
                into.append(seconds)
                yield seconds

        for node, seconds in zip(run.nodes, taken, strict=True):
            node._compute_times = noted(node._compute_times, seconds)
        run.run_clock()
        return taken

    reference = drawn({"name": "dpsgd"}, {})
    for algorithm in ALGORITHMS:
        taken = drawn(algorithm, {"latency": "700 ms"})
        for expected, found in zip(reference, taken, strict=True):
            shorter = min(len(expected), len(found))
            assert shorter > 10
            assert expected[:shorter] == found[:shorter]
