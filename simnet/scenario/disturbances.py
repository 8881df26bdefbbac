"""What disturbs a network: jitter, changes at given moments, and loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simnet.part import Part
from simnet.scenario.quantities import TIME, Distribution, Forms, PerNode, PositiveSeconds, Seconds
from simnet.scenario.varying import ChangedLinkRate, ChangedNodeRate, LinkTime
from simnet.sentences import Complaint, Location, refusal, shown

Share = Annotated[float, Field(ge=0, le=1)]
NodeId = Annotated[int, Field(ge=0)]


class JitterForms(Forms):
    """The forms of a distribution of times, and no others."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Reading and writing are ours."""
        return super().__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """All the forms."""
        return handler(self.dimension.families.__pydantic_core_schema__)

    def read(self, given: Any) -> Distribution:
        """The distribution that a value of a file denotes."""
        if isinstance(given, Distribution):
            return given
        if isinstance(given, Mapping):
            return self.dimension.families.model_validate(given).distribution()
        families = ", ".join(self.dimension.families.model_fields)
        found = f"found {shown(given)}; allowed: one of the distributions {families}, such as {{exponential: 5 ms}}"
        raise refusal(((), f"{found}; what is the same for all messages belongs to latency"))


LinkJitter = Annotated[Distribution, JitterForms(TIME, "file")]


class Change(Part):
    """From a moment on, some links or nodes are different, until a later change.

    Args:
        at: the moment [s]; time 0 of traces and schedules that stand in this change.
        links: which links the new latency and bandwidth are of, pairs ``[from, to]``; None: all.
        nodes: which nodes the new uplink and downlink are of; None: all.
        latency: as in ``network``.
        bandwidth: as in ``network``; may be 0.
        uplink: as in ``network``; may be 0.
        downlink: as in ``network``; may be 0.
    """

    at: Seconds = 0.0
    links: tuple[tuple[NodeId, NodeId], ...] | None = None
    nodes: tuple[NodeId, ...] | None = None
    latency: LinkTime | None = None
    bandwidth: ChangedLinkRate | None = None
    uplink: ChangedNodeRate | None = None
    downlink: ChangedNodeRate | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Something must change, and who is named must be concerned."""
        said = {key for key, value in given.items() if value is not None}
        if given.keys() <= cls.model_fields.keys() and not said & {*OF_LINKS, *OF_NODES}:
            yield (), f"found nothing that changes; allowed: at least one of {', '.join(OF_LINKS + OF_NODES)}"
        for key, concerned in (("links", OF_LINKS), ("nodes", OF_NODES)):
            if key in said and not said & {*concerned} and said & {*OF_LINKS, *OF_NODES}:
                yield (key,), f"found {key} without {' or '.join(concerned)}; allowed: with one of them"

    def misfits(self, nodes: int) -> list[Complaint]:
        """What does not fit so many nodes: numbers that no node has, lists that are too short or too long.

        Args:
            nodes: n.

        Returns:
            Complaints.
        """
        numbers: list[tuple[Location, int]]
        numbers = [(("links", i, k), node) for i, link in enumerate(self.links or ()) for k, node in enumerate(link)]
        numbers += [(("nodes", i), node) for i, node in enumerate(self.nodes or ())]
        wrong = [
            (place, f"found node {node}; allowed: 0 to {nodes - 1}, since nodes is {nodes}")
            for place, node in numbers
            if node >= nodes
        ]
        lists = {key: len(limit.values) for key in OF_NODES if isinstance(limit := getattr(self, key), PerNode)}
        counts = {key: count for key, count in lists.items() if count != nodes}
        return [*wrong, *(((k,), f"found {c} values; allowed: {nodes}, as many as nodes") for k, c in counts.items())]


OF_LINKS = ("latency", "bandwidth")
OF_NODES = ("uplink", "downlink")


class GilbertElliott(Part):
    """Losses in bursts: each directed link is in a good or a bad state, which may change with every message.

    Args:
        good_to_bad: probability of the change, before each message.
        bad_to_good: probability of the way back.
        loss_in_bad: probability that a message is lost in the bad state.
        loss_in_good: the same in the good state.
    """

    good_to_bad: Share
    bad_to_good: Annotated[float, Field(gt=0, le=1)]
    loss_in_bad: Share = 1.0
    loss_in_good: Share = 0.0

    @property
    def share_of_bad(self) -> float:
        """How many messages meet the bad state: ``good_to_bad / (good_to_bad + bad_to_good)``."""
        return self.good_to_bad / (self.good_to_bad + self.bad_to_good)


class Loss(Part):
    """Messages that do not arrive.

    Args:
        probability: that a message is lost, each by itself.
        gilbert_elliott: losses in bursts instead.
        then: ``retransmit``: the sender sends again, until it gets through; ``drop``: nobody hears of it.
        timeout: after the moment when a lost message would have arrived, until it is sent again [s].
    """

    probability: Share | None = None
    gilbert_elliott: GilbertElliott | None = None
    then: Literal["retransmit", "drop"] = "retransmit"
    timeout: PositiveSeconds | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """One kind of loss; a time-out where it is needed."""
        kinds = ("probability", "gilbert_elliott")
        if given.keys() <= cls.model_fields.keys() and sum(given.get(kind) is not None for kind in kinds) != 1:
            yield (), f"found {shown(given)}; allowed: exactly one of {', '.join(kinds)}"
        then, timeout = given.get("then", "retransmit"), given.get("timeout")
        if then == "retransmit" and timeout is None and given.keys() <= cls.model_fields.keys():
            yield ("timeout",), "missing; it is needed with then: retransmit, such as 200 ms"
        if then == "drop" and timeout is not None:
            yield ("timeout",), "found timeout with then: drop; allowed: with then: retransmit"

    @field_validator("then")
    @classmethod
    def _check_rate(cls, then: str, info: ValidationInfo) -> str:
        bursts = info.data.get("gilbert_elliott")
        rate = info.data.get("probability") if bursts is None else cls._rate_of(bursts)
        if then == "retransmit" and rate == 1:
            raise refusal(((), "found retransmit where every message is lost; allowed: a loss below 1, or then: drop"))
        return then

    @staticmethod
    def _rate_of(bursts: GilbertElliott) -> float:
        bad = bursts.share_of_bad
        return bad * bursts.loss_in_bad + (1 - bad) * bursts.loss_in_good

    @property
    def rate(self) -> float:
        """The share of messages that are lost in the long run."""
        return self.probability or 0.0 if self.gilbert_elliott is None else self._rate_of(self.gilbert_elliott)
