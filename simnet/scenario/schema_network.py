"""What a scenario says about the network: mixing matrix, links, messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationInfo, field_validator, model_serializer

from simnet.part import Part
from simnet.scenario.disturbances import Change, LinkJitter, Loss
from simnet.scenario.presets import PRESETS
from simnet.scenario.quantities import Constant, PerNode
from simnet.scenario.rows import RowsOrPath
from simnet.scenario.schema_links import Places, Positions, PresetName, Shared
from simnet.scenario.schema_protocol import Protocol
from simnet.scenario.varying import LinkRate, LinkTime, NodeRate
from simnet.sentences import Complaint, refusal, shown


class Mixing(Part):
    """The rule that gives the mixing matrix W, or W itself.

    The fastest symmetric weights for a graph (FDLA, Xiao and Boyd 2004) are the answer to a semidefinite program. No solver
    for these comes with simnet: compute them elsewhere, and give them as a matrix.

    Args:
        kind: the rule; None without a matrix: metropolis on undirected, uniform on directed graphs. A topology with weights
            of its own, such as those that change with the step, needs no rule, and bears none that gives others.
        matrix: n rows of n weights (row = receiver), or the path of a file with them.
        lazy: take (I + W) / 2.
        slack: kappa of kappa W + (1 - kappa) I.
        self_weight: what a node keeps for itself (uniform only).
    """

    word_key: ClassVar[str | None] = "kind"

    kind: Literal["metropolis", "uniform", "max_degree", "best_constant", "lazy", "push"] | None = None
    matrix: RowsOrPath | None = None
    lazy: bool = False
    slack: Annotated[float, Field(gt=0, le=1)] | None = None
    self_weight: Annotated[float, Field(ge=0, lt=1)] | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """A rule or a matrix; and only one rule can be told what a node keeps."""
        kind = given.get("kind")
        if kind == "fdla":
            yield (), "fdla needs a semidefinite solver, and simnet has none; compute the weights elsewhere, and give matrix"
        if kind is not None and given.get("matrix") is not None:
            yield ("matrix",), f"found matrix and kind: {shown(kind)}; allowed: one of the two"
        if given.get("self_weight") is not None and kind != "uniform":
            yield ("self_weight",), f"found self_weight with kind: {shown(kind)}; allowed: with kind: uniform only"


class Network(Part):
    """The links, and how messages share them. Without ``network`` messages cost no time.

    Args:
        preset: a network by name, whose keys are overridden by those that stand beside it.
        places: where a preset has places: that of each node, by name or number, or how many nodes stand in each, in
            blocks. By default in blocks, each place with the share that it has in the preset's source.
        sharing: ``none``: every message has its link's full bandwidth; ``queue``: first come, first served; ``fair``: all
            messages under way share every limit that they cross, max-min fair.
        routing: ``direct``: any two nodes have a link of their own; ``hops``: messages travel over the topology's links,
            store and forward, on the path with the least latency; a parameter server hangs off the first node.
        latency: of each directed link [s]; None: what the preset's places say.
        bandwidth: of each directed link [bit/s]; None: what the preset's places say, else unlimited.
        duplex: of the nodes' NICs; ``half``: what a node sends and receives shares its ``uplink``.
        uplink: what a node can send, over all its links [bit/s]; None: unlimited.
        downlink: what a node can receive, over all its links [bit/s]; None: unlimited.
        shared: limits that many links share, in the order in which messages cross them.
        jitter: more latency, drawn for each message [s]; a normal one is cut at 0.
        changes: what is different from given moments on.
        loss: messages that do not arrive.
        protocol: what TCP adds to each message; None: nothing.
    """

    preset: PresetName | None = None
    places: Places | None = None
    sharing: Literal["none", "queue", "fair"] = "none"
    routing: Literal["direct", "hops"] = "direct"
    latency: LinkTime | None = Field(default=Constant(value=0.0), json_schema_extra={"default": "0 s"})
    bandwidth: LinkRate | None = None
    duplex: Literal["full", "half"] = "full"
    uplink: NodeRate | None = None
    downlink: NodeRate | None = None
    shared: tuple[Shared, ...] = ()
    jitter: LinkJitter | None = None
    changes: tuple[Change, ...] = ()
    loss: Loss | None = None
    protocol: Protocol | None = None

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """A preset's keys stand beside those of the file, which win."""
        del info
        if not isinstance(given, Mapping) or not isinstance(given.get("preset"), str):
            return given
        own = {key: value for key, value in given.items() if value is not None}
        return {**cls._keys_of(own), **own}

    @classmethod
    def _keys_of(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the preset in a network says: quantities as text; None: its places say it."""
        preset = PRESETS.get(given["preset"])
        keys = dict(preset.keys) if preset else {}
        if preset and preset.layout:
            keys["latency"] = None
        if given.get("duplex") == "half":  # one limit for both directions
            keys.pop("downlink", None)
        return keys

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Keys that need or exclude each other."""
        if given.get("places") is not None and given.get("preset") is None:
            yield ("places",), "found places without preset; allowed: with a preset that has places"
        if given.get("duplex") == "half":
            if given.get("uplink") is None:
                yield ("duplex",), "found half without uplink; allowed: with uplink, the bandwidth of both directions together"
            if given.get("downlink") is not None:
                yield ("downlink",), "found downlink with duplex: half; allowed: only uplink, which both directions share"

    @field_validator("places")
    @classmethod
    def _name_places(cls, places: Any, info: ValidationInfo) -> Any:
        preset = info.data.get("preset")
        return places if places is None or preset is None else PRESETS[preset].named(places)

    @field_validator("shared")
    @classmethod
    def _check_names(cls, shared: tuple[Shared, ...]) -> tuple[Shared, ...]:
        names = [resource.name for resource in shared]
        twice = [(i, name) for i, name in enumerate(names) if name in names[:i]]
        if twice:
            raise refusal(*(((i, "name"), f"found {name} twice; allowed: each name once") for i, name in twice))
        return shared

    def misfits(self, nodes: int) -> list[Complaint]:
        """What does not fit so many nodes.

        Args:
            nodes: n.

        Returns:
            Complaints; none if all is well.
        """
        counts: dict[tuple[str, ...], int] = {}
        for key in ("uplink", "downlink"):
            limit = getattr(self, key)
            if isinstance(limit, PerNode):
                counts[key,] = len(limit.values)
        if isinstance(self.latency, Positions) and not isinstance(self.latency.positions, str):
            counts["latency", "positions"] = len(self.latency.positions)
        if self.places is not None:
            counts["places",] = sum(self.places.values()) if isinstance(self.places, Mapping) else len(self.places)
        wrong = [
            (place, f"found {count} values; allowed: {nodes}, as many as nodes")
            for place, count in counts.items()
            if count != nodes
        ]
        outside = [
            (("shared", k, *place), f"found node {node}; allowed: 0 to {nodes - 1}, since nodes is {nodes}")
            for k, resource in enumerate(self.shared)
            for place, node in resource.members()
            if node >= nodes
        ]
        changes = enumerate(self.changes)
        changed = [(("changes", i, *place), text) for i, change in changes for place, text in change.misfits(nodes)]
        return [*wrong, *outside, *changed]

    def placed(self, nodes: int) -> Network:
        """The same network, with the places of its nodes filled in, if its preset has places and none are given.

        Args:
            nodes: n.
        """
        if self.preset is None or not PRESETS[self.preset].layout or self.places is not None:
            return self
        return self.model_copy(update={"places": PRESETS[self.preset].spread(nodes)})

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What the preset says is not said again."""
        plain: dict[str, Any] = {key: value for key, value in handler(self).items() if value is not None}
        keys = self._keys_of(plain) if self.preset else {}
        return {key: value for key, value in plain.items() if key not in keys or value != keys[key]}


class Messages(Part):
    """What a message costs.

    Args:
        bits_per_number: of one number in full precision on the wire, whatever ``dtype`` computes with.
    """

    bits_per_number: Annotated[float, Field(gt=0)] = 32.0
