"""How long synchronous gossip takes: the max-plus recursions of ALGORITHMS.md, section 29.1, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simnet
from tests.clock.building import completion_times, end_of, matrix_file, scenario

BITS = 8e6
STEPS = 12


def recursion(graph: nx.Graph, compute_N: np.ndarray, travel_NN: np.ndarray, busy_NN: np.ndarray, order: str) -> np.ndarray:
    """Completion times ``[steps + 1, n]``.

    A message from j to i leaves when j has it and the link has been left by the message before (``busy`` seconds each),
    and arrives ``travel`` seconds later.
    """
    times_KN = np.zeros((STEPS + 1, len(graph)))
    free_NN = np.zeros_like(travel_NN)
    for k in range(STEPS):
        ready_N = times_KN[k] + (compute_N if order == "atc" else 0.0)
        leave_NN = np.maximum(ready_N[:, None], free_NN)
        free_NN = leave_NN + busy_NN
        for i in graph:
            arrivals = [leave_NN[j, i] + travel_NN[j, i] for j in graph[i]]
            times_KN[k + 1, i] = max(times_KN[k, i] + compute_N[i], *arrivals)
    return times_KN


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nodes=st.integers(2, 7),
    seed=st.integers(0, 1000),
    order=st.sampled_from(["cta", "atc"]),
    sharing=st.sampled_from(["none", "queue"]),
)
def test_random_links_and_nodes(nodes: int, seed: int, order: str, sharing: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    graph = nx.cycle_graph(nodes) if nodes > 2 else nx.path_graph(2)
    graph.add_edges_from(pair for pair in nx.complete_graph(nodes).edges if rng.random() < 0.3)
    latency_NN = rng.uniform(0.0, 2.0, (nodes, nodes))
    bandwidth_NN = rng.uniform(4.0, 40.0, (nodes, nodes))
    factors_N = rng.uniform(0.2, 3.0, nodes)
    source = scenario(
        nodes,
        {"name": "dpsgd", "order": order},
        STEPS,
        topology={"kind": "edges", "edges": [list(edge) for edge in graph.edges]},
        network={
            "sharing": sharing,
            "latency": matrix_file(tmp_path, "latency", latency_NN, "s"),
            "bandwidth": matrix_file(tmp_path, "bandwidth", bandwidth_NN, "Mbit/s"),
        },
        compute={"time": "1 s", "factors": factors_N.tolist()},
        message={"bits_per_number": BITS},
    )
    served_NN = BITS / (bandwidth_NN * 1e6)
    busy_NN = served_NN if sharing == "queue" else np.zeros_like(served_NN)
    expected_KN = recursion(graph, factors_N, latency_NN + served_NN, busy_NN, order)
    np.testing.assert_allclose(completion_times(source), expected_KN, rtol=0, atol=1e-9)
    evaluated = simnet.run(source).metrics["time_s"]
    np.testing.assert_allclose(evaluated, expected_KN.max(axis=1), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("compute", "latency"), [(1.0, 0.25), (0.25, 1.0), (0.5, 0.5)])
def test_equal_nodes_and_links(compute: float, latency: float) -> None:
    """Combine-then-adapt hides the exchange behind the gradient, adapt-then-combine cannot: max(c, T) and c + T."""
    facts = {"network": {"latency": f"{latency} s"}, "compute": {"time": f"{compute} s"}}
    assert end_of(scenario(6, {"name": "dpsgd", "order": "cta"}, **facts)) == 5 * max(compute, latency)
    assert end_of(scenario(6, {"name": "dpsgd", "order": "atc"}, **facts)) == 5 * (compute + latency)


@pytest.mark.parametrize("algorithm", [{"name": "detag"}, {"name": "moniqua", "theta": 1.0}])
def test_other_algorithms_hide_the_exchange_too(algorithm: dict[str, Any]) -> None:
    facts = {"network": {"latency": "1 s"}, "compute": {"time": "250 ms"}}
    assert end_of(scenario(6, algorithm, **facts)) == 5.0


@pytest.mark.parametrize(("topology", "degree"), [("ring", 2), ("exponential", 4), ("hypercube", 4), ("complete", 15)])
@pytest.mark.parametrize(
    ("sharing", "limits"),
    [("queue", ["uplink"]), ("fair", ["uplink"]), ("fair", ["downlink"]), ("fair", ["uplink", "downlink"])],
)
def test_one_shared_nic(sharing: str, limits: list[str], topology: str, degree: int) -> None:
    """ALGORITHMS.md 29.4: a NIC carries every neighbor's message, degree times M, each way; 2 M on a ring."""
    network = {"sharing": sharing, "latency": "50 ms", **dict.fromkeys(limits, "8 Mbit/s")}
    source = scenario(16, steps=3, topology=topology, network=network, message={"bits_per_number": BITS})
    assert end_of(source) == pytest.approx(3 * (0.05 + degree * BITS / 8e6), rel=1e-12)


def test_fair_sharing_gives_all_messages_under_way_the_same(tmp_path: Path) -> None:
    """Two of node 0's three messages end at their slow links; the third takes what these leave: 8 - 2 - 2 Mbit/s."""
    bandwidth_NN = np.full((4, 4), 100.0)
    bandwidth_NN[0, 1:3] = 2.0
    bandwidth = matrix_file(tmp_path, "bandwidth", bandwidth_NN, "Mbit/s")
    network = {"sharing": "fair", "bandwidth": bandwidth, "uplink": "8 Mbit/s", "latency": "1 s"}
    arrivals = completion_times(scenario(4, steps=1, topology="star", network=network, message={"bits_per_number": BITS}))
    assert arrivals[1].tolist() == pytest.approx([2.0, 5.0, 5.0, 3.0])


def period(source: dict[str, Any]) -> float:
    """Seconds per step in the long run."""
    times_K = completion_times(source).max(axis=1)
    return float((times_K[-1] - times_K[-21]) / 20)


def test_a_slow_directed_link_counts_half(tmp_path: Path) -> None:
    """The cycle there and back has two steps: the period is (T + T') / 2, not T as with a global barrier."""
    latency_NN = np.full((6, 6), 0.5)
    latency_NN[2, 3] = 5.0
    network = {"latency": matrix_file(tmp_path, "latency", latency_NN, "s")}
    assert period(scenario(6, steps=60, network=network, compute={"time": "100 ms"})) == pytest.approx((5.0 + 0.5) / 2)


def test_a_busy_link_bounds_the_period(tmp_path: Path) -> None:
    """Under `queue` a link is busy for M / bw: the self-loop of the slow link is slower than its 2-cycle."""
    bandwidth_NN = np.full((6, 6), 80.0)
    bandwidth_NN[2, 3] = 2.0
    for sharing, expected in (("none", (4.0 + 0.1) / 2), ("queue", 4.0)):
        network = {"sharing": sharing, "bandwidth": matrix_file(tmp_path, "bandwidth", bandwidth_NN, "Mbit/s")}
        source = scenario(6, steps=60, network=network, compute={"time": "10 ms"}, message={"bits_per_number": BITS})
        assert period(source) == pytest.approx(expected)


@pytest.mark.parametrize(("slow", "travel"), [(3.0, 0.5), (1.5, 0.5), (1.0, 2.0)])
def test_one_slow_node(slow: float, travel: float) -> None:
    """ALGORITHMS.md 29.1: CTA runs at max(c_slow, T), ATC at max(c_slow, (c_slow + c + 2 T) / 2, c + T)."""
    facts: dict[str, Any] = {
        "network": {"latency": f"{travel} s"},
        "compute": {"time": "1 s", "factors": [1, 1, slow, 1, 1, 1]},
    }
    cta, atc = ({"name": "dpsgd", "order": order} for order in ("cta", "atc"))
    assert period(scenario(6, cta, 60, **facts)) == pytest.approx(max(slow, travel))
    expected = max(slow, (slow + 1 + 2 * travel) / 2, 1 + travel)
    assert period(scenario(6, atc, 60, **facts)) == pytest.approx(expected)


def test_more_bandwidth_is_never_later() -> None:
    """With limits at links and uplinks only."""
    source = scenario(5, "detag", 6, topology="complete", compute={"time": "1 s", "jitter": {"lognormal": 0.5}})
    ends = [
        end_of(source | {"network": {"sharing": "queue", "bandwidth": f"{rate} bit/s", "uplink": f"{2 * rate} bit/s"}})
        for rate in (10, 30, 100, 1000)
    ]
    assert ends == sorted(ends, reverse=True)


def test_doubling_all_durations_doubles_all_times() -> None:
    def metrics(factor: int) -> np.ndarray:
        network = {"sharing": "queue", "latency": f"{factor * 100} ms", "uplink": f"{1000 // factor} bit/s"}
        compute = {"time": f"{factor * 250} ms", "jitter": {"exponential": 1.0}}
        return np.asarray(simnet.run(scenario(5, network=network, compute=compute)).metrics["time_s"])

    np.testing.assert_allclose(metrics(2), 2 * metrics(1), rtol=1e-12)
