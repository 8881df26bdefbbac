"""DeFacto and RelaySGD, whose values flow along a spanning tree."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from tests.algorithms.cases import LR, Case, arrays, attempt, each, edges, execute, random_graph, run, scenario
from tests.algorithms.test_theory import MIXTURE, one_start, sampled_gradients

DEFACTO, RELAY, OVERLAP = Case("defacto"), Case("relaysgd"), Case("relaysgd", {"overlap": True})
M = 32.0 * 3
"""Bits of a model."""


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
def test_a_phase_of_defacto_is_one_step_of_sgd_with_all_its_samples(problem: str) -> None:
    """On a ring of 5, R = 4: four gradients of each node at one model, then four rounds."""
    R, phases = 4, 3
    source = scenario(DEFACTO, noise=0.5, steps=2 * R * phases, init=arrays(1)["init"])
    if problem == "mixture":
        source = {key: value for key, value in source.items() if key != "init"} | {"problem": MIXTURE}
    models = execute(source).models
    starts = models[:: 2 * R]
    assert (starts == starts[:, :1]).all()
    gradients = sampled_gradients(source, np.repeat(starts[:-1], R, axis=0))
    means = gradients.reshape(phases, R, *gradients.shape[1:]).mean(axis=(1, 2))
    np.testing.assert_allclose(np.diff(starts[:, 0], axis=0), -LR * means, rtol=0, atol=1e-13)


def test_defacto_moves_only_at_the_end_of_a_phase() -> None:
    models = run(DEFACTO, steps=20).models
    assert [k for k in range(1, 21) if (models[k] != models[k - 1]).any()] == [8, 16]


@pytest.mark.parametrize("n", [2, 7, 12])
def test_defacto_sends_a_vector_up_and_down_each_edge_of_the_tree(n: int) -> None:
    graph = random_graph(n, 5, seed=n)
    R = max(1, 2 * nx.radius(graph))
    outcome = run(DEFACTO, n, topology=edges(graph), steps=4 * R, evaluate_every=2 * R)
    np.testing.assert_allclose(outcome.column("bits_sent"), [0, 2 * (n - 1) * M, 4 * (n - 1) * M])
    assert outcome.summary["gradients"] == n * 2 * R


@pytest.mark.parametrize("n", [4, 5, 9])
def test_a_phase_of_defacto_takes_r_gradients_and_r_messages(n: int) -> None:
    R = 2 * (n // 2)
    source = scenario(DEFACTO, n, steps=4 * R, compute={"time": "3 s"}, network={"latency": "2 s"})
    times = execute(source).times
    assert times[R] == 3 * R
    assert times[2 * R] == 5 * R
    assert times[4 * R] == 10 * R


def test_a_model_of_relaysgd_is_the_mean_of_all_steps_late_by_their_distance() -> None:
    """On a path of 5, after the warm-up: x_i = (1/n) sum_j h_j of dist(i, j) - 1 steps ago."""
    values, n = arrays(5), 5
    X = run(RELAY, topology="path", steps=12).models
    H = X - LR * values["curvature"] * (X - values["optimum"])
    for k in range(4, 12):
        for i in range(n):
            mean = sum(H[k - max(abs(i - j) - 1, 0), j] for j in range(n)) / n
            np.testing.assert_allclose(X[k + 1, i], mean, rtol=0, atol=1e-13)


def test_relaysgd_between_two_nodes_is_allreduce() -> None:
    reference = run(Case("allreduce"), **one_start(2)).models
    np.testing.assert_allclose(run(RELAY, **one_start(2)).models, reference, rtol=0, atol=1e-14)
    assert np.abs(run(OVERLAP, **one_start(2)).models - reference).max() > 1e-3


@each([RELAY, OVERLAP])
def test_relaysgd_uses_the_edges_of_a_tree_only(case: Case) -> None:
    """On the complete graph that is a star; each message is a vector and a count."""
    bits = run(case, 6, topology="complete", steps=3).column("bits_sent")
    np.testing.assert_allclose(np.diff(bits), 2 * 5 * (M + 32))


@each([RELAY, OVERLAP])
def test_relaysgd_does_not_mind_how_different_the_data_are(case: Case) -> None:
    """Optima a thousand times as far apart: it still ends at the optimum of the sum."""
    values = arrays(6)
    optimum = (values["curvature"] * values["optimum"]).sum(axis=0) / values["curvature"].sum(axis=0)
    away = optimum + 1000 * (values["optimum"] - optimum)
    models = run(case, 6, optimum=away, topology="path", steps=1500, evaluate_every=1500, lr=0.1).models
    np.testing.assert_allclose(models[-1] - optimum, 0, atol=1e-9)


@each([DEFACTO, RELAY])
def test_the_mixing_matrix_does_not_matter(case: Case) -> None:
    """Not even one whose columns do not sum to one, as uniform weights on a path."""
    models = [run(case, topology="path", mixing=mixing, steps=10).models for mixing in ("metropolis", "lazy", "uniform")]
    assert models[0].tobytes() == models[1].tobytes() == models[2].tobytes()


def test_who_asks_for_a_tree_has_to_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "climber.py").write_text(
        "from simnet.algorithms import algorithm\n"
        "def climb(node):\n"
        "    for k in node.steps():\n"
        "        node.x = node.branch.depth * node.x\n"
        "        yield node.gradient(node.x)\n"
        "@algorithm(uses_tree=True)\n"
        "def climb_well(node):\n"
        "    yield from climb(node)\n"
    )
    outcomes = []
    for name in ("climb", "climb_well"):
        source = scenario(Case(f"climber:{name}"), 3, topology="path", steps=1, init=np.ones((3, 3)))
        del source["algorithms"][0]["lr"]
        outcomes.append(attempt(source))
    assert outcomes[0].record.status == "failed"
    assert "uses node.branch, but its row does not say uses_tree=True" in outcomes[0].record.message
    assert outcomes[1].models[-1, :, 0].tolist() == [1.0, 0.0, 1.0]


TWO_VECTORS = {"sharing": "queue", "bandwidth": "96 bit/s"}
"""A link that carries a model in a second."""


@pytest.mark.parametrize(
    ("form", "compute", "latency", "period"),
    [
        ("awc", 3, 0, 3),  # hidden
        ("awc", 1, 0, 2),  # a link is busy with two vectors
        ("awc", 1, 2, 3),  # each travels alone: 2 s + 1 s; in one message both would take 2 s + 2 s
        ("atc", 1, 2, 1 + 2 + 2),  # both in one message, after the gradient
        ("full", 1, 2, 1 + 2 * (2 + 1)),  # two exchanges
    ],
)
def test_gradient_tracking_sends_as_soon_as_it_can(form: str, compute: int, latency: int, period: float) -> None:
    network = {**TWO_VECTORS, "latency": f"{latency} s"}
    case = Case("gradient_tracking", {"form": form})
    times = run(case, 4, compute={"time": f"{compute} s"}, network=network, steps=24).times
    assert (times[24] - times[12]) / 12 == pytest.approx(period)


@pytest.mark.parametrize(("order", "phase"), [("listing", 3 * 4.0), ("proof", 3 * 5.0), ("star", 3 * 5.0)])
def test_detag_without_overlap_pays_for_gradients_and_messages(order: str, phase: float) -> None:
    """Two vectors take 2 s + 2 s together, a gradient 1 s; three of each in a phase."""
    case = Case("detag", {"order": order, "gossip_rounds": 3})
    times = run(case, 4, compute={"time": "1 s"}, network={**TWO_VECTORS, "latency": "2 s"}, steps=12).times
    np.testing.assert_allclose(np.diff(times[::3]), phase)
