"""Where the command line speaks: standard output for answers, standard error for everything else; and its signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

from rich.console import Console

INTERRUPTED = 130
_PLAIN_WIDTH = 120


class PatientConsole(Console):
    """A console that falls silent, instead of ending the program, when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        """Say nothing from now on."""
        self.quiet = True
        _discard(self.file)


class Terminal:
    """The two places where the command line speaks; on a terminal in colour, elsewhere in plain text.

    Example:
        >>> Terminal().say("hello")
        hello
    """

    def __init__(self) -> None:
        """Find out how wide the terminal is, and prepare for letters that its encoding lacks."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr, stderr=True)

    def say(self, text: str = "") -> None:
        """Write a line of the answer.

        Args:
            text: the line.
        """
        self.out.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, table: Any) -> None:
        """Write a table of the answer.

        Args:
            table: anything that rich can show.
        """
        self.out.print(table)

    def tell(self, text: str) -> None:
        """Write a line about what is going on.

        Args:
            text: the line.
        """
        self.err.print(text, markup=False, highlight=False, soft_wrap=True)

    def complain(self, text: str) -> None:
        """Write what went wrong.

        Args:
            text: one or several lines.
        """
        self.err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)

    def flush(self) -> None:
        """Let nothing be left that Python would fail to write while it ends."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                _discard(stream)


@contextmanager
def signals() -> Iterator[list[int]]:
    """Treat a request to end (SIGTERM, SIGHUP) like Ctrl-C, so that finished runs are saved.

    Yields:
        The list of such signals received; it grows.
    """
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # one that nohup ignores stays ignored
                before[number] = signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _console(stream: TextIO, *, stderr: bool = False) -> PatientConsole:
    if stream.isatty():
        return PatientConsole(stderr=stderr)
    columns = os.environ.get("COLUMNS", "")
    return PatientConsole(stderr=stderr, width=int(columns) if columns.isdecimal() and int(columns) else _PLAIN_WIDTH)


def _discard(stream: Any) -> None:
    """Connect a stream that nobody reads with the null device."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
