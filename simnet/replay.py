"""A task graph of computations and transfers on the network model alone, without any learning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from math import inf
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from simnet.clock.clock import MESSAGE, WAKE, Clock
from simnet.clock.events import Transfer
from simnet.clock.links import Path, Resource
from simnet.clock.protocol import with_protocol
from simnet.clock.sharing import Fair, QueuedPath, Unshared
from simnet.errors import ScenarioError
from simnet.execution import quiet_collector
from simnet.part import Part
from simnet.scenario import Protocol
from simnet.scenario.origin import dotted
from simnet.scenario.source import Plain
from simnet.sentences import Complaint, Location, complaints_of, nearest, sentences, shown, unknown_word

BEGIN: Final = 1 << 50
"""Where the order matters, tasks start in that of their ids, after all that end at the same moment."""

SHARING_RULES: dict[str, type[Unshared | QueuedPath | Fair]] = {"none": Unshared, "queue": QueuedPath, "fair": Fair}

MAX_SPELLINGS = 200
"""Among more names, nobody looks for the one that was meant."""

Id = int | str
AtLeastZero = Annotated[float, Field(ge=0)]


class ComputeTask(BaseModel):
    """A computation; it takes its time whatever else its node does.

    Args:
        id: names the task.
        seconds: how long it takes.
        node: where, for the reader: two computations that must not overlap say so in ``after``.
        flops: how much, for the reader.
        after: ids of the tasks that must have finished before it starts.
        start: the earliest start [s].
    """

    model_config = Part.model_config

    kind: Literal["compute"]
    id: Id
    seconds: AtLeastZero
    node: Id | None = None
    flops: AtLeastZero | None = None
    after: list[Id] = Field(default_factory=list)
    start: AtLeastZero = 0.0


class FlowTask(BaseModel):
    """A transfer.

    Args:
        id: names the task.
        bits: its size.
        path: names of the resources that it crosses, in this order.
        latency: waited for once [s].
        back: names of the resources that acknowledgements cross; none: they cost nothing.
        src: the sender; with a protocol, transfers of equal path, latency, way back, sender and receiver share a connection.
        dst: the receiver.
        after: ids of the tasks that must have finished before it starts.
        start: the earliest start [s].
    """

    model_config = Part.model_config

    kind: Literal["flow"]
    id: Id
    bits: AtLeastZero
    path: list[str]
    latency: AtLeastZero = 0.0
    back: list[str] = Field(default_factory=list)
    src: Id | None = None
    dst: Id | None = None
    after: list[Id] = Field(default_factory=list)
    start: AtLeastZero = 0.0


Task = ComputeTask | FlowTask
Policy = Annotated[
    Literal["shared", "fatpipe"], BeforeValidator(lambda given: given.lower() if isinstance(given, str) else given)
]


class ResourceFacts(BaseModel):
    """Something with a bandwidth.

    Args:
        bandwidth: in bit/s.
        policy: ``shared``: by all flows on it; ``fatpipe``: each flow has all of it.
    """

    model_config = Part.model_config

    bandwidth: Annotated[float, Field(gt=0)]
    policy: Policy = "shared"


KINDS: dict[str, type[Task]] = {"compute": ComputeTask, "flow": FlowTask}
TASKS = TypeAdapter(list[Annotated[Task, Field(discriminator="kind")]])
RESOURCES = TypeAdapter(dict[str, ResourceFacts])
PROTOCOL: TypeAdapter[Protocol | None] = TypeAdapter(Protocol | None)


def _checked(
    tasks: Any, resources: Any, sharing: Any, protocol: Any
) -> tuple[list[Task], dict[str, ResourceFacts], Protocol | None]:
    """The tasks and resources, once everything about them is right; complaints are looked for only if something is wrong."""
    try:
        checked = TASKS.validate_python(tasks), RESOURCES.validate_python(resources), PROTOCOL.validate_python(protocol)
    except ValidationError:
        checked = None
    if checked is None or any(_wrong_sharing(sharing)) or any(_misnamed(tasks, resources)):
        plain = Plain()
        given = {"tasks": tasks, "resources": resources, "protocol": protocol}
        data = plain.convert(given)  # NumPy's numbers, for example, are all right
        places = {place for place, _ in plain.complaints}
        wrong = [*_wrong_values(**data), *_wrong_sharing(sharing)]
        complaints = plain.complaints + [complaint for complaint in wrong if complaint[0] not in places]
        if isinstance(data["tasks"], list):
            complaints += [*_misnamed(data["tasks"], data["resources"]), *_circle(data["tasks"])]
        if complaints:
            raise _refusal(complaints)
        found = TASKS.validate_python(data["tasks"]), RESOURCES.validate_python(data["resources"])
        checked = *found, PROTOCOL.validate_python(data["protocol"])
    return checked


def _wrong_values(tasks: Any, resources: Any, protocol: Any) -> Iterator[Complaint]:
    """What is wrong with tasks, resources and protocol one by one."""
    try:
        PROTOCOL.validate_python(protocol)
    except ValidationError as error:
        yield from ((("protocol", *place), text) for place, text in complaints_of(error))
    if isinstance(tasks, list):
        for i, task in enumerate(tasks):
            kind = task.get("kind") if isinstance(task, Mapping) else "flow"
            if isinstance(kind, str) and kind in KINDS:
                yield from _wrong_in(("tasks", i), task, KINDS[kind])
            else:
                found = unknown_word(kind, KINDS) if "kind" in task else f"missing; allowed: {', '.join(KINDS)}"
                yield ("tasks", i, "kind"), found
    else:
        yield ("tasks",), f"found {shown(tasks)}; allowed: a list"
    if isinstance(resources, Mapping):
        for name, facts in resources.items():
            yield from _wrong_in(("resources", name), facts, ResourceFacts)
    else:
        yield ("resources",), f"found {shown(resources)}; allowed: a mapping (name: {{bandwidth: ...}})"


def _wrong_in(place: Location, given: Any, model: type[BaseModel]) -> Iterator[Complaint]:
    if not isinstance(given, Mapping):
        yield place, f"found {shown(given)}; allowed: {Part.spelling}"
        return
    try:
        model.model_validate(given)
    except ValidationError as error:
        yield from (((*place, *inner), text) for inner, text in sentences(error, given, model))


def _wrong_sharing(given: Any) -> Iterator[Complaint]:
    if given not in list(SHARING_RULES):
        yield ("sharing",), unknown_word(given, SHARING_RULES)


def _refusal(complaints: Iterable[Complaint]) -> ScenarioError:
    in_order = sorted(complaints, key=lambda complaint: complaint[0][:2])
    return ScenarioError("\n".join(f"replay: {dotted(place)}: {' '.join(text.split())}" for place, text in in_order))


def _misnamed(tasks: Iterable[Any], resources: Any) -> Iterator[Complaint]:
    """Names of nothing, and of two things."""
    tasks = [task if isinstance(task, Mapping) else {} for task in tasks]
    numbers: dict[Any, int] = {}
    for i, task in enumerate(tasks):
        name = task.get("id")
        if _is_name(name) and numbers.setdefault(name, i) != i:
            yield ("tasks", i, "id"), f"found {shown(name)} twice; allowed: each id once"
    for i, task in enumerate(tasks):
        yield from _unknown(("tasks", i, "after"), _names(task, "after"), numbers, "ids of tasks")
        for key in ("path", "back") if "back" in task else ("path",):
            path = _names(task, key)
            if isinstance(resources, Mapping):
                yield from _unknown(("tasks", i, key), path, resources, "names of resources")
            if len(set(path)) < len(path):
                yield ("tasks", i, key), "found a resource twice; allowed: each once"


def _unknown(place: Location, names: Iterable[Any], known: Mapping[Any, Any], what: str) -> Iterator[Complaint]:
    for name in names:
        if name not in known:
            near = nearest(str(name), map(str, known)) if len(known) <= MAX_SPELLINGS else None
            hint = f"; did you mean {near}?" if near else ""
            yield place, f"found {shown(name)}; allowed: {what}{hint}"


def _names(task: Mapping[str, Any], key: str) -> list[Any]:
    """What a task lists under a key; what is no list, or no name, others complain about."""
    given = task.get(key)
    return list(filter(_is_name, given)) if isinstance(given, list) else []


def _is_name(value: Any) -> bool:
    return type(value) is str or type(value) is int


def _circle(tasks: Iterable[Any]) -> Iterator[Complaint]:
    """Tasks that wait for one another."""
    graph = {task["id"]: _names(task, "after") for task in tasks if isinstance(task, Mapping) and _is_name(task.get("id"))}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = [shown(name) for name in error.args[1]]
        circle = " -> ".join(names if len(names) < 9 else [*names[:4], "...", *names[-4:]])
        yield ("tasks",), f"found tasks that wait for one another: {circle}; allowed: no circle of after"


def replay(
    tasks: Iterable[Mapping[str, Any]],
    resources: Mapping[str, Mapping[str, Any]],
    sharing: str = "fair",
    protocol: Mapping[str, Any] | Protocol | None = None,
) -> dict[Id, float]:
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
        protocol: what TCP adds to every transfer, as a scenario's ``network.protocol``: ``{"overhead": 1.0456}``.
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
    if isinstance(tasks, Iterator):
        tasks = list(tasks)
    checked, facts, transport = _checked(tasks, resources, sharing, protocol)
    with quiet_collector():
        finished = (_Replay if transport is None else _ReplayOverProtocol)(checked, facts, sharing, transport).finish_times()
    if len(finished) < len(checked) and (complaints := list(_circle(tasks))):
        raise _refusal(complaints)
    return {task.id: finished.get(task.id, inf) for task in checked}  # later than the largest number: never


class _Task:
    """What is known of a task while others are under way."""

    __slots__ = ("facts", "followers", "num_missing", "rank")

    def __init__(self, facts: Task, rank: int) -> None:
        self.facts = facts
        self.rank = rank
        self.num_missing = len(set(facts.after))
        self.followers: list[_Task] = []


class _Replay:
    """The tasks on a clock."""

    def __init__(
        self, tasks: list[Task], resources: dict[str, ResourceFacts], sharing: str, protocol: Protocol | None = None
    ) -> None:
        self.clock = Clock()
        self.rule = SHARING_RULES[sharing](self.clock)
        self.carry: Callable[..., None] = self.rule.carry
        self.in_order = sharing == "queue"
        self.facts = resources
        self.shared = {name: Resource(facts.bandwidth) for name, facts in resources.items()}
        by_id = sorted(tasks, key=lambda task: (isinstance(task.id, str), task.id))
        self.tasks = {facts.id: _Task(facts, rank) for rank, facts in enumerate(by_id)}
        self.finished: dict[Id, float] = {}

    def finish_times(self) -> dict[Id, float]:
        """Of all tasks that could start."""
        for task in self.tasks.values():
            for before in set(task.facts.after):
                self.tasks[before].followers.append(task)
        for task in self.tasks.values():
            if not task.num_missing:
                self._start(task)
        self.clock.run_until()
        return self.finished

    def _start(self, task: _Task) -> None:
        """Starts a task whose predecessors have finished; under `queue` in the order of ids, so only when all others have."""
        now, facts = self.clock.now, task.facts
        start = max(facts.start, now)
        if isinstance(facts, ComputeTask):
            self.clock.call(start + facts.seconds, lambda _: self._finish(task), WAKE + task.rank)
        elif start > now or self.in_order:
            self.clock.call(start, lambda _: self._send(task, facts), BEGIN + task.rank)
        else:
            self._send(task, facts)

    def _send(self, task: _Task, facts: FlowTask) -> None:
        self.carry(self._path(task, facts), Transfer(facts.bits, [lambda _: self._finish(task)]))

    def _path(self, task: _Task, facts: FlowTask) -> Path:
        return Path(facts.latency, tuple(map(self._resource, facts.path)), MESSAGE + task.rank)

    def _resource(self, name: str) -> Resource:
        """A shared resource; of a fatpipe, every transfer has one of its own."""
        facts = self.facts[name]
        return self.shared[name] if facts.policy == "shared" else Resource(facts.bandwidth)

    def _finish(self, task: _Task) -> None:
        self.finished[task.facts.id] = self.clock.now
        for follower in task.followers:
            follower.num_missing -= 1
            if not follower.num_missing:
                self._start(follower)


class _ReplayOverProtocol(_Replay):
    """The same with a transport protocol: transfers with the same ends share a connection."""

    def __init__(
        self, tasks: list[Task], resources: dict[str, ResourceFacts], sharing: str, protocol: Protocol | None = None
    ) -> None:
        super().__init__(tasks, resources, sharing)
        assert protocol is not None
        self.connections: dict[Any, Path] = {}
        backs: dict[Path, Path] = {}
        for task in self.tasks.values():  # in the order of ids, of which the smallest gives a connection its priority
            facts = task.facts
            if isinstance(facts, FlowTask) and _connection(facts) not in self.connections:
                path = self.connections[_connection(facts)] = super()._path(task, facts)
                if facts.back:
                    backs[path] = Path(facts.latency, tuple(map(self._resource, facts.back)), MESSAGE + task.rank)
        self.carry = with_protocol(protocol, self.rule, self.carry, self.clock, backs.get)

    def _path(self, task: _Task, facts: FlowTask) -> Path:
        return self.connections[_connection(facts)]


def _connection(facts: FlowTask) -> tuple[Any, ...]:
    """What transfers of one connection have in common."""
    return tuple(facts.path), facts.latency, tuple(facts.back), facts.src, facts.dst
