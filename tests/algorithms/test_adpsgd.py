"""AD-PSGD: atomic averages, no deadlock, nobody waits for a slow node, and the waiting that there is."""

from __future__ import annotations

from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.errors import AlgorithmError
from simnet.schedule import Schedule
from tests.algorithms.cases import LR, NO_GRADIENTS, Case, arrays, edges, execute, random_graph, run, scenario
from tests.algorithms.oracles.asynchronous import adpsgd
from tests.algorithms.oracles.world import World, quadratic
from tests.algorithms.test_theory import sampled_gradients

IT = Case("adpsgd")
M = 32.0 * 3


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([2, 4, 6]), st.integers(0, 100), st.sampled_from([0.1, {"inverse_sqrt": {"start": 0.2}}]))
def test_event_by_event_form_is_reproduced(half: int, seed: int, lr: Any) -> None:
    n = 2 * half
    factors = np.random.default_rng(seed).uniform(0.5, 2, n).tolist()
    values = arrays(n, seed=seed)
    world = World(np.eye(n), quadratic(values["curvature"], values["optimum"]), seed=3, times=tuple(factors))
    models = run(IT, n, seed=3, lr=lr, steps=7, compute={"time": "1 s", "factors": factors}, **values).models
    expected = list(islice(adpsgd(values["init"], world, Schedule.of(lr)), 7))
    np.testing.assert_allclose(models[1:], expected, rtol=0, atol=1e-12)


def test_every_gradient_moves_the_mean_by_its_share_and_averages_do_not() -> None:
    """Gradients of noise alone do not depend on the model; with equal times, after step k each node has applied k."""
    source = scenario(IT, 6, curvature=NO_GRADIENTS, noise=0.5, steps=9)
    models = execute(source).models
    moves = -LR * sampled_gradients(source, models[:-1]).mean(axis=1)
    np.testing.assert_allclose(np.diff(models.mean(axis=1), axis=0), moves, atol=1e-14)


@pytest.mark.parametrize("topology", ["ring", "complete", "path", "star"])
@pytest.mark.parametrize("n", [2, 4, 5])
def test_averages_are_atomic_although_messages_take_time(topology: str, n: int) -> None:
    """Without gradients everybody arrives at the exact mean of the start, whatever was under way in between."""
    late = {"latency": {"uniform": {"low": "0 s", "high": "3 s"}}, "bandwidth": "100 bit/s", "sharing": "queue"}
    busy = {"time": "1 s", "jitter": {"exponential": 1.0}}
    models = run(
        IT, n, topology=topology if n > 2 else "complete", curvature=NO_GRADIENTS, steps=400, evaluate_every=400,
        network=late, compute=busy,
    ).models  # fmt: skip
    np.testing.assert_allclose(models[-1] - models[0].mean(axis=0), 0, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(0, 12), st.integers(0, 10**6), st.integers(0, 5), st.booleans())
def test_no_graph_deadlocks(n: int, extra: int, seed: int, latency: int, is_jittered: bool) -> None:
    busy: dict[str, Any] = {"time": "1 s"} | ({"jitter": {"exponential": 1.0}} if is_jittered else {})
    graph = edges(random_graph(n, extra, seed))
    outcome = run(IT, n, topology=graph, compute=busy, network={"latency": f"{latency} s"}, steps=10)
    assert outcome.summary["steps"] == 10
    assert outcome.summary["gradients"] >= 10 * n


@pytest.mark.parametrize(("topology", "n"), [("ring", 6), ("ring", 5), ("complete", 5)])
def test_a_slow_node_does_not_stop_the_others(topology: str, n: int) -> None:
    factors = [1000.0] + [1.0] * (n - 1)
    times = {}
    for case in (IT, Case("dpsgd")):
        compute = {"time": "1 s", "factors": factors}
        outcome = run(case, n, topology=topology, compute=compute, network={"latency": "10 ms"}, steps=40)
        times[case.name] = outcome.times[-1]
    assert times["adpsgd"] == pytest.approx(40 * n / sum(1 / factor for factor in factors), rel=0.05)
    assert times["dpsgd"] == pytest.approx(40 * 1000, rel=0.01)


@pytest.mark.parametrize("latency", [0.0, 0.3, 0.5, 2.0, 8.0])
def test_a_node_that_asks_takes_as_long_as_question_and_reply(latency: float) -> None:
    """On an even ring half of the nodes ask and do a step each max(c, 2 T); the others do one each c."""
    outcome = run(IT, 4, network={"latency": f"{latency} s"}, steps=100, evaluate_every=100)
    assert outcome.times[-1] == pytest.approx(400 / (2 / max(1.0, 2 * latency) + 2), rel=0.02)


@pytest.mark.parametrize("topology", ["ring", "complete"])
def test_time_grows_with_the_latency(topology: str) -> None:
    times = [
        run(IT, topology=topology, network={"latency": f"{latency} s"}, steps=60, evaluate_every=60).times[-1]
        for latency in (0, 1, 2, 4, 8)
    ]
    assert times == sorted(times)
    assert times[-1] > 1.5 * times[0]


def test_a_locked_node_lets_questions_wait() -> None:
    """0 asks 1 and 2, 1 asks 2: while 1 waits for its own reply, 0 gets none; no latency is hidden by answering anyway."""
    network = {"latency": "1 s"}
    alone = run(IT, 2, compute={"time": "1 ms"}, network=network, steps=50, evaluate_every=50)
    path = run(IT, 3, topology="complete", compute={"time": "1 ms", "factors": [1, 1, 1e6]}, network=network, steps=50)
    asked = path.column("bits_sent")[-1] / (2 * M)
    assert alone.column("bits_sent")[-1] / (2 * M) <= 0.5 * alone.times[-1] + 1
    assert asked <= 2 * 0.5 * path.times[-1] + 2
    assert asked > 0.5 * path.times[-1]


@pytest.mark.parametrize("n", [4, 6])
def test_each_average_sends_one_vector_each_way(n: int) -> None:
    """On an even ring n / 2 nodes ask once a step; at the end some have asked for the next step."""
    bits = run(IT, n, steps=10, network={"latency": "1 ms"}).column("bits_sent") / M
    steps = np.arange(11)
    assert (bits >= n * steps).all()
    assert (bits <= n * (steps + 1)).all()


def test_every_edge_may_be_asked_and_the_mean_is_reached_by_all() -> None:
    graph = nx.petersen_graph()
    distances = run(IT, 10, topology=edges(graph), curvature=NO_GRADIENTS, steps=60).column("consensus_distance")
    assert distances[-1] < 1e-6 * distances[0]


def test_changing_a_model_under_an_atomic_question_is_an_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "impatient_average.py").write_text(
        "def impatient(node, *, lr: float):\n"
        "    node.answer = lambda _, theirs: node.x\n"
        "    for k in node.steps():\n"
        "        gradient = node.gradient(node.x)\n"
        "        reply = node.ask(node.neighbors[0], node.x, then=lambda theirs: None)\n"
        "        yield gradient\n"
        "        node.x = node.x - lr * gradient.value\n"
        "        yield reply\n"
    )
    source = scenario(Case("impatient_average:impatient"), 4, network={"latency": "9 s"})
    with pytest.raises(AlgorithmError, match=r"it: node \d in step 0 .*changes its model while its own atomic"):
        simnet.run(source)
