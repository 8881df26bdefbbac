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

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from simnet.clock import ComputeEvent, Payload, Program, Receipt
from simnet.clock.machine import Route
from simnet.errors import AlgorithmError
from simnet.graph import Branch
from simnet.node_values import Calculator
from simnet.surroundings import Place, Surroundings
from simnet.values import IDLE, NOTHING_SHOWN, ZERO, Combination, Recorder, Row, Scalar, Shown, Vector
from simnet.values.on_data import OnData

__all__ = ["Node", "Payload", "Program", "StepObserver"]


class StepObserver(Protocol):
    """Who decides how many steps there are, and looks at a node when it has completed one.

    Attributes:
        last_step: how many steps a node does; infinite if only time counts.
    """

    last_step: float

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


class Node(Calculator):
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
        neighbors: whose messages it receives, sorted; never itself. With `listeners` and all weights, of this step.
        listeners: to whom it sends, sorted.
        acquaintances: its neighbors of all steps, where they change.
        may_ask: the neighbors that it may `ask`, such that nodes never wait for one another in a circle.
        vector_bits, number_bits: what a model, and one number, take on the wire in full precision.
        self_weight, weights: its row of the mixing matrix: of itself, and of each neighbor in their order.
        listener_weights: its column of the mixing matrix: the weight that each listener gives to it, in their order.
        mini_batch: how many samples it has, and outputs for each; 0 outputs where the loss is not a function of them alone.
        layers: the shapes of the model's tensors, in the order in which they lie in a flat vector.
        starts_alike: whether all nodes begin with the same model.
        rng: this node's own random numbers.
        shared_key: the function ``(*names) -> int``: a random key that is the same at all nodes for the same names.
        answer: set it to the function ``(asker, payload) -> payload`` that answers questions.
        rho: ``||W - J||_2`` of the mixing matrix, for algorithms that tune themselves; None if it was not computed.
        shown: what it has shown, as far as anybody has asked for it.
    """

    shown: Shown = NOTHING_SHOWN

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
        self.acquaintances = surroundings.acquaintances
        self.may_ask = surroundings.may_ask
        self.rho = surroundings.rho
        self._branch = surroundings.branch
        self.layers = surroundings.layers
        self.starts_alike = surroundings.starts_alike
        self.mini_batch = surroundings.mini_batch
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

    @property
    def branch(self) -> Branch:
        """The node's place in a spanning tree of the topology: its parent, its children, the height of the tree.

        Raises:
            AlgorithmError: if the algorithm's row in the table does not say that it uses one.
        """
        if self._branch is None:
            raise AlgorithmError("uses node.branch, but its row does not say uses_tree=True")
        return self._branch

    def steps(self) -> Iterator[int]:
        """The node's steps 0, 1, 2, ... until the run's budget of steps or epochs ends."""
        observer = self._observer
        while observer.wants_step(self):
            yield self.step
            self.step += 1
            observer.completed(self)

    @property
    def is_last_step(self) -> bool:
        """Whether the run's budget of steps or epochs ends with this step; never, where only simulated time ends it."""
        return self.step + 1 >= self._observer.last_step

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

    @property
    def num_mini_batches(self) -> int:
        """Into how many fixed mini-batches its examples are cut (see `take`): as many on all nodes, an even number, or 0."""
        return len(self._recorder.fixed)

    def take(self, order: Iterable[int]) -> None:
        """The next gradients are those of fixed mini-batches; only after them come again those that the scenario says.

        Args:
            order: numbers below `num_mini_batches`.
        """
        self._recorder.take(order)

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

    def draw(self) -> bytes:
        """The next mini-batch: sample ids, for `on_data` here or at other nodes; no gradient will take it."""
        return self._recorder.draw()

    def work(self, num_gradients: int) -> ComputeEvent:
        """Computes something else, for as long as so many mini-batch gradients take, one after the other.

        Args:
            num_gradients: at least 1; they count as gradients.

        Returns:
            An event to yield, without a value.
        """
        recorder, self._recorder = self._recorder, IDLE
        events = [self.gradient(ZERO) for _ in range(num_gradients)]
        self._recorder = recorder
        return events[-1]

    def on_data(self, kernel: OnData, *vectors: Vector, samples: bytes = b"") -> Row:
        """What the problem computes, beside the gradient, of samples; by default those that the next gradient takes.

        Args:
            kernel: says what: `MiniBatchLoss`, `Distillation`, `TangentEvolution`. It takes no time (see `work`).
            vectors: its inputs, ``[D]`` each.
            samples: mini-batches that `draw` gave, joined.

        Returns:
            The result, ``[D]``, deferred.
        """
        return self._recorder.on_data(kernel, *vectors, samples=samples)

    def tally(self, name: str, scalar: Scalar) -> None:
        """Adds a deferred number to one of the run's counters, which the summary reports.

        Args:
            name: of the counter.
            scalar: a whole number.
        """
        self.tallies.append((self.step, name, scalar))

    def show(self, name: str, vector: Vector, of: int | None = None) -> None:
        """Shows observers a vector that is not the model; each evaluation sees what was shown last. Costs nothing unasked.

        Args:
            name: ``tracker``, ``tracked``, ``unmixed``, ``replica`` (see `simnet.insight.SHOWN`).
            vector: of few terms (see `keep`), ``[D]``.
            of: whose replica it is; that of the node itself is what the others' should equal.
        """

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
