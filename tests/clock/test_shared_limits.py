"""Limits that several messages share: a NIC with one bandwidth for both directions, and a backbone between groups."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock.links import SharedLimit
from simnet.scenario import Shared
from tests.clock.building import end_of, scenario
from tests.clock.test_network import NODES, Sent, Setup, arrivals, messages, setups

BITS = 8e6


def limit(bandwidth: float, *groups: tuple[int, ...], duplex: str = "half") -> SharedLimit:
    spec = {"name": "backbone", "bandwidth": f"{bandwidth!r} bit/s", "between": groups, "duplex": duplex}
    return SharedLimit(Shared.model_validate(spec), NODES)


def gossip(nodes: int, network: dict[str, Any], steps: int = 1, topology: Any = "ring") -> dict[str, Any]:
    message = {"bits_per_number": BITS}
    return scenario(nodes, "dpsgd", steps, topology=topology, network={"sharing": "queue", **network}, message=message)


@pytest.mark.parametrize("latency", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("nodes", [3, 8])
def test_half_duplex_doubles_a_ring_exchange(nodes: int, latency: float) -> None:
    """Each node sends 2 M and receives 2 M, one after the other.

    4 M / bw instead of 2, unless the bits come later than that: the last node is sent to in second place by both its
    neighbors, so that both messages reach it after latency + M / bw.
    """
    nics = {"latency": f"{latency} s", "uplink": "8 Mbit/s"}
    assert end_of(gossip(nodes, {**nics, "duplex": "half"})) == max(4.0, latency + 3.0)
    assert end_of(gossip(nodes, nics)) == latency + 2.0


@pytest.mark.parametrize("latency", [0.0, 0.5, 1.0, 3.0])
def test_half_duplex_doubles_an_exchange_around_a_directed_ring(latency: float) -> None:
    ring = {"kind": "edges", "edges": [[i, (i + 1) % 5] for i in range(5)], "directed": True}
    nics = {"latency": f"{latency} s", "uplink": "8 Mbit/s"}
    assert end_of(gossip(5, {**nics, "duplex": "half"}, topology=ring)) == max(latency, 1.0) + 1.0
    assert end_of(gossip(5, {**nics, "downlink": "8 Mbit/s"}, topology=ring)) == latency + 1.0


@pytest.mark.parametrize("sharing", ["queue", "fair"])
@pytest.mark.parametrize("latency", [0.0, 0.5, 3.0])
def test_half_duplex_exchanges_of_a_pair(latency: float, sharing: str) -> None:
    """Each of two nodes sends M and receives M over its NIC."""
    nics = {"sharing": sharing, "latency": f"{latency} s", "uplink": "8 Mbit/s", "duplex": "half"}
    expected = latency + 2.0 if sharing == "fair" else max(latency, 1.0) + 1.0
    assert end_of(gossip(2, nics)) == pytest.approx(expected)


@pytest.mark.parametrize("latency", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("nodes", [3, 8])
def test_fair_half_duplex_ring_exchange(nodes: int, latency: float) -> None:
    """The latency passes before any bandwidth is taken; then all messages flow at once: latency + 4 M / bw."""
    nics = {"sharing": "fair", "latency": f"{latency} s", "uplink": "8 Mbit/s"}
    assert end_of(gossip(nodes, {**nics, "duplex": "half"})) == pytest.approx(latency + 4.0)
    assert end_of(gossip(nodes, nics)) == pytest.approx(latency + 2.0)


@pytest.mark.parametrize("sharing", ["none", "queue", "fair"])
def test_a_single_message_does_not_feel_half_duplex(sharing: str) -> None:
    """It sees the narrower of the two NICs."""
    setup = Setup(latency=0.5, uplinks=[4.0, 2.0, 1.0])
    assert arrivals(setup, [Sent(1, 0, 1, 8)], sharing, duplex="half") == [1 + 0.5 + 4]
    assert arrivals(setup, [Sent(1, 1, 0, 8)], sharing, duplex="half") == [1 + 0.5 + 4]


def test_a_half_duplex_nic_serves_who_comes_first_whichever_way_it_goes() -> None:
    setup = Setup(latency=1.0, uplinks=[inf, 1.0, inf])
    assert arrivals(setup, [Sent(0, 0, 1, 4), Sent(0.5, 1, 2, 2)], duplex="half") == [2.5 + 4, 2.5 + 1]
    assert arrivals(setup, [Sent(0, 0, 1, 4), Sent(1.5, 1, 2, 2)], duplex="half") == [5, 5 + 2 + 1]


def test_two_nodes_that_answer_each_other_take_turns() -> None:
    setup = Setup(uplinks=[1.0] * 3)
    assert arrivals(setup, [Sent(0, 0, 1, 2), Sent(0, 1, 0, 2)], duplex="half") == [4.0, 4.0]
    assert arrivals(setup, [Sent(0, 0, 1, 2), Sent(0, 1, 0, 2)]) == [2.0, 2.0]


@settings(max_examples=40, deadline=None)
@given(setups, messages)
def test_no_nic_carries_more_than_its_bandwidth(setup: Setup, sent: list[Sent]) -> None:
    """What crosses a half-duplex NIC between two moments, in either direction, fits in between."""
    arrived = arrivals(setup, sent, duplex="half")
    network = setup.parameters()
    used: dict[int, list[tuple[float, float, float]]] = {}
    for message, end in zip(sent, arrived, strict=True):
        latency = network.latency(message.sender, message.receiver)
        used.setdefault(message.sender, []).append((message.time, end - latency, message.bits))
        used.setdefault(message.receiver, []).append((message.time + latency, end, message.bits))
    for node, intervals in used.items():
        check_capacity(network.uplinks[node], intervals)


def check_capacity(bandwidth: float, intervals: list[tuple[float, float, float]]) -> None:
    for first in {start for start, _, _ in intervals if bandwidth < inf}:
        for last in {end for _, end, _ in intervals if end >= first}:
            bits = sum(b for start, end, b in intervals if start >= first and end <= last)
            assert bits <= bandwidth * (last - first) + 1e-9


@settings(max_examples=20, deadline=None)
@given(setups, messages, st.booleans(), st.randoms(use_true_random=False))
def test_who_is_asked_first_plays_no_role(setup: Setup, sent: list[Sent], is_half: bool, random: Any) -> None:
    options: dict[str, Any] = {"duplex": "half"} if is_half else {"shared": [limit(1.0, (0,), (1, 2))]}
    senders = [0, 1, 2]
    random.shuffle(senders)
    order = sorted(range(len(sent)), key=lambda number: senders.index(sent[number].sender))
    options_again: dict[str, Any] = {"duplex": "half"} if is_half else {"shared": [limit(1.0, (0,), (1, 2))]}
    shuffled = arrivals(setup, [sent[number] for number in order], **options)
    assert [shuffled[order.index(number)] for number in range(len(sent))] == arrivals(setup, sent, **options_again)


@pytest.mark.parametrize("sharing", ["queue", "fair"])
@pytest.mark.parametrize("pairs", [2, 5])
def test_all_messages_have_to_pass_a_backbone(pairs: int, sharing: str) -> None:
    """Each of k nodes sends M to one of k others, and gets M back: latency + 2 k M / bw, or k M / bw in either direction."""
    nodes = 2 * pairs
    edges = {"kind": "edges", "edges": [[i, i + pairs] for i in range(pairs)] + [[i, i + 1] for i in range(pairs - 1)]}
    groups = [list(range(pairs)), list(range(pairs, nodes))]
    backbone = {"name": "backbone", "bandwidth": "8 Mbit/s", "between": groups}
    network = {"sharing": sharing, "latency": "500 ms", "shared": [backbone]}
    assert end_of(gossip(nodes, network, topology=edges)) == pytest.approx(0.5 + 2 * pairs)
    network = {"sharing": sharing, "latency": "500 ms", "shared": [{**backbone, "duplex": "full"}]}
    assert end_of(gossip(nodes, network, topology=edges)) == pytest.approx(0.5 + pairs)


def test_only_messages_between_groups_cross_a_backbone() -> None:
    """In a group of three and without any other limit, messages inside a group, or of a node in none, cost nothing."""
    setup = Setup(latency=0.25)
    across = [Sent(0, 0, 2, 4), Sent(0, 2, 0, 4)]
    assert arrivals(setup, across, shared=[limit(2.0, (0, 1), (2,))]) == [2.25, 4.25]
    assert arrivals(setup, across, shared=[limit(2.0, (0, 1), (2,), duplex="full")]) == [2.25, 2.25]
    inside = [Sent(0, 0, 1, 4), Sent(0, 1, 0, 4)]
    assert arrivals(setup, inside, shared=[limit(2.0, (0, 1), (2,))]) == [0.25, 0.25]
    assert arrivals(setup, inside, shared=[limit(2.0, (0,), (2,))]) == [0.25, 0.25]


def test_the_first_bit_decides_who_comes_first_to_a_backbone() -> None:
    """Node 0's second message leaves its uplink after node 1's, which was sent later."""
    setup = Setup(uplinks=[1.0, inf, inf])
    sent = [Sent(0, 0, 1, 3), Sent(0, 0, 2, 4), Sent(2, 1, 2, 8)]
    assert arrivals(setup, sent, shared=[limit(2.0, (0, 1), (2,))]) == [3.0, 8.0, 6.0]


def test_several_limits_are_passed_at_once() -> None:
    """Cut-through: uplink, backbone, ocean cable, latency, downlink; the narrowest counts, not the sum."""
    rates = {"uplinks": [4.0] * 3, "bandwidth": 8.0, "downlinks": [2.0] * 3}
    shared = [limit(3.0, (0,), (1,)), limit(1.0, (0,), (1,))]
    assert arrivals(Setup(latency=0.5, **rates), [Sent(0, 0, 1, 6)], shared=shared) == [6.5]
    shared = [limit(3.0, (0,), (1,)), limit(1.0, (0,), (1,))]
    assert arrivals(Setup(latency=0.5, **rates), [Sent(0, 0, 1, 6)], "none", shared=shared) == [6.5]
    shared = [limit(3.0, (0,), (1,)), limit(1.0, (0,), (1,))]
    assert arrivals(Setup(latency=0.5, **rates), [Sent(0, 0, 1, 6)] * 2, shared=shared) == [6.5, 12.5]


@settings(max_examples=30, deadline=None)
@given(setups, messages, st.sampled_from([0.5, 1.0, 2.0]))
def test_no_backbone_carries_more_than_its_bandwidth(setup: Setup, sent: list[Sent], bandwidth: float) -> None:
    arrived = arrivals(setup, sent, shared=[limit(bandwidth, (0,), (1, 2))])
    network = setup.parameters()
    crossing = [(m, end) for m, end in zip(sent, arrived, strict=True) if (m.sender == 0) != (m.receiver == 0)]
    check_capacity(bandwidth, [(m.time, end - network.latency(m.sender, m.receiver), m.bits) for m, end in crossing])


@settings(max_examples=30, deadline=None)
@given(setups, messages)
def test_a_backbone_that_is_wide_enough_is_not_felt(setup: Setup, sent: list[Sent]) -> None:
    assert arrivals(setup, sent, shared=[limit(1e300, (0,), (1, 2))]) == pytest.approx(arrivals(setup, sent), abs=1e-9)


def test_a_parameter_server_stands_where_the_first_node_stands() -> None:
    backbone = {"name": "backbone", "bandwidth": "8 Mbit/s", "between": [[0, 1], [2]]}
    source = gossip(3, {"shared": [backbone]}) | {
        "algorithms": [{"name": "allreduce", "lr": 0.1, "exchange": "parameter_server"}]
    }
    assert end_of(source) == 2.0  # only node 2's messages cross it, up and down
