"""Quantities that vary in time: a trace file, a schedule of values; and what may be said of a network wherever it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, TypeAdapter, field_validator

from simnet import units
from simnet.part import Part
from simnet.scenario.quantities import (
    RATE,
    TIME,
    Constant,
    Distribution,
    Forms,
    MatrixFile,
    PerNode,
    Rate,
    RateUnit,
    Seconds,
    Text,
    TimeUnit,
)
from simnet.scenario.schema_links import Positions
from simnet.sentences import refusal

Then = Literal["hold", "repeat"]


class Varying(Part):
    """A quantity that varies in time."""


class TraceFile(Varying):
    """A CSV file of two columns: time in s, value; a first line of words is a heading, lines that begin with # are left out.

    Args:
        trace: its path, relative to the scenario's folder.
        unit: of the values.
        then: what comes after the last row: its value holds, or all of it repeats, the last value lasting as long as the
            one before it.
    """

    trace: Text
    unit: str
    then: Then = "hold"

    @property
    def scale(self) -> float:
        """What the number 1 in the file is worth in s or bit/s."""
        return float({**units.SECONDS, **units.RATES}[self.unit])


class TimeTrace(TraceFile):
    """A trace of times.

    Args:
        unit: of the values.
    """

    unit: TimeUnit


class RateTrace(TraceFile):
    """A trace of bandwidths.

    Args:
        unit: of the values.
    """

    unit: RateUnit


Q = TypeVar("Q", bound=float)


class Schedule(Varying, Generic[Q]):
    """Values from given moments on: ``{schedule: [[0 s, 20 Mbit/s], [60 s, 5 Mbit/s]], then: repeat}``.

    Args:
        schedule: pairs of time and value; times ascend from 0 s.
        then: what comes after the last one, as in a trace.
    """

    schedule: Annotated[tuple[tuple[Seconds, Q], ...], Field(min_length=1)]
    then: Then = "hold"

    @field_validator("schedule")
    @classmethod
    def _check_times(cls, rows: tuple[tuple[float, Q], ...]) -> tuple[tuple[float, Q], ...]:
        times = [time for time, _ in rows]
        wrong = next((i for i, time in enumerate(times) if (time != 0 if i == 0 else time <= times[i - 1])), None)
        if wrong is not None:
            least = f"more than {units.seconds_to_text(times[wrong - 1])}, the time before" if wrong else "0 s, the start"
            raise refusal(((wrong, 0), f"found {units.seconds_to_text(times[wrong])}; allowed: {least}"))
        return rows


LinkTime = Annotated[
    Constant | Distribution | MatrixFile | Positions | TimeTrace | Schedule[Seconds],
    Forms(TIME, "file", (Positions, TimeTrace, Schedule[Seconds])),
]
LinkRate = Annotated[
    Constant | Distribution | MatrixFile | RateTrace | Schedule[Rate],
    Forms(RATE, "file", (RateTrace, Schedule[Rate])),
]
NodeRate = Annotated[
    Constant | Distribution | PerNode | RateTrace | Schedule[Rate],
    Forms(RATE, "list", (RateTrace, Schedule[Rate])),
]

RATE_OR_NONE = replace(RATE, number=TypeAdapter(Rate), numbers=TypeAdapter(tuple[Rate, ...]))
"""A bandwidth that varies may be 0 for a while: nothing moves until it is more."""

ChangedLinkRate = Annotated[
    Constant | Distribution | MatrixFile | RateTrace | Schedule[Rate],
    Forms(RATE_OR_NONE, "file", (RateTrace, Schedule[Rate])),
]
ChangedNodeRate = Annotated[
    Constant | Distribution | PerNode | RateTrace | Schedule[Rate],
    Forms(RATE_OR_NONE, "list", (RateTrace, Schedule[Rate])),
]
