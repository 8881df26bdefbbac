"""The clock itself: order of events, ends of computations, atomic questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock import Clock, ComputeEvent, Process
from simnet.clock.clock import DEADLINE, MESSAGE, WAKE
from simnet.errors import AlgorithmError
from simnet.node import Node
from tests.clock.building import failure, prepared, scenario
from tests.clock.test_network import Setup
from tests.clock.test_waiting import machines


def computation(clock: Clock, end: float, value: Any) -> ComputeEvent:
    """One that begins at 0, on a machine that has nothing else to do."""
    _, (machine, *_) = machines(Setup())
    machine.clock = clock
    return ComputeEvent(machine, 0.0, end, value)


PRIORITIES = [WAKE, WAKE + 1, MESSAGE, MESSAGE + 7, DEADLINE]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(PRIORITIES)), max_size=20))
def test_events_happen_by_time_then_priority_then_age(entries: list[tuple[int, int]]) -> None:
    clock = Clock()
    happened: list[tuple[float, int, int]] = []
    for number, (time, priority) in enumerate(entries):
        clock.call(float(time), lambda _, p=priority, n=number: happened.append((clock.now, p, n)), priority)
    clock.run_until()
    assert happened == sorted((float(time), priority, n) for n, (time, priority) in enumerate(entries))
    assert clock.is_idle


def test_nothing_happens_after_stop() -> None:
    clock = Clock()
    for time in (1.0, 2.0, 3.0):
        clock.call(time, lambda _: clock.now == 2.0 and clock.stop(), WAKE)
    clock.run_until()
    assert clock.now == 2.0
    assert clock.is_stopped
    assert not clock.is_idle


def test_absolute_times_are_not_rounded() -> None:
    """The end of 0.1 + 0.2 seconds is that float, not now + (end - now)."""
    clock = Clock()
    ends = [computation(clock, end, "value") for end in (0.1, 0.1 + 0.2)]
    assert not any(end.processed for end in ends)
    clock.run_until()
    assert clock.now == 0.1 + 0.2
    assert all(end.processed for end in ends)


def test_a_computation_that_nobody_waits_for_takes_no_event() -> None:
    """A node that talks for longer than it computes asks for the gradient when it is long there."""
    clock = Clock()
    event = computation(clock, 1.0, "gradient")
    assert clock.is_idle
    clock.timeout(3.0)
    clock.run_until()
    assert (event.processed, event.value, clock.now) == (True, "gradient", 3.0)


def test_a_failed_process_is_heard_of() -> None:
    clock = Clock()

    def failing() -> Iterator[Any]:
        yield computation(clock, 1.0, None)
        raise KeyError("lost")

    process = Process(clock, failing())
    with pytest.raises(KeyError, match="lost"):
        clock.run_until()
    assert isinstance(process.error, KeyError)
    assert not process.is_alive


def test_a_program_that_yields_no_event_is_told_what_it_may_yield() -> None:
    clock = Clock()

    def helper() -> Iterator[Any]:
        yield clock.timeout(1.0)

    def forgetful() -> Iterator[Any]:
        yield helper()

    Process(clock, forgetful())
    with pytest.raises(AlgorithmError, match=r"yields <generator .*; allowed: events .* called with `yield from`"):
        clock.run_until()


def test_a_gradient_cannot_be_read_before_its_time() -> None:
    clock = Clock()
    event = computation(clock, 1.0, "gradient")
    with pytest.raises(AlgorithmError, match="read before its compute time was over"):
        _ = event.value
    event.callbacks.append(lambda _: None)
    clock.run_until()
    assert (clock.now, event.value) == (1.0, "gradient")


def test_an_algorithm_that_reads_too_early_is_told_where() -> None:
    def hasty(node: Node) -> Iterator[Any]:
        for k in node.steps():
            gradient = node.gradient(node.x)
            if k < 2:
                yield gradient
            node.x = node.x - 0.1 * gradient.value

    message = failure(prepared(scenario(compute={"time": "1 s"}), program=hasty))
    assert "node 0 in step 2 (t = 2 s): the gradient was read before its compute time was over" in message


def test_a_node_has_one_compute_device() -> None:
    """Two gradients that are started together end one after the other; and the second one waits in line."""
    seen: list[tuple[float, ...]] = []

    def two(node: Node) -> Iterator[Any]:
        for _ in node.steps():
            started = node.now
            first, second = node.gradient(node.x), node.gradient(node.x)
            yield second
            late = node.now
            assert first.value is not second.value
            if node.id == 0:
                seen.append((started, late, node.busy_s))

    record = prepared(scenario(2, topology="path", steps=2, compute={"time": "1 s"}), program=two).execute()
    assert seen == [(0.0, 2.0, 2.0), (2.0, 4.0, 4.0)]
    assert record.metrics[-1]["gradients"] == 8
    assert record.metrics[-1]["idle_share"] == 0.0


def test_questions_wait_while_a_node_is_locked() -> None:
    """1 s each way. Node 2's question reaches node 0 while that one's own question to node 1 is without reply."""
    clock, (first, second, third) = machines(Setup(latency=1.0))
    told: list[tuple[str, float]] = []
    for machine in (first, second, third):
        machine.pack = lambda content: (content, 0.0)  # type: ignore[method-assign]
        machine.answer = lambda asker, content, me=machine.id: told.append((f"{me} answers {asker}", clock.now)) or content

    def ask(event: Any) -> None:
        del event
        first.question(1, "question", 0.0, then=lambda _: told.append(("0 changes", clock.now)))

    third.question(0, "question", 0.0)
    clock.call(0.5, ask, WAKE)
    clock.run_until()
    assert told == [("1 answers 0", 1.5), ("0 changes", 2.5), ("0 answers 2", 2.5)]
    assert clock.now == 3.5
    assert not first.is_locked


def test_a_second_question_must_wait() -> None:
    _, (first, *_) = machines(Setup(latency=1.0))
    first.question(1, None, 0.0)
    assert first.waits_for() == "the reply of node 1"
    with pytest.raises(AlgorithmError, match="asks a second question before the first one was answered"):
        first.question(2, None, 0.0)


def test_who_cannot_answer_says_so() -> None:
    clock, (first, *_) = machines(Setup())
    first.question(1, None, 0.0)
    with pytest.raises(AlgorithmError, match=r"node 0 asked node 1, which answers nothing; set `node\.answer` first"):
        clock.run_until()
