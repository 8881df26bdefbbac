"""The three events of a node's life: its computation ends, a message arrives, all that it waits for is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from simnet.clock.causes import Cause, CriticalPath
from simnet.clock.clock import WAKE, Clock, Occurrence
from simnet.errors import AlgorithmError

Callbacks = list[Callable[[Any], None]]


class Computer(Protocol):
    """Whoever computes: what a computation must know of its machine.

    Attributes:
        id: the machine's number.
        clock: the run's clock.
        chain: what led to the last moment at which it went on (see `Cause`).
    """

    id: int
    clock: Clock
    chain: Cause

    def computed(self, event: ComputeEvent) -> None:
        """Goes on because a computation that it had to wait for is over.

        Args:
            event: that computation's end.
        """
        ...


class ComputeEvent(Occurrence):
    """The end of a computation: yield it to wait, then read its `value`.

    It goes into the clock's queue only when somebody waits for it; most computations are over before anybody asks.

    Args:
        machine: whose it is; simultaneous ends come in the order of the machines.
        start: when it begins, in simulated seconds.
        end: when it is over, in simulated seconds.
        value: its result, a deferred vector.

    Attributes:
        before: the machine's chain of causes when the computation was asked for.
    """

    __slots__ = ("_value", "_waiting", "before", "end", "env", "machine", "start")

    def __init__(self, machine: Computer, start: float, end: float, value: Any) -> None:
        self.env: Clock = machine.clock
        self.machine = machine
        self.start = start
        self.end = end
        self.before = machine.chain
        self._value = value
        self._waiting: Callbacks | None = None

    @property
    def callbacks(self) -> Callbacks | None:
        """Whom to call at the end; None once that has passed, which is how SimPy asks whether an event is over."""
        if self._waiting is None and self.env._now < self.end:
            self._waiting = [self.machine.computed]
            self.env.at(self.end, self, WAKE + self.machine.id)
        return self._waiting

    @callbacks.setter
    def callbacks(self, value: Callbacks | None) -> None:
        self._waiting = value

    @property
    def value(self) -> Any:
        """The gradient, once its compute time is over.

        Raises:
            AlgorithmError: if the computation still runs.
        """
        if self.env._now < self.end:
            raise AlgorithmError("the gradient was read before its compute time was over; `yield` it first")
        return self._value


class Transfer(Occurrence):
    """Bits on their way; the event is the arrival of the last one.

    Args:
        bits: how many.
        callbacks: whom to call then, with the event.
    """

    __slots__ = ("bits", "callbacks")

    def __init__(self, bits: float, callbacks: Sequence[Callable[[Any], None]]) -> None:
        self.bits = bits
        self.callbacks = callbacks  # a tuple may be shared


class Leg(Transfer):
    """A part of the way of another transfer, or one attempt at it.

    Args:
        of: the transfer that it is a part of.
        bits: how many it carries.
        callbacks: whom to call when its last bit has arrived.
    """

    __slots__ = ("of",)

    def __init__(self, of: Transfer, bits: float, callbacks: Sequence[Callable[[Any], None]]) -> None:
        super().__init__(bits, callbacks)
        self.of = of


def whole(transfer: Transfer) -> Transfer:
    """What a transfer is a part of.

    Args:
        transfer: a leg of a way, perhaps of a leg.

    Returns:
        The message, or whatever else was to arrive.
    """
    while isinstance(transfer, Leg):
        transfer = transfer.of
    return transfer


class Message(Transfer):
    """The arrival of one message.

    Args:
        sender: number of the machine that sent it.
        tag: tells the messages between two machines apart.
        payload: what the algorithm sent.
        bits: its size on the wire.
        step: the sender's step when it was sent.
        origin: what had to happen before it was sent, until the moment when it was sent (see `Cause`).
        arrive: the one function that is called with the message when it arrives.

    Attributes:
        until: when it arrived, once it is the reason why a machine went on (see `Cause`); its payload is gone then.
    """

    __slots__ = ("origin", "payload", "sender", "step", "tag", "until")

    def __init__(
        self,
        sender: int,
        tag: Any,
        payload: Any,
        bits: float,
        step: int,
        origin: Cause | CriticalPath | None,
        arrive: tuple[Callable[[Message], None]],
    ) -> None:
        self.sender = sender
        self.tag = tag
        self.payload = payload
        self.bits = bits
        self.step = step
        self.origin = origin
        self.callbacks = arrive  # a tuple that all messages of a link share

    def arrived(self, now: float) -> Message:
        """This message as the cause of what happens now; what it brought is held no longer.

        Args:
            now: when it arrived [s].

        Returns:
            Itself.
        """
        self.until, self.payload = now, None
        return self


class Receipt(Occurrence):
    """All messages of one tag that a node waits for; its value is ``{sender: payload}``.

    It completes inside the arrival of the last message, without an event of its own.

    Args:
        clock: the run's clock.
        tag: of the messages.
        wanted: the senders.
        box: what has arrived from them, by sender; later messages are put into it.

    Attributes:
        num_missing: how many messages have not arrived.

    Example:
        >>> receipt = Receipt(Clock(), "hello", wanted=(1, 2), box={2: "from 2"})
        >>> receipt.missing
        [1]
    """

    __slots__ = ("__weakref__", "_value", "box", "callbacks", "env", "num_missing", "tag", "wanted")

    def __init__(self, clock: Clock, tag: Any, wanted: Collection[int], box: dict[int, Any]) -> None:
        self.env = clock
        self.callbacks = []
        self.tag = tag
        self.wanted = wanted
        self.box = box
        self.num_missing = len(wanted) - len(box)

    @property
    def missing(self) -> list[int]:
        """The senders whose message has not arrived, sorted."""
        return sorted(i for i in self.wanted if i not in self.box)

    @property
    def value(self) -> Any:
        """What has arrived, once all of it has.

        Raises:
            AlgorithmError: if something has not.
        """
        if self.callbacks is not None:
            raise AlgorithmError("what has not arrived yet was read; `yield` the event first")
        return self._value

    def complete(self, value: Any) -> None:
        """Hands the value over and wakes whoever waits, now.

        Args:
            value: what the waiting program gets.
        """
        self._value = value
        callbacks = self.callbacks
        self.callbacks = None  # how SimPy marks what has happened
        for callback in callbacks:
            callback(self)
