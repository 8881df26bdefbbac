"""Communication patterns as lists of transfers: the one description that the real nodes and the simulated ones both follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Transfer:
    """One message from one node to another.

    Args:
        id: its place in the pattern's list.
        sender: a node, from 0.
        receiver: a node, from 0.
        size: in bytes.
        after: what the sender must have received before it sends this; nothing: sent at the start.
    """

    id: int
    sender: int
    receiver: int
    size: int
    after: tuple[int, ...] = ()


Pattern = list[Transfer]


def single(num_nodes: int, size: int) -> Pattern:
    """Node 0 sends to node 1.

    Example:
        >>> single(2, 1000)
        [Transfer(id=0, sender=0, receiver=1, size=1000, after=())]
    """
    del num_nodes
    return [Transfer(0, 0, 1, size)]


def incast(num_nodes: int, size: int) -> Pattern:
    """All others send to node 0 at once."""
    return [Transfer(i - 1, i, 0, size) for i in range(1, num_nodes)]


def parameter_server(num_nodes: int, size: int) -> Pattern:
    """All others send to node 0, which answers all of them when it has heard from everyone."""
    pushes = incast(num_nodes, size)
    everything = tuple(push.id for push in pushes)
    return pushes + [Transfer(len(pushes) + i - 1, 0, i, size, everything) for i in range(1, num_nodes)]


def exchange(num_nodes: int, size: int) -> Pattern:
    """On a ring, everybody sends to both neighbors at once (two nodes: to each other).

    Example:
        >>> [(one.sender, one.receiver) for one in exchange(3, 1000)]
        [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]
    """
    pairs = [(i, j % num_nodes) for i in range(num_nodes) for j in ((i + 1, i - 1) if num_nodes > 2 else (i + 1,))]
    return [Transfer(k, i, j, size) for k, (i, j) in enumerate(pairs)]


def ring_allreduce(num_nodes: int, size: int) -> Pattern:
    """2 (n - 1) steps; in each, everybody passes a chunk of size / n to the next on the ring, once it has the last one.

    Example:
        >>> ring_allreduce(2, 1000)[2]
        Transfer(id=2, sender=0, receiver=1, size=500, after=(1,))
    """
    return [
        Transfer(
            step * num_nodes + i,
            i,
            (i + 1) % num_nodes,
            size // num_nodes,
            ((step - 1) * num_nodes + (i - 1) % num_nodes,) if step else (),
        )
        for step in range(2 * (num_nodes - 1))
        for i in range(num_nodes)
    ]


PATTERNS: dict[str, Callable[[int, int], Pattern]] = {
    "single": single,
    "incast": incast,
    "parameter_server": parameter_server,
    "exchange": exchange,
    "ring_allreduce": ring_allreduce,
}
