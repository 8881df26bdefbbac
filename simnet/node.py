"""A node: everything that an algorithm may say. It mentions no links, batches, devices or logs.

An algorithm is a generator that talks to its `node` alone and yields the events that it waits for::

    def dpsgd(node, *, lr):
        for k in node.steps():
            gradient = node.gradient(node.x)               # starts computing ...
            received = yield node.exchange(node.x, tag=k)  # ... while talking to the neighbors
            yield gradient                                 # until the compute time is over
            node.x = node.mix(node.x, received) - lr(k) * gradient.value

Behind the words stand the two planes. The clock decides when each event happens (`simnet.clock`); vectors such as
``node.x`` are deferred, and are computed later, in batches over all nodes (`simnet.values`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from simnet.clock import ComputeEvent, Machine, Payload, Program, Receipt
from simnet.clock.events import Message
from simnet.clock.machine import Route
from simnet.errors import AlgorithmError
from simnet.surroundings import Place, Surroundings
from simnet.values import ZERO, Combination, Kernel, Recorder, Row, Scalar, Vector

__all__ = ["Node", "Payload", "Program", "StepObserver"]


class StepObserver(Protocol):
    """Who decides how many steps there are, and looks at a node when it has completed one."""

    def wants_step(self, node: Node) -> bool:
        """Whether the node should do one more step.

        Args:
            node: has completed its step before.
        """
        ...

    def completed(self, node: Node) -> None:
        """Hears that a node has completed a step.

        Args:
            node: ``node.step`` counts that step already.
        """
        ...


class Node(Machine):
    """One simulated machine with data and a model.

    Args:
        *machine: see `Machine`.
        surroundings: what it is told about the network.
        recorder: writes down what it computes.
        model: its initial model, ``[D]``.
        compute_times: seconds of one mini-batch gradient after the other, without end.
        rng, shared_key: see the attributes.
        observer: says how many steps there are.

    Attributes:
        id: the node's number, from 0.
        num_nodes: n.
        neighbors: whose messages it receives, sorted; never itself.
        listeners: to whom it sends, sorted.
        may_ask: the neighbors that it may `ask`, such that nodes never wait for one another in a circle.
        vector_bits, number_bits: what a model, and one number, take on the wire in full precision.
        self_weight, weights: its row of the mixing matrix: of itself, and of each neighbor in their order.
        listener_weights: its column of the mixing matrix: the weight that each listener gives to it, in their order.
        layers: the shapes of the model's tensors, in the order in which they lie in a flat vector.
        rng: this node's own random numbers.
        shared_key: the function ``(*names) -> int``: a random key that is the same at all nodes for the same names.
        answer: set it to the function ``(asker, payload) -> payload`` that answers questions.
        rho: ``||W - J||_2`` of the mixing matrix, for algorithms that tune themselves; None if it was not computed.
    """

    def __init__(
        self,
        *machine: Any,
        surroundings: Surroundings,
        recorder: Recorder,
        model: Row,
        compute_times: Iterator[float],
        rng: np.random.Generator,
        shared_key: Callable[..., int],
        observer: StepObserver,
    ) -> None:
        super().__init__(*machine)
        self.num_nodes = surroundings.num_nodes
        self.may_ask = surroundings.may_ask
        self.rho = surroundings.rho
        self.layers = surroundings.layers
        self.vector_bits = surroundings.vector_bits
        self.number_bits = surroundings.number_bits
        self.rng = rng
        self.shared_key = shared_key
        self.gradients = 0
        self.busy_s = 0.0
        self.tallies: list[tuple[int, str, Scalar]] = []
        self._wait = surroundings.wait
        self._move_to(surroundings.place)
        self._recorder = recorder
        self._observer = observer
        self._compute_times = compute_times
        self._x = model

    def _move_to(self, place: Place) -> None:
        self.neighbors = place.neighbors
        self.listeners = place.listeners
        self.self_weight = place.self_weight
        self.weights = place.weights
        self.listener_weights = place.listener_weights
        self._mixing_weights = (place.self_weight, *place.weights)
        self._routes: list[Route] = []

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self.clock.now

    @property
    def x(self) -> Row:
        """The node's model, ``[D]``; assigning it is what observers see, and fails while a question with `then` is open."""
        return self._x

    @x.setter
    def x(self, vector: Vector) -> None:
        if self.asking is not None and self.is_locked:
            raise AlgorithmError("changes its model while its own atomic question is without reply")
        self._x = self._recorder.row(vector, b"X")

    def steps(self) -> Iterator[int]:
        """The node's steps 0, 1, 2, ... until the run's budget of steps or epochs ends."""
        observer = self._observer
        while observer.wants_step(self):
            yield self.step
            self.step += 1
            observer.completed(self)

    def gradient(self, x: Vector) -> ComputeEvent:
        """Starts a mini-batch gradient at `x`; a node computes one after the other.

        Args:
            x: where it is taken, a ``[D]`` vector.

        Returns:
            An event to yield: its compute time is over. Its `value` is the gradient, a ``[D]`` vector.
        """
        start, busy_until = self.clock._now, self.busy_until
        if busy_until > start:  # noqa: PLR1730 - a call of max() takes longer
            start = busy_until
        seconds = next(self._compute_times)
        end = self.busy_until = start + seconds
        self.busy_s += seconds
        self.gradients += 1
        return ComputeEvent(self, start, end, self._recorder.gradient(x))

    def exchange(self, payload: Any, tag: Hashable) -> Receipt:
        """Sends the payload to all listeners and collects what the neighbors sent under the same tag.

        Args:
            payload: a vector, a number, a tuple of them, or a `Payload` that states its own size.
            tag: the same on both sides, another one in each exchange: the step, for example.

        Returns:
            An event to yield; its value is ``{neighbor: payload}``, complete or not as the scenario's waiting rule says.
        """
        wait = self._wait
        content, bits = (payload, self.vector_bits) if isinstance(payload, Row) else self.pack(payload)
        if not self._routes:
            self._routes = self.routes(self.listeners, newest=wait == "none")
        self.broadcast(self._routes, content, tag, bits)
        if wait == "all":
            return self.collect(self.neighbors, tag)
        return self.collect_newest() if isinstance(wait, str) else self.collect_until(self.neighbors, tag, wait)

    def ask(self, neighbor: int, payload: Any, then: Callable[[Any], object] | None = None) -> Receipt:
        """Asks one neighbor, whose function `answer` replies at once or, while it is locked, as soon as it is not.

        With `then`, both ends change as one: `then` is called with the reply, and from now until then this node is
        locked: it answers nobody and must not change its model. Ask nobody but ``node.may_ask`` in this way.

        Args:
            neighbor: who is asked.
            payload: what its `answer` is called with, after this node's number.
            then: what to do with the reply, before anything else happens here.

        Returns:
            An event to yield; its value is the reply, or None if that will never come (then `then` is not called).

        Raises:
            AlgorithmError: if an earlier question is still without reply.
        """
        content, bits = self.pack(payload)
        return self.question(neighbor, content, bits, then)

    def mix(self, own: Vector, received: Mapping[int, Vector]) -> Vector:
        """Row i of the mixing matrix: ``w_ii own + sum_j w_ij received[j]``, in sorted order of the neighbors.

        The weight of a neighbor that is missing goes to oneself, so that the weights still sum to one.

        Args:
            own: this node's vector, ``[D]``.
            received: the neighbors' vectors, as `exchange` gives them.

        Returns:
            The weighted sum, ``[D]``.
        """
        neighbors, weights = self.neighbors, self._mixing_weights
        if len(received) < len(neighbors):
            neighbors = tuple([j for j in neighbors if j in received])
            others = [w for j, w in zip(self.neighbors, self.weights, strict=True) if j in received]
            weights = (self.self_weight + sum(self.weights) - sum(others), *others)
        own = own if isinstance(own, Row) else self._recorder.row(own)
        return Combination((own, *[received[j] for j in neighbors]), weights)  # type: ignore[arg-type]  # sent as rows

    @property
    def zeros(self) -> Vector:
        """The zero vector."""
        return ZERO

    def keep(self, vector: Vector) -> Row:
        """The vector as one row: for what is carried from step to step, which would otherwise grow into a long sum.

        Args:
            vector: a sum of vectors, ``[D]``.

        Returns:
            The same vector, as a row.
        """
        return self._recorder.row(vector)

    def apply(self, kernel: Kernel, *vectors: Vector, constants: tuple[float, ...] = ()) -> Row:
        """A row kernel applied to vectors.

        Args:
            kernel: a pure function of batches of rows (see `simnet.values.Kernel`); a frozen dataclass.
            vectors: its inputs, ``[D]`` each.
            constants: numbers of this one call: a random key, a scale.

        Returns:
            The result, ``[D]``, deferred like everything.
        """
        return self._recorder.apply(kernel, *vectors, constants=constants)

    def same_for_all(self, vector: Vector) -> Row:
        """A sum that every node arrives at, such as an all-reduced mean: computed once, whoever asks for it.

        Args:
            vector: the sum, in whatever order each node has its terms.

        Returns:
            One row for all nodes.
        """
        return self._recorder.shared(vector)

    def random_key(self) -> int:
        """A random key of this node alone, for a kernel that rounds or chooses at random."""
        return int(self.rng.integers(1 << 62))

    def measure(self, kernel: Kernel, *vectors: Vector) -> Scalar:
        """A deferred number out of vectors, for `number` or `tally`.

        Args:
            kernel: a kernel that reduces each row to a number.
            vectors: its inputs, ``[D]`` each.

        Returns:
            The number, deferred.
        """
        return self._recorder.measure(kernel, *vectors)

    def number(self, scalar: Scalar) -> Receipt:
        """A deferred number as a float, for a decision that depends on the data; it makes the executor run.

        Args:
            scalar: what `measure` gave.

        Returns:
            An event to yield, over at once; its value is the float.
        """
        receipt = Receipt(self.clock, "number", (), {})
        receipt.complete(self._recorder.number(scalar))
        return receipt

    def tally(self, name: str, scalar: Scalar) -> None:
        """Adds a deferred number to one of the run's counters, which the summary reports.

        Args:
            name: of the counter.
            scalar: a whole number.
        """
        self.tallies.append((self.step, name, scalar))

    def fetch(self, neighbor: int) -> Receipt:
        """Asks a neighbor for its model and step, to begin anew from them.

        Args:
            neighbor: who is asked.

        Returns:
            An event to yield; its value is ``(model, step)``, or None if the neighbor is gone.
        """
        return self._ask(neighbor, None, self.number_bits, None, self.machines[neighbor].fetched)

    def fetched(self, question: Message) -> None:
        """Answers a `fetch` with model and step.

        Args:
            question: from whom.
        """
        if self.is_absent:
            super().fetched(question)
            return
        self._respond(question, (self.x, self.step), self.vector_bits)

    def down_s(self, until: float) -> float:
        """How long this node has been down, or not there.

        Args:
            until: from the start until then [s].
        """
        return 0.0

    def computed_s(self, until: float) -> float:
        """How long this node has computed.

        Args:
            until: from the start until then [s]; no earlier than now.
        """
        return self.busy_s - max(0.0, self.busy_until - until)

    def forget(self) -> None:
        """Loses all but its model: what it has received, what it waits for, the gradient under way."""
        super().forget()
        self.busy_s = self.computed_s(self.now)
        self.busy_until = min(self.busy_until, self.now)

    def digest(self) -> bytes:
        """The digest of all that this node has recorded."""
        return self._recorder.digest()

    def pack(self, payload: Any) -> tuple[Any, float]:
        """What goes over the wire for a payload, and its size.

        Args:
            payload: a vector, a number, a tuple of them, or a `Payload`.

        Returns:
            The content that the receiver gets, and bits.

        Raises:
            AlgorithmError: if it is something else.
        """
        if isinstance(payload, Row):
            return payload, self.vector_bits
        if isinstance(payload, Vector):
            return self._recorder.row(payload), self.vector_bits
        if isinstance(payload, tuple):
            parts = [self.pack(part) for part in payload]
            return tuple([content for content, _ in parts]), sum([bits for _, bits in parts])
        if isinstance(payload, int | float):
            return payload, self.number_bits
        return super().pack(payload)
