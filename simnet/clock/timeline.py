"""The timeline of a run: who computed, who waited for whom, who was down, and what was on its way, and when.

A run that is not traced knows nothing of it. One that is is watched from outside: the sharing rule is wrapped
(`Timeline.watch`), and so is every program (`Timeline.follow`), to see what its machine computes, and what it is blocked on
and until when. What waiting means is settled afterwards, in `Timeline.table`: a machine waits while it is blocked and has
nothing to compute.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import inf, nan
from typing import Any

import numpy as np

from simnet.clock.clock import Clock, Event
from simnet.clock.events import ComputeEvent, Receipt, Transfer, whole
from simnet.clock.links import Link
from simnet.clock.machine import Machine, told_tag
from simnet.clock.process import Program
from simnet.clock.sharing import Queued, SharingRule, Unshared
from simnet.scenario import Trace

Span = tuple[float, float]


@dataclass(slots=True)
class Interval:
    """What one machine did for a while.

    Args:
        node: the machine's number.
        start, end: in simulated seconds.
        step: how many steps it had completed when it began.
        peers: for whom it waited.
        what: the tag of the messages, or why it was down.
    """

    node: int
    start: float
    end: float
    step: int = -1
    peers: tuple[int, ...] = ()
    what: str = ""


@dataclass(slots=True)
class Flight:
    """One transfer.

    Args:
        sender, receiver: the machines at the ends of the link.
        bits: what takes bandwidth.
        sent: when it was handed to the network [s].
        first: when its first bit left; before, it waited for bits that came earlier (under `fair`, for the latency).
        last: when its last bit left.
        arrival: when its last bit arrived; infinite as long as it has not.
        latency: of the link, everything added [s].
        limits: bandwidth of the link, of the sender's uplink, of the receiver's downlink [bit/s].
        step, what: the sender's step and the tag of the message; -1 and empty where none is known.
        is_lost: whether it took its time and bandwidth for nothing.
    """

    sender: int
    receiver: int
    bits: float
    sent: float
    first: float
    last: float
    arrival: float
    latency: float
    limits: tuple[float, float, float]
    step: int
    what: str
    is_lost: bool = False


class Timeline:
    """Records what happens in a window of simulated time.

    Args:
        clock: the run's clock.
        window: the scenario's `run.trace`.
    """

    def __init__(self, clock: Clock, window: Trace) -> None:
        self.clock = clock
        self.start = window.start
        self.until = inf if window.until is None else window.until
        self.nodes = None if window.nodes is None else frozenset(window.nodes)
        self.most_events = window.most_events
        self.num_events = 0
        self.computations: list[Interval] = []
        self.blocked: list[Interval] = []
        self.downs: list[Interval] = []
        self.landed: list[Flight] = []
        self.flying: dict[int, Flight] = {}
        self._followed: set[int] = set()
        self._pending: dict[int, tuple[float, int, Event]] = {}

    def watch(self, rule: SharingRule) -> None:
        """Records what a sharing rule carries from now on.

        Args:
            rule: any one.
        """
        rule.carry = TracedRule(rule, self).carry  # type: ignore[method-assign]

    def follow(self, machine: Machine, program: Program) -> Program:
        """The same program, which also records what it is blocked on, and every gradient that its node computes.

        Args:
            machine: on which it runs.
            program: what to run.

        Yields:
            The program's own events.
        """
        if hasattr(machine, "gradient") and machine.id not in self._followed:  # a node that restarts has more than one program
            machine.gradient = self._recorded(machine, machine.gradient)
            self._followed.add(machine.id)
        value = None
        while True:
            try:
                event = program.send(value)
            except StopIteration:
                return
            self._pending[machine.id] = self.clock.now, machine.step, event
            try:
                value = yield event
            finally:
                self._keep(self.blocked, *self._pending_of(machine.id))
                del self._pending[machine.id]

    def down(self, node: int, start: float, end: float, why: str) -> None:
        """A machine was, or will be, down for a while; it computes nothing then, and waits for nobody.

        Args:
            node: the machine's number.
            start: in simulated seconds.
            end: likewise; infinite if it never comes back.
            why: in a few words.
        """
        self._keep(self.downs, Interval(node, start, end, what=why))

    def sends(self, flight: Flight) -> None:
        """A transfer begins.

        Args:
            flight: as far as it is known.
        """
        self.flying[id(flight)] = flight

    def arrives(self, flight: Flight) -> None:
        """A transfer's last bit arrives now.

        Args:
            flight: that began before.
        """
        del self.flying[id(flight)]
        flight.arrival = self.clock.now
        if self._is_seen(flight.sent, flight.arrival, flight.sender, flight.receiver):
            self.landed.append(flight)

    def table(self) -> dict[str, np.ndarray]:
        """All that was recorded, as columns of equal length.

        Returns:
            One row for the window itself (``kind`` is ``window``, ``what`` says whether it ended early), then, by start,
            ``compute``, ``wait``, ``down`` (of ``node``, with ``step``; ``peers`` are those whose message came last, or
            never), and ``transfer`` (from ``node`` to ``peers``, with all the columns that the others do not have), which is
            ``lost`` where it took its time and bandwidth for nothing.
            Times in s, bandwidths in bit/s; computing, waiting and being down are cut at the window's ends and never
            overlap; a transfer is kept whole, and one that has not arrived ends at infinity.
        """
        until = max(self.start, min(self.until, self.clock.now))
        early = f"ends after {self.most_events} events" if self.num_events >= self.most_events else ""
        rows = [*self._done(until), *self._transfers(until)]
        rows.sort(key=lambda row: (row[2], KINDS.index(row[0]), row[1], row[3], row[5]))
        rows.insert(0, ("window", -1, self.start, until, -1, "", early, *[nan] * 7))
        columns = list(zip(*rows, strict=True))
        return {name: np.array(column, dtype) for (name, dtype), column in zip(COLUMNS.items(), columns, strict=True)}

    def _done(self, until: float) -> Iterator[tuple[Any, ...]]:
        """Rows of what the machines did, without overlap: down comes first, then computing, then waiting."""
        downs = _spans(self.downs)
        computed = list(_outside(_in_turn(self.computations), downs))
        pending = [interval for node in sorted(self._pending) for interval in self._pending_of(node)]
        waited = _outside([*self.blocked, *pending], _spans([*self.downs, *computed]))
        for kind, intervals in (("down", self.downs), ("compute", computed), ("wait", waited)):
            for i in intervals:
                start, end = max(i.start, self.start), min(i.end, until)
                if start < end and (self.nodes is None or i.node in self.nodes):
                    yield kind, i.node, start, end, i.step, " ".join(map(str, i.peers)), i.what, *[nan] * 7

    def _transfers(self, until: float) -> Iterator[tuple[Any, ...]]:
        """Rows of what was on its way."""
        under_way = [f for f in self.flying.values() if self._is_shown(f.sender, f.receiver)]
        for f in [*self.landed, *under_way]:
            if f.sent <= until:
                times = (f.bits, f.first, f.last, f.latency)
                kind = "lost" if f.is_lost else "transfer"
                yield kind, f.sender, f.sent, f.arrival, f.step, str(f.receiver), f.what, *times, *f.limits

    def _recorded(self, machine: Machine, gradient: Callable[[Any], ComputeEvent]) -> Callable[[Any], ComputeEvent]:
        """The word `node.gradient`, which is overheard."""

        def recorded(x: Any) -> ComputeEvent:
            event = gradient(x)
            self._keep(self.computations, Interval(machine.id, event.start, event.end, machine.step))
            return event

        return recorded

    def _pending_of(self, node: int) -> list[Interval]:
        """What a machine is blocked on right now, up to now."""
        start, step, event = self._pending[node]
        if isinstance(event, ComputeEvent):
            return []
        return [Interval(node, start, self.clock.now, step, *awaited(event))]

    def _keep(self, intervals: list[Interval], *new: Interval) -> None:
        intervals += [interval for interval in new if self._is_seen(interval.start, interval.end, interval.node)]

    def _is_shown(self, *nodes: int) -> bool:
        return self.nodes is None or not self.nodes.isdisjoint(nodes)

    def _is_seen(self, start: float, end: float, *nodes: int) -> bool:
        """Whether this belongs into the window; closes the window when it is full."""
        if end < self.start or start >= self.until or not self._is_shown(*nodes):
            return False
        self.num_events += 1
        if self.num_events == self.most_events:
            self.until = min(self.until, self.clock.now)
        return True


class TracedRule:
    """A sharing rule that tells a timeline of everything that it carries.

    Args:
        rule: decides.
        timeline: is told.
    """

    def __init__(self, rule: SharingRule, timeline: Timeline) -> None:
        self.rule_carry = rule.carry
        self.timeline = timeline
        self.is_queue = isinstance(rule, Queued)
        self.waits_first = not isinstance(rule, Queued | Unshared)

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Lets the rule carry the transfer, and notes when."""
        now, latency, message = self.timeline.clock.now, link.latency + extra, whole(transfer)
        flight = Flight(
            *(link.sender, link.receiver, transfer.bits),
            sent=now,
            first=max(now, link.uplink.free_at, link.own.free_at) if self.is_queue else now + latency * self.waits_first,
            last=inf,
            arrival=inf,
            latency=latency,
            limits=(link.own.bandwidth, link.uplink.bandwidth, link.downlink.bandwidth),
            step=getattr(message, "step", -1),
            what=str(getattr(message, "tag", "")),
        )
        self.timeline.sends(flight)
        self.rule_carry(link, transfer, extra)
        if self.is_queue:
            flight.last = max(link.uplink.free_at, link.own.free_at)
        transfer.callbacks = (*transfer.callbacks, lambda _: self._land(flight, transfer))

    def _land(self, flight: Flight, transfer: Transfer) -> None:
        now = self.timeline.clock.now
        flight.is_lost = getattr(transfer, "is_lost", False)
        flight.last = min(flight.last, now if self.waits_first else now - flight.latency)
        self.timeline.arrives(flight)


KINDS = ("window", "down", "compute", "wait", "transfer", "lost")
COLUMNS: dict[str, type] = {
    "kind": str,
    "node": int,
    "start_s": float,
    "end_s": float,
    "step": int,
    "peers": str,
    "what": str,
    "bits": float,
    "first_bit_s": float,
    "last_bit_s": float,
    "latency_s": float,
    "bandwidth": float,
    "uplink": float,
    "downlink": float,
}


def awaited(event: Event) -> tuple[tuple[int, ...], str]:
    """For whom a machine waits, and for what.

    Args:
        event: that its program has yielded.

    Returns:
        Whoever has not answered, or, if all have, whoever came last; and the tag of the message.
    """
    if not isinstance(event, Receipt):
        return (), ""
    last = tuple(event.box)[-1:]  # in order of arrival
    return tuple(event.missing) or last, str(told_tag(event))


def without(start: float, end: float, taken: Sequence[Span]) -> Iterator[Span]:
    """What is left of an interval.

    Args:
        start: of the interval.
        end: of the interval.
        taken: intervals, ascending, that do not overlap.

    Yields:
        The pieces of it that lie in none of them.

    Example:
        >>> list(without(0, 10, [(-1, 2), (4, 5), (9, 20)]))
        [(2, 4), (5, 9)]
    """
    for other_start, other_end in taken[max(0, bisect_right(taken, (start, inf)) - 1) :]:
        if other_start >= end:
            break
        if other_start > start:
            yield start, other_start
        start = max(start, other_end)
    if start < end:
        yield start, end


def _outside(intervals: Iterable[Interval], taken: dict[int, list[Span]]) -> Iterator[Interval]:
    """The pieces of intervals that lie in none of those that come first."""
    for i in intervals:
        for start, end in without(i.start, i.end, taken[i.node]):
            yield Interval(i.node, start, end, i.step, i.peers, i.what)


def _in_turn(computations: Iterable[Interval]) -> Iterator[Interval]:
    """Computations of which none goes on when its machine begins the next one: a failure has ended it."""
    ordered = sorted(computations, key=lambda i: (i.node, i.start))
    for i, after in zip_longest(ordered, ordered[1:]):
        end = min(i.end, after.start) if after is not None and after.node == i.node else i.end
        yield Interval(i.node, i.start, end, i.step)


def _spans(intervals: Iterable[Interval]) -> dict[int, list[Span]]:
    """The times of each machine's intervals, ascending."""
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for interval in intervals:
        if interval.start < interval.end:
            spans[interval.node].append((interval.start, interval.end))
    for times in spans.values():
        times.sort()
    return spans
