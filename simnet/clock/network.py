"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Callable

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.links import Link, Resource
from simnet.clock.parameters import LinkParameters
from simnet.clock.protocol import with_protocol
from simnet.clock.sharing import SHARING_RULES
from simnet.scenario import Protocol


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
