"""Simulated time: SimPy's environment, with events at absolute times and a canonical order of simultaneous ones."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any, Final

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


class Clock(simpy.Environment):
    """Simulated seconds, starting at 0.

    Attributes:
        is_stopped: whether somebody has called `stop`.

    Example:
        >>> clock = Clock()
        >>> clock.call(0.3, lambda event: print(clock.now), WAKE)
        >>> clock.step()
        0.3
    """

    is_stopped = False

    def at(self, time: float, event: simpy.Event, priority: int) -> None:
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
            then: is called with the event that has happened, whose value is None.
            priority: its place among simultaneous events, smallest first.
        """
        event = simpy.Event(self)
        event._ok, event._value = True, None
        event.callbacks = [then]
        self.at(time, event, priority)

    def withdraw(self, event: simpy.Event) -> None:
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
        queue = self._queue
        while queue and not self.is_stopped:
            entry = heappop(queue)
            if entry[0] > limit:
                heappush(queue, entry)
                self._now = limit
                return
            self._now, _, _, event = entry
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value

    def stop(self) -> None:
        """Nothing shall happen any more."""
        self.is_stopped = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing will ever happen again."""
        return not self._queue
