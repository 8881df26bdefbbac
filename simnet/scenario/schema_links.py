"""What a scenario says about the links: where the machines stand, and what several links share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from simnet.part import Part
from simnet.scenario.presets import PRESETS
from simnet.scenario.quantities import (
    BitsPerSecond,
    MetersPerSecond,
    Seconds,
    Text,
)
from simnet.scenario.rows import RowsOrPath
from simnet.sentences import refusal, shown, unknown_word

IN_FIBER = "200000 km/s"
"""Signal speed in optical fiber: two thirds of light in vacuum, since its index of refraction is about 1.5; 5 us per km."""


class Positions(Part):
    """Latency by distance: the way along the great circle at a signal's speed, and a base: ``{positions: places.csv}``.

    Args:
        positions: latitude and longitude of each node in degrees, north and east positive; rows, or a file with them.
        speed: of the signal [m/s]; by default two thirds of light, as in optical fiber.
        base: added to every link [s].
    """

    positions: RowsOrPath
    speed: MetersPerSecond = IN_FIBER  # type: ignore[assignment]  # text, as a file has it
    base: Seconds = 0.0

    @field_validator("positions")
    @classmethod
    def _check_degrees(cls, positions: tuple[tuple[float, ...], ...] | str) -> tuple[tuple[float, ...], ...] | str:
        if not isinstance(positions, str):
            wrong = [(i, row) for i, row in enumerate(positions) if not is_on_earth(row)]
            if wrong:
                raise refusal(*(((i,), f"found {shown(list(row))}; allowed: {LATITUDE_LONGITUDE}") for i, row in wrong))
        return positions


LATITUDE_LONGITUDE = "[latitude, longitude] in degrees, from -90 to 90 and from -180 to 180"


def is_on_earth(row: Iterable[float]) -> bool:
    """Whether these are a latitude and a longitude in degrees.

    Args:
        row: numbers.

    Returns:
        True if so.

    Example:
        >>> is_on_earth([47.4, 8.5]), is_on_earth([91, 0]), is_on_earth([1, 2, 3])
        (True, False, False)
    """
    numbers = list(row)
    return len(numbers) == 2 and abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180  # which no nan is


def _read_preset(given: Any) -> Any:
    if not isinstance(given, str) or given not in PRESETS:
        raise ValueError(unknown_word(given, PRESETS))
    return given


PresetName = Annotated[str, BeforeValidator(_read_preset), WithJsonSchema({"enum": list(PRESETS)})]
"""The name of a preset."""


def _read_places(given: Any) -> Any:
    """Names or numbers, one for each node; or a number of nodes for each place."""
    if isinstance(given, Mapping):
        wrong = [(k, v) for k, v in given.items() if isinstance(v, bool) or not isinstance(v, int) or v < 0]
        if wrong:
            raise refusal(*(((str(key),), f"found {shown(v)}; allowed: a number of nodes") for key, v in wrong))
        return dict(given)
    if not isinstance(given, list | tuple) or not given:
        raise refusal(((), f"found {shown(given)}; allowed: a place for each node, or {{place: number of nodes}}"))
    odd = [(i, place) for i, place in enumerate(given) if isinstance(place, bool) or not isinstance(place, int | str)]
    if odd:
        raise refusal(*(((i,), f"found {shown(place)}; allowed: the name or number of a place") for i, place in odd))
    return tuple(given)


_COUNT = {"type": "integer", "minimum": 0}
Places: TypeAlias = Annotated[
    Any,
    BeforeValidator(_read_places),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"anyOf": [{"type": "string"}, _COUNT]}, "minItems": 1},
                {"type": "object", "additionalProperties": _COUNT},
            ]
        }
    ),
]
"""The place of each node, or how many nodes stand in each place, in blocks; see `simnet.scenario.presets.Places`."""


Group = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class Shared(Part):
    """A limit that many links share, such as a backbone: ``{name: backbone, bandwidth: 1 Gbit/s, between: [[0, 1], [2, 3]]}``.

    Args:
        name: what results call it.
        bandwidth: of all the messages together [bit/s].
        between: groups of nodes; every message from a node of one group to a node of another one crosses it.
        duplex: ``half``: one bandwidth for all directions; ``full``: one for messages to later groups, one to earlier ones.
    """

    name: Text
    bandwidth: BitsPerSecond
    between: Annotated[tuple[Group, ...], Field(min_length=2)]
    duplex: Literal["full", "half"] = "half"

    @field_validator("between")
    @classmethod
    def _check_groups(cls, between: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        first: dict[int, tuple[int, int]] = {}
        places = [((g, k), node) for g, group in enumerate(between) for k, node in enumerate(group)]
        twice = [(place, node) for place, node in places if first.setdefault(node, place) != place]
        if twice:
            raise refusal(*((place, f"found node {node} twice; allowed: each node once") for place, node in twice))
        return between

    def members(self) -> list[tuple[tuple[str, int, int], int]]:
        """The nodes of all its groups, each with its location in the file."""
        return [(("between", g, k), node) for g, group in enumerate(self.between) for k, node in enumerate(group)]
