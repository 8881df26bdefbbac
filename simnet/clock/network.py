"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from typing import Protocol

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.links import Link, Resource
from simnet.clock.parameters import LinkParameters
from simnet.clock.sharing import SHARING_RULES, SharingRule


class Layer(Protocol):
    """Something that transfers meet beside bandwidth and latency, and that has something to tell of it."""

    def counters(self) -> dict[str, float]:
        """What it has counted, for the run's summary."""
        ...

    def troubles(self) -> list[str]:
        """What may keep nodes waiting for ever, in words."""
        ...


class Network:
    """All links between all machines, made when they are first used.

    Args:
        sharing: the sharing rule's name.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.

    Attributes:
        rule: the sharing rule.
        transmit: sends a message over a link; it arrives when the sharing rule, and what lies around it, says.
        layers: what lies around the sharing rule.
    """

    def __init__(self, sharing: str, parameters: LinkParameters, clock: Clock) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.layers: list[Layer] = []
        self.uplinks = [self.make_resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [self.make_resource(bandwidth) for bandwidth in self.parameters.downlinks]
        self.rule = self.make_rule(sharing)
        self.transmit = self.rule.carry

    def make_resource(self, bandwidth: float) -> Resource:
        """The limit of a machine, or of a link.

        Args:
            bandwidth: in bit/s; infinite: none.
        """
        return Resource(bandwidth)

    def make_rule(self, sharing: str) -> SharingRule:
        """The sharing rule of a name.

        Args:
            sharing: ``none``, ``queue`` or ``fair``.
        """
        return SHARING_RULES[sharing](self.clock)

    def link(self, sender: int, receiver: int) -> Link:
        """The link from one machine to another; any two may communicate.

        Args:
            sender: number of the one.
            receiver: number of the other.
        """
        return Link(
            sender,
            receiver,
            self.parameters.latency(sender, receiver),
            self.parameters.bandwidth(sender, receiver),
            self.uplinks[sender],
            self.downlinks[receiver],
            MESSAGE + sender * self.num_machines + receiver,
        )

    def counters(self) -> dict[str, float]:
        """What the layers have counted."""
        return {name: count for layer in self.layers for name, count in layer.counters().items()}

    def troubles(self) -> list[str]:
        """What may keep nodes waiting for ever, in words."""
        return [trouble for layer in self.layers for trouble in layer.troubles()]
