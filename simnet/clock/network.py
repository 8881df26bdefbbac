"""The network: what lies between any two machines, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Protocol

from simnet.clock.clock import MESSAGE, Clock
from simnet.clock.events import Transfer
from simnet.clock.links import Link, Resource, SharedLimit
from simnet.clock.parameters import LinkParameters
from simnet.clock.routing import Hops
from simnet.clock.sharing import SHARING_RULES, QueuedPath, SharingRule

SHARED_QUEUE = "queue across"
"""The rule `queue` where some links cross shared limits."""

RULES: dict[str, Callable[[Clock], SharingRule]] = {**SHARING_RULES, SHARED_QUEUE: QueuedPath}


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
        duplex: ``half``: what a machine receives counts against its uplink, too.
        shared: limits that several links share, in the order in which they are crossed.
        watch: is called with the sharing rule, to see what it carries; None: nobody looks.

    Attributes:
        rule: the sharing rule.
        transmit: sends a message over a link; it arrives when the sharing rule, and what lies around it, says.
        layers: what lies around the sharing rule.
        hops: what forwards messages; None where any two machines have a link of their own.
    """

    def __init__(
        self,
        sharing: str,
        parameters: LinkParameters,
        clock: Clock,
        duplex: str = "full",
        shared: Sequence[SharedLimit] = (),
        watch: Callable[[SharingRule], None] | None = None,
    ) -> None:
        self.clock = clock
        self.parameters = parameters
        self.num_machines = len(parameters.uplinks)
        self.uplinks = [self.make_resource(bandwidth) for bandwidth in self.parameters.uplinks]
        self.downlinks = [self.make_resource(bandwidth) for bandwidth in self.parameters.downlinks]
        if duplex == "half":
            self.downlinks = self.uplinks
        self.shared = shared
        self.rule = self.make_rule(SHARED_QUEUE if shared and sharing == "queue" else sharing)
        if watch is not None:
            watch(self.rule)
        self.transmit: Callable[[Link, Transfer], None] = self.rule.carry
        self.layers: list[Layer] = []
        self.hops: Hops | None = None

    def make_resource(self, bandwidth: float) -> Resource:
        """The limit of a machine, or of a link.

        Args:
            bandwidth: in bit/s; infinite: none.
        """
        return Resource(bandwidth)

    def make_rule(self, sharing: str) -> SharingRule:
        """The sharing rule of a name.

        Args:
            sharing: one of `RULES`.
        """
        return RULES[sharing](self.clock)

    def link(self, sender: int, receiver: int) -> Link:
        """The link from one machine to another, or what stands for the links between; any two may communicate.

        Args:
            sender: number of the one.
            receiver: number of the other.
        """
        return self.direct(sender, receiver) if self.hops is None else self.hops.link(sender, receiver)

    def direct(self, sender: int, receiver: int) -> Link:
        """A new link from one machine to another.

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
            self.shared_by(sender, receiver),
        )

    def shared_by(self, sender: int, receiver: int) -> tuple[Resource, ...]:
        """The shared limits that a message crosses.

        Args:
            sender: who sends it.
            receiver: to whom.
        """
        return tuple(chain.from_iterable(limit.crossed(sender, receiver) for limit in self.shared))

    def counters(self) -> dict[str, float]:
        """What the layers have counted."""
        return {name: count for layer in self.layers for name, count in layer.counters().items()}

    def troubles(self) -> list[str]:
        """What may keep nodes waiting for ever, in words."""
        return [trouble for layer in self.layers for trouble in layer.troubles()]
