"""The network: when a message arrives. Arrival times are arithmetic; one event per message (two with downlink limits).

A message of s bits from i to j crosses the uplink of i, the link i -> j and the downlink of j, each with an optional
bandwidth. Its last bit leaves a resource no earlier than ``start + s / bandwidth`` of that resource and no earlier than
it left the one before (cut-through); the latency of the link is added once, between link and downlink.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from math import inf

import simpy

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.events import Message
from simnet.clock.parameters import LinkParameters


class Resource:
    """Something with a bandwidth that serves messages first come, first served.

    Args:
        bandwidth: in bit/s; infinite where there is no limit.
    """

    __slots__ = ("bandwidth", "free_at")

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth
        self.free_at = 0.0

    def start(self, bits: float, arrival: float) -> float:
        """When a message that arrives now begins to be served; the resource is taken for ``bits / bandwidth`` from then."""
        start = max(arrival, self.free_at)
        self.free_at = start + bits / self.bandwidth
        return start


class Link:
    """One direction between two machines: latency [s], bandwidth [bit/s], the limits at both ends."""

    __slots__ = ("downlink", "latency", "limit", "own", "priority", "uplink")

    def __init__(self, latency: float, bandwidth: float, uplink: Resource, downlink: Resource, priority: int) -> None:
        self.latency = latency
        self.own = Resource(bandwidth)
        self.uplink = uplink
        self.downlink = downlink
        self.limit = min(bandwidth, uplink.bandwidth, downlink.bandwidth)
        self.priority = priority


class Network:
    """All links between all machines, made when they are first used.

    Args:
        sharing: the sharing rule, ``none`` or ``queue``.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
    """

    def __init__(self, sharing: str, parameters: LinkParameters, clock: Clock) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.uplinks = [Resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [Resource(bandwidth) for bandwidth in self.parameters.downlinks]
        self.transmit: Callable[[Link, Message], None] = {"none": self._unshared, "queue": self._queued}[sharing]

    def link(self, sender: int, receiver: int) -> Link:
        """The link from one machine to another; any two may communicate."""
        return Link(
            self.parameters.latency(sender, receiver),
            self.parameters.bandwidth(sender, receiver),
            self.uplinks[sender],
            self.downlinks[receiver],
            MESSAGE + sender * self.num_machines + receiver,
        )

    def _unshared(self, link: Link, message: Message) -> None:
        """Sharing rule `none`: every message sees the full bandwidth of the narrowest limit on its way."""
        clock = self.clock
        arrival = clock._now + link.latency + message.bits / link.limit
        heappush(clock._queue, (arrival, link.priority, next(clock._eid), message))  # type: ignore[misc]  # as `at` does

    def _queued(self, link: Link, message: Message) -> None:
        """Sharing rule `queue`: first come, first served, at each limit on the way."""
        now, bits = self.clock.now, message.bits
        at_uplink = link.uplink.start(bits, now)
        at_link = link.own.start(bits, at_uplink)
        last_bit = max(at_uplink + bits / link.uplink.bandwidth, at_link + bits / link.own.bandwidth) + link.latency
        if link.downlink.bandwidth == inf:
            self.clock.at(last_bit, message, link.priority)
            return
        # Who comes first to a downlink is known only when the first bit gets there.
        entry = simpy.Event(self.clock)
        entry._ok = True
        entry.callbacks = [lambda _: self._enter_downlink(link, message, last_bit)]
        self.clock.at(at_link + link.latency, entry, link.priority)

    def _enter_downlink(self, link: Link, message: Message, last_bit: float) -> None:
        start = link.downlink.start(message.bits, self.clock.now)
        served = start + message.bits / link.downlink.bandwidth
        self.clock.at(max(last_bit, served), message, link.priority)
