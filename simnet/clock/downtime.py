"""When machines and links are down: known in advance, from the scenario and the run's seed alone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from heapq import merge
from math import inf
from typing import NamedTuple

PATIENCE = 10_000
"""What faults have prevented so often, one time after the other, will never happen."""

STATES = ("kept", "neighbor", "start")
"""With what a node comes back: all, some other node's model, nothing but its initial one."""


class Spell(NamedTuple):
    """One time of being down.

    Args:
        start: the first moment [s].
        end: the moment of the return [s]; infinite: never.
        state: with what a node comes back (``kept``, ``neighbor`` or ``start``); of a link always ``kept``.
    """

    start: float
    end: float
    state: str = "kept"

    @property
    def is_fatal(self) -> bool:
        """Whether what was there before is gone: it never comes back, or without what it had."""
        return self.state != "kept" or self.end == inf


class Downtime:
    """All the times at which one machine or link is down, in order, as far as anybody has asked.

    Overlapping spells count as one, which ends with the last of them, and in the state of the one that leaves least.

    Args:
        sources: spells in the order of their starts, from each of several causes; they may go on for ever.
        fatal_until: no fatal spell starts after this moment [s].

    Example:
        >>> downtime = Downtime([[Spell(1.0, 2.0), Spell(5.0, 7.0)], [Spell(6.0, 8.0)]])
        >>> downtime.at(1.5)
        Spell(start=1.0, end=2.0, state='kept')
        >>> downtime.up_again(6.5), downtime.up_again(3.0), downtime.total_s(7.0)
        (8.0, 3.0, 3.0)
    """

    def __init__(self, sources: Iterable[Iterable[Spell]], fatal_until: float = inf) -> None:
        self.fatal_until = fatal_until
        self._coming = united(merge(*sources))
        self._starts: list[float] = []
        self._spells: list[Spell] = []

    def _learn(self, until: float) -> None:
        """Finds all spells that start until then, and the first one after."""
        while (not self._starts or self._starts[-1] <= until) and self._learn_one():
            pass

    def _learn_one(self) -> bool:
        """Finds one more spell, unless there is none."""
        spell = next(self._coming, None)
        if spell is None:
            return False
        self._starts.append(spell.start)
        self._spells.append(spell)
        return True

    def at(self, time: float) -> Spell | None:
        """The spell at a moment.

        Args:
            time: in simulated seconds.

        Returns:
            A spell, whose end is after `time`; None if it is up.
        """
        self._learn(time)
        k = bisect_right(self._starts, time)
        return self._spells[k - 1] if k and self._spells[k - 1].end > time else None

    def between(self, since: float, until: float) -> list[Spell]:
        """The spells that touch an interval.

        Args:
            since: its first moment [s].
            until: its last one, which counts [s].

        Returns:
            Spells in order.
        """
        self._learn(until)
        k = bisect_right(self._starts, since)
        first = k - 1 if k and self._spells[k - 1].end > since else k
        return self._spells[first : bisect_right(self._starts, until)]

    def up_again(self, time: float) -> float:
        """The first moment from `time` on at which it is up; infinite if there is none.

        Args:
            time: in simulated seconds.
        """
        spell = self.at(time) if time < inf else None
        return time if spell is None else spell.end

    def next_fatal(self, time: float) -> Spell | None:
        """The first spell that starts at `time` or later and after which nothing is as before.

        Args:
            time: in simulated seconds.

        Returns:
            The spell; None if there is none.
        """
        self._learn(time)
        k = bisect_left(self._starts, time)
        while k < len(self._spells) or self._learn_one():
            spell = self._spells[k]
            if spell.start > self.fatal_until:
                return None
            if spell.is_fatal:
                return spell
            k += 1
        return None

    def total_s(self, until: float, since: float = 0.0) -> float:
        """How long it has been down in all.

        Args:
            until: until when [s].
            since: from when [s].

        Returns:
            Seconds.
        """
        return sum((min(spell.end, until) - max(spell.start, since) for spell in self.between(since, until)), 0.0)


def united(spells: Iterable[Spell]) -> Iterator[Spell]:
    """Spells of which no two overlap.

    Args:
        spells: in the order of their starts.

    Returns:
        An iterator; what overlaps or touches has become one spell: ``start`` if any of them says so, else
        ``neighbor`` if any does, since what one of them takes away, no other brings back.

    Example:
        >>> list(united([Spell(0.0, 2.0), Spell(1.0, 1.5, "start"), Spell(2.0, 4.0), Spell(9.0, 10.0)]))
        [Spell(start=0.0, end=4.0, state='start'), Spell(start=9.0, end=10.0, state='kept')]
    """
    current: Spell | None = None
    for spell in spells:
        if current is None:
            current = spell
        elif spell.start <= current.end:
            state = max(current.state, spell.state, key=STATES.index)
            current = Spell(current.start, max(current.end, spell.end), state)
        else:
            yield current
            current = spell
        if current.end == inf:  # what may still come makes no difference
            break
    if current is not None:
        yield current
