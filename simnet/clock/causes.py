"""Why things happened when they did: chains of causes, and the critical path of a run.

Every machine carries the chain that led to its present moment. A message takes its sender's chain along, so walking back
from the end of a run passes through whatever the end had to wait for, and through nothing else. What nobody waited for is
forgotten at once, since nobody holds its chain any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Cause(Protocol):
    """One link of a chain: a message on its way, or a machine that computes.

    It begins when the one before ends. Where it ended the next one says: that is from where it came.

    Attributes:
        sender: the machine from which it came.
        origin: what came before: another link, what a `CriticalPath` says of all that came before, or None at the start.
        until: when it ended [s].
    """

    sender: int
    origin: Cause | CriticalPath | None
    until: float


class Work:
    """A machine goes on by itself: it has computed, or was down, or begins.

    Args:
        sender: the machine's number.
        origin: what came before.
        until: when it ended [s].
    """

    __slots__ = ("origin", "sender", "until")

    def __init__(self, sender: int, origin: Cause | CriticalPath | None = None, until: float = 0.0) -> None:
        self.sender = sender
        self.origin = origin
        self.until = until


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

    def copy(self) -> CriticalPath:
        """The same path, to be continued."""
        return CriticalPath(self.computing_s.copy(), self.on_links_s.copy(), self.until_s)


def critical_path(chain: Cause, at: int) -> CriticalPath:
    """Adds up a chain of causes, from its start on, so that it makes no difference how much of it was added up before.

    Args:
        chain: of the machine that was last.
        at: that machine.

    Returns:
        Seconds by machine and by link; together they are the moment at which the chain ends.

    Example:
        >>> path = critical_path(Work(0, Work(0, Work(0), 2.0), 5.0), at=1)  # 0 computes for 2 s; its message takes 3 s
        >>> dict(path.computing_s), dict(path.on_links_s), path.total_s
        ({0: 2.0}, {(0, 1): 3.0}, 5.0)
    """
    links = []
    link: Cause | CriticalPath | None = chain
    while link is not None and not isinstance(link, CriticalPath):
        links.append((link.sender, at, link.until))
        at, link = link.sender, link.origin
    path = CriticalPath() if link is None else link.copy()
    for sender, receiver, until in reversed(links):
        if until > path.until_s:
            if sender == receiver:
                path.computing_s[sender] += until - path.until_s
            else:
                path.on_links_s[sender, receiver] += until - path.until_s
            path.until_s = until
    return path


class Chained(Protocol):
    """Whoever has a chain of causes.

    Attributes:
        id: the machine's number.
        chain: what led to the last moment at which it went on.
    """

    id: int
    chain: Cause


class Past:
    """Adds up, now and then, what lies far back in the machines' chains, so that these do not grow without end.

    Args:
        machines: all of the run.

    Example:
        >>> from types import SimpleNamespace
        >>> machine = SimpleNamespace(id=0, chain=Work(1, Work(0, Work(0), 2.0), 5.0))
        >>> past = Past([machine])
        >>> past.add_up(now=5.0)
        >>> past.add_up(now=6.0)  # only now that is far back
        >>> machine.chain.origin.total_s
        2.0
    """

    def __init__(self, machines: Sequence[Chained]) -> None:
        self.machines = machines
        self.added_until = 0.0

    def add_up(self, now: float) -> None:
        """Adds up what happened before this was called last.

        Args:
            now: until then it will be added up the next time [s].
        """
        seen: set[Cause] = set()
        for machine in self.machines:
            link, before = machine.chain, machine.chain.origin
            while before is not None and not isinstance(before, CriticalPath) and link not in seen:
                seen.add(link)
                if link.until <= self.added_until:
                    link.origin = critical_path(before, at=link.sender)  # whoever else has passed here has the same past
                    break
                link, before = before, before.origin
        self.added_until = now
