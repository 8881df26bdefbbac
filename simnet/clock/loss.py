"""Transfers that get lost: by chance, or since a link was down. They are sent again, or nobody hears of them.

A transfer is lost or not as a whole, and takes its bandwidth either way. Chance is drawn when it is sent; a link that is
down at any moment between sending and arrival loses it, too. Sent again, an attempt starts a time-out after the moment
when the last one would have arrived, and no earlier than the link is up again. So with a time-out T, without sharing,
what is lost k times arrives after ``(k + 1) (latency + bits / bandwidth) + k T``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from math import inf
from typing import Any, Protocol, runtime_checkable

import numpy as np

from simnet.clock.clock import Clock
from simnet.clock.downtime import PATIENCE
from simnet.clock.events import Leg, Transfer, whole
from simnet.clock.links import Link
from simnet.clock.outages import Outages
from simnet.clock.sharing import Carry
from simnet.scenario import Loss
from simnet.streams import stream

BLOCK = 64


@runtime_checkable
class Receiver(Protocol):
    """Somebody whose method a transfer calls on arrival, and who is to know when it never arrives."""

    def lose(self, transfer: Any) -> None:
        """A transfer of his will not arrive.

        Args:
            transfer: which one.
        """
        ...


class Unreliable:
    """Loses transfers.

    Args:
        carry: how they are sent.
        clock: the run's clock.
        losses: for each link, whether chance loses its transfers, one after the other; None: it loses none.
        timeout: in s, until a lost transfer is sent again; None: it never is.
        outages: which nodes and links are down when; None: none ever is.

    Attributes:
        delivered_messages: attempts that got through.
        lost_messages: attempts that were lost, as far as their time of arrival has come.
        undelivered: messages that will never arrive.
        retransmitted: attempts that were made after a loss.
        retransmitted_bits: their bits.
    """

    def __init__(
        self,
        carry: Carry,
        clock: Clock,
        losses: Callable[[Link], Iterator[bool]] | None,
        timeout: float | None,
        outages: Outages | None = None,
    ) -> None:
        self.below = carry
        self.clock = clock
        self.losses = losses or (lambda _: repeat(False))
        self.timeout = timeout
        self.outages = outages
        self.delivered_messages = 0
        self.lost_messages = 0
        self.undelivered = 0
        self.retransmitted = 0
        self.retransmitted_bits = 0.0
        self.given_up: dict[tuple[int, int], None] = {}
        self._draws: dict[int, Iterator[bool]] = {}

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Sends a transfer that may get lost."""
        self._attempt(link, transfer, extra, faults_met=0)

    def _attempt(self, link: Link, transfer: Transfer, extra: float, faults_met: int) -> None:
        try:
            draws = self._draws[link.priority]
        except KeyError:
            draws = self._draws[link.priority] = self.losses(link)
        is_lost = next(draws)
        self.below(link, Attempt(link, transfer, extra, is_lost, self.clock._now, (self._arrive,), faults_met), extra)

    def counters(self) -> dict[str, float]:
        """What was lost, and what was sent again."""
        lost = {
            "delivered_messages": self.delivered_messages,
            "lost_messages": self.lost_messages,
            "undelivered_messages": self.undelivered,
        }
        again = {"retransmitted": self.retransmitted, "retransmitted_bits": self.retransmitted_bits}
        return {**lost, **(again if self.timeout is not None else {})}

    def troubles(self) -> list[str]:
        """What nobody will ever receive."""
        lost = self.undelivered if self.timeout is None else 0
        gone = ", ".join(f"{sender} -> {receiver}" for sender, receiver in sorted(self.given_up))
        told = [f"{lost} messages were lost for good"] if lost else []
        return [*told, *([f"a fault has cut {gone} for good"] if gone else [])]

    def _arrive(self, attempt: Attempt) -> None:
        """The last bit is there, or would be."""
        link, transfer, outages = attempt.link, attempt.of, self.outages
        ends = link.sender, link.receiver
        if outages is not None and not outages.was_up(*ends, attempt.sent, self.clock._now):
            attempt.faults_met += 1
        elif not attempt.is_lost:
            self.delivered_messages += 1
            for callback in transfer.callbacks:
                callback(transfer)
            return
        attempt.is_lost = True
        self.lost_messages += 1
        if self.timeout is None:
            self._drop(transfer)
        else:
            self._try_again(attempt, self.clock._now + self.timeout)

    def _try_again(self, attempt: Attempt, time: float) -> None:
        ends = attempt.link.sender, attempt.link.receiver
        if self.outages is not None:
            time = self.outages.up_again(*ends, attempt.sent, time)
        if time == inf or attempt.faults_met >= PATIENCE:
            self.given_up[ends] = None
            self._drop(attempt.of)
        else:
            attempt.callbacks = (self._again,)
            self.clock.at(time, attempt, attempt.link.priority)

    def _again(self, attempt: Attempt) -> None:
        self.retransmitted += 1
        self.retransmitted_bits += attempt.bits
        self._attempt(attempt.link, attempt.of, attempt.extra, attempt.faults_met)

    def _drop(self, transfer: Transfer) -> None:
        """It will never arrive: whoever waits for the whole of it is told."""
        self.undelivered += 1
        message = whole(transfer)
        receiver = getattr(message.callbacks[0], "__self__", None)
        if isinstance(receiver, Receiver):
            receiver.lose(message)


class Attempt(Leg):
    """One attempt to get a transfer through; later the moment of the next one.

    Args:
        link: on which.
        of: what is to get through.
        extra: seconds of latency on top of the link's own.
        is_lost: whether chance loses it, or a fault has.
        sent: when it started [s].
        callbacks: whom to call when its last bit arrives, or would.
        faults_met: how many attempts at the same transfer a fault has prevented.
    """

    __slots__ = ("extra", "faults_met", "is_lost", "link", "sent")

    def __init__(
        self,
        link: Link,
        of: Transfer,
        extra: float,
        is_lost: bool,
        sent: float,
        callbacks: tuple[Callable[[Attempt], None]],
        faults_met: int,
    ) -> None:
        super().__init__(of, of.bits, callbacks)
        self.link = link
        self.extra = extra
        self.is_lost = is_lost
        self.sent = sent
        self.faults_met = faults_met


def losses_of(loss: Loss, seed: int) -> Callable[[Link], Iterator[bool]]:
    """For each link, whether chance loses its transfers.

    Args:
        loss: the scenario's `network.loss`.
        seed: the run's seed; every directed link draws from its own stream, in the order of sending.

    Returns:
        What `Unreliable` asks for each link when it is first used.
    """
    return lambda link: draws_of(loss, stream(seed, "loss", link.sender, link.receiver))


def draws_of(loss: Loss, rng: np.random.Generator) -> Iterator[bool]:
    """Endless draws: lost, or not.

    With Gilbert-Elliott, a link starts in the state that it would have after a long time.

    Args:
        loss: the scenario's `network.loss`.
        rng: the stream to draw from.

    Yields:
        True for what gets lost.

    Reference:
        Gilbert: Capacity of a burst-noise channel. Bell System Technical Journal, 1960; Elliott, ibid., 1963.
    """
    bursts = loss.gilbert_elliott
    if bursts is None:
        while True:
            yield from (rng.random(BLOCK) < loss.rate).tolist()
    is_bad = rng.random() < bursts.share_of_bad
    while True:
        for move, fate in rng.random((BLOCK, 2)).tolist():
            yield fate < (bursts.loss_in_bad if is_bad else bursts.loss_in_good)
            is_bad = move >= bursts.bad_to_good if is_bad else move < bursts.good_to_bad
