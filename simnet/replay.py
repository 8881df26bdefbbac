"""A task graph of computations and transfers on the network model alone, without any learning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from math import inf
from typing import Annotated, Any, Final, Literal

import simpy
from pydantic import BeforeValidator, Field, ValidationError

from simnet.clock.clock import MESSAGE, WAKE, Clock
from simnet.clock.events import Transfer
from simnet.clock.links import Path, Resource
from simnet.clock.protocol import with_protocol
from simnet.clock.sharing import Fair, QueuedPath, Unshared
from simnet.errors import ScenarioError
from simnet.part import Choice, Part
from simnet.scenario import Protocol
from simnet.scenario.origin import dotted
from simnet.scenario.quantities import Text
from simnet.scenario.source import Plain
from simnet.sentences import Complaint, complaints_of, nearest, shown

BEGIN: Final = 1 << 50
"""Tasks start, in the order of their ids, after all that end at the same moment."""

SHARING_RULES: dict[str, type[Unshared | QueuedPath | Fair]] = {"none": Unshared, "queue": QueuedPath, "fair": Fair}

Id = int | Text
AtLeastZero = Annotated[float, Field(ge=0)]
Label = int | Text | None


class ComputeTask(Part):
    """A computation; it takes its time whatever else its node does.

    Args:
        id: names the task.
        seconds: how long it takes.
        node: where, for the reader: two computations that must not overlap say so in ``after``.
        flops: how much, for the reader.
        after: ids of the tasks that must have finished before it starts.
        start: the earliest start [s].
    """

    kind: Literal["compute"]
    id: Id
    seconds: AtLeastZero
    node: Label = None
    flops: AtLeastZero | None = None
    after: tuple[Id, ...] = ()
    start: AtLeastZero = 0.0


class FlowTask(Part):
    """A transfer.

    Args:
        id: names the task.
        bits: its size.
        path: names of the resources that it crosses, in this order.
        latency: waited for once [s].
        back: names of the resources that acknowledgements cross; nothing: they cost nothing.
        src: the sender, for the reader; with a protocol, transfers of equal path, latency, sender and receiver share a
            connection.
        dst: the receiver, as the sender.
        after: ids of the tasks that must have finished before it starts.
        start: the earliest start [s].
    """

    kind: Literal["flow"]
    id: Id
    bits: AtLeastZero
    path: tuple[Text, ...]
    latency: AtLeastZero = 0.0
    back: tuple[Text, ...] = ()
    src: Label = None
    dst: Label = None
    after: tuple[Id, ...] = ()
    start: AtLeastZero = 0.0


Policy = Annotated[
    Literal["shared", "fatpipe"], BeforeValidator(lambda given: given.lower() if isinstance(given, str) else given)
]


class ResourceFacts(Part):
    """Something with a bandwidth.

    Args:
        bandwidth: in bit/s.
        policy: ``shared``: by all flows on it; ``fatpipe``: each flow has all of it.
    """

    bandwidth: Annotated[float, Field(gt=0)]
    policy: Policy = "shared"


class Traffic(Part):
    """What `replay` is told.

    Args:
        tasks: computations and transfers.
        resources: what transfers cross, by name.
        sharing: the rule.
        protocol: what goes with every transfer; None: nothing.
    """

    tasks: tuple[Annotated[ComputeTask | FlowTask, Choice("kind")], ...]
    resources: dict[str, ResourceFacts]
    sharing: Literal["none", "queue", "fair"]
    protocol: Protocol | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Names that are no names, or are two things; tasks that wait for one another."""
        tasks = given["tasks"] if isinstance(given["tasks"], list) else []
        tasks = [task if isinstance(task, Mapping) else {} for task in tasks]
        numbers: dict[Any, int] = {}
        for i, task in enumerate(tasks):
            if _is_name(task.get("id")) and numbers.setdefault(task["id"], i) != i:
                yield ("tasks", i, "id"), f"found {shown(task['id'])} twice; allowed: each id once"
        unknown = list(_unknown(tasks, "after", numbers, "the id of a task"))
        yield from unknown
        if isinstance(given["resources"], Mapping):
            for key in ("path", "back"):
                yield from _unknown(tasks, key, given["resources"], "the name of a resource")
        for i, task in enumerate(tasks):
            for key in ("path", "back"):
                path = _names(task, key)
                yield from (
                    (("tasks", i, key, k), f"found {shown(name)} twice; allowed: each resource once")
                    for k, name in enumerate(path)
                    if name in path[:k]
                )
        if not unknown:
            yield from _circle(tasks)


def _is_name(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _names(task: Mapping[str, Any], key: str) -> list[Any]:
    """What a task lists under a key; what is no list, or no name, others complain about."""
    given = task.get(key)
    return [name if _is_name(name) else None for name in given] if isinstance(given, list) else []


def _unknown(tasks: Sequence[Mapping[str, Any]], key: str, known: Mapping[Any, Any], what: str) -> Iterator[Complaint]:
    for i, task in enumerate(tasks):
        for k, name in enumerate(_names(task, key)):
            if name is not None and name not in known:
                near = nearest(str(name), map(str, known))
                hint = f"; did you mean {near}?" if near else ""
                yield ("tasks", i, key, k), f"found {shown(name)}; allowed: {what}{hint}"


def _circle(tasks: Sequence[Mapping[str, Any]]) -> Iterator[Complaint]:
    graph = {task["id"]: _names(task, "after") for task in tasks if _is_name(task.get("id"))}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = [shown(name) for name in error.args[1]]
        circle = " -> ".join(names if len(names) < 9 else [*names[:4], "...", *names[-4:]])
        yield ("tasks",), f"found tasks that wait for one another: {circle}; allowed: an after without a circle"


def replay(
    tasks: Iterable[Mapping[str, Any]],
    resources: Mapping[str, Mapping[str, Any]],
    sharing: str = "fair",
    protocol: Mapping[str, Any] | Protocol | None = None,
) -> dict[int | str, float]:
    """When each task of a graph of computations and transfers is finished.

    A task starts at ``max(start, finish of all tasks in after)``. A computation takes its seconds. A transfer is finished
    when its last bit is delivered: under ``fair`` it waits for its latency, then crosses all of its path at once, at its
    max-min fair rate; under ``none`` the same, as if it were alone; under ``queue`` each resource of the path, in order,
    serves first come, first served, cut-through: a transfer comes to the next resource with its first bit, and leaves it no
    earlier than ``bits / bandwidth`` after its turn has come and no earlier than it left the one before. The latency then
    lies before the last resource, as between a link and the receiver's downlink. Who comes at the same moment is served in
    the order of ids (numbers before text). The order of the tasks plays no role, to the last bit.

    Args:
        tasks: mappings with ``id``, ``kind``, ``after`` (ids; none), ``start`` (0 s), and for the kind ``compute``
            ``seconds`` and ``node`` (a label), for the kind ``flow`` ``bits``, ``latency`` (0 s) and ``path`` (names).
        resources: for each name a mapping with ``bandwidth`` in bit/s and ``policy``: ``shared`` by all transfers that
            cross it (default), or ``fatpipe``: a limit for each of them by itself.
        sharing: ``fair``, ``queue`` or ``none``.
        protocol: what goes with every transfer, as a scenario's ``network.protocol``: ``{"overhead": 1.0456}``.
            Acknowledgements cross the resources that a flow lists under ``back``.

    Returns:
        For each task's id when it is finished, in simulated seconds.

    Raises:
        ScenarioError: one line for each complaint about tasks, resources, sharing and protocol.

    Example:
        >>> nics = {"up": {"bandwidth": 1e6}, "down": {"bandwidth": 2e6}}
        >>> replay([
        ...     {"id": "gradient", "kind": "compute", "node": 0, "seconds": 0.5},
        ...     {"id": "model", "kind": "flow", "bits": 1e6, "latency": 0.1, "path": ["up", "down"], "after": ["gradient"]},
        ... ], nics)
        {'gradient': 0.5, 'model': 1.6}
    """
    if isinstance(protocol, Protocol):
        protocol = protocol.model_dump(mode="json")
    traffic = _checked({"tasks": tasks, "resources": resources, "sharing": sharing, "protocol": protocol})
    return _Replay(traffic).finish_times()


def _checked(given: dict[str, Any]) -> Traffic:
    if isinstance(given["tasks"], Iterator):
        given["tasks"] = list(given["tasks"])
    plain = Plain()
    data = plain.convert(given)
    complaints = plain.complaints
    try:
        traffic = Traffic.model_validate(data)
    except ValidationError as error:
        places = {place for place, _ in complaints}
        complaints = complaints + [complaint for complaint in complaints_of(error) if complaint[0] not in places]
    if complaints:
        lines = (f"replay: {dotted(place)}: {' '.join(text.split())}" for place, text in complaints)
        raise ScenarioError("\n".join(dict.fromkeys(lines)))
    return traffic


def _connection(task: FlowTask) -> Any:
    """What transfers of one connection have in common."""
    return task.path, task.latency, task.back, task.src, task.dst


class _Replay:
    """The tasks on a clock."""

    def __init__(self, traffic: Traffic) -> None:
        self.clock = Clock()
        self.rule = SHARING_RULES[traffic.sharing](self.clock)
        self.facts = traffic.resources
        self.shared = {name: Resource(facts.bandwidth) for name, facts in traffic.resources.items()}
        self.tasks = traffic.tasks
        in_order = sorted(self.tasks, key=lambda task: (isinstance(task.id, str), task.id))
        self.ranks = {task.id: rank for rank, task in enumerate(in_order)}
        self.missing = {task.id: len(set(task.after)) for task in self.tasks}
        self.followers: dict[Id, list[ComputeTask | FlowTask]] = {task.id: [] for task in self.tasks}
        self.finished: dict[Id, float] = {}
        for task in self.tasks:
            for before in set(task.after):
                self.followers[before].append(task)
        self.carry: Callable[..., None] = self.rule.carry
        self.connections: dict[Any, Path] | None = None
        if traffic.protocol is not None:
            backs: dict[Path, Path] = {}
            self.connections = self._connections(in_order, backs)
            self.carry = with_protocol(traffic.protocol, self.rule, self.clock, backs.get)

    def _connections(self, tasks: Iterable[ComputeTask | FlowTask], backs: dict[Path, Path]) -> dict[Any, Path]:
        """One path for all transfers with the same ends; notes in `backs` where their acknowledgements go."""
        connections: dict[Any, Path] = {}
        for task in tasks:
            if isinstance(task, FlowTask) and _connection(task) not in connections:
                path = connections[_connection(task)] = self._new_path(task, task.path)
                if task.back:
                    backs[path] = self._new_path(task, task.back)
        return connections

    def _new_path(self, task: FlowTask, names: tuple[str, ...]) -> Path:
        return Path(task.latency, tuple(map(self._resource, names)), MESSAGE + self.ranks[task.id])

    def finish_times(self) -> dict[Id, float]:
        for task in self.tasks:
            if not task.after:
                self._start_later(task)
        self.clock.run_until()
        return {task.id: self.finished.get(task.id, inf) for task in self.tasks}  # beyond the largest float: never

    def _at(self, time: float, priority: int, action: Callable[[simpy.Event], None]) -> None:
        event = self.clock.event()
        event._ok = True
        event.callbacks = [action]
        self.clock.at(time, event, priority)

    def _start_later(self, task: ComputeTask | FlowTask) -> None:
        self._at(max(task.start, self.clock.now), BEGIN + self.ranks[task.id], lambda _: self._start(task))

    def _start(self, task: ComputeTask | FlowTask) -> None:
        rank = self.ranks[task.id]
        if isinstance(task, ComputeTask):
            self._at(self.clock.now + task.seconds, WAKE + rank, lambda _: self._finish(task))
            return
        path = self._new_path(task, task.path) if self.connections is None else self.connections[_connection(task)]
        self.carry(path, Transfer(task.bits, [lambda _: self._finish(task)]))

    def _resource(self, name: str) -> Resource:
        """A shared resource; of a fatpipe, every transfer has one of its own."""
        facts = self.facts[name]
        return self.shared[name] if facts.policy == "shared" else Resource(facts.bandwidth)

    def _finish(self, task: ComputeTask | FlowTask) -> None:
        self.finished[task.id] = self.clock.now
        for follower in self.followers[task.id]:
            self.missing[follower.id] -= 1
            if not self.missing[follower.id]:
                self._start_later(follower)
