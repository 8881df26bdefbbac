"""Other kinds of nodes: whose speed varies, who spend time on compressing and mixing, or whose values are switched off.

Chosen when a run is assembled, so that all other runs pay nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from simnet.clock import ComputeEvent
from simnet.clock.causes import Work
from simnet.clock.events import Message, Receipt
from simnet.clock.links import Link
from simnet.clock.pace import UnevenTimes
from simnet.errors import AlgorithmError
from simnet.node import Node
from simnet.scenario import Compute, PerNumber
from simnet.values import Kernel, Row, Scalar, Vector


def node_maker(kind: type[Node], spec: Compute) -> Callable[..., Node]:
    """What makes the nodes of a run: the plain kind, or one that can do what the scenario's `compute` asks for.

    Args:
        kind: `Node`, or a subclass of it.
        spec: the scenario's `compute`.

    Returns:
        A function with the arguments of `Node`.

    Example:
        >>> node_maker(Node, Compute(time="30 ms")) is Node
        True
    """
    mixins: list[type[Node]] = []
    if spec.per_number is not None and (spec.per_number.compress or spec.per_number.mix):
        mixins.append(ChargedNode)
    if spec.is_uneven:
        mixins.append(UnevenNode)
    made = type(kind.__name__, (*mixins, kind), {}) if mixins else kind
    if ChargedNode in mixins:
        return lambda *machine, **arguments: made(*machine, costs=spec.per_number, **arguments)
    return made


class UnevenNode(Node):
    """A node whose compute times depend on when they start."""

    _compute_times: UnevenTimes

    def gradient(self, x: Vector) -> ComputeEvent:
        """As of any node; the time that it takes is that of work that starts now, or after the gradient before it."""
        self._compute_times.start = max(self.clock.now, self.busy_until)
        return super().gradient(x)


class Departures:
    """What stands between a node and the network: messages leave when the node is done with compressing and mixing.

    Args:
        network: what lies behind.

    Attributes:
        ready_at: when it is done, in simulated seconds.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.clock = network.clock
        self.link = network.link
        self.ready_at = -inf

    def transmit(self, link: Link, message: Message) -> None:
        """Sends a message over a link, now or when the node is ready; what comes before that is computing.

        Args:
            link: from the node to the receiver.
            message: what is sent.
        """
        if self.ready_at < self.clock.now:  # if it is ready only now, others may leave at this moment, in their order
            self.network.transmit(link, message)
            return
        message.origin = Work(message.sender, message.origin, self.ready_at)
        self.clock.call(self.ready_at, lambda _: self.network.transmit(link, message), link.priority)


class ChargedNode(Node):
    """A node that spends time on each number that it compresses or mixes.

    ``apply`` of a kernel takes ``compress * D``, ``mix`` of m received vectors ``mix * (m + 1) * D`` seconds, one after the
    other. These words return at once, as ever: what they take is a debt, which is paid before the next computation of
    this node starts, and before the next message of it leaves. A gradient that runs already is not held up (another core
    does the rest), sums that an algorithm writes itself are free, and so is the last debt of a run, since nobody waits for
    it. The seconds do not vary with the node's speed.

    Args:
        machine: as of `Node`.
        costs: seconds per number.
        arguments: as of `Node`.

    Attributes:
        charged_s: seconds spent so.
    """

    def __init__(self, *machine: Any, costs: PerNumber, **arguments: Any) -> None:
        super().__init__(*machine, **arguments)
        self.network: Any = Departures(self.network)
        self.charged_s = 0.0
        self._last_start = 0.0
        num_numbers = self.vector_bits / self.number_bits
        self._compress_s = costs.compress * num_numbers
        self._mix_s = costs.mix * num_numbers

    def charge(self, seconds: float) -> None:
        """Adds to what has to be done before anything starts or leaves.

        Args:
            seconds: that it takes.
        """
        self.network.ready_at = max(self.clock.now, self.network.ready_at) + seconds
        self.charged_s += seconds

    def gradient(self, x: Vector) -> ComputeEvent:
        """As of any node, once all that was compressed and mixed before is done."""
        self.busy_until = max(self.busy_until, self.network.ready_at)
        event = super().gradient(x)
        self._last_start = event.start
        return event

    def computed_s(self, until: float) -> float:
        """As of any node; what it spends on compressing and mixing before its last gradient is no part of that."""
        return super().computed_s(max(until, self._last_start))

    def forget(self) -> None:
        """As any node; what it still had to compress or mix is lost, too."""
        super().forget()
        self.network.ready_at = min(self.network.ready_at, self.clock.now)

    def mix(self, own: Vector, received: Mapping[int, Vector]) -> Vector:
        """As of any node; a cost for each number of each vector."""
        self.charge((len(received) + 1) * self._mix_s)
        return super().mix(own, received)

    def apply(self, kernel: Kernel, *vectors: Vector, constants: tuple[float, ...] = ()) -> Row:
        """As of any node; a cost for each number of the result."""
        self.charge(self._compress_s)
        return super().apply(kernel, *vectors, constants=constants)


class SilentNode(Node):
    """A node without values, to time the clock alone (its recorder is a `SilentRecorder`)."""

    def mix(self, own: Vector, received: Mapping[int, Vector]) -> Vector:
        """The node's own vector: there is only one."""
        return own

    def number(self, scalar: Scalar) -> Receipt:
        """Refused: a decision would depend on values that there are not."""
        raise AlgorithmError("asks for a number, but values are switched off")
