"""Other kinds of nodes: whose neighbors or speed vary, who take time to mix, are watched, have no values; the server.

Chosen when a run is assembled, so that all other runs pay nothing for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

from simnet.clock import ComputeEvent
from simnet.clock.causes import Work
from simnet.clock.events import Message, Receipt
from simnet.clock.links import Link
from simnet.clock.pace import UnevenTimes
from simnet.errors import AlgorithmError
from simnet.node import Node
from simnet.node_values import Calculator
from simnet.scenario import Compute, PerNumber
from simnet.surroundings import Place
from simnet.values import Kernel, Recorder, Row, Scalar, Vector


def node_maker(
    kind: type[Node], spec: Compute, places: Callable[[int], Sequence[Place]] | None = None
) -> Callable[..., Node]:
    """What makes the nodes of a run: the plain kind, or one that can do what the scenario asks for.

    Args:
        kind: `Node`, or a subclass of it.
        spec: the scenario's `compute`.
        places: of all nodes in each step; None where neighbors never change.

    Returns:
        A function with the arguments of `Node`.

    Example:
        >>> node_maker(Node, Compute(time="30 ms")) is Node
        True
    """
    mixins: list[type[Node]] = []
    more: dict[str, Any] = {}
    if spec.per_number is not None and (spec.per_number.compress or spec.per_number.mix):
        mixins.append(ChargedNode)
        more["costs"] = spec.per_number
    if places is not None:
        mixins.append(MovingNode)
        more["places"] = places
    if spec.is_uneven:
        mixins.append(UnevenNode)
    made = type(kind.__name__, (*mixins, kind), {}) if mixins else kind
    return partial(made, **more) if more else made


class MovingNode(Node):
    """A node whose neighbors change with the step: at the start of each it moves to its place of that step.

    Args:
        machine: as of `Node`.
        places: of all nodes in each step.
        arguments: as of `Node`.
    """

    def __init__(self, *machine: Any, places: Callable[[int], Sequence[Place]], **arguments: Any) -> None:
        super().__init__(*machine, **arguments)
        self._places = places

    def steps(self) -> Iterator[int]:
        """As of any node; all that it says in a step it says to the neighbors of that step."""
        for step in super().steps():
            self._move_to(self._places(step)[self.id])
            yield step

    def collect_newest(self) -> Receipt:
        """As of any machine, of those that are neighbors in this step."""
        receipt = Receipt(self.clock, "newest", (), {})
        receipt.complete({j: self.newest[j] for j in self.neighbors if j in self.newest})
        return receipt


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


class Server(Calculator):
    """A machine beyond the nodes, without data and model, that may compute with what it receives.

    Args:
        *machine: see `Machine`.
        recorder: writes down what it computes.
    """

    def __init__(self, *machine: Any, recorder: Recorder) -> None:
        super().__init__(*machine)
        self._recorder = recorder

    def numbers(self, scalars: Sequence[Scalar]) -> list[float]:
        """Deferred numbers as floats, for decisions that depend on the data; it makes the executor run.

        Args:
            scalars: what `measure` gave.

        Returns:
            The floats, zeros where values are switched off.
        """
        self._recorder.executor.compute(scalars)  # all of them in one go
        return [self._recorder.number(scalar) for scalar in scalars]


class WatchedGradient(ComputeEvent):
    """A gradient that notes, when it is first used, how often the model has changed since it was taken.

    Args:
        node: whose it is.
        event: the same gradient without a watch.
    """

    __slots__ = ("is_used", "node", "taken_at")

    def __init__(self, node: WatchedNode, event: ComputeEvent) -> None:
        super().__init__(node, event.start, event.end, event._value)
        self.node = node
        self.taken_at = node.changes
        self.is_used = False

    @property
    def value(self) -> Any:
        """The gradient, as of any `ComputeEvent`."""
        value = super().value
        if not self.is_used:
            self.is_used = True
            self.node.ages["gradients"][self.node.changes - self.taken_at] += 1
        return value


class WatchedNode(Node):
    """A node that keeps what it shows, and counts how old what it uses is.

    The age of a gradient is how often this node's model was assigned between taking it and reading its `value`. The age of
    a message is this node's step when it uses it, less the sender's step when it was sent, which is negative if the sender
    is ahead; messages that an algorithm awaits by their tag have the age that the algorithm says, and are not counted.

    Args:
        machine: as of `Node`.
        arguments: as of `Node`.

    Attributes:
        visible: the names of the vectors that somebody wants to see.
        ages: ``models`` and ``gradients``: age -> how often; common to all nodes of a run.
        changes: how often the model was assigned.
    """

    visible: frozenset[str] = frozenset()
    ages: Mapping[str, Counter[int]]

    def __init__(self, *machine: Any, **arguments: Any) -> None:
        super().__init__(*machine, **arguments)
        self.changes = 0
        self._steps_of_mail: list[int] = []

    @property
    def x(self) -> Row:
        """The node's model, as of any node."""
        return self._x

    @x.setter
    def x(self, vector: Vector) -> None:
        Node.x.fset(self, vector)  # type: ignore[attr-defined]  # a property
        self.changes += 1

    def show(self, name: str, vector: Vector, of: int | None = None) -> None:
        """Keeps the vector for the next evaluation, if somebody has asked for it."""
        if name in self.visible:
            self.shown = {**self.shown, (name, of): vector}  # not in place: an earlier snapshot may still hold it

    def gradient(self, x: Vector) -> ComputeEvent:
        """As of any node."""
        return WatchedGradient(self, super().gradient(x))

    def collect_newest(self) -> Receipt:
        """As of any node; all that is collected is used now."""
        self.ages["models"].update(self.step - step for step in self.newest_step.values())
        return super().collect_newest()

    def mailed(self, message: Message) -> None:
        """As of any node."""
        super().mailed(message)
        self._steps_of_mail.append(message.step)

    def pushed(self) -> Receipt:
        """As of any node; all that lies in the mailbox is used now."""
        self.ages["models"].update(self.step - step for step in self._steps_of_mail)
        self._steps_of_mail.clear()
        return super().pushed()

    def forget(self) -> None:
        """As any node; nobody sees any more what it has shown before."""
        super().forget()
        self.shown = {}
        self._steps_of_mail.clear()


class SilentNode(Node):
    """A node without values, to time the clock alone (its recorder is a `SilentRecorder`)."""

    def mix(self, own: Vector, received: Mapping[int, Vector]) -> Vector:
        """The node's own vector: there is only one."""
        return own

    def number(self, scalar: Scalar) -> Receipt:
        """Refused: a decision would depend on values that there are not."""
        raise AlgorithmError("asks for a number, but values are switched off")
