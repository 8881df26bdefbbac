"""What a scenario says about a sweep: which of its keys take which values, and what is tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simnet import units
from simnet.metrics import METRICS
from simnet.part import Part
from simnet.scenario.expectations import FIRST_REACHED
from simnet.sentences import Complaint, nearest, refusal, shown

Values = Annotated[list[Any], Field(min_length=1)]

OUTSIDE = ("name", "seed", "seeds", "expect", "sweep")
"""Keys that a sweep does not vary: the seeds are the scenario's."""

QUANTITIES = (
    (units.SECONDS, units.seconds_to_text),
    (units.RATES, units.rate_to_text),
    (units.SIZES, units.bytes_to_text),
    (units.FLOP_RATES, units.flop_rate_to_text),
    (units.SPEEDS, units.speed_to_text),
)
"""The units of what a range may reach over, and how a value is written."""


class Keyed(Part):
    """A part in which keys of the scenario stand beside its own; they are kept in its field `inlined`."""

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """Moves the keys of the scenario into their field."""
        assert cls.inlined is not None
        if not isinstance(given, Mapping):
            return given
        own = {key: value for key, value in given.items() if key in cls.model_fields and key != cls.inlined}
        return {**own, cls.inlined: {key: value for key, value in given.items() if key not in own}}

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The keys of the scenario stand beside the others."""
        plain: dict[str, Any] = handler(self)
        keys: dict[str, Any] = plain.pop(str(self.inlined))
        return keys | {key: value for key, value in plain.items() if value not in (None, {})}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Any key is allowed, with what the field allows."""
        reference = super().__get_pydantic_json_schema__(core, handler)
        schema = handler.resolve_ref_schema(reference)
        inner = schema["properties"].pop(str(cls.inlined))
        schema["additionalProperties"] = inner.get("additionalProperties", True)
        schema["required"] = [key for key in schema.get("required", []) if key != cls.inlined]
        return reference


class Range(Part):
    """From where to where a random search draws: ``{log_uniform: [0.001, 1.0]}`` or ``{uniform: [1 ms, 80 ms]}``.

    Args:
        uniform: the two ends; whole numbers are drawn between two whole numbers, both included.
        log_uniform: the two ends of a range in which every factor is as likely as any other.

    Example:
        >>> Range(uniform=("10 ms", "1 s")).ends
        (0.01, 1.0)
    """

    uniform: tuple[Any, Any] | None = None
    log_uniform: tuple[Any, Any] | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """One of the two."""
        if given.keys() <= cls.model_fields.keys() and len(given) != 1:
            yield (), f"found {shown(given)}; allowed: one of uniform and log_uniform, such as {{log_uniform: [0.001, 1.0]}}"

    @field_validator("uniform", "log_uniform")
    @classmethod
    def _check_ends(cls, ends: tuple[Any, Any] | None, info: ValidationInfo) -> tuple[Any, Any] | None:
        if ends is None:
            return None
        low, high = numbers(ends)
        if low > high or (info.field_name == "log_uniform" and low <= 0):
            above = "above 0, " if info.field_name == "log_uniform" else ""
            raise refusal(((), f"found {shown(list(ends))}; allowed: two ends, {above}the lower one first"))
        return ends

    @property
    def is_log(self) -> bool:
        """Whether factors count, not differences."""
        return self.log_uniform is not None

    @property
    def given(self) -> tuple[Any, Any]:
        """The two ends as the file has them."""
        return self.log_uniform or self.uniform or (0, 0)

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends as numbers, of quantities in s, bit/s, bit, flop/s or m/s."""
        return numbers(self.given)

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers are drawn."""
        return all(isinstance(end, int) for end in self.given)

    def at(self, share: float) -> Any:
        """The value below which this share of the draws lies, with four digits, as a file would have it.

        Args:
            share: in [0, 1).

        Returns:
            A number, or the text of a quantity.

        Example:
            >>> Range(log_uniform=("1 ms", "100 ms")).at(0.5), Range(uniform=(1, 4)).at(0.99), Range(uniform=(1.0, 4.0)).at(0.5)
            ('10 ms', 4, 2.5)
        """
        (low, high), add = self.ends, int(self.is_whole)
        found = low * ((high + add) / low) ** share if self.is_log else low + share * (high + add - low)
        if self.is_whole:
            return min(int(found), int(high))
        found = min(max(float(f"{found:.4g}"), low), high)
        table = _table_of(str(self.given[0]))
        return found if table is None else table[1](found)


class RandomSearch(Keyed):
    """Draws: ``{count: 20, seed: 1, algorithms.dpsgd.lr: {log_uniform: [0.001, 1.0]}}``.

    Args:
        count: how many points are drawn.
        seed: of the draws.
        ranges: for each key of the scenario, from where to where.
    """

    inlined = "ranges"

    count: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)] = 0
    ranges: Annotated[dict[str, Range], Field(min_length=1)]

    @field_validator("ranges")
    @classmethod
    def _check_keys(cls, ranges: dict[str, Range]) -> dict[str, Range]:
        return checked(ranges)


class BestOf(Keyed):
    """What is tuned for each algorithm at each point: ``{lr: [0.01, 0.1, 1.0], by: time_to.accuracy}``.

    Args:
        by: a metric at the end, or ``time_to``, ``steps_to`` or ``bits_to`` and a metric that has a target: mean of the seeds.
        values: of each parameter; algorithms that have none of that name run once.
    """

    inlined = "values"

    by: str
    values: Annotated[dict[str, Values], Field(min_length=1)]

    @field_validator("by")
    @classmethod
    def _check_by(cls, by: str) -> str:
        first, _, metric = by.partition(".")
        name = metric if first in FIRST_REACHED else by
        allowed = [key for key, known in METRICS.items() if known.better]
        if name not in allowed:
            near = nearest(name, allowed)
            words = [*allowed, *(f"{word}.METRIC" for word in FIRST_REACHED)]
            raise refusal(((), f"found {by!r}; allowed: {', '.join(words)}" + (f"; did you mean {near}?" if near else "")))
        return by

    @property
    def goal(self) -> str | None:
        """The metric that needs a target, if it is tuned by when that is reached."""
        return None if self.by in METRICS else self.by.partition(".")[2]


class Sweep(Keyed):
    """Which keys take which values: ``{network.latency: [1 ms, 10 ms], best_of: {lr: [0.1, 1.0], by: accuracy}}``.

    Every value of every key is combined with every other one, with every row of `zip`, and with every draw of `random`.

    Args:
        grid: for each key of the scenario, its values.
        zip: lists of the same length, of which the first values go together, then the second ones, and so on.
        random: draws out of ranges.
        best_of: what is tuned for each algorithm at each point.
    """

    inlined = "grid"

    grid: dict[str, Values] = Field(default_factory=dict)
    zip: dict[str, Values] = Field(default_factory=dict)
    random: RandomSearch | None = None
    best_of: BestOf | None = None

    @field_validator("grid", "zip")
    @classmethod
    def _check_keys(cls, lists: dict[str, Values], info: ValidationInfo) -> dict[str, Values]:
        lengths = {key: len(values) for key, values in lists.items()}
        if info.field_name == "zip" and len(set(lengths.values())) > 1:
            told = ", ".join(f"{key} {length}" for key, length in lengths.items())
            raise refusal(((), f"found lists of different lengths ({told}); allowed: equal ones; a grid combines all values"))
        return checked(lists)

    @field_validator("random")
    @classmethod
    def _check_twice(cls, search: RandomSearch | None, info: ValidationInfo) -> RandomSearch | None:
        grid, zipped = info.data.get("grid", {}), info.data.get("zip", {})
        drawn = search.ranges if search else {}
        twice = [key for key in drawn if key in grid or key in zipped] + [key for key in zipped if key in grid]
        if twice:
            raise refusal(*(((key,), "found twice in the sweep; allowed: each key once") for key in twice))
        return search


def checked(keys: dict[str, Any]) -> dict[str, Any]:
    """Keys that a sweep may vary.

    Args:
        keys: dotted, and what they hold.

    Returns:
        The same.

    Raises:
        ValidationError: if one of them is not for sweeps.
    """
    wrong = [key for key in keys if key.partition(".")[0] in OUTSIDE]
    if wrong:
        hint = "seeds: [1, 2, 3] of the scenario runs every point with each of them"
        raise refusal(*(((key,), f"found in sweep; allowed: keys that change one run; {hint}") for key in wrong))
    return keys


def numbers(ends: tuple[Any, Any]) -> tuple[float, float]:
    """The two ends of a range as numbers.

    Args:
        ends: numbers, or quantities of one kind.

    Returns:
        Numbers; of quantities in s, bit/s, bit, flop/s or m/s.

    Raises:
        ValidationError: if they are something else.
    """
    if all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        return float(ends[0]), float(ends[1])
    table, other = [_table_of(end) if isinstance(end, str) else None for end in ends]
    if table is None or other is not table:
        raise refusal(((), f"found {shown(list(ends))}; allowed: two numbers, or two quantities of one kind with their units"))
    try:
        return units.parse(ends[0], table[0], "50 ms"), units.parse(ends[1], table[0], "50 ms")
    except ValueError as error:
        raise refusal(((), str(error))) from None


def _table_of(text: str) -> tuple[Mapping[str, Any], Callable[[float], str]] | None:
    unit = text.strip().lstrip("+-.0123456789eE").strip()
    return next((pair for pair in QUANTITIES if unit in pair[0]), None)
