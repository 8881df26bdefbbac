"""Questions between machines: one asks, the other one answers at once, or as soon as it is not locked."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from simnet.clock.causes import Cause, Work
from simnet.clock.clock import Clock
from simnet.clock.events import Message, Receipt
from simnet.clock.links import Link
from simnet.clock.network import Network
from simnet.errors import AlgorithmError


@dataclass(frozen=True, slots=True)
class Payload:
    """Something to send whose size is not that of the plain numbers: a compressed vector, a part of one.

    Args:
        content: what the receiver gets.
        bits: its size on the wire.
    """

    content: Any
    bits: float


class Asker:
    """A machine as far as it asks and answers; and what all that it does has in common.

    Args:
        number: the machine's number.
        clock: the run's clock.
        network: tells when a message arrives.
        machines: all machines of the run by number, this one included once the run begins.

    Attributes:
        step: which one it is at.
        busy_until: when its last computation is over [s].
        waited_s: how long it has had nothing to do, by the machine whose message ended that.
        chain: what led to the last moment at which it went on (see `Cause`).
        bits_sent, messages_sent: so far.
        answer: the function ``(asker, payload) -> payload`` that answers questions.
        questions: that wait for an answer.
        asking: its own question that is without reply: the event, and what is to be done then.
        is_absent: whether it is not there, or about to begin.
    """

    def __init__(self, number: int, clock: Clock, network: Network, machines: Sequence[Asker]) -> None:
        self.id = number
        self.clock = clock
        self.network = network
        self.machines = machines
        self.step = 0
        self.busy_until = 0.0
        self.waited_s: defaultdict[int, float] = defaultdict(float)
        self.chain: Cause = Work(number)
        self.bits_sent = 0.0
        self.messages_sent = 0
        self.answer: Callable[[int, Any], Any] = self._no_answer
        self.links: dict[int, Link] = {}
        self.questions: deque[Message] = deque()
        self.num_questions = 0
        self.asking: tuple[Receipt, Callable[[Any], object] | None] | None = None
        self.is_absent = False

    def pack(self, payload: Any) -> tuple[Any, float]:
        """What goes over the wire for a payload, and its size.

        Args:
            payload: something that states its own size.

        Returns:
            The content that the receiver gets, and bits.

        Raises:
            AlgorithmError: if it is something else.
        """
        if isinstance(payload, Payload):
            return payload.content, payload.bits
        raise AlgorithmError(f"a {type(payload).__name__} has no size on the wire; send it as Payload(content, bits)")

    def question(
        self, receiver: int, content: Any, bits: float, then: Callable[[Any], object] | None = None
    ) -> Receipt:
        """Asks another machine; the event's value is the reply.

        With `then`, the two ends change together: it is called with the reply when that arrives, and until then this
        machine answers nobody (questions wait in line), as if it were locked.

        Args:
            receiver: who is asked.
            content: what its `answer` gets.
            bits: size of the question on the wire.
            then: what to do with the reply.

        Returns:
            An event to yield.

        Raises:
            AlgorithmError: if an earlier question is still without reply.
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

    def asked(self, question: Message) -> None:
        """A question arrives; a machine that is locked, or about to begin, lets it wait.

        Args:
            question: from whom, and what.
        """
        if self.is_locked or self.is_absent:
            self.questions.append(question)
        else:
            self._reply(question)

    def _reply(self, question: Message, cause: Cause | None = None) -> None:
        content, bits = self.pack(self.answer(question.sender, question.payload))
        self._respond(question, content, bits, cause)

    def _respond(self, question: Message, content: Any, bits: float, cause: Cause | None = None) -> None:
        """Sends a reply, because the question has arrived now, or because of something else."""
        if cause is None:
            cause = question.arrived(self.clock._now)
        asker = self.machines[question.sender]
        self._dispatch(self._link(asker.id), content, question.tag, bits, asker.replied, cause)

    def replied(self, reply: Message) -> None:
        """The reply arrives: unlocks, lets the waiting questions in, then wakes the process.

        Args:
            reply: to the last question of this machine, or to one that it has forgotten.
        """
        if self.asking is None or reply.tag != self.num_questions:
            return
        receipt, then = self.asking
        self.asking = None
        content = reply.payload
        if then is not None:
            then(content)
        self.answer_waiting(reply.arrived(self.clock._now))
        if receipt.callbacks:
            self._woken(reply)
        receipt.complete(content)

    def refused(self, question: Message) -> None:
        """A question of this machine will never be answered: the event that it waits for is over, its value None.

        Args:
            question: as it was sent.
        """
        if self.asking is None or question.tag != self.num_questions:
            return
        receipt, _ = self.asking
        self.asking = None
        self.answer_waiting(self.origin())
        receipt.complete(None)

    def answer_waiting(self, cause: Cause) -> None:
        """Answers the questions that had to wait, unless this machine has not begun yet.

        Args:
            cause: what led to this moment.
        """
        while self.questions and not self.is_absent:
            self._reply(self.questions.popleft(), cause)

    def fetched(self, question: Message) -> None:
        """Somebody asks for what this machine has, to begin anew from it; only nodes have something.

        Args:
            question: from whom.
        """
        self.machines[question.sender].refused(question)

    def _no_answer(self, sender: int, payload: Any) -> Any:
        raise AlgorithmError(f"node {sender} asked node {self.id}, which answers nothing; set `node.answer` first")

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
        cause: Cause | None = None,
    ) -> None:
        self.bits_sent += bits
        self.messages_sent += 1
        message = Message(self.id, tag, content, bits, self.step, cause or self.origin(), (arrive,))
        self.network.transmit(link, message)

    def origin(self) -> Cause:
        """What led to this moment, for what begins now: this machine's chain, and a computation since its end."""
        chain, now = self.chain, self.clock._now
        return chain if chain.until == now else Work(self.id, chain, now)

    def _woken(self, message: Message) -> None:
        """Goes on because of a message that it had to wait for."""
        now, sender, idle_since = self.clock._now, message.sender, self.chain.until
        if self.busy_until > idle_since:  # noqa: PLR1730 - a call of max() takes longer
            idle_since = self.busy_until
        if now > idle_since:
            self.waited_s[sender] += now - idle_since
        message.until, message.payload = now, None  # as `arrived` does
        self.chain = message
