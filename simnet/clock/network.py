"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.parameters import LinkParameters
from simnet.clock.protocol import with_protocol
from simnet.clock.sharing import SHARING_RULES
from simnet.scenario import Protocol


class Resource:
    """Something with a bandwidth, which transfers share.

    Args:
        bandwidth: in bit/s; infinite where there is no limit.
    """

    __slots__ = ("bandwidth", "free_at")

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth
        self.free_at = 0.0

    def start(self, bits: float, arrival: float) -> float:
        """When a message that arrives now begins to be served, first come, first served; that takes ``bits / bandwidth``."""
        start = max(arrival, self.free_at)
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
    """One direction between two machines: latency [s], bandwidth [bit/s], the limits at both ends."""

    __slots__ = ("downlink", "own", "receiver", "sender", "uplink")

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
        self.own = Resource(bandwidth)
        self.uplink = uplink
        self.downlink = downlink
        super().__init__(latency, (uplink, self.own, downlink), priority)


class Network:
    """All links between all machines, made when they are first used.

    Args:
        sharing: the sharing rule's name.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
        protocol: what goes with every message; None: nothing.

    Attributes:
        rule: the sharing rule.
        transmit: sends a message over a link; it arrives when the sharing rule says.
    """

    def __init__(self, sharing: str, parameters: LinkParameters, clock: Clock, protocol: Protocol | None = None) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.uplinks = [Resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [Resource(bandwidth) for bandwidth in self.parameters.downlinks]
        self.rule = SHARING_RULES[sharing](clock)
        self.links: dict[tuple[int, int], Link] = {}
        self.transmit: Callable[..., None] = self.rule.carry
        if protocol is not None:
            self.transmit = with_protocol(protocol, self.rule, clock, lambda link: self.link(link.receiver, link.sender))

    def link(self, sender: int, receiver: int) -> Link:
        """The link from one machine to another, always the same; any two may communicate."""
        if (sender, receiver) not in self.links:
            self.links[sender, receiver] = Link(
                sender,
                receiver,
                self.parameters.latency(sender, receiver),
                self.parameters.bandwidth(sender, receiver),
                self.uplinks[sender],
                self.downlinks[receiver],
                MESSAGE + sender * self.num_machines + receiver,
            )
        return self.links[sender, receiver]
