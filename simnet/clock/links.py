"""What messages cross: links between machines, and the limits on the way."""

from __future__ import annotations


class Resource:
    """Something with a bandwidth that serves messages first come, first served.

    Args:
        bandwidth: in bit/s; infinite where there is no limit.
    """

    __slots__ = ("bandwidth", "free_at")

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth
        self.free_at = 0.0

    def start(self, bits: float, arrival: float) -> float:
        """When a message that arrives now begins to be served; the resource is taken for ``bits / bandwidth`` from then."""
        start = max(arrival, self.free_at)
        self.free_at = start + bits / self.bandwidth
        return start


class Link:
    """One direction between two machines: latency [s], bandwidth [bit/s], the limits at both ends."""

    __slots__ = ("downlink", "latency", "limit", "own", "priority", "receiver", "sender", "uplink")

    def __init__(
        self,
        sender: int,
        receiver: int,
        latency: float,
        bandwidth: float,
        uplink: Resource,
        downlink: Resource,
        priority: int,
    ) -> None:
        self.sender = sender
        self.receiver = receiver
        self.latency = latency
        self.own = Resource(bandwidth)
        self.uplink = uplink
        self.downlink = downlink
        self.limit = min(bandwidth, uplink.bandwidth, downlink.bandwidth)
        self.priority = priority
