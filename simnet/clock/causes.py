"""Why things happened when they did: chains of causes, and the critical path of a run.

Every machine carries the chain that led to its present moment. A message takes its sender's chain along, so walking back
from the end of a run passes through whatever the end had to wait for, and through nothing else. What nobody waited for is
forgotten at once, since nobody holds its chain any more.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

LONGEST = 32
"""Links of a chain that are kept; of what lies before only the sums are."""

Cause = tuple["Cause | CriticalPath | None", float, float, int, int, int]
"""One link of a chain: what came before, since when and until when [s], from which machine, at which machine; its place.

From i at i is a computation of machine i; from i at j is a message on its way. A plain tuple, since every waiting makes one.
"""

Origin = tuple[Cause, float]
"""What a message takes along: its sender's chain, and when it was sent [s]."""


def beginning(machine: int) -> Cause:
    """The chain of a machine to which nothing has happened yet.

    Args:
        machine: its number.

    Returns:
        A chain of one link without length.

    Example:
        >>> beginning(3)
        (None, 0.0, 0.0, 3, 3, 0)
    """
    return None, 0.0, 0.0, machine, machine, 0


def after(before: Cause, since: float, until: float, by: int, at: int) -> Cause:
    """A chain with one more link.

    Args:
        before: the chain so far.
        since: when the new link began [s].
        until: when it ended [s].
        by: the machine from which it came.
        at: the machine at which it ended.

    Returns:
        The longer chain; from time to time what lies far back is added up, so that no chain grows without end.

    Example:
        >>> after(beginning(0), 0.0, 2.0, 0, 0)
        ((None, 0.0, 0.0, 0, 0, 0), 0.0, 2.0, 0, 0, 1)
    """
    place = before[5] + 1
    if place < LONGEST:
        return before, since, until, by, at, place
    return critical_path(before), since, until, by, at, 0


@dataclass
class CriticalPath:
    """What a run had to wait for, from its start to its end.

    Attributes:
        computing_s: seconds of the path, by machine that computed.
        on_links_s: seconds of the path, by (sender, receiver) whose message was on its way: queueing, bits and latency.
        until_s: when it ends [s].
    """

    computing_s: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    on_links_s: defaultdict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))

    until_s: float = 0.0

    @property
    def total_s(self) -> float:
        """Its length, which is that of the run up to the chain's end."""
        return sum(self.computing_s.values()) + sum(self.on_links_s.values())


def critical_path(chain: Cause) -> CriticalPath:
    """Adds up a chain of causes.

    Args:
        chain: of the machine that was last.

    Returns:
        Seconds by machine and by link; together they are the moment at which the chain ends.

    Example:
        >>> path = critical_path(after(after(beginning(0), 0.0, 2.0, 0, 0), 2.0, 5.0, 0, 1))
        >>> dict(path.computing_s), dict(path.on_links_s), path.total_s
        ({0: 2.0}, {(0, 1): 3.0}, 5.0)
    """
    computing: defaultdict[int, float] = defaultdict(float)
    on_links: defaultdict[tuple[int, int], float] = defaultdict(float)
    link: Cause | CriticalPath | None = chain
    while isinstance(link, tuple):
        before, since, until, by, at, _ = link
        if by == at:
            computing[at] += until - since
        else:
            on_links[by, at] += until - since
        begun = before[2] if isinstance(before, tuple) else before.until_s if before is not None else 0.0
        if since > begun:  # between two waits a machine computes
            computing[by] += since - begun
        link = before
    if link is not None:
        for machine, seconds in link.computing_s.items():
            computing[machine] += seconds
        for ends, seconds in link.on_links_s.items():
            on_links[ends] += seconds
    return CriticalPath(computing, on_links, chain[2])
