"""Loss: how often, what sending again costs, and what becomes of those who never hear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from math import inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.clock import Clock, Machine, Network
from simnet.clock.causes import Work
from simnet.clock.clock import WAKE
from simnet.clock.events import Message
from simnet.clock.loss import Unreliable, draws_of
from simnet.clock.outages import Outages
from simnet.errors import ScenarioError
from simnet.scenario import LinkDown, Loss
from simnet.streams import stream
from tests.clock.building import prepared, scenario
from tests.clock.test_disturbances import echo
from tests.clock.test_network import Setup

VECTOR = {"message": {"bits_per_number": 1000}}
SHARING = ("none", "queue", "fair")


def draws(count: int, seed: int = 1, **loss: Any) -> np.ndarray:
    return np.array(list(islice(draws_of(Loss.model_validate(loss), stream(seed, "loss", 0, 1)), count)))


@pytest.mark.parametrize("probability", [0.0, 0.03, 0.5, 1.0])
def test_how_often_chance_loses(probability: float) -> None:
    count = 20_000
    lost = draws(count, probability=probability, then="drop")
    assert lost.mean() == pytest.approx(probability, abs=4 * sqrt(probability * (1 - probability) / count) + 1e-12)


@pytest.mark.parametrize(
    ("good_to_bad", "bad_to_good", "in_bad", "in_good"), [(0.02, 0.2, 1.0, 0.0), (0.1, 0.1, 0.6, 0.05), (0.5, 1.0, 1.0, 0.0)]
)
def test_how_often_bursts_lose(good_to_bad: float, bad_to_good: float, in_bad: float, in_good: float) -> None:
    """In the long run, and over many links already at the first message; how long bursts last; what follows a loss."""
    bursts = {"good_to_bad": good_to_bad, "bad_to_good": bad_to_good, "loss_in_bad": in_bad, "loss_in_good": in_good}
    loss = Loss.model_validate({"gilbert_elliott": bursts, "then": "drop"})
    share = good_to_bad / (good_to_bad + bad_to_good)
    rate = share * in_bad + (1 - share) * in_good
    assert loss.rate == pytest.approx(rate)
    count = 40_000
    lost = draws(count, **loss.model_dump())
    memory = 1 - good_to_bad - bad_to_good
    spread = sqrt(rate * (1 - rate) * (1 + memory) / (1 - memory) / count)
    assert lost.mean() == pytest.approx(rate, abs=4 * spread)
    first = np.mean([draws(1, seed, **loss.model_dump())[0] for seed in range(4000)])
    assert first == pytest.approx(rate, abs=4 * sqrt(rate * (1 - rate) / 4000))
    # P(both of two in a row) = sum over states; the covariance is share (1 - share) memory (in_bad - in_good)^2.
    both = np.mean(lost[1:] & lost[:-1])
    assert both == pytest.approx(rate**2 + share * (1 - share) * memory * (in_bad - in_good) ** 2, abs=6 * spread)


def lossy(setup: Setup, timeout: float | None, losses: Callable[[Any], Iterator[bool]] | None = None, **options: Any) -> Any:
    clock = Clock()
    network = Network(options.pop("sharing", "none"), setup.parameters(), clock)
    layer = Unreliable(network.transmit, clock, losses, timeout, **options)
    network.layers.append(layer)
    network.transmit = layer.carry  # type: ignore[method-assign]
    return clock, network, layer


def send(clock: Clock, network: Network, time: float, bits: float, ends: tuple[int, int] = (0, 1)) -> list[float]:
    """Sends a message at a time; what is returned holds the time of arrival once it has arrived."""
    arrived: list[float] = []
    message = Message(ends[0], "tag", None, bits, 0, Work(ends[0]), (lambda _: arrived.append(clock.now),))
    link = network.link(*ends)
    clock.call(time, lambda _: network.transmit(link, message), WAKE)
    return arrived


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9), st.sampled_from(SHARING), st.integers(1, 40).map(lambda k: k / 8))
def test_what_sending_again_takes(num_losses: int, sharing: str, timeout: float) -> None:
    """``(k + 1) (latency + bits / bandwidth) + k timeout`` on a link of its own."""
    losses = [True] * num_losses + [False] * 9
    clock, network, layer = lossy(Setup(latency=0.5, bandwidth=4.0), timeout, lambda _: iter(losses), sharing=sharing)
    arrived = send(clock, network, 1.0, bits=8.0)
    clock.run_until()
    assert arrived == [pytest.approx(1 + (num_losses + 1) * 2.5 + num_losses * timeout)]
    assert layer.counters() == {
        "delivered_messages": 1,
        "lost_messages": num_losses,
        "undelivered_messages": 0,
        "retransmitted": num_losses,
        "retransmitted_bits": 8.0 * num_losses,
    }


def test_what_is_lost_takes_its_bandwidth() -> None:
    """The first message is lost and waits for its time-out; the second one waits for the link alone."""
    losses = iter([True, False, False])
    clock, network, _ = lossy(Setup(bandwidth=1.0, uplinks=[1.0] * 3), 10.0, lambda _: losses, sharing="queue")
    first, second = send(clock, network, 0.0, 4.0), send(clock, network, 0.0, 2.0)
    clock.run_until()
    assert (first, second) == ([18.0], [6.0])


def test_the_mean_number_of_attempts() -> None:
    """A message goes to and fro; each way takes ``(latency + p timeout) / (1 - p)`` on average: geometrically many attempts."""
    p, steps = 0.3, 4000
    network = {"latency": "1 s", "loss": {"probability": p, "timeout": "500 ms"}}
    run = prepared(scenario(2, steps=steps, network=network), "off", echo)
    record = run.execute()
    spread = 1.5 * sqrt(p) / (1 - p) / sqrt(2 * steps)
    assert run.clock.now / (2 * steps) == pytest.approx((1 + 0.5 * p) / (1 - p), abs=4 * spread)
    counters = record.summary["counters"]
    assert counters["lost_messages"] == counters["retransmitted"] == pytest.approx(2 * steps * p / (1 - p), rel=0.1)
    assert counters["retransmitted_bits"] == 32 * counters["retransmitted"]
    assert record.summary["messages"] == 2 * steps  # what the algorithm sent
    assert sum(node.bits_sent for node in run.nodes) == 2 * steps * 32.0


def down(link: tuple[int, int], intervals: list[tuple[float, float]]) -> Outages:
    """A link that carries nothing at these times."""
    faults = [
        LinkDown.model_construct(links=(link,), at=since, until=None if until == inf else until)
        for since, until in intervals
    ]
    return Outages(faults, 3, [], 0, Path())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=4),
    st.integers(0, 60).map(lambda k: k / 8),
    st.sampled_from([None, 0.5, 3.0]),
)
def test_a_link_that_is_down(gaps: list[tuple[int, int]], start: float, timeout: float | None) -> None:
    """An attempt that meets an outage is lost; the next one starts a time-out later, but not before the link is up."""
    intervals, end = [], 0.0
    for gap, length in gaps:
        intervals.append((end + gap / 8 + 1 / 8, end + gap / 8 + 1 / 8 + length / 8))
        end = intervals[-1][1]
    clock, network, layer = lossy(Setup(latency=1.0), timeout, outages=down((0, 1), intervals))
    arrived, other = send(clock, network, start, 1.0), send(clock, network, start, 1.0, (1, 2))
    clock.run_until()
    assert other == [start + 1]  # of another link
    time, attempts = start, 1
    while any(since <= time + 1 and until > time for since, until in intervals):
        if timeout is None:
            assert (arrived, layer.lost_messages) == ([], 1)
            return
        time = next((until for since, until in intervals if since <= time + 1 + timeout < until), time + 1 + timeout)
        attempts += 1
    assert arrived == [time + 1]
    assert layer.lost_messages == layer.retransmitted == attempts - 1


def test_a_link_that_stays_down() -> None:
    """Nobody tries for ever: nothing is left to happen, and it is said why."""
    clock, network, _ = lossy(Setup(latency=1.0), 0.5, outages=down((0, 1), [(2.0, inf)]))
    arrived = send(clock, network, 0.0, 1.0), send(clock, network, 1.5, 1.0)
    clock.run_until()
    assert arrived == ([1.0], [])
    assert (clock.now, clock.is_idle) == (2.5, True)
    assert network.troubles() == ["a fault has cut 0 -> 1 for good"]


@pytest.mark.parametrize("sharing", SHARING)
def test_iterates_do_not_depend_on_what_is_sent_again(sharing: str) -> None:
    loss = {"gilbert_elliott": {"good_to_bad": 0.2, "bad_to_good": 0.3, "loss_in_good": 0.05}, "timeout": "300 ms"}
    network = {"sharing": sharing, "latency": "100 ms", "bandwidth": "1 kbit/s"}
    runs = [
        simnet.run(scenario(5, steps=10, network=network | extra, record={"models": True}, **VECTOR))
        for extra in ({}, {"loss": loss})
    ]
    assert runs[0].models("dpsgd").tobytes() == runs[1].models("dpsgd").tobytes()
    assert runs[1].metrics["time_s"].max() > runs[0].metrics["time_s"].max()
    assert runs[1].metrics["bits_sent"].tolist() == runs[0].metrics["bits_sent"].tolist()


def dropping(**changes: Any) -> dict[str, Any]:
    network = {"latency": "100 ms", "loss": {"probability": 0.3, "then": "drop"}}
    compute = {"time": "50 ms", "jitter": {"exponential": 1.0}}
    return scenario(6, changes.pop("algorithm", "dpsgd"), compute=compute, network=network, **changes)


@pytest.mark.parametrize("rule", ["none", {"deadline": "150 ms"}])
def test_rows_of_the_mixing_matrix_sum_to_one(rule: Any) -> None:
    """Without gradients, equal models stay equal whoever's message is lost; what is lost is counted."""
    source = dropping(algorithm={"name": "dpsgd", "lr": 0}, steps=30, init=[[7.0]] * 6, run={"wait": rule})
    result = simnet.run({**source, "record": {"models": True}})
    np.testing.assert_allclose(result.models("dpsgd"), 7.0, rtol=1e-14)
    sent = result.summary["messages"][0]
    assert result.summary["counters.lost_messages"][0] == pytest.approx(0.3 * sent, abs=4 * sqrt(0.21 * sent) + 12)
    assert "counters.retransmitted" not in result.summary


def test_who_is_not_heard_is_left_out() -> None:
    """Everything is lost: every node steps along its own gradient alone."""
    source = dropping(steps=5, run={"wait": {"deadline": "150 ms"}})
    source["network"]["loss"]["probability"] = 1
    source["record"] = {"models": True}
    alone = {**source, "network": {"latency": "1 h"}}
    assert simnet.run(source).models("dpsgd").tobytes() == simnet.run(alone).models("dpsgd").tobytes()


def test_nobody_goes_on_waiting_for_what_is_lost() -> None:
    """Neither before the deadline nor after it is anything kept about a message that never comes."""
    for latency, late in (("100 ms", 0), ("200 ms", 1)):  # lost ones would have been in time, or too late
        source = dropping(steps=200, run={"wait": {"deadline": "150 ms"}})
        source["network"]["latency"] = latency
        run = prepared(source, "off")
        record = run.execute()
        assert record.status == "done"
        assert record.summary["counters"]["lost_messages"] > 500
        assert (record.summary["counters"]["dropped_messages"] > 500) == late
        for node in run.nodes:
            assert len(node.late) + len(node.lost) + len(node.inbox) < 12  # those of the last steps


def machines(losses: Iterator[bool]) -> tuple[Clock, list[Machine]]:
    clock, network, _ = lossy(Setup(latency=1.0), None, lambda _: losses)
    together: list[Machine] = []
    together += [Machine(i, clock, network, together) for i in range(3)]
    return clock, together


@pytest.mark.parametrize("deadline", [0.5, 2.0])
def test_the_bookkeeping_of_one_exchange(deadline: float) -> None:
    """One message is lost, the other arrives after 1 s: it is late, or is used."""
    clock, (first, second, receiver) = machines(iter([True, False]))
    receipt = receiver.collect_until((0, 1), "tag", deadline)
    first.post(2, "a", "tag", 1.0)
    second.post(2, "b", "tag", 1.0)
    clock.run_until()
    assert receipt.value == ({1: "b"} if deadline > 1 else {})
    assert receiver.dropped_messages == (deadline < 1)
    assert (receiver.late, receiver.lost, receiver.inbox) == ({}, {}, {})


def test_of_newest_messages_nobody_keeps_account() -> None:
    clock, (sender, receiver, _) = machines(iter([True, False, True]))
    for step in range(3):
        sender.step = step
        sender.broadcast(sender.routes([1], newest=True), f"of step {step}", step, 1.0)
    clock.run_until()
    assert receiver.collect_newest().value == {0: "of step 1"}
    assert (receiver.late, receiver.lost) == ({}, {})


@pytest.mark.parametrize(
    ("algorithm", "wait", "advice"),
    [
        ({"name": "dpsgd"}, "all", "use then: retransmit or wait: none or wait: {deadline: 200 ms}"),
        ({"name": "allreduce"}, "all", "use then: retransmit$"),
        ({"name": "detag"}, "all", "use then: retransmit$"),
        ({"name": "adpsgd"}, "none", "use then: retransmit$"),
    ],
    ids=str,
)
def test_who_needs_every_message_refuses_that_they_are_dropped(algorithm: dict[str, Any], wait: Any, advice: str) -> None:
    source = dropping(algorithm=algorithm, run={"wait": wait})
    told = rf"algorithms\.0: {algorithm['name']} needs every message, but network\.loss lets some of them drop; {advice}"
    with pytest.raises(ScenarioError, match=told):
        simnet.prepare(source)
    source["network"]["loss"] = {"probability": 0.3, "timeout": "1 s"}
    assert simnet.run(source).exit_status == 0


def test_pooled_algorithms_have_no_messages_to_lose() -> None:
    assert simnet.run(dropping(algorithm="sgd")).exit_status == 0


def hopeful(node: Any) -> Any:
    """Receives without a deadline."""
    for k in node.steps():
        yield node.gradient(node.x)
        for j in node.listeners:
            node.send(j, node.x, tag=k)
        for j in node.neighbors:
            yield node.receive(j, tag=k)


def test_a_stall_by_loss_is_explained() -> None:
    record = prepared(dropping(steps=50, run={"wait": {"deadline": "1 s"}}), program=hopeful).execute()
    assert record.status == "stalled"
    assert " waits for message " in record.message
    assert "messages were lost for good; nothing can happen any more" in record.message
