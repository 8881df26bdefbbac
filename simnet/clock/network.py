"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.links import Link, Resource, SharedLimit
from simnet.clock.parameters import LinkParameters
from simnet.clock.routing import Carry, Hops
from simnet.clock.sharing import SHARING_RULES, QueuedPath


class Network:
    """All links between all machines, made when they are first used.

    Args:
        sharing: the sharing rule's name.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
        duplex: ``half``: what a machine receives counts against its uplink, too.
        shared: limits that several links share, in the order in which they are crossed.
        hops: the topology's directed links, if messages travel over these only.

    Attributes:
        rule: the sharing rule.
        transmit: sends a message over a link; it arrives when the sharing rule says.
        hops: what forwards messages; None where any two machines have a link of their own.
    """

    def __init__(
        self,
        sharing: str,
        parameters: LinkParameters,
        clock: Clock,
        duplex: str = "full",
        shared: Sequence[SharedLimit] = (),
        hops: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.uplinks = [Resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [Resource(bandwidth) for bandwidth in self.parameters.downlinks]
        if duplex == "half":
            self.downlinks = self.uplinks
        self.shared = shared
        self.rule = (QueuedPath if shared and sharing == "queue" else SHARING_RULES[sharing])(clock)
        self.transmit: Carry = self.rule.carry
        self.hops = None if hops is None else Hops(self.transmit, self.direct, hops, parameters.latency, self.num_machines)
        if self.hops is not None:
            self.transmit = self.hops.transmit

    def link(self, sender: int, receiver: int) -> Link:
        """The link from one machine to another, or what stands for the links between; any two may communicate."""
        return self.direct(sender, receiver) if self.hops is None else self.hops.link(sender, receiver)

    def direct(self, sender: int, receiver: int) -> Link:
        """A link from one machine to another."""
        return Link(
            sender,
            receiver,
            self.parameters.latency(sender, receiver),
            self.parameters.bandwidth(sender, receiver),
            self.uplinks[sender],
            self.downlinks[receiver],
            MESSAGE + sender * self.num_machines + receiver,
            tuple(chain.from_iterable(limit.crossed(sender, receiver) for limit in self.shared)),
        )

    def counters(self) -> dict[str, float]:
        """What the network counts for the summary: under ``routing: hops`` the bits that nodes sent on for others."""
        return {} if self.hops is None else {"forwarded_bits": self.hops.forwarded_bits}
