"""Messages over the topology's links only: which path they take, and how long store and forward takes."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.clock.routing import Routes
from simnet.errors import ScenarioError
from tests.clock.building import end_of, matrix_file, prepared, scenario
from tests.clock.test_network import NODES, Sent, Setup, arrivals

LATENCY, BANDWIDTH, BITS = 0.05, 1e6, 8e6
LINKS = {"latency": "50 ms", "bandwidth": "1 Mbit/s"}
PATH = [(0, 1), (1, 0), (1, 2), (2, 1)]


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, dict[tuple[int, int], float]]:
    """A strongly connected directed graph whose latencies are eighths, so that many paths are equally good."""
    nodes = draw(st.integers(2, 8))
    pairs = [(i, j) for i in range(nodes) for j in range(nodes) if i != j]
    links = {(i, (i + 1) % nodes) for i in range(nodes)} | set(draw(st.lists(st.sampled_from(pairs))))
    return nodes, {link: draw(st.integers(0, 8)) / 8 for link in sorted(links)}


def best_paths(nodes: int, links: dict[tuple[int, int], float], sender: int) -> dict[int, list[int]]:
    """Dijkstra's algorithm on (latency, hops); among equals the smallest node comes before each node."""
    paths: dict[int, list[int]] = {}
    queue: list[tuple[float, int, int, int]] = [(0.0, 0, sender, -1)]
    while queue:
        latency, hops, node, previous = heappop(queue)
        if node not in paths:
            paths[node] = [*paths.get(previous, []), node]
            for (tail, head), more in links.items():
                if tail == node:
                    heappush(queue, (latency + more, hops + 1, head, node))
    return paths


@settings(max_examples=60, deadline=None)
@given(networks(), st.randoms(use_true_random=False))
def test_the_path_has_the_least_latency_then_the_fewest_hops_then_the_smallest_numbers(
    network: tuple[int, dict[tuple[int, int], float]], random: Any
) -> None:
    nodes, links = network
    order = list(links)
    random.shuffle(order)
    routes = Routes(order, [links[link] for link in order], nodes)
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((i, j, latency) for (i, j), latency in links.items())
    for sender in range(nodes):
        expected = best_paths(nodes, links, sender)
        for receiver in set(range(nodes)) - {sender}:
            path = routes.path(sender, receiver)
            assert path == expected[receiver]
            assert sum(links[hop] for hop in pairwise(path)) == nx.dijkstra_path_length(graph, sender, receiver)


@pytest.mark.parametrize("sharing", ["none", "queue", "fair"])
def test_a_hop_starts_when_the_last_bit_of_the_one_before_has_arrived(sharing: str) -> None:
    setup = Setup(latency=0.5, bandwidth=2.0)
    assert arrivals(setup, [Sent(0, 0, 2, 8)], sharing, hops=PATH) == [2 * (0.5 + 8 / 2)]
    assert arrivals(setup, [Sent(0, 0, 1, 8)], sharing, hops=PATH) == [0.5 + 8 / 2]


def test_messages_queue_at_every_hop_and_follow_each_other() -> None:
    """On a path a second message is one service behind; a node's own message waits for what the node forwards."""
    setup = Setup(latency=0.5, bandwidth=2.0)
    assert arrivals(setup, [Sent(0, 0, 2, 8), Sent(0, 0, 2, 8)], hops=PATH) == [9.0, 13.0]
    assert arrivals(setup, [Sent(0, 0, 2, 8), Sent(5, 1, 2, 8)], hops=PATH) == [9.0, 13.0]
    assert arrivals(setup, [Sent(0, 0, 2, 8), Sent(4, 1, 2, 8)], hops=PATH) == [12.5, 8.5]


def test_a_forwarding_node_uses_its_own_uplink_and_downlink() -> None:
    setup = Setup(uplinks=[8.0, 1.0, 8.0], downlinks=[8.0, 2.0, 8.0])
    assert arrivals(setup, [Sent(0, 0, 2, 8)], hops=PATH) == [8 / 2 + 8 / 1]
    assert arrivals(setup, [Sent(0, 0, 2, 8)]) == [1.0]


links_of_three = st.sampled_from([PATH, [(0, 1), (1, 2), (2, 0)], [(0, 1), (1, 2), (2, 0), (0, 2)]])
sent = st.lists(
    st.builds(
        lambda t, pair, bits: Sent(t / 8, *pair, bits),
        st.integers(0, 24),
        st.sampled_from([(i, j) for i in range(NODES) for j in range(NODES) if i != j]),
        st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=30, deadline=None)
@given(links_of_three, sent, st.randoms(use_true_random=False))
def test_who_is_asked_first_plays_no_role(hops: list[tuple[int, int]], messages: list[Sent], random: Any) -> None:
    setup = Setup(latency=0.25, bandwidth=2.0, uplinks=[1.0, 2.0, 4.0], downlinks=[2.0, 1.0, 2.0])
    senders = [0, 1, 2]
    random.shuffle(senders)
    order = sorted(range(len(messages)), key=lambda number: senders.index(messages[number].sender))
    shuffled = arrivals(setup, [messages[number] for number in order], hops=hops)
    expected = arrivals(setup, messages, hops=hops)
    assert [shuffled[order.index(number)] for number in range(len(messages))] == expected


def source(nodes: int, algorithm: Any, topology: Any, network: dict[str, Any] = LINKS, **facts: Any) -> dict[str, Any]:
    network = {"routing": "hops", **network}
    bits = {"bits_per_number": BITS}
    return scenario(nodes, algorithm, 1, topology=topology, network=network, message=bits, **facts)


@pytest.mark.parametrize("nodes", [3, 4, 7, 8])
def test_ring_all_reduce_on_a_path(nodes: int) -> None:
    """The ring closes over n - 1 hops; of 2 (n - 1) rounds one after the other two are as long as that."""
    hop = LATENCY + BITS / nodes / BANDWIDTH
    rounds = 2 * (nodes - 1)
    expected = (rounds - 2 + 2 * (nodes - 1)) * hop
    assert end_of(source(nodes, {"name": "allreduce", "exchange": "ring"}, "path")) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("nodes", [3, 8])
def test_ring_all_reduce_on_its_own_ring_needs_no_forwarding(nodes: int) -> None:
    with_hops = source(nodes, {"name": "allreduce", "exchange": "ring"}, "ring")
    direct = with_hops | {"network": LINKS}
    assert end_of(with_hops) == end_of(direct)
    (record,) = simnet.run(with_hops).records
    assert record.summary["counters"]["forwarded_bits"] == 0
    assert "forwarded_bits" not in simnet.run(direct).records[0].summary["counters"]


def test_a_directed_ring_backwards_goes_the_long_way() -> None:
    """Halving and doubling among four, on a ring with one direction.

    Partners at distance 2 are 2 hops apart; of those at distance 1 one is 1 hop away and the other one 3, and who is
    served first in halving is asked first in doubling: 4 hops for both together.
    """
    ring = {"kind": "edges", "edges": [[0, 1], [1, 2], [2, 3], [3, 0]], "directed": True}
    hop_of_half, hop_of_quarter = LATENCY + BITS / 2 / BANDWIDTH, LATENCY + BITS / 4 / BANDWIDTH
    expected = 2 * 2 * hop_of_half + 4 * hop_of_quarter
    end = end_of(source(4, {"name": "allreduce", "exchange": "halving_doubling"}, ring, mixing="uniform"))
    assert end == pytest.approx(expected, rel=1e-12)


def test_the_parameter_server_hangs_off_the_first_node() -> None:
    nodes = 5
    run = prepared(source(nodes, {"name": "allreduce", "exchange": "parameter_server"}, "path"), "off")
    record = run.execute()
    assert run.clock.now == pytest.approx(2 * nodes * (LATENCY + BITS / BANDWIDTH), rel=1e-12)
    forwards = sum(range(nodes))  # node i is i + 1 hops away
    assert record.summary["counters"]["forwarded_bits"] == 2 * forwards * BITS


def test_bits_sent_are_those_of_the_algorithm_and_forwarded_ones_count_apart() -> None:
    nodes = 6
    with_hops = source(nodes, {"name": "allreduce", "exchange": "ring"}, "path")
    (hops,), (direct,) = simnet.run(with_hops).records, simnet.run(with_hops | {"network": LINKS}).records
    assert hops.summary["bits_sent"] == direct.summary["bits_sent"] == 2 * (nodes - 1) * BITS
    rounds, between = 2 * (nodes - 1), nodes - 2
    assert hops.summary["counters"]["forwarded_bits"] == pytest.approx(rounds * between * BITS / nodes)
    assert hops.summary["hash"] == direct.summary["hash"]  # the values do not depend on the way


def test_a_neighbor_is_reached_by_a_detour_that_is_faster(tmp_path: Any) -> None:
    latency_NN = np.full((3, 3), 0.1)
    latency_NN[0, 2] = latency_NN[2, 0] = 1.0
    network = {"latency": matrix_file(tmp_path, "latency", latency_NN, "s")}
    assert end_of(source(3, "dpsgd", "ring", network)) == pytest.approx(0.2)
    assert end_of(source(3, "dpsgd", "ring", network | {"routing": "direct"})) == pytest.approx(1.0)


@pytest.mark.parametrize("algorithm", [{"name": "dpsgd"}, {"name": "adpsgd"}, {"name": "detag"}])
def test_gossip_over_equal_links_is_the_same_with_hops(algorithm: dict[str, Any]) -> None:
    network = {"sharing": "queue", "latency": "50 ms", "uplink": "1 Mbit/s", "downlink": "1 Mbit/s"}
    facts = {"compute": {"time": "100 ms", "jitter": {"lognormal": 0.3}}, "topology": "torus"}
    direct = scenario(9, algorithm, 6, network=network, **facts, problem={"kind": "quadratic", "dimension": 3})
    hops = direct | {"network": network | {"routing": "hops"}}
    assert simnet.run(hops).metrics.equals(simnet.run(direct).metrics)


def test_where_no_path_leads_is_said_before_anything_runs() -> None:
    one_way = {"kind": "edges", "edges": [[0, 1], [1, 2]], "directed": True}
    with pytest.raises(ScenarioError, match="no path leads from node 1 to node 0"):
        simnet.prepare(source(3, "allreduce", one_way))
