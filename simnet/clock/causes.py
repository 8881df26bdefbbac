"""Why things happened when they did: chains of causes, and the critical path of a run.

Every machine carries the chain that led to its present moment. A message takes its sender's chain along, so walking back
from the end of a run passes through whatever the end had to wait for, and through nothing else. What nobody waited for is
forgotten at once, since nobody holds its chain any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

Cause = tuple["Cause | None", float, float, int, int]
"""One link of a chain: what came before, since when and until when [s], from which machine, at which machine.

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
        (None, 0.0, 0.0, 3, 3)
    """
    return None, 0.0, 0.0, machine, machine


@dataclass
class CriticalPath:
    """What a run had to wait for, from its start to its end.

    Attributes:
        computing_s: seconds of the path, by machine that computed.
        on_links_s: seconds of the path, by (sender, receiver) whose message was on its way: queueing, bits and latency.
    """

    computing_s: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    on_links_s: defaultdict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))

    @property
    def total_s(self) -> float:
        """Its length, which is that of the run up to the chain's end."""
        return sum(self.computing_s.values()) + sum(self.on_links_s.values())


def chain_backwards(chain: Cause) -> Iterator[Cause]:
    """The links of a chain, the last one first.

    Args:
        chain: its end.

    Returns:
        An iterator; the first moment of the run is not among them.

    Example:
        >>> computed = (beginning(0), 0.0, 2.0, 0, 0)
        >>> arrived = (computed, 2.0, 5.0, 0, 1)
        >>> [(since, until, by, at) for _, since, until, by, at in chain_backwards(arrived)]
        [(2.0, 5.0, 0, 1), (0.0, 2.0, 0, 0)]
    """
    link: Cause | None = chain
    while link is not None and link[2]:
        yield link
        link = link[0]


def critical_path(chain: Cause) -> CriticalPath:
    """Adds up a chain of causes.

    Args:
        chain: of the machine that was last.

    Returns:
        Seconds by machine and by link; together they are the moment at which the chain ends.

    Example:
        >>> computed = (beginning(0), 0.0, 2.0, 0, 0)
        >>> arrived = (computed, 2.0, 5.0, 0, 1)
        >>> path = critical_path(arrived)
        >>> dict(path.computing_s), dict(path.on_links_s)
        ({0: 2.0}, {(0, 1): 3.0})
    """
    path = CriticalPath()
    for before, since, until, by, at in chain_backwards(chain):
        if by == at:
            path.computing_s[at] += until - since
        else:
            path.on_links_s[by, at] += until - since
        begun = before[2] if before is not None else 0.0
        if since > begun:  # between two waits a machine computes
            path.computing_s[by] += since - begun
    return path
