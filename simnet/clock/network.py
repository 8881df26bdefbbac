"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Callable

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.parameters import LinkParameters
from simnet.clock.sharing import SHARING_RULES, SharingRule


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


class Network:
    """All links between all machines, made when they are first used.

    Args:
        sharing: the sharing rule's name.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
        watched: puts something around the sharing rule that sees what it carries; None: nobody looks.

    Attributes:
        transmit: sends a message over a link; it arrives when the sharing rule says.
    """

    def __init__(
        self,
        sharing: str,
        parameters: LinkParameters,
        clock: Clock,
        watched: Callable[[SharingRule], SharingRule] | None = None,
    ) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.uplinks = [Resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [Resource(bandwidth) for bandwidth in self.parameters.downlinks]
        rule = SHARING_RULES[sharing](clock)
        self.transmit = (rule if watched is None else watched(rule)).carry

    def link(self, sender: int, receiver: int) -> Link:
        """The link from one machine to another; any two may communicate."""
        return Link(
            sender,
            receiver,
            self.parameters.latency(sender, receiver),
            self.parameters.bandwidth(sender, receiver),
            self.uplinks[sender],
            self.downlinks[receiver],
            MESSAGE + sender * self.num_machines + receiver,
        )
