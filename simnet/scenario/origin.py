"""Where a scenario comes from: its file, the line of every key, and what the command line changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simnet.sentences import Complaint, Location


@dataclass(frozen=True)
class Origin:
    """Puts file and line before complaints. Two origins are equal: where a scenario lies does not change what it says.

    Args:
        file: the file's path as the user wrote it; None: the scenario was a mapping in Python.
        lines: the line of every key and list item, from 1.
        overrides: for every location set by an override, its text ``network.latency=1 ms``.
        base: the folder that relative paths start from.
        question: what the file asks, in its first comment line; empty if it says nothing.
    """

    file: str | None = field(default=None, compare=False)
    lines: Mapping[Location, int] = field(default_factory=dict, compare=False)
    overrides: Mapping[Location, str] = field(default_factory=dict, compare=False)
    base: Path = field(default=Path(), compare=False)
    question: str = field(default="", compare=False)

    def complaint(self, location: Location, message: str) -> str:
        """One complaint with everything in front.

        Args:
            location: the key, from the top of the scenario.
            message: what was found; what is allowed; what to do.

        Returns:
            ``FILE:LINE: key.path: message``; for a mapping ``scenario: key.path: message``; for what the command line
            set ``--set key.path=value: message``.

        Example:
            >>> Origin("ring.yaml", {(): 1, ("network",): 6}).complaint(("network", "latency"), "missing")
            'ring.yaml:6: network.latency: missing'
        """
        override = self._override(location)
        path = dotted(location)
        if override is not None:
            where = f"--set {self.overrides[override]}"
            return f"{where}: {message}" if location == override else f"{where}: {path}: {message}"
        where = "scenario" if self.file is None else f"{self.file}:{self.line(location)}"
        return f"{where}: {path}: {message}" if path else f"{where}: {message}"

    def complaints(self, complaints: Iterable[Complaint]) -> str:
        """All complaints, each once, in the order of the file; those about the command line last.

        Args:
            complaints: locations and messages.

        Returns:
            One line for each.
        """
        ordered = sorted(complaints, key=lambda complaint: (self._override(complaint[0]) is not None, self.line(complaint[0])))
        texts = (self.complaint(location, message) for location, message in ordered)
        return "\n".join(dict.fromkeys(" ".join(text.split()) for text in texts))

    def line(self, location: Location) -> int:
        """The line of a key, or of the nearest key around it that the file has.

        Args:
            location: the key.

        Returns:
            The line, from 1.
        """
        return next((self.lines[location[:k]] for k in range(len(location), -1, -1) if location[:k] in self.lines), 1)

    def _override(self, location: Location) -> Location | None:
        """The override that is to blame for what is at this location: it set that, or made the key around it."""
        for place in self.overrides:
            is_inside = location[: len(place)] == place
            is_made = location != () and place[: len(location)] == location and location not in self.lines
            if is_inside or is_made:
                return place
        return None


def dotted(location: Location) -> str:
    """A location as a path: ``algorithms.0.lr``.

    Args:
        location: keys and indices.

    Returns:
        The path.

    Example:
        >>> dotted(("algorithms", 0, "lr"))
        'algorithms.0.lr'
    """
    return ".".join(str(key) for key in location)
