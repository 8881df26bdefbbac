"""Where a run's time went: each node's share of computing, waiting, sending and being down, and the critical path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simnet.clock import Machine
from simnet.clock.causes import critical_path
from simnet.node import Node

MOST_NAMED = 5


def time_of_nodes(nodes: Sequence[Node], end_s: float) -> dict[str, list[Any]]:
    """Where each node's time went, from the start to the end of the run.

    A node waits while it has nothing to compute and needs a message; it waits for the sender of the one that it could go
    on with in the end. It may send while it computes or waits, so these shares overlap; the others do not.

    Args:
        nodes: in the order of their numbers.
        end_s: when the run ended [s].

    Returns:
        One number for each node: ``computing_s``, ``waiting_s``, ``sending_s``, ``down_s``; and ``waited_for``: the node
        (or further machine) that it waited for longest, None if it never waited.
    """
    waited = [waited_s(node, end_s) for node in nodes]
    return {
        "computing_s": [node.computed_s(end_s) for node in nodes],
        "waiting_s": [sum(seconds.values(), 0.0) for seconds in waited],
        "sending_s": [min(sending_s(node), end_s) for node in nodes],
        "down_s": [node.down_s(end_s) for node in nodes],
        "waited_for": [max(seconds, key=lambda j: (seconds[j], -j), default=None) for seconds in waited],
    }


def waited_s(node: Node, end_s: float) -> dict[int, float]:
    """How long a node has waited for each other machine, the wait that the end of the run cuts short included.

    Args:
        node: who waited.
        end_s: when the run ended [s].

    Returns:
        Seconds by machine.
    """
    waited = dict(node.waited_s)
    idle_since = max(node.chain.until, node.busy_until)
    awaited = node.awaited()
    if awaited and idle_since < end_s:
        down_s = node.down_s(end_s) - node.down_s(idle_since)
        waited[awaited[0]] = waited.get(awaited[0], 0.0) + max(0.0, end_s - idle_since - down_s)
    return waited


def sending_s(machine: Machine) -> float:
    """How long a machine has been occupied with sending.

    ``bits / bandwidth`` of its uplink; without a limit there, of the links that it used, all at once.

    Args:
        machine: whose messages are counted.

    Returns:
        Seconds; of a bandwidth that varies, at its largest.
    """
    links = machine.links.values()
    limit = min([sum(link.own.peak for link in links), *[link.uplink.peak for link in links]])
    return machine.bits_sent / limit if limit else 0.0


def describe_path(machines: Sequence[Machine]) -> dict[str, Any]:
    """The critical path of a run: what the machine that was last had to wait for, back to the start.

    Args:
        machines: all of them, at the end.

    Returns:
        ``time_s`` of the path; the shares of it spent ``computing`` and ``on_links`` (queueing, bits and latency); the
        largest shares by node and by link; the ``bottleneck``: the node or link with the largest share of all, in words,
        and its ``share``.
    """
    last = max(machines, key=lambda machine: (machine.chain.until, -machine.id))
    path = critical_path(last.chain, last.id)
    total = path.total_s
    shares = {f"node {i}": s / total for i, s in path.computing_s.items() if s} if total else {}
    links = {f"link {i} -> {j}": s / total for (i, j), s in path.on_links_s.items() if s} if total else {}
    bottleneck, share = max([*shares.items(), *links.items()], key=lambda item: item[1], default=(None, 0.0))
    return {
        "time_s": total,
        "computing": sum(shares.values(), 0.0),
        "on_links": sum(links.values(), 0.0),
        "bottleneck": bottleneck,
        "share": share,
        "nodes": largest(shares),
        "links": largest(links),
    }


def largest(shares: dict[str, float]) -> dict[str, float]:
    """The few largest of many shares, the largest first.

    Args:
        shares: by name.

    Returns:
        At most `MOST_NAMED` of them.

    Example:
        >>> largest({"node 0": 0.1, "node 1": 0.3})
        {'node 1': 0.3, 'node 0': 0.1}
    """
    return dict(sorted(shares.items(), key=lambda item: -item[1])[:MOST_NAMED])
