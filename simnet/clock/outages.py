"""Which machine or link is down when: the scenario's faults, and what becomes of a message that meets one."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path

from simnet.clock.downtime import PATIENCE, Downtime, Spell
from simnet.errors import ParameterError
from simnet.scenario import (
    Crash,
    Fault,
    FaultTrace,
    Join,
    Leave,
    LinkDown,
    NetworkPartition,
    RandomCrashes,
    RandomOutages,
)
from simnet.streams import stream

Pair = tuple[int, int]


class Outages:
    """All the faults of a run.

    A message gets through if its link is up, and no partition lies between, at every moment from its start to its
    arrival, and if the receiver is up when it arrives and has not been restarted meanwhile. What a node has handed to
    the network goes its way, whatever happens to the node.

    Args:
        faults: the scenario's.
        num_nodes: n.
        edges: the topology's links, which random outages of all links concern.
        seed: the run's seed; every node and link draws from its own stream.
        folder: where the scenario's files lie.

    Attributes:
        nodes: the downtime of each node that may ever be down.

    Raises:
        ParameterError: if a trace cannot be read.
    """

    def __init__(self, faults: Iterable[Fault], num_nodes: int, edges: Iterable[Pair], seed: int, folder: Path) -> None:
        self.faults = tuple(faults)
        self.gone: dict[int, list[tuple[float, int]]] = {}
        sources: dict[int, list[Iterable[Spell]]] = {}
        fatal_until: dict[int, float] = {}
        link_sources: dict[Pair, list[Iterable[Spell]]] = {}
        self.partitions: list[tuple[dict[int, int], Downtime]] = []
        for number, fault in enumerate(self.faults):
            for node, spells, last_fatal in spells_of_nodes(fault, number, num_nodes, seed, folder):
                sources.setdefault(node, []).append(spells)
                if isinstance(spells, list) and spells[-1].end == inf:
                    self.gone.setdefault(number, []).append((spells[-1].start, node))
                fatal_until[node] = max(fatal_until.get(node, -inf), last_fatal)
            for pair, spells in spells_of_links(fault, number, edges, seed):
                link_sources.setdefault(pair, []).append(spells)
            if isinstance(fault, NetworkPartition):
                group = {node: k for k, nodes in enumerate(fault.groups) for node in nodes}
                self.partitions.append((group, Downtime([[Spell(fault.at, inf if fault.until is None else fault.until)]])))
        self.nodes = {node: Downtime(spells, fatal_until[node]) for node, spells in sorted(sources.items())}
        self.links = {pair: Downtime(spells) for pair, spells in link_sources.items()}

    def is_up(self, node: int, time: float) -> bool:
        """Whether a node is up at a moment.

        Args:
            node: its number.
            time: in simulated seconds.
        """
        return node not in self.nodes or self.nodes[node].at(time) is None

    def was_up(self, sender: int, receiver: int, since: float, until: float) -> bool:
        """Whether a message got through that was on its way from one moment to another.

        Args:
            sender: who sent it.
            receiver: to whom.
            since: when it started [s].
            until: when it arrived [s].
        """
        if any(way.between(since, until) for way in self._ways(sender, receiver)):
            return False
        spells = self.nodes[receiver].between(since, until) if receiver in self.nodes else []
        return not any(spell.end > until or spell.is_fatal for spell in spells)

    def up_again(self, sender: int, receiver: int, since: float, time: float) -> float:
        """When a message that was lost can be sent again.

        Args:
            sender: who sent it.
            receiver: to whom.
            since: when it was sent for the last time [s].
            time: no earlier than then [s].

        Returns:
            The first moment from `time` on at which both ends and the link are up; infinite if there is none, or none as far
            as anybody cares to look, or if one of the ends has lost its memory meanwhile.
        """
        ends = [self.nodes[node] for node in (sender, receiver) if node in self.nodes]
        downtimes = [*ends, *self._ways(sender, receiver)]
        for _ in range(PATIENCE):
            before = time
            for downtime in downtimes:
                time = downtime.up_again(time)
            if time in (before, inf):
                break
        else:
            return inf
        if time < inf and any(spell.is_fatal for end in ends for spell in end.between(since, time)):
            return inf
        return time

    def suspects(self, time: float) -> list[str]:
        """The faults that may be why nothing happens any more, in words.

        Args:
            time: the moment [s].
        """
        told = []
        for number, fault in enumerate(self.faults):
            name = f"faults.{number} ({fault.kind})"
            nodes = sorted(node for start, node in self.gone.get(number, ()) if start <= time)
            if nodes:
                told.append(f"{name} has taken node{'s' * (len(nodes) > 1)} {', '.join(map(str, nodes))} away for good")
            elif isinstance(fault, RandomCrashes | RandomOutages):
                told.append(f"{name} lets everything be up for {fault.up:g} s and down for {fault.down:g} s on average")
            elif isinstance(fault, LinkDown | NetworkPartition) and fault.until is None and fault.at <= time:
                told.append(f"{name} has cut links for good")
        return told

    def _ways(self, sender: int, receiver: int) -> Iterator[Downtime]:
        """The downtimes of the link between two machines, and of the partitions that cut it."""
        pair = (min(sender, receiver), max(sender, receiver))
        if pair in self.links:
            yield self.links[pair]
        for group, downtime in self.partitions:
            if group.get(sender, -1) != group.get(receiver, -1) and sender in group and receiver in group:
                yield downtime


def spells_of_nodes(
    fault: Fault, number: int, num_nodes: int, seed: int, folder: Path
) -> Iterator[tuple[int, Iterable[Spell], float]]:
    """The spells that a fault means for nodes.

    Args:
        fault: one entry of ``faults``.
        number: its place among them, which names its stream.
        num_nodes: n.
        seed: the run's seed.
        folder: where a trace lies.

    Yields:
        (node, its spells in order, the last moment at which a fatal one may start [s]).

    Raises:
        ParameterError: if a trace cannot be read.
    """
    match fault:
        case Crash() | Join() | Leave():
            spell = spell_of(fault)
            for node in fault.nodes:
                yield node, [spell], spell.start if spell.is_fatal else -inf
        case RandomCrashes():
            last = -inf if fault.state == "kept" else inf
            for node in range(num_nodes) if fault.nodes is None else fault.nodes:
                yield node, random_spells(fault.up, fault.down, fault.state, seed, "crashes", number, node), last
        case FaultTrace():
            try:
                trace = read_trace(fault, num_nodes, folder)
            except ParameterError as error:
                raise ParameterError(f"{number}.{error}") from error
            for node, spells in trace.items():
                yield node, spells, max((spell.start for spell in spells if spell.is_fatal), default=-inf)


def spell_of(fault: Crash | Join | Leave) -> Spell:
    """The one spell that a fault means for each of its nodes.

    Args:
        fault: one entry of ``faults``.

    Returns:
        The spell.

    Example:
        >>> spell_of(Join(nodes=(3,), at="2 s"))
        Spell(start=0.0, end=2.0, state='neighbor')
    """
    match fault:
        case Crash():
            return Spell(fault.at, inf if fault.until is None else fault.until, fault.state)
        case Join():
            return Spell(0.0, fault.at, fault.state)
        case Leave():
            return Spell(fault.at, inf)


def spells_of_links(
    fault: Fault, number: int, edges: Iterable[Pair], seed: int
) -> Iterator[tuple[Pair, Iterable[Spell]]]:
    """The spells that a fault means for links.

    Args:
        fault: one entry of ``faults``.
        number: its place among them, which names its stream.
        edges: the topology's links.
        seed: the run's seed.

    Yields:
        (the link's ends, the smaller first; its spells in order).
    """
    if isinstance(fault, LinkDown | RandomOutages):
        given = edges if fault.links is None else fault.links
        for i, j in sorted({(min(pair), max(pair)) for pair in given}):
            if isinstance(fault, LinkDown):
                yield (i, j), [Spell(fault.at, inf if fault.until is None else fault.until)]
            else:
                yield (i, j), random_spells(fault.up, fault.down, "kept", seed, "outages", number, i, j)


def random_spells(up_s: float, down_s: float, state: str, seed: int, *names: int | str) -> Iterator[Spell]:
    """Exponential times up and down by turns, up first, without end.

    Args:
        up_s: mean time up [s].
        down_s: mean time down [s].
        state: of every spell.
        seed: the run's seed.
        names: of the stream.

    Yields:
        Spells in order.
    """
    rng = stream(seed, *names)
    end = 0.0
    while True:
        start = end + float(rng.exponential(up_s))
        end = start + float(rng.exponential(down_s))
        yield Spell(start, end, state)


def read_trace(fault: FaultTrace, num_nodes: int, folder: Path) -> dict[int, list[Spell]]:
    """Crashes and returns from a CSV file.

    Args:
        fault: names the file, and the state in which nodes come back.
        num_nodes: n.
        folder: where a relative path starts.

    Returns:
        Each node's spells in order.

    Raises:
        ParameterError: if it cannot be read, or has other rows than ``time, node, up`` and ``time, node, down``.
    """
    spells: dict[int, list[Spell]] = {}
    try:
        with (folder / fault.path).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"path: cannot read {fault.path}: {error}") from error
    if not rows:
        raise ParameterError(f"path: found no rows in {fault.path}; allowed: at least one, such as 2.5,1,down")
    for line, row in rows:
        time, node, is_up = _change(row, line, fault.path, num_nodes)
        known = spells.setdefault(node, [])
        is_down = bool(known) and known[-1].end == inf
        if is_up == (not is_down) or (known and time < known[-1].start):
            found = f"path: found {','.join(row)!r} in line {line} of {fault.path}"
            raise ParameterError(f"{found}; each node goes down and up by turns, in the order of time, down first")
        if is_up:
            known[-1] = Spell(known[-1].start, time, fault.state)
        else:
            known.append(Spell(time, inf, fault.state))
    return spells


def _change(row: list[str], line: int, path: str, num_nodes: int) -> tuple[float, int, bool]:
    try:
        time, node, word = float(row[0]), int(row[1]), row[2]
        is_possible = 0 <= time < inf and 0 <= node < num_nodes and word in ("up", "down") and len(row) == 3
    except (ValueError, IndexError):
        is_possible = False
    if not is_possible:
        found = f"path: found {','.join(row)!r} in line {line} of {path}"
        raise ParameterError(f"{found}; allowed: time [s], node (0 to {num_nodes - 1}), up or down")
    return time, node, word == "up"
