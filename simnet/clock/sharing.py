"""Sharing rules: when a transfer that starts now arrives. Arrival times are arithmetic; one event per message where possible.

A transfer of s bits from i to j crosses the uplink of i, the link i -> j and the downlink of j, each with an optional
bandwidth; between link and downlink lie the limits that it shares with other links, if there are any. Its last bit leaves
a resource no earlier than ``start + s / bandwidth`` of that resource and no earlier than it left the one before
(cut-through); the latency of the link is added once, before the downlink.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from math import inf
from typing import Any, Protocol

from simnet.clock.clock import Call, Clock
from simnet.clock.events import Transfer
from simnet.clock.flows import Flow
from simnet.clock.fluid import Fluid
from simnet.clock.links import Link, Path


class Carry(Protocol):
    """Sends a transfer over a link; `extra` are seconds of latency on top of the link's own."""

    def __call__(self, link: Link, transfer: Transfer, extra: float = 0.0, /) -> None:
        """Schedules its arrival, now or later."""
        ...


class SharingRule(Protocol):
    """How transfers share what they cross."""

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Schedules the transfer's event for the moment when its last bit arrives.

        Args:
            link: what it crosses.
            transfer: an event with a size; it starts now.
            extra: seconds of latency on top of the link's own.
        """
        ...


class Unshared:
    """Sharing rule `none`: every transfer sees the full bandwidth of the narrowest limit on its way.

    Args:
        clock: the run's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.queue: list[Any] = clock._queue
        self.next_place = clock._eid.__next__

    def carry(self, link: Path, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives after latency and ``bits / bandwidth``."""
        arrival = self.clock._now + (link.latency + extra) + transfer.bits / link.limit
        heappush(self.queue, (arrival, link.priority, self.next_place(), transfer))  # as the clock's `at` does


class Queued:
    """Sharing rule `queue`: first come, first served, at each limit on the way.

    Args:
        clock: the run's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.at = clock.at

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives when the last limit on the way has served it."""
        uplink, own, bits, latency = link.uplink, link.own, transfer.bits, link.latency + extra
        at_link = own.start(bits, uplink.start(bits, self.clock._now))
        last_bit = (max(uplink.free_at, own.free_at)) + latency
        if link.downlink.bandwidth == inf:
            self.at(last_bit, transfer, link.priority)
            return
        # Who comes first to a downlink is known only when the first bit gets there.
        self._at(at_link + latency, link, lambda _: self._enter_downlink(link, transfer, last_bit))

    def _at(self, time: float, link: Path, enter: Callable[[Call], None]) -> None:
        """Calls a function when the first bit reaches a limit on a link."""
        self.at(time, Call(enter), link.priority)

    def _enter_downlink(self, link: Link, transfer: Transfer, last_bit: float) -> None:
        downlink = link.downlink
        downlink.start(transfer.bits, self.clock._now)
        self.at(max(last_bit, downlink.free_at), transfer, link.priority)


class QueuedPath(Queued):
    """Sharing rule `queue` where paths have any number of limits: those that links share, or a task graph's own.

    Who comes first to a limit is known only when the first bit gets there, as at a downlink. The latency lies before the
    last limit.
    """

    def carry(self, link: Path, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives when the last limit on the way has served it."""
        now, latency = self.clock._now, link.latency + extra
        if len(link.resources) > 1:
            self._enter(link, transfer, 0, now, latency)
        else:
            self._approach(link, transfer, 0, (now, now), latency)

    def _approach(self, link: Path, transfer: Transfer, k: int, bits_at: tuple[float, float], latency: float) -> None:
        """Its first and its last bit leave for limit number k at these times."""
        first, last = bits_at
        if k >= len(link.resources) - 1:
            first, last, latency = first + latency, last + latency, 0.0
        if k < len(link.resources):
            self._at(first, link, lambda _: self._enter(link, transfer, k, last, latency))
        else:
            self.at(last, transfer, link.priority)

    def _enter(self, link: Path, transfer: Transfer, k: int, last: float, latency: float) -> None:
        limit = link.resources[k]
        first = limit.start(transfer.bits, self.clock._now)
        self._approach(link, transfer, k + 1, (first, max(last, limit.free_at)), latency)


class Fair:
    """Sharing rule `fair`: max-min fair fluid sharing of every limit on the way.

    Args:
        clock: the run's clock.

    Attributes:
        fluid: the flows under way; it is told when a bandwidth changes.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fluid = Fluid(clock)

    def carry(self, link: Path, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives when its last bit does; it waits for the latency, then takes bandwidth."""
        path = tuple([resource for resource in link.resources if resource.bandwidth != inf])
        start = self.clock._now + (link.latency + extra)
        if not path or not transfer.bits:
            self.clock.at(start, transfer, link.priority)
        else:
            self.clock.at(start, Flow(transfer, path, link.priority, self.fluid.begin), link.priority)


SHARING_RULES: dict[str, Callable[[Clock], SharingRule]] = {"none": Unshared, "queue": Queued, "fair": Fair}
