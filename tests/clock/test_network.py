"""When messages arrive: the sharing rules, message by message, against their statement in simnet.clock.network."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock import Clock, Network
from simnet.clock.clock import WAKE
from simnet.clock.events import Transfer
from simnet.clock.routing import Hops

NODES = 3


@dataclass
class Setup:
    """A network of three machines; limits that are not named do not exist."""

    latency: Any = 0.0
    bandwidth: Any = inf
    uplinks: list[float] = field(default_factory=lambda: [inf] * NODES)
    downlinks: list[float] = field(default_factory=lambda: [inf] * NODES)

    def parameters(self) -> Any:
        latency, bandwidth = (np.broadcast_to(value, (NODES, NODES)) for value in (self.latency, self.bandwidth))
        return SimpleNamespace(
            uplinks=self.uplinks,
            downlinks=self.downlinks,
            latency=lambda i, j: float(latency[i, j]),
            bandwidth=lambda i, j: float(bandwidth[i, j]),
        )


@dataclass(frozen=True)
class Sent:
    """One message."""

    time: float
    sender: int
    receiver: int
    bits: float


def arrivals(setup: Setup, messages: list[Sent], sharing: str = "queue", **options: Any) -> list[float]:
    """When each message arrives, in the order of the list; simultaneous ones of one sender are sent in that order."""
    clock = Clock()
    parameters, hops = setup.parameters(), options.pop("hops", None)
    network = Network(sharing, parameters, clock, **options)
    if hops is not None:
        network.hops = Hops(network.transmit, network.direct, hops, parameters.latency, NODES)
        network.transmit = network.hops.transmit
    links = {(i, j): network.link(i, j) for i in range(NODES) for j in range(NODES) if i != j}
    arrived: dict[int, float] = {}

    def send(number: int, sent: Sent) -> None:
        transfer = Transfer(sent.bits, (lambda _: arrived.setdefault(number, clock.now),))
        network.transmit(links[sent.sender, sent.receiver], transfer)

    for number, sent in enumerate(messages):
        clock.call(sent.time, lambda _, number=number, sent=sent: send(number, sent), WAKE)
    clock.run_until()
    return [arrived[number] for number in range(len(messages))]


def stated(setup: Setup, messages: list[Sent]) -> list[float]:
    """The rule `queue` word for word: uplinks and links in the order of sending, then downlinks in that of first bits."""
    network = setup.parameters()
    free: dict[Any, float] = {}

    def serve(resource: Any, at: float, seconds: float) -> float:
        start = max(at, free.get(resource, 0.0))
        free[resource] = start + seconds
        return start

    entries = []
    for rank, number in enumerate(sorted(range(len(messages)), key=lambda number: messages[number].time)):
        sent = messages[number]
        i, j = sent.sender, sent.receiver
        up, own = sent.bits / network.uplinks[i], sent.bits / network.bandwidth(i, j)
        at_uplink = serve(("up", i), sent.time, up)
        at_link = serve((i, j), at_uplink, own)
        last_bit = max(at_uplink + up, at_link + own) + network.latency(i, j)
        entries.append((at_link + network.latency(i, j), i, j, rank, number, last_bit))
    result = [0.0] * len(messages)
    for first_bit, _, j, _, number, last_bit in sorted(entries):
        down = messages[number].bits / network.downlinks[j]
        result[number] = max(last_bit, serve(("down", j), first_bit, down) + down)
    return result


# Eighths and powers of two keep sums exact, so that many events are simultaneous.
moments = st.integers(0, 24).map(lambda k: k / 8)
rates = st.sampled_from([0.5, 1.0, 2.0, 4.0, inf])
ends = st.sampled_from([(i, j) for i in range(NODES) for j in range(NODES) if i != j])
messages = st.lists(
    st.builds(lambda t, pair, bits: Sent(t, *pair, bits), moments, ends, st.sampled_from([0.0, 0.5, 1.0, 2.0])),
    min_size=1,
    max_size=12,
)
matrices = st.lists(moments, min_size=NODES**2, max_size=NODES**2).map(lambda v: np.reshape(v, (NODES, NODES)))
limits = st.lists(rates, min_size=NODES, max_size=NODES)
setups = st.builds(
    Setup,
    latency=matrices,
    bandwidth=st.lists(rates, min_size=NODES**2, max_size=NODES**2).map(lambda v: np.reshape(v, (NODES, NODES))),
    uplinks=limits,
    downlinks=limits,
)


@settings(max_examples=30, deadline=None)
@given(setups, messages)
def test_queue_is_what_it_says(setup: Setup, sent: list[Sent]) -> None:
    assert arrivals(setup, sent) == pytest.approx(stated(setup, sent), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(setups, messages)
def test_no_resource_serves_more_than_its_bandwidth(setup: Setup, sent: list[Sent]) -> None:
    """Whatever is sent after one moment and has arrived before another was served in between, by every resource."""
    arrived = arrivals(setup, sent)
    network = setup.parameters()
    used: dict[Any, list[tuple[float, float, float]]] = {}
    for message, end in zip(sent, arrived, strict=True):
        i, j, latency = message.sender, message.receiver, network.latency(message.sender, message.receiver)
        used.setdefault(("up", network.uplinks[i], i), []).append((message.time, end - latency, message.bits))
        used.setdefault(("link", network.bandwidth(i, j), i, j), []).append((message.time, end - latency, message.bits))
        used.setdefault(("down", network.downlinks[j], j), []).append((message.time + latency, end, message.bits))
    for (_, bandwidth, *_), intervals in used.items():
        for first in {start for start, _, _ in intervals}:
            for last in {end for _, end, _ in intervals if end >= first}:
                bits = sum(b for start, end, b in intervals if start >= first and end <= last)
                assert bits <= bandwidth * (last - first) + 1e-9 if bandwidth < inf else True


@settings(max_examples=20, deadline=None)
@given(setups, messages)
def test_first_come_first_served(setup: Setup, sent: list[Sent]) -> None:
    """Of one link, and where only uplinks have limits and latencies are equal, of one sender."""
    uplinks_only = Setup(latency=0.5, uplinks=setup.uplinks)
    for case, same in ((setup, lambda m: (m.sender, m.receiver)), (uplinks_only, lambda m: m.sender)):
        arrived = arrivals(case, sent)
        queues: dict[Any, list[tuple[float, int, float]]] = {}
        for number, message in enumerate(sent):
            queues.setdefault(same(message), []).append((message.time, number, arrived[number]))
        for queue in queues.values():
            ends_in_order = [end for _, _, end in sorted(queue)]
            assert ends_in_order == sorted(ends_in_order)


@settings(max_examples=20, deadline=None)
@given(setups, messages, st.sampled_from(["queue", "fair"]), st.randoms(use_true_random=False))
def test_who_is_asked_first_plays_no_role(setup: Setup, sent: list[Sent], sharing: str, random: Any) -> None:
    """Messages of different senders may be posted in any order."""
    senders = [0, 1, 2]
    random.shuffle(senders)
    order = sorted(range(len(sent)), key=lambda number: senders.index(sent[number].sender))
    shuffled = arrivals(setup, [sent[number] for number in order], sharing)
    assert [shuffled[order.index(number)] for number in range(len(sent))] == arrivals(setup, sent, sharing)


@settings(max_examples=20, deadline=None)
@given(setups, messages)
def test_without_sharing_every_message_is_alone(setup: Setup, sent: list[Sent]) -> None:
    """It sees the narrowest limit on its way; alone in the network, the other rules give the same."""
    network = setup.parameters()
    arrived = arrivals(setup, sent, "none")
    for message, end in zip(sent, arrived, strict=True):
        i, j = message.sender, message.receiver
        narrowest = min(network.uplinks[i], network.bandwidth(i, j), network.downlinks[j])
        assert end == pytest.approx(message.time + network.latency(i, j) + message.bits / narrowest, abs=1e-12)
        assert arrivals(setup, [message]) == pytest.approx([end], abs=1e-12)
        assert arrivals(setup, [message], "fair") == pytest.approx([end], abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(setups, messages, st.floats(1.0, 8.0))
def test_more_bandwidth_is_never_later(setup: Setup, sent: list[Sent], factor: float) -> None:
    slow = Setup(setup.latency, setup.bandwidth, setup.uplinks)
    fast = Setup(setup.latency, np.asarray(setup.bandwidth) * factor, [rate * factor for rate in setup.uplinks])
    assert (np.array(arrivals(fast, sent)) <= np.array(arrivals(slow, sent)) + 1e-12).all()


@pytest.mark.parametrize(
    ("setup", "sent"),
    [
        (Setup(uplinks=[1.0] * 3), [Sent(0, 0, 1, 1), Sent(0, 0, 2, 1)]),
        (Setup(downlinks=[1.0] * 3), [Sent(0, 0, 2, 1), Sent(0, 1, 2, 1)]),
        (Setup(bandwidth=1.0), [Sent(0, 0, 1, 1), Sent(0, 0, 1, 1)]),
    ],
    ids=["one sender", "one receiver", "one link"],
)
def test_two_messages_at_one_limit(setup: Setup, sent: list[Sent]) -> None:
    assert arrivals(setup, sent) == [1.0, 2.0]
    assert arrivals(setup, sent, "none") == [1.0, 1.0]
    assert arrivals(setup, sent, "fair") == [2.0, 2.0]


def test_several_limits_are_passed_at_once() -> None:
    """Cut-through: the narrowest limit counts, not the sum; and a wide one is free again early."""
    setup = Setup(latency=0.5, bandwidth=2.0, uplinks=[4.0] * 3, downlinks=[1.0] * 3)
    assert arrivals(setup, [Sent(0, 0, 1, 8)]) == [8.5]
    # The uplink is left after 2 s; the second message crosses its own link from then on, 8 bits at 2 bit/s.
    setup.downlinks = [inf] * 3
    assert arrivals(setup, [Sent(0, 0, 1, 8), Sent(0, 0, 2, 8)]) == [4.5, 6.5]


def test_the_first_bit_decides_who_comes_first_to_a_downlink() -> None:
    """Node 1 sends later over a shorter link."""
    latency = np.full((3, 3), 0.25)
    latency[0, 2] = 3.0
    setup = Setup(latency=latency, downlinks=[1.0] * 3)
    assert arrivals(setup, [Sent(0, 0, 2, 4), Sent(1, 1, 2, 4)]) == [9.25, 5.25]


def test_a_latency_takes_no_bandwidth() -> None:
    setup = Setup(latency=10.0, bandwidth=1.0)
    assert arrivals(setup, [Sent(k, 0, 1, 1) for k in range(4)]) == [11.0, 12.0, 13.0, 14.0]
