"""A machine on the network: it sends messages, keeps those that have arrived, and waits for those that have not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import Any
from weakref import ref

from simnet.clock.causes import Cause, CriticalPath, Work
from simnet.clock.clock import DEADLINE, WAKE, Clock
from simnet.clock.events import ComputeEvent, Message, Receipt
from simnet.clock.links import Link
from simnet.clock.network import Network
from simnet.clock.questions import Asker
from simnet.errors import AlgorithmError

Route = tuple[Link, tuple[Callable[[Message], None]]]
"""A link, and what happens at its end when a message arrives."""


class Machine(Asker):
    """Inbox and outbox of what nobody has to ask for.

    Args:
        number: the machine's number.
        clock: the run's clock.
        network: tells when a message arrives.
        machines: all machines of the run by number, this one included once the run begins.

    Attributes:
        dropped_messages: how many came after the deadline until which they were awaited.
    """

    def __init__(self, number: int, clock: Clock, network: Network, machines: list[Machine]) -> None:
        super().__init__(number, clock, network, machines)
        self.machines: list[Machine] = machines
        self.dropped_messages = 0
        self.inbox: dict[Hashable, dict[int, Any]] = {}
        self.waiting: dict[Hashable, Receipt] = {}
        self.late: dict[Hashable, int] = {}
        self.lost: dict[Hashable, int] = {}
        self.newest: dict[int, Any] = {}
        self.newest_step: dict[int, int] = {}
        self.mailbox: list[tuple[int, int, Any]] = []
        self.num_pushed = 0

    def send(self, receiver: int, payload: Any, tag: Hashable) -> None:
        """Sends one message to any machine of the network.

        Args:
            receiver: the machine's number.
            payload: what has a size on the wire (see `pack`).
            tag: tells this message from all others between the two.
        """
        content, bits = self.pack(payload)
        self.post(receiver, content, (self.id, tag), bits)

    def receive(self, sender: int, tag: Hashable) -> Receipt:
        """Waits for the message that one machine sent under a tag.

        Args:
            sender: the machine's number.
            tag: as it was sent.

        Returns:
            An event to yield; its value is ``{sender: payload}``.
        """
        return self.collect((sender,), (sender, tag))

    def push(self, receiver: int, payload: Any) -> None:
        """Sends one message that nobody awaits: it lies in the receiver's mailbox until that looks there.

        Args:
            receiver: the machine's number.
            payload: what has a size on the wire (see `pack`).
        """
        content, bits = self.pack(payload)
        self.num_pushed += 1
        self._dispatch(self._link(receiver), content, self.num_pushed, bits, self.machines[receiver].mailed)

    def pushed(self) -> Receipt:
        """Empties the mailbox, at once.

        Returns:
            An event to yield; its value is ``[(sender, payload), ...]``, sorted by sender, and then as they were sent.
        """
        mail = sorted(self.mailbox, key=lambda letter: letter[:2])
        self.mailbox.clear()
        receipt = Receipt(self.clock, "pushed", (), {})
        receipt.complete([(sender, payload) for sender, _, payload in mail])
        return receipt

    def mailed(self, message: Message) -> None:
        """A message arrives that nobody awaits.

        Args:
            message: whose tag counts what its sender has pushed.
        """
        self.mailbox.append((message.sender, message.tag, message.payload))

    def reveal(self, content: Any, tag: Hashable, num_nodes: int) -> Receipt:
        """Shows something to all nodes now, as no network can: what an oracle knows; no bits, no time.

        Args:
            content: what they get.
            tag: the same at all nodes, another one each time.
            num_nodes: n.

        Returns:
            An event to yield, over when all nodes have shown theirs; its value is ``{node: content}`` of all of them.
        """
        shown = ("revealed", tag)
        for machine in self.machines[:num_nodes]:
            message = Message(self.id, shown, content, 0.0, self.step, self.origin(), (machine.deliver,))
            self.clock.at(self.clock.now, message, WAKE + machine.id)
        return self.collect(range(num_nodes), shown)

    def post(self, receiver: int, content: Any, tag: Hashable, bits: float) -> None:
        """Sends a message to one machine; it arrives when the network says.

        Args:
            receiver: the machine's number.
            content: what it gets.
            tag: as it awaits it.
            bits: size on the wire.
        """
        self._dispatch(self._link(receiver), content, tag, bits, self.machines[receiver].deliver)

    def routes(self, receivers: Collection[int], newest: bool) -> list[Route]:
        """How to reach these machines, found once for many messages.

        Args:
            receivers: their numbers.
            newest: whether they keep only the newest message of each sender.
        """
        machines = [self.machines[receiver] for receiver in receivers]
        return [(self._link(machine.id), (machine.renew if newest else machine.deliver,)) for machine in machines]

    def broadcast(self, routes: list[Route], content: Any, tag: Hashable, bits: float) -> None:
        """Sends the same message along several routes.

        Args:
            routes: where to.
            content: what the receivers get.
            tag: as they await it.
            bits: size of each message on the wire.
        """
        sender, step, transmit, origin = self.id, self.step, self.network.transmit, self.chain
        if origin.until != self.clock._now:
            origin = self.origin()
        for link, arrive in routes:
            transmit(link, Message(sender, tag, content, bits, step, origin, arrive))
        self.bits_sent += bits * len(routes)
        self.messages_sent += len(routes)

    def collect(self, senders: Collection[int], tag: Hashable) -> Receipt:
        """An event: one message of this tag from each of these senders has arrived; its value is ``{sender: content}``.

        Args:
            senders: the machines' numbers.
            tag: as it was sent.

        Raises:
            AlgorithmError: if this machine waits for that tag already.
        """
        waiting = self.waiting
        if tag in waiting:
            raise AlgorithmError(f"already waits for message {tag!r} of nodes {waiting[tag].missing}")
        box = self.inbox.pop(tag) if tag in self.inbox else {}
        receipt = Receipt(self.clock, tag, senders, box)
        if receipt.num_missing:
            waiting[tag] = receipt
        else:
            receipt.complete(box)
        return receipt

    def collect_until(self, senders: Collection[int], tag: Hashable, deadline: float) -> Receipt:
        """Like `collect`, but with an end: then the value has what came until then, and what is late is dropped.

        Args:
            senders: the machines' numbers.
            tag: as it was sent.
            deadline: seconds from now; what comes at that very moment counts.

        Returns:
            An event to yield.
        """
        receipt = self.collect(senders, tag)
        if not receipt.processed:
            now = self.clock.now
            origin = Work(self.id, self.origin(), now)  # as if whoever will be late had been asked now
            alarm = Message(self.id, tag, ref(receipt), 0.0, self.step, origin, (self._give_up,))
            self.clock.at(now + deadline, alarm, DEADLINE + self.id)
        return receipt

    def collect_newest(self) -> Receipt:
        """An event that is over at once: the newest message of each sender that ever sent one."""
        receipt = Receipt(self.clock, "newest", (), {})
        receipt.complete(dict(self.newest))
        return receipt

    def deliver(self, message: Message) -> None:
        """A message arrives: it goes to whoever waits for it, or into the inbox.

        Args:
            message: of a tag that its sender has used only once.

        Raises:
            AlgorithmError: if the sender has used the tag twice.
        """
        tag, sender, waiting = message.tag, message.sender, self.waiting
        if tag not in waiting:
            self._keep(message)
            return
        receipt = waiting[tag]
        box = receipt.box
        if sender in box:
            raise AlgorithmError(f"node {sender} sent message {tag!r} to node {self.id} twice")
        box[sender] = message.payload
        receipt.num_missing -= 1
        if not receipt.num_missing:
            del waiting[tag]
            if receipt.callbacks:  # as `_woken` does, without the call
                now, idle_since = self.clock._now, self.chain.until
                if self.busy_until > idle_since:  # noqa: PLR1730 - a call of max() takes longer
                    idle_since = self.busy_until
                if now > idle_since:
                    self.waited_s[sender] += now - idle_since
                message.until, message.payload = now, None
                self.chain = message
            receipt.complete(box)

    def computed(self, event: ComputeEvent) -> None:
        """Goes on because a computation that it had to wait for is over."""
        before: Cause | CriticalPath | None = event.before
        while isinstance(before, Work) and before.sender == self.id:  # one computation after the other is one
            before = before.origin
        self.chain = Work(self.id, before, event.end)

    def renew(self, message: Message) -> None:
        """A message arrives of which only the newest counts, whatever the order of arrival.

        Args:
            message: of any step.
        """
        if message.step >= self.newest_step.get(message.sender, -1):
            self.newest[message.sender] = message.payload
            self.newest_step[message.sender] = message.step

    def awaited(self) -> list[int]:
        """The machines whose messages or reply this one waits for."""
        of_messages = [i for receipt in self.waiting.values() for i in receipt.missing]
        return of_messages + ([] if self.asking is None else list(self.asking[0].wanted))

    def waits_for(self) -> str:
        """What this machine waits for, in words."""
        told = [f"message {told_tag(receipt)!r} of nodes {receipt.missing}" for receipt in self.waiting.values()]
        if self.asking is not None:
            told.append(f"the reply of node {min(self.asking[0].wanted)}")
        return " and ".join(told) or "an event of its own making"

    def _keep(self, message: Message) -> None:
        """Nobody waits for it: it has come early, or, after a deadline, too late."""
        tag = message.tag
        if tag in self.late:
            self.dropped_messages += 1
            self._expect_one_less(tag)
            return
        box = self.inbox.setdefault(tag, {})
        if message.sender in box:
            raise AlgorithmError(f"node {message.sender} sent message {tag!r} to node {self.id} twice")
        box[message.sender] = message.payload

    def lose(self, message: Message) -> None:
        """A message to this machine will never arrive.

        Args:
            message: that was on its way.
        """
        arrive = message.callbacks[0]
        if arrive in (self.asked, self.fetched):
            self.machines[message.sender].refused(message)
        elif arrive == self.replied:
            self.refused(message)
        elif arrive == self.deliver and message.tag in self.late:
            self._expect_one_less(message.tag)
        elif arrive == self.deliver:
            self.lost[message.tag] = self.lost.get(message.tag, 0) + 1

    def _expect_one_less(self, tag: Hashable) -> None:
        self.late[tag] -= 1
        if not self.late[tag]:
            del self.late[tag]

    def _give_up(self, alarm: Message) -> None:
        receipt: Receipt | None = alarm.payload()  # a weak reference: the alarm may ring long after all was received
        if receipt is not None and self.waiting.get(receipt.tag) is receipt:
            num_late = len(receipt.missing) - self.lost.pop(receipt.tag, 0)
            if num_late > 0:
                self.late[receipt.tag] = num_late
            del self.waiting[receipt.tag]
            if receipt.callbacks:
                alarm.sender = receipt.missing[0]
                self._woken(alarm)
            receipt.complete(receipt.box)

    def forget(self) -> None:
        """Loses all that it has received and waits for; who asked it something is refused."""
        for box in (self.inbox, self.waiting, self.late, self.lost, self.newest, self.newest_step, self.mailbox):
            box.clear()
        self.answer = self._no_answer
        self.asking = None
        self.chain = self.origin()
        while self.questions:
            question = self.questions.popleft()
            self.machines[question.sender].refused(question)

def told_tag(receipt: Receipt) -> Hashable:
    """The tag as the algorithm wrote it: `receive` puts the sender before it, so that senders cannot get mixed up.

    Args:
        receipt: that awaits it.

    Returns:
        Without the sender, where `receive` has put it there.
    """
    is_of_one = isinstance(receipt.tag, tuple) and len(receipt.tag) == 2 and receipt.wanted == receipt.tag[:1]
    tag: Hashable = receipt.tag[1] if is_of_one else receipt.tag
    return tag
