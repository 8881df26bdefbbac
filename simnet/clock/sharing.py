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
from typing import Protocol

import simpy

from simnet.clock.clock import Clock
from simnet.clock.events import Transfer
from simnet.clock.links import Link


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

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives after latency and ``bits / bandwidth``."""
        clock = self.clock
        arrival = clock._now + (link.latency + extra) + transfer.bits / link.limit
        heappush(clock._queue, (arrival, link.priority, next(clock._eid), transfer))  # type: ignore[misc]  # as `at` does


class Queued:
    """Sharing rule `queue`: first come, first served, at each limit on the way.

    Args:
        clock: the run's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives when the last limit on the way has served it."""
        now, bits, latency = self.clock._now, transfer.bits, link.latency + extra
        at_uplink = link.uplink.start(bits, now)
        at_link = link.own.start(bits, at_uplink)
        last_bit = max(link.uplink.free_at, link.own.free_at) + latency
        if link.downlink.bandwidth == inf:
            self.clock.at(last_bit, transfer, link.priority)
            return
        # Who comes first to a downlink is known only when the first bit gets there.
        self._at(at_link + latency, link, lambda _: self._enter_downlink(link, transfer, last_bit))

    def _at(self, time: float, link: Link, enter: Callable[[simpy.Event], None]) -> None:
        """Calls a function when the first bit reaches a limit on a link."""
        entry = simpy.Event(self.clock)
        entry._ok = True
        entry.callbacks = [enter]
        self.clock.at(time, entry, link.priority)

    def _enter_downlink(self, link: Link, transfer: Transfer, last_bit: float) -> None:
        link.downlink.start(transfer.bits, self.clock.now)
        self.clock.at(max(last_bit, link.downlink.free_at), transfer, link.priority)


class QueuedAcross(Queued):
    """Sharing rule `queue` in a network where some links cross shared limits, which lie between link and latency.

    Who comes first to a shared limit is known only when the first bit gets there, as at a downlink.
    """

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives when the last limit on the way has served it."""
        if not link.shared:
            super().carry(link, transfer, extra)
            return
        bits = transfer.bits
        first_bit = link.own.start(bits, link.uplink.start(bits, self.clock._now))
        last_bit = max(link.uplink.free_at, link.own.free_at)
        self._enter(0, first_bit, last_bit, link, transfer, extra)

    def _enter(self, k: int, first_bit: float, last_bit: float, link: Link, transfer: Transfer, extra: float) -> None:
        """The first bit will reach the k-th shared limit, or, after the last of them, the latency."""

        def serve(_: simpy.Event) -> None:
            limit = link.shared[k]
            left = limit.start(transfer.bits, self.clock._now)
            self._enter(k + 1, left, max(last_bit, limit.free_at), link, transfer, extra)

        latency = link.latency + extra
        if k < len(link.shared):
            self._at(first_bit, link, serve)
        elif link.downlink.bandwidth == inf:
            self.clock.at(last_bit + latency, transfer, link.priority)
        else:
            self._at(first_bit + latency, link, lambda _: self._enter_downlink(link, transfer, last_bit + latency))


SHARING_RULES: dict[str, Callable[[Clock], SharingRule]] = {"none": Unshared, "queue": Queued}
