"""The observer: how many steps there are, when all models are looked at, and when a run is over.

It looks at a synchronous run by step number: evaluation k sees every node's model after its own step k, whenever that
was. It looks at an asynchronous run when n * k steps are done in total. It never looks at moments of the clock, so
what it sees, and the batches in which the executor computes it, do not depend on the clock where the algorithm does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil, inf

from simnet.clock import Machine
from simnet.node import Node
from simnet.values import Executor, Row, Shown


@dataclass(frozen=True)
class Budget:
    """When a run ends; whatever comes first.

    Args:
        steps: per node; infinite if only time counts. An asynchronous run does n * steps in total.
        simulated_s: seconds; infinite if only steps count.
        evaluate_every: steps between two evaluations.
        compute_every: most steps that are recorded before the executor computes them.
        most_snapshots: how many evaluations of an asynchronous run may wait for that.
        checkpoint_every: steps between two moments at which everything is computed and kept.
    """

    steps: float
    simulated_s: float
    evaluate_every: int
    compute_every: int
    most_snapshots: int = 1
    checkpoint_every: float = inf


@dataclass
class Snapshot:
    """All nodes at one step, as far as they have got there.

    Attributes:
        step: completed steps of each node (of the average node in an asynchronous run).
        time_s: when the last node got there.
        bits_sent, gradients, busy_s: totals over the nodes, each up to its own step.
        rows: the models, by node.
        absent: the last models of nodes that are not in the network, by node; metrics leave them out.
        shown: what each node of `rows` has shown, as far as anybody has asked for it.
        counters: the run's counters at that step, once the snapshot is computed.
    """

    step: float
    time_s: float = 0.0
    bits_sent: float = 0.0
    gradients: int = 0
    busy_s: float = 0.0
    rows: dict[int, Row] = field(default_factory=dict)
    absent: dict[int, Row] = field(default_factory=dict)
    shown: dict[int, Shown] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Takes in one node as it is now; of a gradient that is still being computed, only the time until now.

        Args:
            node: has not been taken in yet.
        """
        self.time_s = node.now
        self._count(node)
        self.rows[node.id] = node.x
        self.shown[node.id] = node.shown

    def add_absent(self, node: Node) -> None:
        """Takes in what a node did before it left.

        Args:
            node: is not in the network.
        """
        self._count(node)
        self.absent[node.id] = node.x

    def _count(self, node: Node) -> None:
        self.bits_sent += node.bits_sent
        self.gradients += node.gradients - (node.busy_until > node.now)
        self.busy_s += node.computed_s(node.now)

    def models(self) -> list[Row]:
        """The models in the order of the nodes."""
        rows = self.rows | self.absent
        return [rows[i] for i in sorted(rows)]

    def needed(self) -> list[Row]:
        """What an evaluation reads.

        Returns:
            The models, and the rows that make up the vectors that were shown.
        """
        return self.models() + [row for shown in self.shown.values() for vector in shown.values() for row in vector.rows]

    @property
    def present(self) -> list[int]:
        """The numbers of the nodes that the metrics are about, sorted."""
        return sorted(self.rows)


class Observer:
    """Counts steps, asks for values where they are due, and says when the run is over.

    Args:
        budget: when it ends.
        asynchronous: whether steps are counted over all nodes together.
        executor: computes what is due.
        evaluate: called with every complete snapshot that is due; says whether the run may go on.
        advance: called now and then with (mean steps, simulated seconds).
        stop: called when the run is over.
        keep: called at every checkpoint, with the step.
    """

    def __init__(
        self,
        budget: Budget,
        asynchronous: bool,
        executor: Executor,
        evaluate: Callable[[Snapshot], bool],
        advance: Callable[[float, float], None],
        stop: Callable[[], None],
        keep: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.budget = budget
        self.last_step = budget.steps
        self.sees_all = budget.simulated_s < inf  # nobody knows which step will be the last
        self.evaluate_every = budget.evaluate_every
        self.compute_every = budget.compute_every
        if not asynchronous:  # so that the last steps before an evaluation are no shorter a stretch than the others
            self.compute_every = ceil(self.evaluate_every / ceil(self.evaluate_every / budget.compute_every))
        self.asynchronous = asynchronous
        self.executor = executor
        self.evaluate = evaluate
        self.advance = advance
        self.stop = stop
        self.keep = keep
        if budget.checkpoint_every < inf:
            self._is_due = self._is_due_or_kept  # type: ignore[method-assign]  # so that all other runs pay nothing
        self.nodes: Sequence[Node] = ()
        self.finished = False
        self.total_steps = 0
        self.counters: Counter[str] = Counter()
        self.snapshots: dict[int, Snapshot] = {}
        self.latest = Snapshot(0)
        self.next_due = 1
        self.waiting: list[Snapshot] = []
        self.extra_machines: list[Machine] = []
        self.evaluated_step: float = 0

    def begin(self, nodes: Sequence[Node]) -> None:
        """Looks at all nodes before the first step.

        Args:
            nodes: all of them, node i at place i.
        """
        self.nodes = nodes
        self.latest = self._snapshot_now(0)
        self._look_ahead()
        self._end_if(not self.evaluate(self.latest))

    def wants_step(self, node: Node) -> bool:
        """Whether the node should do one more step: it has not done its budget, or, asynchronous, all together have not.

        Args:
            node: has completed its step before.
        """
        if self.finished:
            return False
        if self.asynchronous:
            return self.total_steps < len(self.nodes) * self.budget.steps
        return node.step < self.last_step

    def completed(self, node: Node) -> None:
        """Counts a step, and looks at the models if this is the last node to complete one that is due.

        Args:
            node: has just completed the step ``node.step``.
        """
        self.total_steps += 1
        if not node.id:
            self.advance(self.total_steps / len(self.nodes), node.now)
        if self.asynchronous:
            step, rest = divmod(self.total_steps, len(self.nodes))
            if not rest and self._is_due(step):
                self._reach(self._snapshot_now(step))
            return
        step = node.step
        if step >= self.next_due and (self.sees_all or self._is_due(step)):  # who returns may be far behind
            snapshot = self.snapshots.get(step) or self._begin_snapshot(step)
            snapshot.add(node)
            if self._is_complete(snapshot, node):
                self._finish(snapshot)

    def out_of_time(self) -> None:
        """The budget of simulated seconds is used up: looks at the models once more, if they have moved on."""
        if self.asynchronous:
            self.latest = self._snapshot_now(self.total_steps / len(self.nodes))
        if self.latest.step > self.evaluated_step:
            self.waiting.append(self.latest)
        self._look()
        self._end_if(True)

    def _end_if(self, is_over: bool) -> None:
        if is_over:
            self.finished = True
            self.stop()

    def _is_due(self, step: int) -> bool:
        """Whether a step has to be looked at: for an evaluation, or because much has been recorded since the last one."""
        return not step % self.evaluate_every % self.compute_every or step == self.last_step

    def _is_due_or_kept(self, step: int) -> bool:
        return type(self)._is_due(self, step) or not step % self.budget.checkpoint_every

    def _begin_snapshot(self, step: int) -> Snapshot:
        snapshot = self.snapshots[step] = Snapshot(step)
        return snapshot

    def _is_complete(self, snapshot: Snapshot, newest: Node) -> bool:
        return len(snapshot.rows) == len(self.nodes)

    def _finish(self, snapshot: Snapshot) -> None:
        del self.snapshots[int(snapshot.step)]
        snapshot.bits_sent += sum(machine.bits_sent for machine in self.extra_machines)
        self._reach(snapshot)

    def _look_ahead(self) -> None:
        """Finds the first step after the latest snapshot that has to be looked at."""
        steps = count(int(self.latest.step) + 1)
        self.next_due = next(step for step in steps if self.sees_all or self._is_due(step) or step > self.last_step)

    def _snapshot_now(self, step: float) -> Snapshot:
        snapshot = Snapshot(step)
        for node in self.nodes:
            snapshot.add(node)
        snapshot.bits_sent += sum(machine.bits_sent for machine in self.extra_machines)
        return snapshot

    def _reach(self, snapshot: Snapshot) -> None:
        self.latest = snapshot
        self._look_ahead()
        step = int(snapshot.step)
        is_last = step == self.last_step
        if is_last or not step % self.evaluate_every:
            self.evaluated_step = step
            self.waiting.append(snapshot)
            may_wait = self.asynchronous and step % self.compute_every and len(self.waiting) < self.budget.most_snapshots
            if is_last or not may_wait:
                self._look()
        elif self._is_due(step):
            self._compute([snapshot])
        if not (step % self.budget.checkpoint_every or is_last or self.finished):
            self._look()
            self.keep(step)
        self._end_if(is_last)

    def _look(self) -> None:
        """Evaluates whatever waits for it, in order."""
        waiting, self.waiting = self.waiting, []
        if waiting:
            self._compute(waiting)
        for snapshot in waiting:
            if not self.finished:
                self._end_if(not self.evaluate(snapshot))

    def _compute(self, snapshots: Sequence[Snapshot]) -> None:
        """Computes the models, and the tallies of the steps that led to them."""
        due = []
        before = inf if self.asynchronous else snapshots[-1].step
        for node in self.nodes:
            count = sum(step < before for step, _, _ in node.tallies)
            due += [(name, scalar) for _, name, scalar in node.tallies[:count]]
            del node.tallies[:count]
        rows = [row for snapshot in snapshots for row in snapshot.needed()]
        self.executor.compute([*rows, *[scalar for _, scalar in due]])
        for name, scalar in due:
            self.counters[name] += int(scalar.value)
        for snapshot in snapshots:
            snapshot.counters = dict(self.counters)
