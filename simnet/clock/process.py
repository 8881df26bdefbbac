"""A program on the clock: a generator that yields the events that it waits for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simnet.clock.clock import START, Clock, Event
from simnet.errors import AlgorithmError

Program = Generator[Event, Any, None]
"""What runs on a machine: it yields the events that it waits for."""


class Process:
    """Runs a program: sends it the value of each event that it yielded, when that has happened.

    The same as SimPy's process, without what nobody here needs (interrupts, a value, being an event itself).

    Args:
        clock: the run's clock; the program begins now, before anything else that happens now.
        program: the generator.
        delay: the program begins so many seconds later.

    Attributes:
        is_alive: whether the program has not ended yet.
        error: what ended it, if that was an exception, which also leaves the clock's loop.

    Example:
        >>> clock = Clock()
        >>> def program():
        ...     value = yield clock.timeout(3.0, "three")
        ...     print(clock.now, value)
        >>> process = Process(clock, program())
        >>> clock.run_until()
        3.0 three
        >>> process.is_alive
        False
    """

    __slots__ = ("_send", "error", "is_alive", "program")

    def __init__(self, clock: Clock, program: Program, delay: float = 0.0) -> None:
        self.program = program
        self._send = program.send
        self.is_alive = True
        self.error: BaseException | None = None
        clock.call(clock.now + delay, self.resume, START)

    def end(self) -> None:
        """Ends the program wherever it waits; what it waits for may still happen, and means nothing any more."""
        self.is_alive = False
        self.program.close()

    def resume(self, event: Event) -> None:
        """Goes on with the program until it waits for something that has not happened yet.

        Args:
            event: what has happened.

        Raises:
            AlgorithmError: if the program yields something that is no event; and whatever the program raises.
        """
        send = self._send
        try:
            while True:
                event = send(event._value) if event._ok else self.program.throw(event._value)
                try:
                    callbacks = event.callbacks
                except AttributeError:
                    raise AlgorithmError(NO_EVENT.format(event)) from None
                if callbacks is not None:
                    callbacks.append(self.resume)
                    return
        except StopIteration:
            self.is_alive = False
        except BaseException as error:
            self.is_alive = False
            self.error = error
            raise


NO_EVENT = (
    "yields {!r}; allowed: events such as `node.exchange(...)` and `node.gradient(...)` give; "
    "a helper that is a generator itself is called with `yield from`"
)
