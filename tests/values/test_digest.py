"""Digests: equal for equal values, different where anything that decides a value differs, whatever the clock does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.clock.building import prepared, scenario
from tests.values.recording import Clip, Largest, Plane


def digest(record: Callable[[Plane], object]) -> list[bytes]:
    plane = Plane()
    record(plane)
    return [recorder.digest() for recorder in plane.recorders]


def one(weight: float = 0.1, other: int = 1, node: int = 0, limit: float = 1.0, kernel: Any = None) -> Callable[..., Any]:
    """A sum, a gradient at it, and a kernel (by default `Clip`) applied to that."""

    def record(plane: Plane) -> None:
        recorder = plane.recorders[node]
        gradient = recorder.gradient(plane.models[0] + weight * plane.models[other])
        recorder.apply(kernel or Clip(), gradient, *([gradient] if kernel == Largest() else []), constants=(limit,))

    return record


def test_equal_operations_have_equal_digests() -> None:
    assert digest(one()) == digest(one())


@pytest.mark.parametrize(
    "change",
    [
        {"weight": np.nextafter(0.1, 1)},
        {"weight": -0.1},
        {"other": 2},
        {"node": 1},
        {"limit": np.nextafter(1.0, 2)},
        {"kernel": Largest()},
    ],
    ids=str,
)
def test_whatever_decides_a_value_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest(one(**change)) != digest(one())


def test_samples_change_the_digest() -> None:
    """The second mini-batch is another one."""

    def record(plane: Plane, skip: bool) -> None:
        if skip:
            next(plane.recorders[0].samples)
        plane.recorders[0].gradient(plane.models[0])

    assert digest(lambda plane: record(plane, skip=True)) != digest(lambda plane: record(plane, skip=False))


def test_the_order_of_nodes_plays_no_role() -> None:
    def record(plane: Plane, order: tuple[int, ...]) -> None:
        for i in order:
            plane.recorders[i].gradient(plane.models[i])

    assert digest(lambda plane: record(plane, (0, 1, 2))) == digest(lambda plane: record(plane, (2, 0, 1)))


def test_when_it_is_computed_plays_no_role() -> None:
    def record(plane: Plane, compute: bool) -> None:
        x = plane.recorders[0].row(plane.models[0] + plane.models[1])
        if compute:
            plane.executor.compute([x])
        plane.recorders[0].gradient(x)

    assert digest(lambda plane: record(plane, compute=True)) == digest(lambda plane: record(plane, compute=False))


def test_initial_models_are_not_taken_for_operations() -> None:
    """The second operation of node 0 and the initial model of node 1 have the same key."""

    def record(plane: Plane, initial: bool) -> None:
        recorder = plane.recorders[0]
        recorder.row(2 * plane.models[0])
        second = recorder.row(3 * plane.models[0])
        recorder.row(7 * (plane.models[1] if initial else second))

    assert digest(lambda plane: record(plane, initial=True)) != digest(lambda plane: record(plane, initial=False))


def run_hash(algorithm: Any = "dpsgd", **changes: Any) -> str:
    text: str = prepared(scenario(6, algorithm, **changes)).execute().summary["hash"]
    return text


SLOW = {"network": {"latency": "1 s", "bandwidth": "10 bit/s"}, "compute": {"time": "2 s", "jitter": {"lognormal": 1.0}}}


@pytest.mark.parametrize("algorithm", ["dpsgd", "detag", {"name": "moniqua", "theta": 9.0}, "allreduce"], ids=str)
def test_the_clock_does_not_change_the_hash_of_a_run(algorithm: Any) -> None:
    assert run_hash(algorithm) == run_hash(algorithm, **SLOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": {"name": "dpsgd", "lr": np.nextafter(0.1, 1)}},
        {"algorithm": {"name": "dpsgd", "order": "atc"}},
        {"steps": 6},
        {"seed": 2},
        {"dtype": "float32"},
        {"mixing": "lazy"},
        {"init": [[float(i)] for i in range(6)]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_the_values_changes_the_hash_of_a_run(changes: dict[str, Any]) -> None:
    assert run_hash(**changes) != run_hash()


@pytest.mark.parametrize("change", [{"curvature": [[2.0]]}, {"optimum": [[5.0]]}], ids=str)
def test_another_problem_has_another_hash(change: dict[str, Any]) -> None:
    explicit = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[1.0]]}
    assert run_hash(problem=explicit) != run_hash(problem=explicit | change)
