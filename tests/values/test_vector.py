"""Deferred vectors: sums fold, and what cannot be deferred is refused."""

from __future__ import annotations

import numpy as np
import pytest

from simnet.values import ZERO, Combination, Row, Vector
from tests.values.recording import Plane


def test_sums_fold_into_one_combination() -> None:
    x, y, z = Row.leaf(), Row.leaf(), Row.leaf()
    total = 2 * (x + y * 0.5) - (z - x) / 4 + -y
    assert isinstance(total, Combination)
    assert total.rows == (x, y, z, x, y)
    assert total.weights == (2.0, 1.0, -0.25, 0.25, -1.0)


def test_a_row_is_the_combination_of_itself() -> None:
    x = Row.leaf()
    assert (x.rows, x.weights) == ((x,), (1.0,))
    assert (x * 3).weights == (3,)
    assert (-x).weights == (-1.0,)
    assert (x / 2).weights == (0.5,)


def test_numpy_numbers_scale_vectors_too() -> None:
    for factor in (np.float64(0.5), np.float32(0.5), np.int64(1)):
        for scaled in (factor * Row.leaf(), Row.leaf() * factor, factor * (Row.leaf() + Row.leaf())):
            assert isinstance(scaled, Combination)
            assert scaled.weights[0] == factor


def test_zero_vanishes() -> None:
    x = Row.leaf()
    assert (ZERO + x - ZERO).rows == (x,)
    assert (0.0 * x).rows == (0 * (x + x)).rows == ()
    assert (3 * ZERO).rows == ()


@pytest.mark.parametrize("vector", [Row.leaf(), Row.leaf() + Row.leaf(), ZERO], ids=["row", "combination", "zero"])
def test_no_truth_value_and_no_change_in_place(vector: Vector) -> None:
    with pytest.raises(TypeError, match=r"a deferred vector has no truth value; ask for one number with `yield node"):
        bool(vector)
    with pytest.raises(TypeError, match="a deferred vector cannot be changed in place; build a new one"):
        vector[0] = 1.0  # type: ignore[index]
    with pytest.raises(TypeError):
        _ = vector[0]  # type: ignore[index]


def test_augmented_assignment_builds_a_new_vector() -> None:
    x, y = Row.leaf(), Row.leaf()
    total = before = x + y
    total += x
    total *= 2
    assert before.rows == (x, y)
    assert total.rows == (x, y, x)
    assert total.weights == (2, 2, 2)


def test_a_combination_is_computed_once() -> None:
    """Needed as a row, it becomes that row; so a second use adds no operation."""
    plane = Plane()
    total = plane.models[0] + 2 * plane.models[1]
    first = plane.recorders[0].row(total)
    assert plane.recorders[1].row(total) is first
    assert (total * 3).rows == (first,)
    assert plane.recorders[0].row(1.0 * plane.models[0]) is plane.models[0]


def test_zero_as_a_row_is_zero_and_stays_zero() -> None:
    plane = Plane()
    assert plane.numbers(ZERO).tolist() == [[0.0] * 4]
    assert ZERO.rows == ()


def test_a_row_frees_its_slot_when_nobody_holds_it() -> None:
    plane = Plane()
    row = plane.recorders[0].row(plane.models[0] + plane.models[1])
    plane.executor.compute([row])
    slot = row.slot
    assert slot not in plane.executor.freed
    del row
    assert slot in plane.executor.freed
    never_computed = plane.recorders[0].row(plane.models[0] + plane.models[1])
    freed = list(plane.executor.freed)
    del never_computed
    assert plane.executor.freed == freed
