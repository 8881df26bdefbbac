"""What TCP adds to a message: bits around it, acknowledgements, a slow start, a rendezvous, and its place in line.

Each option is a layer with ``carry(path, transfer, extra)``, like the sharing rule at the bottom; `with_protocol` puts
those that are asked for on top of each other. All formulas are for a path of latency L and narrowest bandwidth B.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from simnet.clock.clock import Clock
from simnet.clock.events import Leg, Transfer
from simnet.clock.links import Link
from simnet.clock.sharing import Carry, Fair, SharingRule, Unshared
from simnet.scenario import Protocol, StartUp

SEGMENT = 8 * 1448
"""Bits of a message that one TCP segment carries over Ethernet."""


def with_protocol(
    protocol: Protocol, rule: SharingRule, carry: Carry, clock: Clock, back: Callable[[Any], Any]
) -> Carry:
    """What sends transfers by a sharing rule as a transport protocol would.

    Args:
        protocol: which of the options.
        rule: the sharing rule.
        carry: how transfers get there: the rule's own, or that of a layer around it.
        clock: the run's clock.
        back: the link of the acknowledgements for a link; None where they cost nothing.

    Returns:
        What carries transfers instead.
    """
    if protocol.acknowledgements and not isinstance(rule, Unshared):
        carry = Acknowledged(protocol.acknowledgements, back, carry).carry
    if isinstance(rule, Fair | Unshared) and (protocol.in_order or protocol.start_up):
        carry = InOrder(clock, carry).carry
    if protocol.start_up:
        carry = SlowStart(protocol.start_up, protocol.overhead, clock, carry).carry
    return Wrapped(protocol.overhead, protocol.rendezvous, carry).carry


def deliver(transfer: Transfer, _: Any = None) -> None:
    """Tells whom the arrival of a transfer concerns that itself never was in the clock's queue.

    Args:
        transfer: its last bit has arrived.
    """
    for callback in transfer.callbacks:
        callback(transfer)


class Wrapped:
    """Overhead and rendezvous: ``overhead * bits`` on the wire, and one more latency.

    Args:
        overhead: bits on the wire for one bit of a message.
        rendezvous: whether the sender first asks, or is told, that the receiver is ready.
        carry: the layer below.
    """

    def __init__(self, overhead: float, rendezvous: bool, carry: Carry) -> None:
        self.overhead = overhead
        self.rendezvous = rendezvous
        self.below = carry

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Sends the transfer with all that is around it."""
        on_wire = Leg(transfer, self.overhead * transfer.bits, (partial(deliver, transfer),))
        self.below(link, on_wire, extra + link.latency if self.rendezvous else extra)


class SlowStart:
    """A fresh or idle connection sends a window, waits for its acknowledgement, sends twice as much, and so on.

    A round trip takes ``R = 2 L + segment / B``. Round k = 0, 1, ... begins at k R with a window of ``2^k w``, w the
    initial one; as soon as a window covers ``B R``, everything goes. (Where L or B vary: L when the connection is opened, B
    at most.) A message of s bits alone on its path is late by
    ``sum_k max(0, R - 2^k w / B)``, over the rounds k after which some of it is left: ``(2^(k+1) - 1) w < s``.
    A window that was used by less than half does not grow.

    Args:
        options: initial window and when a connection is cold again.
        overhead: bits on the wire for one bit of a message.
        clock: the run's clock.
        carry: the layer below.

    Reference: RFC 5681, section 3.1 (slow start), section 4.1 (idle connections); RFC 6928 (an initial window of 10).
    """

    def __init__(self, options: StartUp, overhead: float, clock: Clock, carry: Carry) -> None:
        self.options = options
        self.segment = SEGMENT * overhead
        self.initial_window = options.initial_window * self.segment
        self.clock = clock
        self.below = carry
        self.connections: dict[Link, Connection] = {}

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Sends the transfer after those that wait on its connection."""
        if link not in self.connections:
            self.connections[link] = Connection(link, self)
        self.connections[link].send(transfer, extra)


class Connection:
    """One direction of a TCP connection in slow start.

    Args:
        link: what it crosses.
        layer: the slow start's options and the layer below.
    """

    __slots__ = (
        *("credit", "in_flight", "is_asleep", "layer", "link", "pending"),
        *("pipe", "renewed", "round_trip", "used_at", "window"),
    )

    def __init__(self, link: Link, layer: SlowStart) -> None:
        self.link = link
        self.layer = layer
        limit = min((resource.peak for resource in link.resources), default=inf)
        self.round_trip = 2 * link.latency + layer.segment / limit if limit else 0.0
        self.pipe = limit * self.round_trip if limit < inf else inf
        self.window = 0.0
        self.credit = 0.0
        self.renewed = -inf
        self.used_at = -inf
        self.in_flight = 0
        self.is_asleep = False
        self.pending: deque[tuple[Transfer, float, float]] = deque()

    def send(self, transfer: Transfer, extra: float) -> None:
        """Appends a transfer to what this connection has to send.

        Args:
            transfer: of any size.
            extra: seconds of latency on top of the link's own.
        """
        now, options = self.layer.clock.now, self.layer.options
        if not self.window and options.handshake:
            # A round trip in which nothing can be sent; the window of the next one is the double of this.
            self.window, self.credit, self.renewed = self.layer.initial_window / 2, 0.0, now
        elif not self.window or (not self.in_flight and not self.pending and now - self.used_at > options.idle):
            self._begin_round(self.layer.initial_window)
        self.pending.append((transfer, transfer.bits, extra))
        if not self.is_asleep:
            self._send_pending()

    def _send_pending(self) -> None:
        """Sends what the window allows, and comes back with the next one if that was not all."""
        while self.pending:
            if self.layer.clock.now >= self.renewed + self.round_trip:
                used = self.window - self.credit  # minus infinity once all may go
                self._begin_round(self.window + used if 2 * used > self.window else self.window)
            transfer, left, extra = self.pending.popleft()
            part = min(left, self.credit)
            self.credit -= part
            if part == left:
                self._send(Leg(transfer, part, (self._arrived, partial(deliver, transfer))), extra)
                continue
            if part:
                self._send(Leg(transfer, part, (self._arrived,)), extra)
            self.pending.appendleft((transfer, left - part, extra))
            self._sleep()
            return

    def _send(self, part: Transfer, extra: float) -> None:
        self.in_flight += 1
        self.layer.below(self.link, part, extra)

    def _arrived(self, _: Any) -> None:
        self.in_flight -= 1
        self.used_at = self.layer.clock.now

    def _begin_round(self, window: float) -> None:
        self.window = window
        self.credit = window if window < self.pipe else inf
        self.renewed = self.layer.clock.now

    def _sleep(self) -> None:
        self.is_asleep = True
        self.layer.clock.call(self.renewed + self.round_trip, self._wake, self.link.priority)

    def _wake(self, _: Any) -> None:
        self.is_asleep = False
        self._send_pending()


class InOrder:
    """The transfers of one link come one after the other, also under `fair` and `none`; the latencies overlap.

    (Under `queue` they do anyway.)

    Args:
        clock: the run's clock.
        carry: the layer below.
    """

    def __init__(self, clock: Clock, carry: Carry) -> None:
        self.clock = clock
        self.below = carry
        self.lines: dict[Link, deque[tuple[float, Transfer]]] = {}

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Sends the transfer when those before it have arrived, but not before its own latency is over."""
        if link in self.lines:
            self.lines[link].append((self.clock.now + (link.latency + extra), transfer))
        else:
            self.lines[link] = deque()
            self._send(link, transfer, extra)

    def _send(self, link: Link, transfer: Transfer, extra: float) -> None:
        self.below(link, Leg(transfer, transfer.bits, (partial(self._arrived, link, transfer),)), extra)

    def _arrived(self, link: Link, transfer: Transfer, _: Any) -> None:
        line = self.lines[link]
        if line:
            ready, following = line.popleft()
            self._send(link, following, max(0.0, ready - self.clock.now) - link.latency)
        else:
            del self.lines[link]
        deliver(transfer)


class Acknowledged:
    """While bits flow there, ``share * bits`` flow back and take their part of the bandwidth; nobody waits for them.

    TCP acknowledges every second segment: 66 bytes for 2 * 1514, a share of 0.0218.

    Args:
        share: bits back for one bit on the wire.
        back: the link of the acknowledgements for a link; None where they cost nothing.
        carry: the layer below.

    Reference: RFC 5681, section 4.2 (an acknowledgement at least for every second segment).
    """

    def __init__(self, share: float, back: Callable[[Any], Any], carry: Carry) -> None:
        self.share = share
        self.back = back
        self.below = carry

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Sends the transfer there and its acknowledgements back."""
        self.below(link, transfer, extra)
        back = self.back(link)
        if back is not None:
            self.below(back, Transfer(self.share * transfer.bits, ()), extra + link.latency - back.latency)
