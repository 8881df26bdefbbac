"""Nodes that come and go: who is in the network when, what is lost, and what an evaluation then looks at.

What a fault means for a node, whatever it runs:

* ``kept``: it stands still while it is down. A gradient under way begins anew at its return, a deadline that has passed
  ends then, and messages that arrive meanwhile are lost (and sent again, where the network does so).
* ``neighbor``, ``start``: its program ends; all that it had received or was waiting for is forgotten. At its return the
  program begins anew, with a neighbor's model (which costs a message) or the initial one, at the step after the furthest
  that is known to it: the neighbor's, or of all nodes that are up.
* never to return, or not there yet: it is no member of the network; metrics are about the members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from simnet.clock import Clock, ComputeEvent, Process, Program
from simnet.clock.clock import DEADLINE, START
from simnet.clock.downtime import PATIENCE, Downtime, Spell
from simnet.clock.events import Message, Receipt
from simnet.clock.outages import Outages
from simnet.errors import StalledError
from simnet.node import Node
from simnet.observer import Observer, Snapshot
from simnet.values import Row, Vector


class MembershipObserver(Observer):
    """An observer of nodes that come and go.

    An evaluation at step k is about the nodes that are members then and have come to step k themselves; nobody waits for
    a node that has left, or that begins anew at a later step.

    Attributes:
        members: for each node in the network the first step that it completes there.
        missing: for each snapshot that is not complete the nodes that are still to come to its step.
    """

    def begin(self, nodes: Sequence[Node]) -> None:
        """Looks at the nodes that are there before the first step; at all, if nobody is.

        Args:
            nodes: all of them, node i at place i.
        """
        self.missing: dict[int, set[int]] = {}
        self.members = {node.id: 1 for node in nodes if not node.is_absent}
        super().begin(nodes)

    def left(self, node: Node) -> None:
        """A node is no longer in the network.

        Args:
            node: was a member.
        """
        del self.members[node.id]
        for step in sorted(self.snapshots):
            self.missing[step].discard(node.id)
            if not self.missing[step]:
                self.snapshots[step].time_s = node.now  # only now nobody is to come any more
                self._finish(self.snapshots[step])
        self._end_if_nothing_is_left()

    def joined(self, node: Node) -> None:
        """A node is in the network from its present step on.

        Args:
            node: has not been a member.
        """
        self.members[node.id] = node.step + 1
        for step, missing in self.missing.items():
            if step > node.step:
                missing.add(node.id)
        self._end_if_nothing_is_left()

    def _end_if_nothing_is_left(self) -> None:
        """Ends a run whose last step nobody will complete any more: all members have begun anew after it."""
        all_done = all(self.nodes[i].step >= self.last_step for i in self.members)
        if self.members and all_done and not self.asynchronous and not self.finished:
            self.out_of_time()

    def furthest_step(self) -> int:
        """The largest step that a member has begun."""
        return max((self.nodes[i].step for i in self.members), default=0)

    def _begin_snapshot(self, step: int) -> Snapshot:
        self.missing[step] = {i for i, first in self.members.items() if first <= step}
        return super()._begin_snapshot(step)

    def _is_complete(self, snapshot: Snapshot, newest: Node) -> bool:
        missing = self.missing[int(snapshot.step)]
        missing.discard(newest.id)
        return not missing

    def _finish(self, snapshot: Snapshot) -> None:
        del self.missing[int(snapshot.step)]
        for node in self.nodes:
            if node.id not in snapshot.rows:
                snapshot.add_absent(node)
        super()._finish(snapshot)

    def _snapshot_now(self, step: float) -> Snapshot:
        snapshot = Snapshot(step)
        for node in self.nodes:
            if node.id in self.members or not self.members:
                snapshot.add(node)
            else:
                snapshot.add_absent(node)
        snapshot.bits_sent += sum(machine.bits_sent for machine in self.extra_machines)
        return snapshot


class MortalNode(Node):
    """A node that may be down.

    Attributes:
        downtime: when.
        ends_never: whether it computes a gradient that it will never finish, since it is down again and again before that.
    """

    downtime = Downtime(())
    ends_never = False

    def gradient(self, x: Vector) -> ComputeEvent:
        """As of any node; a crash that keeps the node's state makes it begin anew at the return.

        Args:
            x: where the gradient is taken, ``[D]``.
        """
        event = super().gradient(x)
        seconds = event.end - event.start
        begun, end = event.start, event.end
        attempts = 1
        while (spell := self._first_kept(begun, end)) and attempts < PATIENCE:
            self.busy_s += max(0.0, spell.start - begun)  # in vain
            begun, end = spell.end, spell.end + seconds
            attempts += 1
        event.end = self.busy_until = end
        if attempts == PATIENCE:
            event.end, event.callbacks = inf, []  # which nobody will call
            self.ends_never = True
        return event

    def _first_kept(self, since: float, until: float) -> Spell | None:
        spells = self.downtime.between(since, until)
        return next((spell for spell in spells if not spell.is_fatal and since < spell.end and spell.start < until), None)

    def computed_s(self, until: float) -> float:
        """How long this node has computed; of a gradient under way, what is over or in vain counts.

        Args:
            until: from the start until then [s]; no earlier than now.
        """
        ahead = [spell for spell in self.downtime.between(until, self.busy_until) if not spell.is_fatal]
        down = sum(max(0.0, min(spell.end, self.busy_until) - max(spell.start, until)) for spell in ahead)
        return super().computed_s(until) + down

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
        return self.downtime.total_s(until)

    def forget(self) -> None:
        """Loses all but its model, as any node."""
        super().forget()
        self.ends_never = False

    def waits_for(self) -> str:
        """What this node waits for, in words."""
        if self.ends_never and not self.awaited():
            return f"a gradient that it has not finished in {PATIENCE} attempts, since it was down again before its end"
        return super().waits_for()

    def deliver(self, message: Message) -> None:
        """A message arrives, as at any node; who is down does not wait.

        Args:
            message: of a tag that its sender has used only once.
        """
        receipt = self.waiting.get(message.tag)
        if receipt is not None and receipt.num_missing == 1 and receipt.callbacks:
            self._forgive(message)
        super().deliver(message)

    def _woken(self, message: Message) -> None:
        self._forgive(message)
        super()._woken(message)

    def _forgive(self, message: Message) -> None:
        """Who wakes this node now has not been waited for while it was down."""
        idle_since = max(self.chain.until, self.busy_until)
        if self.now > idle_since:
            self.waited_s[message.sender] -= self.downtime.total_s(self.now, idle_since)

    def _give_up(self, alarm: Message) -> None:
        self._when_up(alarm, super()._give_up, DEADLINE + self.id)

    def refused(self, question: Message) -> None:
        """A question of this node will never be answered; it hears of that when it is up.

        Args:
            question: as it was sent.
        """
        self._when_up(question, super().refused, START)

    def _when_up(self, message: Message, then: Callable[[Message], None], priority: int) -> None:
        again = self.downtime.up_again(self.now)
        if again == self.now:
            then(message)
        elif not self.downtime.at(self.now).is_fatal:  # type: ignore[union-attr]  # it is down
            self.clock.call(again, lambda _: then(message), priority)


def mortal(kind: type[Node]) -> type[Node]:
    """A kind of node, made such that it may be down.

    Args:
        kind: `Node`, or a subclass of it.

    Returns:
        The same kind with a `MortalNode` before it.

    Example:
        >>> issubclass(mortal(Node), MortalNode)
        True
    """
    return type(kind.__name__, (MortalNode, kind), {})


class Lifecycle:
    """Starts every node's program, and ends and begins it anew where a fault takes more than time.

    Args:
        clock: the run's clock.
        nodes: all of them, node i at place i.
        outages: when they are down.
        observer: hears who comes and goes.
        program: makes the program of a node.
        followed: wraps whatever runs on a node, if somebody wants to see it.

    Attributes:
        processes: what runs on each node, or has ended there.
    """

    def __init__(
        self,
        clock: Clock,
        nodes: Sequence[MortalNode],
        outages: Outages,
        observer: MembershipObserver,
        program: Callable[[Node], Program],
        followed: Callable[[Node, Program], Program],
    ) -> None:
        self.clock = clock
        self.nodes = nodes
        self.outages = outages
        self.observer = observer
        self.program = program
        self.followed = followed
        self.initial_models: list[Row] = [node.x for node in nodes]
        self.returns_in_vain = 0
        self.steps_at_return = 0
        for node in nodes:
            node.downtime = outages.nodes.get(node.id, node.downtime)
            spell = node.downtime.at(0.0)
            node.is_absent = spell is not None and spell.is_fatal

    def begin(self) -> list[Process]:
        """Starts the programs of all nodes that are there, once they are up.

        Returns:
            What runs on each node; an entry changes when the node begins anew.
        """
        lives = [self.followed(node, self._first_life(node)) for node in self.nodes]
        self.processes = [Process(self.clock, life, self._delay(self.nodes[i])) for i, life in enumerate(lives)]
        for node in self.nodes:
            spell = node.downtime.at(0.0)
            if node.is_absent and spell is not None:
                self._await_return(node, spell)
            else:
                self._await_crash(node, 0.0)
        return self.processes

    def _delay(self, node: MortalNode) -> float:
        return 0.0 if node.is_absent else node.downtime.up_again(0.0)

    def _first_life(self, node: Node) -> Program:
        if not node.is_absent:
            yield from self.program(node)

    def _await_crash(self, node: MortalNode, time: float) -> None:
        spell = node.downtime.next_fatal(time)
        if spell is not None:
            self.clock.call(spell.start, lambda _: self._crash(node, spell), START)

    def _await_return(self, node: MortalNode, spell: Spell) -> None:
        if spell.end < inf:
            self.clock.call(spell.end, lambda _: self._return(node, spell), START)

    def _crash(self, node: MortalNode, spell: Spell) -> None:
        self.processes[node.id].end()
        node.forget()
        if node.id in self.observer.members:
            self.observer.left(node)
        node.is_absent = True
        self._await_return(node, spell)

    def _return(self, node: MortalNode, spell: Spell) -> None:
        self._lose_patience()
        node.chain = node.origin()
        self.processes[node.id] = Process(self.clock, self.followed(node, self._new_life(node, spell.state)))
        self._await_crash(node, spell.end)

    def _lose_patience(self) -> None:
        """Ends a run in which nodes crash and return again and again, and nobody completes a step."""
        steps = self.observer.total_steps
        self.returns_in_vain = self.returns_in_vain + 1 if steps == self.steps_at_return else 0
        self.steps_at_return = steps
        if self.returns_in_vain == PATIENCE:
            raise StalledError(f"nodes have returned {PATIENCE} times, and none has completed a step meanwhile")

    def _new_life(self, node: MortalNode, state: str) -> Program:
        """Finds a model and a step to go on from, joins, and runs the program."""
        model, step = self.initial_models[node.id], self.observer.furthest_step()
        if state == "neighbor":
            for neighbor in node.acquaintances:
                found = (yield node.fetch(neighbor)) if neighbor in self.observer.members else None
                if found is not None:
                    model, step = found
                    break
        node.x = model
        if not self.observer.asynchronous:
            node.step = int(min(max(node.step, step) + 1, self.observer.last_step))
        self.observer.joined(node)
        self._at_last(node)
        yield from self.program(node)

    def _at_last(self, node: Node) -> None:
        """Lets the questions in that have waited until the program had begun."""

        def let_in(_: Any) -> None:
            if node.is_absent:
                node.is_absent = False
                if not node.is_locked:
                    node.answer_waiting(node.origin())

        self.clock.call(self.clock.now, let_in, DEADLINE)
