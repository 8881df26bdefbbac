"""The two executors: waves, however they are split, give what computing at once gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.values import Vector
from simnet.values.compressors import ModuloQuantizer
from tests.values.recording import NODES, Clip, Largest, Noise, Plane, Sum, Total

WEIGHTS = [-1.5, -0.3, 0.0, 0.25, 1.0]
LIMITS = [0.25, 0.5, 2.0]  # exact in float32 too, see test_constants_keep_their_precision

# One operation: what, on which node, of which two earlier vectors, with which number.
operations = st.lists(
    st.tuples(
        st.sampled_from(["combine", "combine", "row", "gradient", "clip", "largest", "noise", "compute"]),
        st.integers(0, NODES - 1),
        st.integers(0, 99),
        st.integers(0, 99),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=40,
)


def play(plane: Plane, graph: list[tuple[str, int, int, int, int]]) -> np.ndarray:
    """Records a random graph of operations and returns the numbers of every vector in it."""
    vectors: list[Vector] = list(plane.models)
    for what, node, first, second, number in graph:
        recorder = plane.recorders[node]
        x, y = vectors[first % len(vectors)], vectors[second % len(vectors)]
        if what == "compute":
            plane.numbers(x, y)
        elif what == "combine":
            vectors.append(WEIGHTS[number] * x + y / 2)
        elif what == "row":
            vectors.append(recorder.row(x))
        elif what == "gradient":
            vectors.append(recorder.gradient(0.5 * x + 0.5 * y))
        elif what == "clip":
            vectors.append(recorder.apply(Clip(), x, constants=(LIMITS[number % 3],)))
        elif what == "largest":
            vectors.append(recorder.apply(Largest(), x, y))
        else:
            vectors.append(recorder.apply(Noise(), x, constants=(number,)))
    return plane.numbers(*vectors)


@settings(max_examples=30, deadline=None)
@given(operations, st.integers(1, 5))
def test_waves_are_what_eager_computes(graph: list[Any], max_batch: int) -> None:
    eager, waves, split = Plane("eager"), Plane("waves"), Plane("waves", max_batch)
    expected = play(eager, graph)
    scale = 1 + np.abs(expected).max()
    np.testing.assert_allclose(play(waves, graph), expected, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(play(split, graph), expected, rtol=0, atol=1e-12 * scale)
    digests = [[recorder.digest() for recorder in plane.recorders] for plane in (eager, waves, split)]
    assert digests[0] == digests[1] == digests[2]


def test_gradients_that_are_ready_run_in_one_call() -> None:
    """Chains of different length: level by level, not node by node."""
    plane = Plane()
    ends = []
    for i, length in enumerate((1, 2, 3)):
        x: Vector = plane.models[i]
        for _ in range(length):
            x = plane.recorders[i].row(x - 0.1 * plane.recorders[i].gradient(x))
        ends.append(x)
    plane.numbers(*ends)
    assert (plane.executor.gradients, plane.executor.gradient_calls) == (6, 3)


def test_only_what_is_asked_for_is_computed() -> None:
    plane = Plane()
    wanted, other = plane.recorders[0].gradient(plane.models[0]), plane.recorders[1].gradient(plane.models[1])
    plane.numbers(wanted)
    assert plane.executor.gradients == 1
    plane.numbers(wanted, other)
    assert plane.executor.gradients == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_random_kernels_give_the_same_bits_whatever_the_batch(dtype: torch.dtype) -> None:
    quantize = ModuloQuantizer(theta=1.0, bits=3, rounding="stochastic")

    def numbers(max_batch: int) -> np.ndarray:
        plane = Plane("waves", max_batch, dtype)
        rows = [
            plane.recorders[i].apply(kernel, plane.models[(i + k) % NODES], constants=(12345 + k % 2,))
            for k in range(4)
            for i in range(NODES)
            for kernel in (quantize, Noise())
        ]
        return plane.numbers(*rows)

    reference = numbers(1000)
    for max_batch in (1, 2, 7):
        assert numbers(max_batch).tobytes() == reference.tobytes()


def test_scalars() -> None:
    for kind in ("waves", "eager"):
        plane = Plane(kind)
        recorder = plane.recorders[0]
        total = recorder.measure(Sum(), plane.models[0] + plane.models[1])
        expected = plane.numbers(plane.models[0], plane.models[1]).sum()
        assert recorder.number(total) == pytest.approx(expected, rel=1e-14)


def test_constants_keep_their_precision() -> None:
    found = [plane.numbers(plane.recorders[0].apply(Clip(), plane.models[0], constants=(0.1,))) for plane in both()]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-15)


def test_kernels_may_take_any_number_of_vectors() -> None:
    """On a path, nodes at the ends have one neighbor and the others two."""
    found = []
    for plane in both():
        few = plane.recorders[0].apply(Total(), plane.models[0], plane.models[1])
        many = plane.recorders[1].apply(Total(), *plane.models)
        found.append(plane.numbers(few, many))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)


def test_constants_may_be_integers_and_fractions() -> None:
    found = []
    for plane in both():
        rows = [plane.recorders[i].apply(Clip(), plane.models[i], constants=(c,)) for i, c in ((0, 1), (1, 0.25))]
        found.append(plane.numbers(*rows))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)


def test_a_gradient_may_be_taken_at_a_gradient() -> None:
    found = []
    for plane in both():
        recorder = plane.recorders[0]
        found.append(plane.numbers(recorder.gradient(recorder.gradient(plane.models[0]))))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)


def both() -> tuple[Plane, Plane]:
    return Plane("waves"), Plane("eager")
