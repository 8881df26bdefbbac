"""What messages cross: links between machines, and the bandwidths that they share."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from simnet.scenario import Shared


class Resource:
    """Something with a bandwidth that serves messages first come, first served.

    Args:
        bandwidth: in bit/s; infinite where there is no limit.
    """

    __slots__ = ("bandwidth", "free_at")

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth
        self.free_at = 0.0

    @property
    def peak(self) -> float:
        """The largest bandwidth that it ever has [bit/s]."""
        return self.bandwidth

    def start(self, bits: float, arrival: float) -> float:
        """When a message that arrives now begins to be served; the resource is taken for ``bits / bandwidth`` from then.

        Args:
            bits: its size.
            arrival: when its first bit gets here [s].

        Returns:
            The beginning [s].
        """
        start = self.free_at
        if start < arrival:  # noqa: PLR1730 - a call of max() takes longer
            start = arrival
        self.free_at = start + bits / self.bandwidth
        return start


class Path:
    """What a transfer crosses.

    Args:
        latency: in seconds.
        resources: in the order in which it crosses them.
        priority: the place of its arrival among simultaneous events.

    Attributes:
        limit: the narrowest of the bandwidths.
    """

    __slots__ = ("latency", "limit", "priority", "resources")

    def __init__(self, latency: float, resources: tuple[Resource, ...], priority: int) -> None:
        self.latency = latency
        self.resources = resources
        self.limit = min((resource.bandwidth for resource in resources), default=inf)
        self.priority = priority


class Link(Path):
    """One direction between two machines.

    Args:
        sender: number of the machine at the beginning.
        receiver: number of the machine at the end.
        latency: in seconds.
        bandwidth: of the link itself, in bit/s; infinite where there is no limit.
        uplink: what the sender's links share.
        downlink: what the receiver's links share.
        priority: the place of an arrival among simultaneous events.
        shared: further limits between link and latency, in the order in which they are crossed.
    """

    __slots__ = ("downlink", "own", "receiver", "sender", "shared", "uplink")

    def __init__(
        self,
        sender: int,
        receiver: int,
        latency: float,
        bandwidth: float,
        uplink: Resource,
        downlink: Resource,
        priority: int,
        shared: tuple[Resource, ...] = (),
    ) -> None:
        self.sender = sender
        self.receiver = receiver
        self.own = Resource(bandwidth)
        self.uplink = uplink
        self.downlink = downlink
        self.shared = shared
        super().__init__(latency, (uplink, self.own, *shared, downlink), priority)


class SharedLimit:
    """A named limit that all messages between groups of machines share, such as a backbone.

    Args:
        spec: its name, bandwidth and groups.
        num_nodes: n; machine n, a parameter server, stands where the first node stands.
    """

    def __init__(self, spec: Shared, num_nodes: int) -> None:
        self.name = spec.name
        self.group = {node: number for number, group in enumerate(spec.between) for node in group}
        if 0 in self.group:
            self.group[num_nodes] = self.group[0]
        forth = Resource(spec.bandwidth)
        self.directions = (forth, forth if spec.duplex == "half" else Resource(spec.bandwidth))

    def crossed(self, sender: int, receiver: int) -> Iterator[Resource]:
        """What a message from one machine to another crosses of it: one resource, or none.

        Args:
            sender: number of the machine at the beginning.
            receiver: number of the machine at the end.
        """
        start, end = self.group.get(sender), self.group.get(receiver)
        if start is not None and end is not None and start != end:
            yield self.directions[start > end]
