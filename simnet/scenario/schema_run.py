"""What a scenario says about the run: algorithms, waiting rules, budget, records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from simnet.errors import ParameterError
from simnet.metrics import ON_REQUEST
from simnet.part import Part
from simnet.scenario.quantities import PositiveSeconds, Seconds, Text
from simnet.scenario.signature import ENTRY_KEYS, AlgorithmSchemas
from simnet.sentences import Complaint, nearest, refusal, sentences, shown, unknown_key, unknown_word
from simnet.units import seconds_to_text


class Deadline(Part):
    """Wait for the neighbors' messages, but not longer than this: ``{deadline: 200 ms}``.

    Args:
        deadline: counted from the exchange [s].
    """

    deadline: PositiveSeconds


def _read_wait(given: Any) -> Any:
    if isinstance(given, Mapping):
        return Deadline.model_validate(given)
    if isinstance(given, Deadline) or given in ("all", "none"):
        return given
    raise refusal(((), f"found {shown(given)}; allowed: all, none, or {{deadline: 200 ms}}"))


Wait = Annotated[Literal["all", "none"] | Deadline, BeforeValidator(_read_wait)]
"""Whose messages an exchange waits for."""


@dataclass(frozen=True)
class Known:
    """What a scenario may name, beside its own keys: handed to the models as pydantic's context.

    Args:
        algorithms: the known algorithms.
        metrics: names that targets may have; None: not checked.
    """

    algorithms: AlgorithmSchemas = field(default_factory=AlgorithmSchemas)
    metrics: tuple[str, ...] | None = None


class AlgorithmEntry(Part):
    """One algorithm to run: ``{name: dpsgd, lr: 0.1}``, or its bare name.

    Args:
        name: in the table of algorithms, or an import path.
        label: what tables and figures call it; by default its name.
        wait: a waiting rule of its own.
        values: the algorithm's parameters; in the file these keys stand beside ``name``.
    """

    word_key: ClassVar[str | None] = "name"
    inlined: ClassVar[str | None] = "values"
    spelling: ClassVar[str] = "a name, or a mapping with name and parameters"

    name: Text
    label: Text
    wait: Wait | None = None
    values: SerializeAsAny[BaseModel]

    @property
    def parameters(self) -> dict[str, Any]:
        """The algorithm's keyword arguments, every default filled in."""
        return {name: getattr(self.values, name) for name in type(self.values).model_fields}

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """Move the algorithm's own keys into ``values``."""
        given = super().spelled_out(given, info)
        if not isinstance(given, Mapping) or isinstance(given.get("values"), BaseModel):
            return given
        entry = {key: value for key, value in given.items() if key in ENTRY_KEYS}
        own = {key: value for key, value in given.items() if key not in ENTRY_KEYS}
        if not isinstance(given.get("name"), str):
            # Whose keys the others are is not known; one of them may be a misspelt name.
            own = {key: value for key, value in own.items() if "name" not in given and nearest(key, ["name"])}
            return {"label": "?", **entry, "values": _Nothing(), **own}
        return {"label": given["name"], **entry, "values": own}

    @field_validator("values", mode="before")
    @classmethod
    def _read_values(cls, own: Any, info: ValidationInfo) -> BaseModel:
        if isinstance(own, BaseModel):
            return own
        if "name" not in info.data:
            return _Nothing()
        try:
            model = (info.context or Known()).algorithms(info.data["name"])
        except ParameterError as error:
            raise refusal((("name",), str(error))) from None
        try:
            return model.model_validate(own)
        except ValidationError as error:
            keys = [*model.model_fields, *ENTRY_KEYS]
            raise refusal(
                *(
                    (place, unknown_key(str(place[0]), keys) if len(place) == 1 and place[0] not in keys else text)
                    for place, text in sentences(error, own, model)
                )
            ) from None

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The algorithm's own keys stand beside the others."""
        plain: dict[str, Any] = handler(self)
        values: dict[str, Any] = plain.pop("values")
        return {key: value for key, value in plain.items() if value is not None} | values


class _Nothing(Part):
    """The parameters of an algorithm that is not known."""


class Trace(Part):
    """The part of a run whose timeline is recorded: ``{from: 0 s, until: 10 s, nodes: [0, 1], most_events: 50000}``.

    Args:
        start: nothing before this simulated time [s]; the key in the scenario is ``from``.
        until: nothing after it [s]; None: to the end.
        nodes: only these, and what they send and receive; None: all.
        most_events: of one run; the timeline of a run ends where it has as many.
    """

    start: Annotated[Seconds, Field(alias="from", description="nothing before this simulated time")] = 0.0
    until: PositiveSeconds | None = None
    nodes: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    most_events: Annotated[int, Field(ge=1)] = 50_000

    @field_validator("until")
    @classmethod
    def _check_order(cls, until: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start", 0.0)
        if until is not None and until <= start:
            raise refusal(((), f"found {seconds_to_text(until)}; allowed: more than from, which is {seconds_to_text(start)}"))
        return until


def _read_trace(given: Any) -> Any:
    if isinstance(given, bool):
        return Trace() if given else None
    if given is None or isinstance(given, Trace):
        return given
    if isinstance(given, Mapping):
        return Trace.model_validate(given)
    raise refusal(((), f"found {shown(given)}; allowed: true, false, or {{from: 0 s, until: 10 s}}"))


class Run(Part):
    """When a run ends, and how often it is looked at.

    Args:
        steps: of each node.
        epochs: passes of each node over its own data.
        simulated_time: on the clock [s]. The budget that is used up first ends the run.
        evaluate_every: steps between evaluations; by default a fiftieth of ``steps``, or 10 without ``steps``.
        wait: whose messages an exchange waits for.
        trace: whether its timeline is recorded, and which part of it; None: it is not.
        checkpoint_every: steps between two moments at which everything is kept, so that an interrupted run can go on.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    simulated_time: PositiveSeconds | None = None
    evaluate_every: Annotated[int, Field(ge=1)] = 10
    wait: Wait = "all"
    trace: Annotated[Trace | None, BeforeValidator(_read_trace, json_schema_input_type=bool | Trace | None)] = None
    checkpoint_every: Annotated[int, Field(ge=1)] | None = None

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """How often to evaluate follows from the number of steps."""
        del info
        if not isinstance(given, Mapping) or given.get("evaluate_every") is not None:
            return given
        steps = given.get("steps")
        every = max(1, steps // 50) if isinstance(steps, int) else 10
        return {**given, "evaluate_every": every}

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """At least one budget, unless a key is misspelt, which is complained about already."""
        if given.keys() <= cls.model_fields.keys() and all(given.get(budget) is None for budget in BUDGETS):
            yield (), f"found no budget; allowed: at least one of {', '.join(BUDGETS)}"


BUDGETS = ("steps", "epochs", "simulated_time")


ON_REQUEST_NAMES = tuple(metric.name for metric in ON_REQUEST)


class Record(Part):
    """What is kept beside the metrics.

    Args:
        models: every node's model at every evaluation.
        average_model: the average model at the end.
        metrics: those that are measured on request only, as ``simnet list metrics`` says.
    """

    models: bool = False
    average_model: bool = False
    metrics: tuple[Annotated[str, Field(json_schema_extra={"enum": list(ON_REQUEST_NAMES)})], ...] = ()

    @field_validator("metrics")
    @classmethod
    def _check_metrics(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [(i, name) for i, name in enumerate(metrics) if name not in ON_REQUEST_NAMES]
        if wrong:
            raise refusal(*(((i,), unknown_word(name, ON_REQUEST_NAMES)) for i, name in wrong))
        return metrics
