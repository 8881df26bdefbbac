"""Simulated time: SimPy's environment, with events at absolute times and a canonical order of simultaneous ones."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import repeat
from math import inf
from typing import Any, ClassVar, Final

import simpy

# The order of simultaneous events is part of the model, so that it cannot depend on who was scheduled first: ends of
# computations by node, then ends of fluid flows, then messages by (sender, receiver), then deadlines, which so see every
# message of their own moment; last, the rates of fluid flows are found anew, once for all that happened.
START: Final = 0
WAKE: Final = 1
MESSAGE: Final = 1 << 40
FLOW_END: Final = MESSAGE - 1
DEADLINE: Final = 1 << 60
SETTLE: Final = 1 << 61


BLOCK: Final = 1 << 16
"""So many events happen between two times of tidying up."""


class Occurrence:
    """Something that happens at a moment: all that the clock needs of an event.

    A program may wait for it as for an event of SimPy, which can do more (fail, be combined with others) and takes longer.

    Attributes:
        callbacks: whom to call when it happens, with the occurrence itself; None once it has, which is how SimPy marks that.
    """

    _ok: ClassVar[bool] = True
    _value: Any = None
    callbacks: Any
    __slots__ = ()

    @property
    def processed(self) -> bool:
        """Whether it has happened."""
        return self.callbacks is None


class Call(Occurrence):
    """A function is called.

    Args:
        then: the function; it gets the occurrence.
    """

    __slots__ = ("callbacks",)

    def __init__(self, then: Callable[[Any], None]) -> None:
        self.callbacks = [then]


class Foreign(Occurrence):
    """An event of SimPy's own happens.

    Args:
        event: it.
    """

    __slots__ = ("callbacks", "event")

    def __init__(self, event: simpy.Event) -> None:
        self.event = event
        self.callbacks = [self._happen]

    def _happen(self, _: Foreign) -> None:
        event = self.event
        callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
        for callback in callbacks:
            callback(event)
        if not event._ok and not hasattr(event, "_defused"):
            raise event._value


Event = Occurrence | simpy.Event
"""What the clock's queue may hold, and a program may yield."""


class Clock(simpy.Environment):
    """Simulated seconds, starting at 0.

    Attributes:
        is_stopped: whether somebody has called `stop`.
        tidy: is called now and then, between two events, with the time: to tidy up behind them.

    Example:
        >>> clock = Clock()
        >>> clock.call(0.3, lambda event: print(clock.now), WAKE)
        >>> clock.step()
        0.3
    """

    is_stopped = False

    def __init__(self) -> None:
        super().__init__()
        self.tidy: Callable[[float], None] = lambda now: None

    def at(self, time: float, event: Event, priority: int) -> None:
        """Schedules an event at an absolute time, so that no rounding of `now + (time - now)` gets in.

        Args:
            time: in simulated seconds, not before now.
            event: whose callbacks are called then.
            priority: its place among simultaneous events, smallest first.
        """
        heappush(self._queue, (time, priority, next(self._eid), event))  # type: ignore[misc]

    def call(self, time: float, then: Callable[[Any], None], priority: int) -> None:
        """Schedules a call of a function at an absolute time.

        Args:
            time: in simulated seconds, not before now.
            then: is called with what has happened, which has no value.
            priority: its place among simultaneous events, smallest first.
        """
        self.at(time, Call(then), priority)

    def schedule(self, event: simpy.Event, priority: Any = 1, delay: float = 0.0) -> None:
        """Schedules an event of SimPy's own, such as `timeout` makes.

        Args:
            event: whose callbacks are called then.
            priority: its place among simultaneous events.
            delay: seconds from now.
        """
        self.at(self.now + delay, Foreign(event), priority)

    def withdraw(self, event: Event) -> None:
        """Takes an event out of the queue, however often it is there, as if it had never been scheduled.

        Args:
            event: that shall not happen; it costs a look at the whole queue.
        """
        self._queue[:] = [entry for entry in self._queue if entry[3] is not event]
        heapify(self._queue)

    def run_until(self, limit: float = inf) -> None:
        """Lets things happen, one event after the other, until `stop`, until the limit, or until nothing is left.

        The same as calling ``step`` in a loop, without the call.

        Args:
            limit: in simulated seconds; what happens at that very moment is included.

        Raises:
            Exception: whatever a program raises, or a failed event holds that no program caught.
        """
        queue: list[Any] = self._queue
        while queue and not self.is_stopped and queue[0][0] <= limit:
            self._run_block(queue, limit)
            self.tidy(self._now)
        if queue and not self.is_stopped:
            self._now = limit

    def _run_block(self, queue: list[Any], limit: float) -> None:
        for _ in repeat(None, BLOCK):
            if not queue or self.is_stopped:
                return
            entry = heappop(queue)
            time, _, _, event = entry
            if time > limit:
                heappush(queue, entry)
                return
            self._now = time
            callbacks, event.callbacks = event.callbacks, None
            for callback in callbacks:
                callback(event)

    def stop(self) -> None:
        """Nothing shall happen any more."""
        self.is_stopped = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing will ever happen again."""
        return not self._queue
