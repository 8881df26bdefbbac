"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Callable

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.links import Link, Resource
from simnet.clock.parameters import LinkParameters
from simnet.clock.sharing import SHARING_RULES, SharingRule


class Network:
    """All links between all machines, made when they are first used.

    Args:
        sharing: the sharing rule's name.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
        watch: is called with the sharing rule, to see what it carries; None: nobody looks.

    Attributes:
        transmit: sends a message over a link; it arrives when the sharing rule says.
    """

    def __init__(
        self,
        sharing: str,
        parameters: LinkParameters,
        clock: Clock,
        watch: Callable[[SharingRule], None] | None = None,
    ) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.uplinks = [Resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [Resource(bandwidth) for bandwidth in self.parameters.downlinks]
        rule = SHARING_RULES[sharing](clock)
        if watch is not None:
            watch(rule)
        self.transmit = rule.carry

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
