"""What a scenario says about failures: nodes that crash, join and leave, links that are down, networks that fall apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, prod
from typing import Annotated, Literal

from pydantic import Field

from simnet.part import Choice, Part
from simnet.scenario.quantities import PositiveSeconds, Seconds, Text
from simnet.sentences import Complaint, Location

NodeId = Annotated[int, Field(ge=0)]
Nodes = Annotated[tuple[NodeId, ...], Field(min_length=1)]
Links = Annotated[tuple[tuple[NodeId, NodeId], ...], Field(min_length=1)]
State = Literal["kept", "neighbor", "start"]

MOST_SPELLS_IN_ONE = 1000
"""Random faults of which more spells than that overlap on average are refused."""


class Interval(Part):
    """Something that is so from one moment to another.

    Args:
        at: from when [s].
        until: until when [s]; None: for ever.
    """

    at: Seconds = 0.0
    until: PositiveSeconds | None = None


class Crash(Interval):
    """Nodes stop at once, and come back later.

    Args:
        nodes: which ones.
        at: when they stop [s].
        until: when they come back [s]; None: never.
        state: what they come back with. ``kept``: all that they had, as from a disk; the gradient under way begins anew.
            ``neighbor``: the model of a neighbor that is there, and nothing else. ``start``: their initial model.
    """

    kind: Literal["crash"] = "crash"
    nodes: Nodes
    state: State = "kept"


class Join(Part):
    """Nodes that are not there from the start.

    Args:
        nodes: which ones.
        at: when they join [s].
        state: with which model: that of a ``neighbor`` that is there, or their initial one (``start``).
    """

    kind: Literal["join"] = "join"
    nodes: Nodes
    at: PositiveSeconds
    state: Literal["neighbor", "start"] = "neighbor"


class Leave(Part):
    """Nodes that leave for good.

    Args:
        nodes: which ones.
        at: when [s].
    """

    kind: Literal["leave"] = "leave"
    nodes: Nodes
    at: Seconds


class LinkDown(Interval):
    """Links that carry nothing for a while, in both directions.

    Args:
        links: pairs of nodes.
        at: from when [s].
        until: until when [s]; None: for ever.
    """

    kind: Literal["link_down"] = "link_down"
    links: Links


class NetworkPartition(Interval):
    """The network falls apart: nothing gets from one group of nodes to another.

    Args:
        groups: lists of nodes; a node in none of them reaches everybody.
        at: from when [s].
        until: until when [s]; None: for ever.
    """

    kind: Literal["partition"] = "partition"
    groups: Annotated[tuple[Nodes, ...], Field(min_length=2)]


class RandomCrashes(Part):
    """Nodes that crash and come back at random: exponential times up and down, drawn for each node by itself.

    Args:
        nodes: which ones; None: all.
        up: mean time from a return to the next crash [s].
        down: mean time from a crash to the return [s].
        state: as in `Crash`.
    """

    kind: Literal["random_crashes"] = "random_crashes"
    nodes: Nodes | None = None
    up: PositiveSeconds
    down: PositiveSeconds
    state: State = "kept"


class RandomOutages(Part):
    """Links that fail and come back at random, both directions at once: exponential times up and down.

    Args:
        links: pairs of nodes; None: all of the topology.
        up: mean time from a return to the next failure [s].
        down: mean time from a failure to the return [s].
    """

    kind: Literal["random_outages"] = "random_outages"
    links: Links | None = None
    up: PositiveSeconds
    down: PositiveSeconds


class FaultTrace(Part):
    """Crashes and returns from a file: rows ``time, node, up`` or ``time, node, down``, times in seconds.

    Args:
        path: of the CSV file, relative to the scenario's folder.
        state: as in `Crash`.
    """

    kind: Literal["trace"] = "trace"
    path: Text
    state: State = "kept"


Fault = Annotated[
    Crash | Join | Leave | LinkDown | NetworkPartition | RandomCrashes | RandomOutages | FaultTrace,
    Choice("kind"),
]


def is_fatal(fault: Fault) -> bool:
    """Whether a fault takes a node out of the network, or lets it come back without what it had received.

    Args:
        fault: one entry of ``faults``.

    Returns:
        True if neighbors that wait for all could wait in vain.

    Example:
        >>> is_fatal(Crash(nodes=(3,), at="1 s", until="2 s")), is_fatal(Leave(nodes=(3,), at="1 s"))
        (False, True)
    """
    if isinstance(fault, Crash):
        return fault.until is None or fault.state != "kept"
    return isinstance(fault, Join | Leave) or (isinstance(fault, RandomCrashes | FaultTrace) and fault.state != "kept")


def misfits(fault: Fault, nodes: int) -> list[Complaint]:
    """What cannot be of a fault, in a network of so many nodes.

    Args:
        fault: one entry of ``faults``.
        nodes: n.

    Returns:
        Complaints, each with the place of its key in the entry.

    Example:
        >>> misfits(Leave(nodes=(3, 9), at="1 s"), 4)
        [(('nodes', 1), 'found node 9; allowed: 0 to 3, since nodes is 4')]
    """
    wrong = [
        (place, f"found node {node}; allowed: 0 to {nodes - 1}, since nodes is {nodes}")
        for place, node in named_nodes(fault)
        if node >= nodes
    ]
    if isinstance(fault, LinkDown | RandomOutages):
        loops = [(i, ends) for i, ends in enumerate(fault.links or ()) if ends[0] == ends[1]]
        wrong += [(("links", i), f"found {list(ends)}; allowed: two different nodes") for i, ends in loops]
    if isinstance(fault, Interval) and fault.until is not None and fault.until <= fault.at:
        wrong.append((("until",), f"found {fault.until:g} s, which is not after {fault.at:g} s; allowed: a later time"))
    if isinstance(fault, NetworkPartition):
        members = [node for group in fault.groups for node in group]
        twice = [node for node in sorted({*members}) if members.count(node) > 1]
        wrong += [(("groups",), f"found node {node} twice; allowed: each node once") for node in twice]
    return wrong


def endless(faults: Sequence[Fault]) -> list[Complaint]:
    """Random faults that overlap so much that what they concern is down practically for ever.

    Several of them down by turns are one spell, which ends when all are up at once.

    Args:
        faults: the scenario's.

    Returns:
        Complaints, each with the place of the last of the faults among them.

    Example:
        >>> often = RandomCrashes(up="1 ms", down="10 s")
        >>> endless([often]), len(endless([often, often]))
        ([], 1)
    """
    found = {}
    for kind in (RandomCrashes, RandomOutages):
        random = [(i, fault, _concerned(fault)) for i, fault in enumerate(faults) if isinstance(fault, kind)]
        for one in {one for _, _, concerned in random for one in concerned}:
            here = [(i, fault) for i, fault, concerned in random if one in concerned or EVERYTHING in concerned]
            if spells_in_one([(fault.up, fault.down) for _, fault in here]) > MOST_SPELLS_IN_ONE:
                found[here[-1][0]] = " and ".join(f"faults.{i}" for i, _ in here[:-1])
    never = f"would practically never be up: more than {MOST_SPELLS_IN_ONE} spells overlap on average"
    text = "found that what fails here and in {} {}; allowed: less `down`, or more `up`"
    return [((i,), text.format(others, never)) for i, others in found.items()]


EVERYTHING = (-1, -1)


def _concerned(fault: RandomCrashes | RandomOutages) -> set[tuple[int, int]]:
    """Nodes, each as a pair of one node, or links, whichever way they are written."""
    if isinstance(fault, RandomCrashes):
        return {EVERYTHING} if fault.nodes is None else {(node, node) for node in fault.nodes}
    return {EVERYTHING} if fault.links is None else {(min(link), max(link)) for link in fault.links}


def spells_in_one(means: Sequence[tuple[float, float]]) -> float:
    """How many spells of several random faults overlap, one with the next, on average.

    Args:
        means: time up and time down of each [s].

    Returns:
        Spells from a moment at which all are up to the next one; infinite if there are too many to say.

    Example:
        >>> spells_in_one([(1.0, 1.0)]), spells_in_one([(1.0, 1.0), (1.0, 1.0)])
        (1.0, 2.0)
    """
    all_up = prod(up / (up + down) for up, down in means)
    rate = sum(1 / (up + down) for up, down in means)  # spells begin so often
    return rate / (all_up * sum(1 / up for up, _ in means)) if all_up else inf


def named_nodes(fault: Fault) -> Iterator[tuple[Location, int]]:
    """The nodes that an entry of ``faults`` names, and where it does.

    Args:
        fault: the entry.

    Returns:
        An iterator over (place of the number in the entry, number).
    """
    for i, node in enumerate(getattr(fault, "nodes", None) or ()):
        yield ("nodes", i), node
    for key in ("links", "groups"):
        for i, row in enumerate(getattr(fault, key, None) or ()):
            for k, node in enumerate(row):
                yield (key, i, k), node
