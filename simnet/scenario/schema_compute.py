"""What a scenario says about computation: how long a gradient takes, on what device, and when a node is slow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from simnet import units
from simnet.part import Part
from simnet.scenario.devices import DEVICES, UTILISATION
from simnet.scenario.quantities import Bits, FlopPerSecond, NodeTime, PerNode, PositiveSeconds, Seconds, Text
from simnet.sentences import Complaint, Location, complaints_of, nearest, refusal, shown, unknown_word

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NodeId = Annotated[int, Field(ge=0)]
Continuation = Literal["repeat", "hold"]


class OneOrMore:
    """Marks a tuple of parts that a file writes as a list, or as one part where there is only one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """One part becomes a tuple of one, and is written as one."""
        written = core_schema.wrap_serializer_function_ser_schema(
            lambda parts, inner: inner(parts)[0] if len(parts) == 1 else inner(parts), when_used="json"
        )
        return core_schema.no_info_wrap_validator_function(self._read, handler(source), serialization=written)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The list, or one of its items."""
        listed = handler(core)
        return {"anyOf": [listed["items"], listed]}

    @staticmethod
    def _read(given: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(given, list | tuple):
            return handler(given)
        try:
            return handler([given])
        except ValidationError as error:
            raise refusal(*((place[1:], text) for place, text in complaints_of(error))) from None


class Jitter(Part):
    """A random factor of mean 1 on every compute time: ``{lognormal: 0.1}``.

    Args:
        lognormal: sigma of the factor's logarithm.
        normal: standard deviation.
        exponential: standard deviation; the factor is ``1 - s + s e`` with ``e`` exponential of mean 1.
    """

    lognormal: Annotated[float, Field(ge=0)] | None = None
    normal: Annotated[float, Field(ge=0)] | None = None
    exponential: Share | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Exactly one kind."""
        kinds = list(cls.model_fields)
        if given.keys() <= set(kinds) and sum(value is not None for value in given.values()) != 1:
            yield (), f"found {shown(given)}; allowed: exactly one of {', '.join(kinds)}"

    @property
    def kind(self) -> str:
        """Which of the distributions."""
        return next(kind for kind, spread in self if spread is not None)

    @property
    def spread(self) -> float:
        """Its parameter."""
        return float(getattr(self, self.kind))


class Stragglers(Part):
    """Some nodes, drawn once, are slower all the time.

    Args:
        fraction: of the nodes.
        slowdown: factor on their compute times.
    """

    fraction: Share
    slowdown: Annotated[float, Field(ge=1)]


class Device(Part):
    """What a node computes with: a name of ``simnet list devices``, or its own figures.

    Args:
        name: of a preset, whose figures hold where none are given; or any, with flops.
        flops: peak speed.
        utilisation: share of the peak that a gradient reaches; the default is an assumption.
        memory: for models and buffers; None: unknown.
        count: how many nodes have it, in a list of devices; None: one, or all if it is the only device.
    """

    word_key: ClassVar[str | None] = "name"

    name: Text | None = None
    flops: FlopPerSecond
    utilisation: Annotated[float, Field(gt=0, le=1)] = UTILISATION
    memory: Bits | None = None
    count: Annotated[int, Field(ge=1)] | None = None

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """A preset's figures are filled in."""
        given = super().spelled_out(given, info)
        name = given.get("name") if isinstance(given, Mapping) else None
        if not isinstance(name, str):
            return given
        if name in DEVICES:
            return {"flops": DEVICES[name].speed, "memory": DEVICES[name].memory, **given}
        if not any(nearest(key, ["flops"]) for key in given):
            raise refusal((("name",), unknown_word(name, DEVICES) + "; another one needs flops: 35 Tflop/s"))
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The name of a preset is enough."""
        schema = super().__get_pydantic_json_schema__(core, handler)
        handler.resolve_ref_schema(schema["anyOf"][0]).pop("required")
        return schema


class TimesFile(Part):
    """Compute times of one gradient after the other, as they were measured: one line each.

    Args:
        file: CSV, with one column for all nodes or one for each; or a file for each: ``{node}`` is replaced by its number.
        unit: of the numbers.
        then: after the last line: repeat all, or hold the last one.
    """

    file: Text
    unit: Literal["ns", "us", "ms", "s", "min", "h"]
    then: Continuation = "repeat"


class PaceTrace(Part):
    """A factor on compute times that changes with simulated time: lines of ``time in s, factor``.

    Args:
        file: CSV, with one column of factors for all nodes or one for each; or a file for each: ``{node}`` is replaced
            by its number.
        then: after the last line: repeat all, the last factor lasting as long as the one before it, or hold the last one.
    """

    file: Text
    then: Continuation = "repeat"


class Slowdown(Part):
    """A while during which nodes are slow: on a schedule (from, until), or at random (every, duration).

    Args:
        factor: on compute times during it.
        nodes: which ones; None: all.
        start: when it begins [s]; the key is ``from``.
        until: when it ends [s].
        every: mean time from the end of one to the beginning of the next, exponentially distributed [s].
        duration: of each one [s].
    """

    factor: Positive
    nodes: tuple[NodeId, ...] | None = None
    start: Seconds | None = Field(default=None, alias="from", description="when it begins [s]")
    until: Seconds | None = None
    every: PositiveSeconds | None = None
    duration: NodeTime | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """One of the two pairs, complete."""
        pairs = (("from", "until"), ("every", "duration"))
        keys = {field.alias or name for name, field in cls.model_fields.items()}
        counts = [sum(given.get(key) is not None for key in pair) for pair in pairs]
        if given.keys() <= keys and sorted(counts) != [0, 2]:
            yield (), f"found {shown(given)}; allowed: from and until, or every and duration"


    def complaints(self, nodes: int) -> Iterable[Complaint]:
        """What does not fit the number of nodes, or each other.

        Args:
            nodes: n.

        Returns:
            Complaints.
        """
        for i, node in enumerate(self.nodes or ()):
            if node >= nodes:
                yield ("nodes", i), f"found node {node}; allowed: 0 to {nodes - 1}, since nodes is {nodes}"
        if self.start is not None and self.until is not None and self.until <= self.start:
            yield ("until",), f"found {units.seconds_to_text(self.until)}; allowed: more than from"


class Diurnal(Part):
    """Speed that rises and falls: ``1 + amplitude sin(2 pi (t / period + phase))``, with mean 1 over a period.

    Args:
        period: of the sine.
        amplitude: of the sine.
        phase: as a share of the period: a number; one for each node; ``random``; or ``longitude``: east of Greenwich over
            360 degrees, of the positions that ``network.latency`` has.
    """

    period: PositiveSeconds
    amplitude: Fraction
    phase: Share | tuple[Share, ...] | Literal["random", "longitude"] = 0.0


class PerNumber(Part):
    """What a node spends on each number that it compresses or mixes.

    Args:
        compress: for each number that a kernel of the algorithm (a compressor) gives.
        mix: for each number of each vector, its own included, that ``mix`` weighs.
    """

    compress: Seconds = 0.0
    mix: Seconds = 0.0


def _read_time(given: Any) -> Any:
    if given == "measured" or isinstance(given, TimesFile):
        return given
    if isinstance(given, Mapping):
        return TimesFile.model_validate(given)
    try:
        return _DURATION.validate_python(given)
    except ValidationError as error:
        raise ValueError(f"{error.errors()[0]['ctx']['error']}; or measured; or {{file: ..., unit: ms}}") from None


def _write_time(time: float | str | TimesFile) -> Any:
    if isinstance(time, TimesFile):
        return time.model_dump(mode="json")
    return time if isinstance(time, str) else units.seconds_to_text(time)


_DURATION: TypeAdapter[float] = TypeAdapter(Seconds)
GradientTime = Annotated[
    float | Literal["measured"] | TimesFile,
    BeforeValidator(_read_time),
    PlainSerializer(_write_time, when_used="json"),
    WithJsonSchema({"anyOf": [_DURATION.json_schema(), {"const": "measured"}, TimesFile.model_json_schema()]}),
]
"""How long a gradient takes: a duration, ``measured``, or a file of durations."""


class Compute(Part):
    """How long a gradient takes. Without ``compute`` it takes no time.

    Args:
        time: of one mini-batch gradient: a duration; a file of durations; or ``measured``, once on this computer.
        device: instead of a time: the gradient's floating-point operations over a device's speed; one, or a list for n nodes.
        jitter: varies it from gradient to gradient.
        factors: one for each node.
        stragglers: nodes drawn at random that are slower.
        trace: a factor that changes with simulated time, from a file.
        slowdowns: nodes are slow for a while; one or a list.
        diurnal: speed that rises and falls with the time of day.
        per_number: what compressing and mixing take.
    """

    time: GradientTime = Field(default=0.0, json_schema_extra={"default": "0 s"})
    device: Annotated[tuple[Device, ...], OneOrMore()] | None = None
    jitter: Jitter | None = None
    factors: tuple[Positive, ...] | None = None
    stragglers: Stragglers | None = None
    trace: PaceTrace | None = None
    slowdowns: Annotated[tuple[Slowdown, ...], OneOrMore()] | None = None
    diurnal: Diurnal | None = None
    per_number: PerNumber | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """A time or a device."""
        if given.get("time") is not None and given.get("device") is not None:
            yield ("device",), "found device and time; allowed: one of the two"

    @property
    def takes_time(self) -> bool:
        """Whether gradients take any."""
        return self.device is not None or self.time != 0.0

    @property
    def is_uneven(self) -> bool:
        """Whether what a gradient takes depends on when it starts."""
        return not (self.trace is None and self.slowdowns is None and self.diurnal is None)

    def complaints(self, nodes: int) -> Iterable[Complaint]:
        """What does not fit the number of nodes, or each other.

        Args:
            nodes: n.

        Returns:
            Complaints.
        """
        phase = self.diurnal.phase if self.diurnal else 0.0
        lists: dict[Location, Sized] = {}
        if self.factors is not None:
            lists["factors",] = self.factors
        if isinstance(phase, tuple):
            lists["diurnal", "phase"] = phase
        devices = [device.count or 1 for device in self.device or ()]
        if self.device and sum(devices) != nodes and (len(devices) > 1 or self.device[0].count):
            yield ("device",), f"found devices for {sum(devices)} nodes; allowed: for {nodes}, as many as nodes"
        for i, slowdown in enumerate(self.slowdowns or ()):
            place: Location = ("slowdowns", i) if len(self.slowdowns or ()) > 1 else ("slowdowns",)
            if isinstance(slowdown.duration, PerNode):
                lists[*place, "duration"] = slowdown.duration.values
            yield from (((*place, *inner), text) for inner, text in slowdown.complaints(nodes))
        for key, values in lists.items():
            if len(values) != nodes:
                yield key, f"found {len(values)} values; allowed: {nodes}, as many as nodes"

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A device takes the place of the time."""
        written = super()._without_absent(handler)
        return {key: value for key, value in written.items() if key != "time" or self.device is None}
