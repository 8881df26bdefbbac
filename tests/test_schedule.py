from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simnet.schedule import Schedule
from simnet.sentences import complaints_of

rates = st.floats(0, 10)
counts = st.integers(1, 1000)
shapes = st.one_of(
    st.fixed_dictionaries({"constant": rates}),
    st.fixed_dictionaries({"cosine": st.fixed_dictionaries({"start": rates, "steps": counts}, optional={"end": rates})}),
    st.fixed_dictionaries(
        {"step_decay": st.fixed_dictionaries({"start": rates, "every": counts}, optional={"factor": st.floats(0, 1)})}
    ),
    st.fixed_dictionaries({"step_decay": st.fixed_dictionaries({"start": rates, "at": st.lists(counts, max_size=4)})}),
    st.fixed_dictionaries({"inverse_sqrt": st.fixed_dictionaries({"start": rates}, optional={"scale": st.floats(0.1, 100)})}),
)
schedules = st.one_of(rates, st.builds(lambda shape, warmup: {**shape, "warmup": warmup}, shapes, st.integers(0, 50)))


def test_a_number_is_constant() -> None:
    lr = Schedule.of(0.25)
    assert [lr(k) for k in (0, 1, 1000)] == [0.25] * 3
    assert Schedule.of(1)(0) == 1.0


def test_cosine_goes_from_start_to_end_and_stays() -> None:
    lr = Schedule.of({"cosine": {"start": 0.5, "end": 0.1, "steps": 10}})
    assert lr(0) == 0.5
    assert lr(5) == pytest.approx(0.3)
    assert [lr(10), lr(99)] == [0.1, 0.1]


def test_step_decay_by_period_or_at_given_steps() -> None:
    every = Schedule.of({"step_decay": {"start": 1.0, "factor": 0.5, "every": 10}})
    at = Schedule.of({"step_decay": {"start": 1.0, "factor": 0.5, "at": [10, 15]}})
    assert [every(k) for k in (0, 9, 10, 20)] == [1.0, 1.0, 0.5, 0.25]
    assert [at(k) for k in (0, 9, 10, 15, 99)] == [1.0, 1.0, 0.5, 0.25, 0.25]


def test_inverse_square_root() -> None:
    lr = Schedule.of({"inverse_sqrt": {"start": 0.1, "scale": 3}})
    assert lr(0) == 0.1
    assert lr(9) == pytest.approx(0.05)


def test_warm_up_is_a_linear_factor() -> None:
    lr = Schedule.of({"constant": 0.4, "warmup": 4})
    assert [lr(k) for k in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


@given(schedules)
def test_schedules_are_finite_and_written_so_that_they_read_back(given_schedule: Any) -> None:
    lr = Schedule.of(given_schedule)
    assert all(math.isfinite(lr(k)) and lr(k) >= 0 for k in (0, 1, 7, 10**6))
    assert Schedule.of(lr.model_dump(mode="json")) == lr


@pytest.mark.parametrize(
    ("wrong", "place", "words"),
    [
        ("fast", (), "found 'fast'; allowed: a number, or a mapping with one of constant, cosine"),
        (True, (), "found true"),
        (-0.1, ("constant",), "found -0.1; allowed: a number >= 0"),
        ({"cosin": {"start": 1, "steps": 2}}, ("cosin",), "unknown key; did you mean cosine?"),
        ({"cosine": {"start": 1}}, ("cosine", "steps"), "missing"),
        ({"constant": 1, "cosine": {"start": 1, "steps": 2}}, (), "found constant and cosine; allowed: exactly one"),
        ({"warmup": 3}, (), "exactly one of"),
        ({"step_decay": {"start": 1}}, ("step_decay",), "neither every nor at"),
        ({"constant": float("nan")}, ("constant",), "found nan; allowed: a finite number"),
    ],
)
def test_what_is_no_schedule_is_explained(wrong: Any, place: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValidationError) as error:
        Schedule.of(wrong)
    ((found_place, sentence),) = complaints_of(error.value)
    assert found_place == place
    assert words in sentence
