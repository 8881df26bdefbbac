"""A machine on the network: it sends messages, keeps those that have arrived, and waits for those that have not."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import ref

from simnet.clock.causes import Cause, after, beginning
from simnet.clock.clock import DEADLINE, Clock
from simnet.clock.events import ComputeEvent, Message, Receipt
from simnet.clock.links import Link
from simnet.clock.network import Network
from simnet.errors import AlgorithmError

Route = tuple[Link, tuple[Callable[[Message], None]]]
"""A link, and what happens at its end when a message arrives."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Something to send whose size is not that of the plain numbers: a compressed vector, a part of one.

    Args:
        content: what the receiver gets.
        bits: its size on the wire.
    """

    content: Any
    bits: float


class Machine:
    """Inbox, outbox and the questions of others.

    Args:
        number: the machine's number.
        clock: the run's clock.
        network: tells when a message arrives.
        machines: all machines of the run by number, this one included once the run begins.

    Attributes:
        busy_until: when its last computation is over [s].
        waited_s: how long it has had nothing to do, by the machine whose message ended that.
        chain: what led to the last moment at which it went on (see `Cause`).
    """

    def __init__(self, number: int, clock: Clock, network: Network, machines: list[Machine]) -> None:
        self.id = number
        self.clock = clock
        self.network = network
        self.machines = machines
        self.step = 0
        self.busy_until = 0.0
        self.waited_s: defaultdict[int, float] = defaultdict(float)
        self.chain: Cause = beginning(number)
        self.bits_sent = 0.0
        self.messages_sent = 0
        self.dropped_messages = 0
        self.answer: Callable[[int, Any], Any] = self._no_answer
        self.links: dict[int, Link] = {}
        self.inbox: dict[Hashable, dict[int, Any]] = {}
        self.waiting: dict[Hashable, Receipt] = {}
        self.late: dict[Hashable, int] = {}
        self.lost: dict[Hashable, int] = {}
        self.newest: dict[int, Any] = {}
        self.newest_step: dict[int, int] = {}
        self.questions: deque[Message] = deque()
        self.num_questions = 0
        self.asking: tuple[Receipt, Callable[[Any], object] | None] | None = None
        self.is_absent = False

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

    def pack(self, payload: Any) -> tuple[Any, float]:
        """What goes over the wire for a payload, and its size in bits."""
        if isinstance(payload, Payload):
            return payload.content, payload.bits
        raise AlgorithmError(f"a {type(payload).__name__} has no size on the wire; send it as Payload(content, bits)")

    def post(self, receiver: int, content: Any, tag: Hashable, bits: float) -> None:
        """Sends a message of so many bits to one machine; it arrives when the network says."""
        self._dispatch(self._link(receiver), content, tag, bits, self.machines[receiver].deliver)

    def routes(self, receivers: Collection[int], newest: bool) -> list[Route]:
        """How to reach these machines, found once for many messages; of `newest` messages only the last one is kept."""
        machines = [self.machines[receiver] for receiver in receivers]
        return [(self._link(machine.id), (machine.renew if newest else machine.deliver,)) for machine in machines]

    def broadcast(self, routes: list[Route], content: Any, tag: Hashable, bits: float) -> None:
        """Sends the same message along several routes."""
        sender, step, transmit, origin = self.id, self.step, self.network.transmit, (self.chain, self.clock._now)
        for link, arrive in routes:
            transmit(link, Message(sender, tag, content, bits, step, origin, arrive))
        self.bits_sent += bits * len(routes)
        self.messages_sent += len(routes)

    def collect(self, senders: Collection[int], tag: Hashable) -> Receipt:
        """An event: one message of this tag from each of these senders has arrived; its value is ``{sender: content}``."""
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
        """Like `collect`, but gives up after `deadline` seconds: then the value has what came, and what is late is dropped."""
        receipt = self.collect(senders, tag)
        if not receipt.processed:
            alarm = Message(self.id, tag, ref(receipt), 0.0, self.step, (self.chain, self.clock.now), (self._give_up,))
            self.clock.at(self.clock.now + deadline, alarm, DEADLINE + self.id)
        return receipt

    def collect_newest(self) -> Receipt:
        """An event that is over at once: the newest message of each sender that ever sent one."""
        receipt = Receipt(self.clock, "newest", (), {})
        receipt.complete(dict(self.newest))
        return receipt

    def deliver(self, message: Message) -> None:
        """A message arrives: it goes to whoever waits for it, or into the inbox."""
        tag, sender = message.tag, message.sender
        if tag not in self.waiting:
            self._keep(message)
            return
        receipt = self.waiting[tag]
        box = receipt.box
        if sender in box:
            raise AlgorithmError(f"node {sender} sent message {tag!r} to node {self.id} twice")
        box[sender] = message.payload
        receipt.num_missing -= 1
        if not receipt.num_missing:
            del self.waiting[tag]
            if receipt.callbacks:
                self._woken(message)
            receipt.complete(box)

    def _woken(self, message: Message) -> None:
        """Goes on because of a message that it had to wait for."""
        now, sender = self.clock._now, message.sender
        idle_since = max(self.chain[2], self.busy_until)
        if now > idle_since:
            self.waited_s[sender] += now - idle_since
        before, sent = message.origin
        self.chain = after(before, sent, now, sender, self.id)

    def computed(self, event: ComputeEvent) -> None:
        """Goes on because a computation that it had to wait for is over."""
        self.chain = after(event.before, event.start, event.end, self.id, self.id)

    def renew(self, message: Message) -> None:
        """A message arrives of which only the newest counts, whatever the order of arrival."""
        if message.step >= self.newest_step.get(message.sender, -1):
            self.newest[message.sender] = message.payload
            self.newest_step[message.sender] = message.step

    def question(
        self, receiver: int, content: Any, bits: float, then: Callable[[Any], object] | None = None
    ) -> Receipt:
        """Asks another machine; the event's value is the reply.

        With `then`, the two ends change together: it is called with the reply when that arrives, and until then this
        machine answers nobody (questions wait in line), as if it were locked.
        """
        if self.asking is not None:
            raise AlgorithmError("asks a second question before the first one was answered")
        return self._ask(receiver, content, bits, then, self.machines[receiver].asked)

    def _ask(
        self,
        receiver: int,
        content: Any,
        bits: float,
        then: Callable[[Any], object] | None,
        asked: Callable[[Message], None],
    ) -> Receipt:
        receipt = Receipt(self.clock, "reply", (receiver,), {})
        self.asking = receipt, then
        self.num_questions += 1
        self._dispatch(self._link(receiver), content, self.num_questions, bits, asked)
        return receipt

    @property
    def is_locked(self) -> bool:
        """Whether an atomic question of this machine is still without reply."""
        return self.asking is not None and self.asking[1] is not None

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

    def _link(self, receiver: int) -> Link:
        try:
            return self.links[receiver]
        except KeyError:
            link = self.links[receiver] = self.network.link(self.id, receiver)
            return link

    def _dispatch(
        self,
        link: Link,
        content: Any,
        tag: Hashable,
        bits: float,
        arrive: Callable[[Message], None],
        chain: Cause | None = None,
    ) -> None:
        self.bits_sent += bits
        self.messages_sent += 1
        origin = (self.chain if chain is None else chain, self.clock.now)
        self.network.transmit(link, Message(self.id, tag, content, bits, self.step, origin, (arrive,)))

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

    def asked(self, question: Message) -> None:
        """A question arrives; a machine that is locked, or about to begin, lets it wait.

        Args:
            question: from whom, and what.
        """
        if self.is_locked or self.is_absent:
            self.questions.append(question)
        else:
            before, sent = question.origin
            self._reply(question, after(before, sent, self.clock.now, question.sender, self.id))

    def _reply(self, question: Message, chain: Cause) -> None:
        content, bits = self.pack(self.answer(question.sender, question.payload))
        asker = self.machines[question.sender]
        self._dispatch(self._link(question.sender), content, question.tag, bits, asker.replied, chain)

    def replied(self, reply: Message) -> None:
        """The reply arrives: unlocks, lets the waiting questions in, then wakes the process.

        Args:
            reply: to the last question of this machine, or to one that it has forgotten.
        """
        if self.asking is None or reply.tag != self.num_questions:
            return
        receipt, then = self.asking
        self.asking = None
        if then is not None:
            then(reply.payload)
        before, sent = reply.origin
        self.answer_waiting(after(before, sent, self.clock.now, reply.sender, self.id))
        if receipt.callbacks:
            self._woken(reply)
        receipt.complete(reply.payload)

    def refused(self, question: Message) -> None:
        """A question of this machine will never be answered: the event that it waits for is over, its value None.

        Args:
            question: as it was sent.
        """
        if self.asking is None or question.tag != self.num_questions:
            return
        receipt, _ = self.asking
        self.asking = None
        self.answer_waiting(self.chain)
        receipt.complete(None)

    def answer_waiting(self, chain: Cause) -> None:
        """Answers the questions that had to wait, unless this machine has not begun yet.

        Args:
            chain: what led to this moment.
        """
        while self.questions and not self.is_absent:
            self._reply(self.questions.popleft(), chain)

    def fetched(self, question: Message) -> None:
        """Somebody asks for what this machine has, to begin anew from it; only nodes have something.

        Args:
            question: from whom.
        """
        self.machines[question.sender].refused(question)

    def forget(self) -> None:
        """Loses all that it has received and waits for; who asked it something is refused."""
        for box in (self.inbox, self.waiting, self.late, self.lost, self.newest, self.newest_step):
            box.clear()
        self.answer = self._no_answer
        self.asking = None
        self.chain = after(self.chain, self.chain[2], self.clock.now, self.id, self.id)
        while self.questions:
            question = self.questions.popleft()
            self.machines[question.sender].refused(question)

    def _no_answer(self, sender: int, payload: Any) -> Any:
        raise AlgorithmError(f"node {sender} asked node {self.id}, which answers nothing; set `node.answer` first")


def told_tag(receipt: Receipt) -> Hashable:
    """The tag as the algorithm wrote it: `receive` puts the sender before it, so that senders cannot get mixed up."""
    is_of_one = isinstance(receipt.tag, tuple) and len(receipt.tag) == 2 and receipt.wanted == receipt.tag[:1]
    tag: Hashable = receipt.tag[1] if is_of_one else receipt.tag
    return tag
