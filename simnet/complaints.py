"""Collects what is wrong in a scenario beyond its single values, to say it all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simnet.errors import ParameterError, ScenarioError
from simnet.scenario import Scenario


class Complaints:
    """Collects what is wrong in a scenario, each with file, line and key, to say it all at once.

    Args:
        scenario: knows where each of its keys was written.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.lines: list[str] = []

    @contextmanager
    def about(self, key: str) -> Iterator[None]:
        """Turns a `ParameterError` into a complaint about a key; the rest of the block is skipped.

        Args:
            key: dotted, such as ``network.latency``.
        """
        try:
            yield
        except ParameterError as error:
            self.add(key, str(error))

    def add(self, key: str, message: str) -> None:
        """Adds a complaint, unless it was made already.

        Args:
            key: dotted, such as ``algorithms.0``.
            message: one that begins with a key of its own part (``eta: found ...``) complains about ``algorithms.0.eta``.
        """
        inner, colon, rest = message.partition(": ")
        if colon and inner.replace("_", "").replace(".", "").isalnum():
            key, message = f"{key}.{inner}" if key != inner else key, rest
        line = self.scenario.complain(key, message)
        if line not in self.lines:
            self.lines.append(line)

    def raise_if_any(self) -> None:
        """Ends with all complaints, if there are any.

        Raises:
            ScenarioError: with one line for each complaint.
        """
        if self.lines:
            raise ScenarioError("\n".join(self.lines))
