"""Values that carry a unit: a constant, a distribution, one per node, or a matrix file. In Python: s and bit/s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from simnet import units
from simnet.part import Part
from simnet.sentences import Complaint, refusal, shown


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"found {shown(text)}; allowed: text in one line, not empty")
    return text


Text = Annotated[str, AfterValidator(_one_line)]
"""One line of text."""


def _reader(table: Mapping[str, Decimal], example: str) -> Callable[[Any], float]:
    """Reads text with a unit, or the bare number 0, which needs none."""

    def read(given: Any) -> float:
        if isinstance(given, str):
            return units.parse(given, table, example)
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            if given == 0:
                return 0.0
            names = ", ".join(table)
            raise ValueError(f"found {shown(given)} without a unit; allowed: a number and one of {names}, such as {example}")
        raise ValueError(f"found {shown(given)}; allowed: text such as {example}")

    return read


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("found 0; allowed: more than 0")
    return value


def _text_schema(table: Mapping[str, Decimal]) -> dict[str, Any]:
    pattern = f"^\\s*[0-9.eE+-]+\\s*({'|'.join(table)})\\s*$"
    return {"anyOf": [{"type": "string", "pattern": pattern}, {"const": 0}]}


FlopPerSecond = Annotated[
    float,
    BeforeValidator(_reader(units.FLOP_RATES, "35 Tflop/s")),
    AfterValidator(_positive),
    PlainSerializer(units.flop_rate_to_text, when_used="json"),
    WithJsonSchema(_text_schema(units.FLOP_RATES)),
]
"""A computing speed above 0: text with a unit in the file, floating-point operations per second in Python."""

Bits = Annotated[
    float,
    BeforeValidator(_reader(units.SIZES, "4 MB")),
    AfterValidator(_positive),
    PlainSerializer(units.bytes_to_text, when_used="json"),
    WithJsonSchema(_text_schema(units.SIZES)),
]
"""A size above 0: text with a unit in the file, bits in Python."""

Seconds = Annotated[
    float,
    BeforeValidator(_reader(units.SECONDS, "50 ms")),
    PlainSerializer(units.seconds_to_text, when_used="json"),
    WithJsonSchema(_text_schema(units.SECONDS)),
]
"""A duration of at least 0: text with a unit in the file, seconds in Python."""

PositiveSeconds = Annotated[Seconds, AfterValidator(_positive)]
"""A duration above 0."""

Rate = Annotated[
    float,
    BeforeValidator(_reader(units.RATES, "25 Mbit/s")),
    PlainSerializer(units.rate_to_text, when_used="json"),
    WithJsonSchema(_text_schema(units.RATES)),
]
"""A bandwidth of at least 0: text with a unit in the file, bit/s in Python."""

BitsPerSecond = Annotated[Rate, AfterValidator(_positive)]
"""A bandwidth above 0."""

TimeUnit = Literal["ns", "us", "ms", "s", "min", "h"]
RateUnit = Literal["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "B/s", "kB/s", "MB/s", "GB/s"]


MetersPerSecond = Annotated[
    float,
    BeforeValidator(_reader(units.SPEEDS, "200000 km/s")),
    AfterValidator(_positive),
    PlainSerializer(units.speed_to_text, when_used="json"),
    WithJsonSchema(_text_schema(units.SPEEDS)),
]
"""A speed above 0: text with a unit in the file, m/s in Python."""


class Constant(Part):
    """The same value everywhere.

    Args:
        value: in s or bit/s.
    """

    value: float


class PerNode(Part):
    """One value for each node.

    Args:
        values: in s or bit/s, in the order of the nodes.
    """

    values: tuple[float, ...]


class MatrixFile(Part):
    """A file with one number for each pair of nodes.

    Args:
        path: relative to the scenario's folder; the key in the scenario is ``file``.
        unit: of the numbers in the file.
    """

    path: str
    unit: str

    @property
    def scale(self) -> float:
        """What the number 1 in the file is worth in s or bit/s."""
        return float({**units.SECONDS, **units.RATES}[self.unit])


class Distribution(Part):
    """A random value: ``Distribution(kind="normal", mean=0.05, std=0.01)``.

    Args:
        kind: normal, lognormal (``median * exp(sigma z)`` with a standard normal ``z``), exponential or uniform.
        **parameters: normal: mean, std; lognormal: median, sigma; exponential: mean; uniform: low, high. In s or
            bit/s, but ``sigma`` is a plain number.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    kind: Literal["normal", "lognormal", "exponential", "uniform"]

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name, in s or bit/s."""
        return dict(self.__pydantic_extra__)


Quantity = Constant | Distribution | MatrixFile | PerNode

Q = TypeVar("Q", bound=float)


class _Normal(Part, Generic[Q]):
    mean: Q
    std: Q


class _LogNormal(Part, Generic[Q]):
    median: Q
    sigma: Annotated[float, Field(ge=0)]


class _Exponential(Part, Generic[Q]):
    word_key: ClassVar[str | None] = "mean"

    mean: Q


class _Uniform(Part, Generic[Q]):
    low: Q
    high: Q


class _Families(Part, Generic[Q]):
    """How a file writes a distribution: ``{normal: {mean: 50 ms, std: 10 ms}}``."""

    normal: _Normal[Q] | None = None
    lognormal: _LogNormal[Q] | None = None
    exponential: _Exponential[Q] | None = None
    uniform: _Uniform[Q] | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Exactly one family."""
        if given.keys() <= cls.model_fields.keys() and len(given) != 1:
            yield (), f"found {shown(given)}; allowed: exactly one of {', '.join(cls.model_fields)}"

    def distribution(self) -> Distribution:
        """The one family that is given."""
        kind, family = next((kind, family) for kind, family in self if family is not None)
        if kind == "uniform" and family.low > family.high:
            raise refusal((("uniform", "low"), "found more than high; allowed: at most high"))
        return Distribution.model_validate({"kind": kind, **dict(family)})


class _TimeFile(Part):
    file: Text
    unit: TimeUnit


class _RateFile(Part):
    file: Text
    unit: RateUnit


@dataclass(frozen=True, eq=False)
class Dimension:
    """What `Forms` needs to know about times or rates.

    Args:
        table: the units.
        example: a number with a unit.
        to_text: writes a number.
        number: reads ``50 ms``.
        numbers: reads ``[50 ms, 20 ms]``.
        families: reads ``{normal: {mean: 50 ms, std: 10 ms}}``.
        file: reads ``{file: latency.csv, unit: ms}``.
    """

    table: Mapping[str, Decimal]
    example: str
    to_text: Callable[[float], str]
    number: TypeAdapter[float]
    numbers: TypeAdapter[tuple[float, ...]]
    families: type[_Families[Any]]
    file: type[_TimeFile | _RateFile]


TIME = Dimension(
    units.SECONDS,
    "50 ms",
    units.seconds_to_text,
    TypeAdapter(Seconds),
    TypeAdapter(tuple[Seconds, ...]),
    _Families[Seconds],
    _TimeFile,
)
RATE = Dimension(
    units.RATES,
    "25 Mbit/s",
    units.rate_to_text,
    TypeAdapter(BitsPerSecond),
    TypeAdapter(tuple[BitsPerSecond, ...]),
    _Families[BitsPerSecond],
    _RateFile,
)


@dataclass(frozen=True)
class Forms:
    """Marks a field that holds a `Quantity` and is written in one of several forms.

    Args:
        dimension: times or rates.
        form: what is allowed beside a number and a distribution: a matrix file or a list with one number for each node.
        parts: further mappings that are allowed, each told by its first key.
    """

    dimension: Dimension
    form: Literal["file", "list"]
    parts: tuple[type[Part], ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Reading and writing are ours."""
        written = core_schema.plain_serializer_function_ser_schema(self.write, when_used="json")
        return core_schema.no_info_plain_validator_function(self.read, serialization=written)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """All the forms."""
        number = _text_schema(self.dimension.table)
        families = handler(self.dimension.families.__pydantic_core_schema__)
        numbers = {"type": "array", "items": number, "minItems": 1}
        last = numbers if self.form == "list" else handler(self.dimension.file.__pydantic_core_schema__)
        parts = [handler(part.__pydantic_core_schema__) for part in self.parts]
        return {"anyOf": [number, families, last, *parts]}

    def read(self, given: Any) -> Quantity | Part:
        """The quantity that a value of a file denotes.

        Args:
            given: text, a mapping or a list.

        Returns:
            The quantity, or one of the further parts.

        Raises:
            pydantic.ValidationError: with sentences.
        """
        if isinstance(given, Part):
            return given
        if isinstance(given, Mapping) and self.form == "file" and "file" in given:
            file = self.dimension.file.model_validate(given)
            return MatrixFile(path=file.file, unit=file.unit)
        for part in self.parts:
            if isinstance(given, Mapping) and next(iter(part.model_fields)) in given:
                return part.model_validate(given)
        if isinstance(given, Mapping):
            return self.dimension.families.model_validate(given).distribution()
        if isinstance(given, list | tuple) and given and self.form == "list":
            return PerNode(values=self.dimension.numbers.validate_python(given))
        if isinstance(given, str) or (isinstance(given, int | float) and not isinstance(given, bool)):
            return Constant(value=self.dimension.number.validate_python(given))
        raise refusal(((), f"found {shown(given)}; allowed: {self._allowed()}"))

    def write(self, quantity: Quantity | Part) -> Any:
        """The form from which `read` makes an equal quantity.

        Args:
            quantity: what `read` returned.

        Returns:
            Text, a mapping or a list.
        """
        to_text = self.dimension.to_text
        if isinstance(quantity, self.parts):
            return quantity.model_dump(mode="json")
        if isinstance(quantity, Constant):
            return to_text(quantity.value)
        if isinstance(quantity, PerNode):
            return [to_text(value) for value in quantity.values]
        if isinstance(quantity, MatrixFile):
            return {"file": quantity.path, "unit": quantity.unit}
        assert isinstance(quantity, Distribution)
        parameters = quantity.parameters.items()
        return {quantity.kind: {key: value if key == "sigma" else to_text(value) for key, value in parameters}}

    def _allowed(self) -> str:
        last = "a list of such texts, one for each node" if self.form == "list" else "{file: ..., unit: ...}"
        parts = "".join(f"{{{next(iter(part.model_fields))}: ...}}, " for part in self.parts)
        return f"text such as {self.dimension.example}, {{{'|'.join(_Families.model_fields)}: {{...}}}}, {parts}or {last}"


NodeTime = Annotated[Constant | Distribution | PerNode, Forms(TIME, "list")]
