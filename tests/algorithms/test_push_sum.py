"""Push-sum keeps the mean where averages with delays, or over links of one direction, lose it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.algorithms import ALGORITHMS
from simnet.algorithms.push_sum import parts_of
from simnet.execution import Run
from simnet.node import Node
from simnet.schedule import Schedule
from simnet.values import Vector
from tests.algorithms.cases import NO_GRADIENTS, Case, arrays, edges, execute, metropolis, random_graph, run, scenario
from tests.algorithms.oracles import ORACLES
from tests.algorithms.oracles.world import World, quadratic
from tests.clock.building import prepared

SLOW = {
    "compute": {"time": "1 s", "jitter": {"exponential": 1.0}},
    "network": {"latency": {"exponential": {"mean": "2 s"}}, "jitter": {"exponential": "1 s"}},
}


def random_digraph(n: int, extra: int, seed: int) -> dict[str, Any]:
    """A directed ring and some more links, as a topology."""
    rng = np.random.default_rng(seed)
    links = {(i, (i + 1) % n) for i in range(n)} | {(int(i), int(j)) for i, j in rng.integers(n, size=(extra, 2)) if i != j}
    return {"kind": "edges", "edges": sorted(map(list, links)), "directed": True}


digraphs = st.builds(random_digraph, st.integers(2, 5), st.integers(0, 8), st.integers(0, 10**6))
METHODS = [Case("sgp"), Case("osgp"), Case("osgp", {"delay": 2}), Case("gradient_push")]


def nodes_of(topology: dict[str, Any]) -> int:
    return 1 + max(max(edge) for edge in topology["edges"])


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(METHODS), digraphs)
def test_without_gradients_all_go_to_the_exact_mean(case: Case, topology: dict[str, Any]) -> None:
    n = nodes_of(topology)
    facts = {"topology": topology, "mixing": "push", **SLOW}
    models = run(case, n, steps=900, evaluate_every=900, curvature=NO_GRADIENTS, **facts).models
    np.testing.assert_allclose(models[-1], np.broadcast_to(models[0].mean(axis=0), models[-1].shape), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([Case("sgp"), Case("osgp"), Case("osgp", {"delay": 3})]), digraphs, st.integers(0, 10**6))
def test_the_matrix_form_holds_on_any_directed_graph(case: Case, topology: dict[str, Any], seed: int) -> None:
    n = nodes_of(topology)
    values = arrays(n, 2, seed)
    W = np.eye(n)
    for i, j in topology["edges"]:
        W[j, i] = 1.0
    W /= W.sum(axis=0)
    world = World(W, quadratic(values["curvature"], values["optimum"]))
    expected = list(islice(ORACLES[case.name](values["init"], world, lambda _: 0.1, **case.parameters), 9))
    models = run(case, n, steps=9, lr=0.1, topology=topology, mixing="push", **values).models
    np.testing.assert_allclose(models[1:], expected, rtol=0, atol=1e-12)


@given(st.sampled_from([{"kind": "epidemic", "fanout": 2}, "one_peer_exponential"]) | digraphs, st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_weights_always_sum_to_n(topology: Any, seed: int) -> None:
    n = nodes_of(topology) if isinstance(topology, dict) and "edges" in topology else 6
    sent: dict[int, float] = {}

    def spy(node: Node) -> Iterator[Any]:
        exchange = node.exchange

        def noted(payload: Any, tag: Any) -> Any:
            sent[tag] = sent.get(tag, 0.0) + parts_of(payload)[1]
            return exchange(payload, tag)

        node.exchange = noted  # type: ignore[method-assign]
        yield from ALGORITHMS["sgp"].program(node, lr=lambda _: 0.1)

    source = scenario(Case("sgp"), n, steps=12, topology=topology, seed=seed)
    if n != 6 or not isinstance(topology, str):
        source["mixing"] = "push"
    prepared(source, program=spy).execute()
    np.testing.assert_allclose([sent[k] for k in range(12)], n, rtol=1e-12)


def test_a_weight_of_one_is_not_sent() -> None:
    """Uniform weights on a ring are doubly stochastic; push weights on a star are not."""
    bits = [run(Case("sgp"), 7, steps=4, mixing=kind).column("bits_sent") for kind in ("metropolis", "uniform", "push")]
    for sent in bits:
        np.testing.assert_array_equal(sent, 14 * 96 * np.arange(5))
    star = run(Case("sgp"), 4, steps=4, topology="star", mixing="push").column("bits_sent")
    assert star[1] == 6 * 96
    assert (np.diff(star)[1:] == 6 * (96 + 32)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.integers(0, 8), st.integers(0, 10**6))
def test_doubly_stochastic_sgp_is_dpsgd_that_adapts_first(n: int, extra: int, seed: int) -> None:
    facts = {"topology": edges(random_graph(n, extra, seed)), "noise": 0.3, "steps": 8, **arrays(n, 2, seed)}
    sgp, dpsgd = run(Case("sgp"), n, **facts), run(Case("dpsgd", {"order": "atc"}), n, **facts)
    np.testing.assert_allclose(sgp.models, dpsgd.models, rtol=0, atol=1e-13)
    none = run(Case("osgp", {"delay": 0}), n, **facts)
    np.testing.assert_allclose(none.models, sgp.models, rtol=0, atol=1e-13)
    late = run(Case("delayed_gradient", {"delay": 0}), n, **facts)
    np.testing.assert_array_equal(late.models, run(Case("dpsgd"), n, **facts).models)


def value(run_: Run, vector: Vector) -> float:
    """The first number of a vector."""
    row = run_.nodes[0].keep(vector)
    run_.executor.compute([row])
    return float(run_.executor.read([row])[0, 0])


def held(run_: Run) -> list[tuple[Vector, float]]:
    """Vectors and weights that nodes and their mailboxes hold, as programs that are not over yet know them."""
    parts = []
    for node, process in zip(run_.nodes, run_.processes, strict=True):
        variables = process.program.gi_frame.f_locals  # type: ignore[attr-defined]  # of a generator
        parts += [(variables["x"], variables["weight"]), *[letter[2] for letter in node.mailbox]]
    return parts


@settings(max_examples=20, deadline=None)
@given(digraphs, st.integers(0, 99), st.sampled_from([0.0, 0.3]))
def test_no_mass_is_lost_while_messages_are_under_way(topology: dict[str, Any], seed: int, loss: float) -> None:
    """What nodes and mailboxes hold, and what is under way, sums to the first models, and its weights to n."""
    n = nodes_of(topology)
    facts = {**SLOW, "network": {**SLOW["network"], "loss": {"probability": loss, "timeout": "1 s"}}}
    source = scenario(Case("gradient_push"), n, d=1, lr=0.0, topology=topology, mixing="push", seed=seed, **facts)
    run_ = prepared({**source, "run": {"simulated_time": "37.3 s", "evaluate_every": 1}})
    pushed: list[tuple[Vector, float]] = []
    arrived: list[tuple[Vector, float]] = []
    run_.assemble()
    for node in run_.nodes:
        push, mailed = node.push, node.mailed
        node.push = lambda j, share, push=push: (pushed.append(share), push(j, share))  # type: ignore[assignment]
        node.mailed = lambda letter, mailed=mailed: (arrived.append(letter.payload), mailed(letter))  # type: ignore[assignment]
    run_.run_clock()
    assert len(pushed) > len(arrived)
    parts = [(1, pushed), (-1, arrived), (1, held(run_))]
    total_weight = sum(sign * weight for sign, shares in parts for _, weight in shares)
    total = sum(sign * value(run_, vector) for sign, shares in parts for vector, _ in shares)
    assert total_weight == pytest.approx(n, abs=1e-9)
    assert total == pytest.approx(float(np.sum(source["init"])), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(3, 7), st.integers(0, 10**6), st.sampled_from([0.1, {"inverse_sqrt": {"start": 0.2}}]))
def test_gradient_push_is_its_event_form(n: int, seed: int, lr: Any) -> None:
    factors = np.random.default_rng(seed).uniform(0.5, 2, n).tolist()
    values = arrays(n, seed=seed)
    W = np.eye(n) + np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0)
    world = World(W / 3, quadratic(values["curvature"], values["optimum"]), times=tuple(factors))
    expected = list(islice(ORACLES["gradient_push"](values["init"], world, Schedule.of(lr)), 7))
    models = run(Case("gradient_push"), n, lr=lr, steps=7, compute={"time": "1 s", "factors": factors}, **values).models
    np.testing.assert_allclose(models[1:], expected, rtol=0, atol=1e-12)


def perron(W: np.ndarray, delay: int) -> np.ndarray:
    """How much each first model counts in the end, if each message of plain gossip takes `delay` steps.

    The delayed links are cut by buffer nodes; the left Perron vector of the larger matrix says what counts how much.
    """
    n = len(W)
    own = np.diag(np.diag(W))
    A = np.zeros((n * (delay + 1), n * (delay + 1)))
    A[:n, :n], A[:n, -n:] = own, W - own
    A[n:, :-n] = np.eye(n * delay)
    values, vectors = np.linalg.eig(A.T)
    left = np.real(vectors[:, np.argmin(abs(values - 1))])
    return (left / left.sum()).reshape(delay + 1, n).sum(axis=0)


@settings(max_examples=8, deadline=None)
@given(st.integers(3, 7), st.integers(0, 6), st.integers(0, 10**6), st.integers(1, 4))
def test_plain_gossip_with_delays_agrees_on_another_mean(n: int, extra: int, seed: int, delay: int) -> None:
    """W is doubly stochastic; who keeps more of itself, counts less. With OSGP everybody counts the same."""
    graph = random_graph(n, extra, seed)
    network = {"latency": f"{delay - 0.5} s"}
    source = scenario(
        Case("dpsgd"), n, steps=800, evaluate_every=800, lr=0.0, topology=edges(graph), network=network,
        compute={"time": "1 s"},
    )
    source["run"]["wait"] = "none"
    models = execute(source).models
    limit = perron(metropolis(graph), delay) @ models[0]
    np.testing.assert_allclose(models[-1], np.broadcast_to(limit, models[-1].shape), atol=1e-8)
    facts = {"steps": 800, "evaluate_every": 800, "lr": 0.0, "topology": edges(graph)}
    exact = run(Case("osgp", {"delay": delay}), n, **facts).models
    np.testing.assert_allclose(exact[-1], np.broadcast_to(exact[0].mean(axis=0), exact[-1].shape), atol=1e-8)


def test_the_bias_of_gossip_with_delays_is_no_rounding() -> None:
    counts = perron(metropolis(nx.star_graph(4)), 2)
    assert counts.sum() == pytest.approx(1)
    assert counts.max() > 1.5 * counts.min()


def test_osgp_hides_its_messages_behind_gradients() -> None:
    """With a delay of one step they take nothing, as long as a gradient takes longer."""
    facts = {"compute": {"time": "1 s"}, "network": {"latency": "900 ms"}}
    assert run(Case("osgp"), 4, steps=50, **facts).times[-1] == pytest.approx(50.0)
    assert run(Case("sgp"), 4, steps=50, **facts).times[-1] == pytest.approx(95.0)
    assert run(Case("gradient_push"), 4, steps=50, **facts).times[-1] == pytest.approx(50.0)


def test_a_crash_that_keeps_the_state_keeps_the_mass() -> None:
    faults = [{"kind": "crash", "nodes": [1], "at": "5500 ms", "until": "30 s"}]
    facts = {**SLOW, "network": {**SLOW["network"], "loss": {"probability": 0.2, "timeout": "1 s"}}, "faults": faults}
    models = run(Case("gradient_push"), 5, steps=300, curvature=NO_GRADIENTS, **facts).models
    np.testing.assert_allclose(models[-1], np.broadcast_to(models[0].mean(axis=0), models[-1].shape), atol=1e-9)


@pytest.mark.parametrize("delay", [1, 2])
def test_delayed_gradients_settle_where_dpsgd_does(delay: int) -> None:
    """Its fixed point is that of D-PSGD: a delay changes the way, not the end."""
    late = run(Case("delayed_gradient", {"delay": delay}), 5, steps=900, evaluate_every=900, lr=0.1).models[-1]
    plain = run(Case("dpsgd"), 5, steps=900, evaluate_every=900, lr=0.1).models[-1]
    np.testing.assert_allclose(late, plain, rtol=0, atol=1e-10)


def test_sgp_on_a_directed_graph_settles_at_its_fixed_point() -> None:
    """X = P (X - lr A (Z - B)), w = P w, Z = X / w: solved as a linear system."""
    n, lr = 5, 0.05
    topology = random_digraph(n, 5, 3)
    values = arrays(n, 2)
    P = np.eye(n)
    for i, j in topology["edges"]:
        P[j, i] = 1.0
    P /= P.sum(axis=0)
    eigenvalues, vectors = np.linalg.eig(P)
    w = np.real(vectors[:, np.argmax(np.real(eigenvalues))])
    w *= n / w.sum()
    models = run(Case("sgp"), n, steps=4000, evaluate_every=4000, lr=lr, topology=topology, mixing="push", **values).models
    for c in range(2):
        A = np.diag(values["curvature"][:, c])
        b = values["optimum"][:, c]
        X = np.linalg.solve(np.eye(n) - P @ (np.eye(n) - lr * A @ np.diag(1 / w)), lr * P @ A @ b)
        np.testing.assert_allclose(models[-1][:, c], X / w, rtol=0, atol=1e-10)
