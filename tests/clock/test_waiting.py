"""Waiting rules: all messages, the newest ones, or those that come before a deadline; and what happens to stuck nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.clock import Clock, Machine, Network, Payload
from simnet.node import Node
from tests.clock.building import matrix_file, prepared, scenario
from tests.clock.test_network import Setup

LR = 0.1
OPTIMUM_N = np.arange(3.0)


def with_deadline(tmp_path: Path, late: float, deadline: str, steps: int = 4) -> dict[str, Any]:
    """Three nodes on a ring; the link from 0 to 1 takes `late` seconds, every other one half a second."""
    latency_NN = np.full((3, 3), 0.5)
    latency_NN[0, 1] = late
    return scenario(
        3,
        {"name": "dpsgd", "lr": LR},
        steps,
        network={"latency": matrix_file(tmp_path, "latency", latency_NN, "s")},
        compute={"time": "1 s"},
        run={"wait": {"deadline": deadline}},
        record={"models": True},
    )


def models(W: np.ndarray, steps: int) -> np.ndarray:
    x_KN = np.zeros((steps + 1, 3))
    for k in range(steps):
        x_KN[k + 1] = W @ x_KN[k] - LR * (x_KN[k] - OPTIMUM_N)
    return x_KN


THIRDS = np.full((3, 3), 1 / 3)
WITHOUT_0_TO_1 = np.array([[1 / 3, 1 / 3, 1 / 3], [0.0, 2 / 3, 1 / 3], [1 / 3, 1 / 3, 1 / 3]])


def test_a_late_message_is_dropped_and_its_weight_goes_to_oneself(tmp_path: Path) -> None:
    result = simnet.run(with_deadline(tmp_path, late=1.25, deadline="750 ms"))
    np.testing.assert_allclose(result.models("dpsgd")[..., 0], models(WITHOUT_0_TO_1, 4), atol=1e-12)
    # The gradient takes 1 s, longer than the deadline; the message of the last step is still under way at the end.
    assert result.metrics["time_s"].tolist() == [0, 1, 2, 3, 4]
    assert result.summary["counters.dropped_messages"].tolist() == [3]


def test_a_deadline_that_is_met_changes_nothing(tmp_path: Path) -> None:
    result = simnet.run(with_deadline(tmp_path, late=0.75, deadline="2 s"))
    np.testing.assert_allclose(result.models("dpsgd")[..., 0], models(THIRDS, 4), atol=1e-12)
    assert result.summary["counters.dropped_messages"].tolist() == [0]


def test_a_message_exactly_at_the_deadline_counts(tmp_path: Path) -> None:
    result = simnet.run(with_deadline(tmp_path, late=0.75, deadline="750 ms"))
    np.testing.assert_allclose(result.models("dpsgd")[..., 0], models(THIRDS, 4), atol=1e-12)
    assert result.summary["counters.dropped_messages"].tolist() == [0]


def test_a_deadline_bounds_a_step(tmp_path: Path) -> None:
    """From the exchange: here the deadline is longer than the gradient, and one neighbor is always too late."""
    result = simnet.run(with_deadline(tmp_path, late=100.0, deadline="1500 ms"))
    assert result.metrics["time_s"].tolist() == [0, 1.5, 3, 4.5, 6]


def test_messages_that_came_early_are_used(tmp_path: Path) -> None:
    """A slow node finds the messages of its step waiting; they are not late."""
    source = with_deadline(tmp_path, late=0.5, deadline="750 ms") | {"compute": {"time": "1 s", "factors": [1, 1, 1.25]}}
    result = simnet.run(source)
    np.testing.assert_allclose(result.models("dpsgd")[1, :, 0], models(THIRDS, 1)[1], atol=1e-12)


@pytest.mark.parametrize("rule", ["all", "none", {"deadline": "300 ms"}])
def test_rows_of_the_mixing_matrix_sum_to_one(rule: Any) -> None:
    """Without gradients, equal models stay equal whoever's message is missing."""
    source = scenario(
        6,
        {"name": "dpsgd", "lr": 0},
        10,
        network={"latency": {"uniform": {"low": "1 ms", "high": "600 ms"}}},
        compute={"time": "100 ms", "jitter": {"exponential": 1.0}},
        init=[[7.0]] * 6,
        run={"wait": rule},
        record={"models": True},
    )
    np.testing.assert_allclose(simnet.run(source).models("dpsgd"), 7.0, rtol=1e-14)


def test_without_waiting_a_step_takes_its_gradient(tmp_path: Path) -> None:
    source = with_deadline(tmp_path, late=30.0, deadline="1 s", steps=5)
    result = simnet.run(source | {"run": source["run"] | {"wait": "none"}})
    assert result.metrics["time_s"].tolist() == [0, 1, 2, 3, 4, 5]
    # At time 0 nothing has arrived; then each message is one step old, but node 1 never hears of node 0.
    x_KN = np.zeros((6, 3))
    x_KN[1] = LR * OPTIMUM_N
    for k in range(1, 5):
        own, old = np.diag(np.diag(WITHOUT_0_TO_1)), WITHOUT_0_TO_1 - np.diag(np.diag(WITHOUT_0_TO_1))
        x_KN[k + 1] = own @ x_KN[k] + old @ x_KN[k - 1] - LR * (x_KN[k] - OPTIMUM_N)
    np.testing.assert_allclose(result.models("dpsgd")[..., 0], x_KN, atol=1e-12)


def machines(setup: Setup, sharing: str = "none") -> tuple[Clock, list[Machine]]:
    clock = Clock()
    network = Network(sharing, setup.parameters(), clock)
    together: list[Machine] = []
    together += [Machine(i, clock, network, together) for i in range(3)]
    return clock, together


def test_the_newest_message_is_that_of_the_latest_step() -> None:
    """A large message of step 0 is overtaken by a small one of step 1, and must not replace it."""
    clock, (sender, receiver, _) = machines(Setup(bandwidth=1.0))
    sender.broadcast(sender.routes([1], newest=True), "old", "tag", 10.0)
    sender.step = 1
    sender.broadcast(sender.routes([1], newest=True), "new", "tag", 1.0)
    assert receiver.collect_newest().value == {}
    clock.run_until()
    assert clock.now == 10.0
    assert receiver.collect_newest().value == {0: "new"}


def test_of_one_step_the_last_message_counts() -> None:
    clock, (sender, receiver, _) = machines(Setup(bandwidth=1.0))
    for content in ("first", "second"):
        sender.broadcast(sender.routes([1], newest=True), content, "tag", 1.0)
    clock.run_until()
    assert receiver.collect_newest().value == {0: "second"}


def test_messages_before_and_after_collecting() -> None:
    clock, (first, receiver, other) = machines(Setup(latency=1.0))
    first.post(1, "a", "tag", 8.0)
    clock.run_until()
    receipt = receiver.collect((0, 2), "tag")
    assert receipt.missing == [2]
    assert receiver.waits_for() == "message 'tag' of nodes [2]"
    other.post(1, "b", "tag", 8.0)
    clock.run_until()
    assert receipt.value == {0: "a", 2: "b"}
    assert receiver.awaited() == []
    assert (first.bits_sent, first.messages_sent, clock.now) == (8.0, 1, 2.0)


def test_payloads_state_their_size() -> None:
    clock, (sender, receiver, _) = machines(Setup(bandwidth=4.0))
    sender.send(1, Payload("content", 8.0), tag=3)
    clock.run_until()
    assert clock.now == 2.0
    assert receiver.receive(0, tag=3).value == {0: "content"}


def stuck(node: Node) -> Iterator[Any]:
    """In its third step node 1 forgets to send."""
    for k in node.steps():
        yield node.gradient(node.x)
        if (node.id, k) != (1, 2):
            for j in node.listeners:
                node.send(j, node.x, tag=k)
        for j in node.neighbors:
            yield node.receive(j, tag=k)


def test_a_stalled_run_says_who_waits_for_whom() -> None:
    """Node 1 goes on until it needs a message of the next step."""
    compute = {"time": "1 s"}
    record = prepared(scenario(3, compute=compute, network={"latency": "250 ms"}), program=stuck).execute()
    assert record.status == "stalled"
    assert record.message == (
        "node 0 in step 2 (t = 5 s) waits for message 2 of nodes [1]; "
        "node 1 in step 3 (t = 5 s) waits for message 3 of nodes [0]; "
        "node 2 in step 2 (t = 5 s) waits for message 2 of nodes [1]; nothing can happen any more"
    )
    assert [row["step"] for row in record.metrics] == [0, 1, 2]


def test_a_long_list_of_waiting_nodes_is_cut() -> None:
    record = prepared(scenario(9), program=stuck).execute()
    assert record.message.count("waits for") == 3
    assert record.message.endswith("more; nothing can happen any more")


def test_a_stall_is_dated_when_it_happens() -> None:
    source = scenario(3, compute={"time": "1 s"}, run={"simulated_time": "100 s"})
    record = prepared(source, program=stuck).execute()
    assert record.status == "stalled"
    assert "(t = 4 s)" in record.message


def test_a_message_cannot_come_twice() -> None:
    clock, (sender, receiver, _) = machines(Setup())
    for _ in range(2):
        sender.post(1, "a", "tag", 0.0)
    with pytest.raises(Exception, match="node 0 sent message 'tag' to node 1 twice"):
        clock.run_until()
    receiver.collect((2,), "other")
    with pytest.raises(Exception, match="already waits for message 'other' of nodes \\[2\\]"):
        receiver.collect((0,), "other")


def test_what_is_neither_vector_nor_payload_has_no_size() -> None:
    _, (sender, *_) = machines(Setup())
    with pytest.raises(Exception, match="a str has no size on the wire"):
        sender.send(1, "text", tag=0)


