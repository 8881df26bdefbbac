"""MATCHA: matchings that are matchings, probabilities and weights that nothing beats."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.graph import best_constant, build_sequence, complete, path, ring, spectral_gap, star, torus
from simnet.graph.matchings import best_probabilities, best_weight, edge_coloring, laplacian, plan_of
from tests.algorithms.cases import random_graph


def connectivity(laplacians: np.ndarray, p: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(np.tensordot(p, laplacians, 1))[1])


def laplacians_of(graph: nx.Graph) -> np.ndarray:
    return np.array([laplacian(len(graph), matching) for matching in edge_coloring(graph)])


@settings(max_examples=200)
@given(st.integers(2, 25), st.integers(0, 120), st.integers(0, 10**6))
def test_edges_are_cut_into_few_matchings(n: int, extra: int, seed: int) -> None:
    graph = random_graph(n, extra, seed)
    matchings = edge_coloring(graph)
    edges = [edge for matching in matchings for edge in matching]
    assert sorted(edges) == sorted(tuple(sorted(edge)) for edge in graph.edges)
    for matching in matchings:
        ends = [node for edge in matching for node in edge]
        assert ends
        assert len(ends) == len(set(ends))
    largest = max(degree for _, degree in graph.degree)
    assert len(matchings) <= largest + (not nx.is_bipartite(graph))


@pytest.mark.parametrize(
    ("graph", "count"), [(ring(6), 2), (ring(7), 3), (star(6), 5), (path(5), 2), (torus(16), 4)], ids=str
)
def test_well_known_graphs_need_so_many_matchings(graph: nx.Graph, count: int) -> None:
    assert len(edge_coloring(graph)) == count


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 10), st.integers(0, 12), st.integers(0, 10**6), st.floats(0.1, 1.0))
def test_no_other_probabilities_connect_better(n: int, extra: int, seed: int, budget: float) -> None:
    laplacians = laplacians_of(random_graph(n, extra, seed))
    p = best_probabilities(laplacians, budget)
    assert p.min() >= 0
    assert p.max() <= 1
    assert p.mean() <= budget + 1e-9
    best = connectivity(laplacians, p)
    rng = np.random.default_rng(seed)
    for other in rng.dirichlet(np.ones(len(p)), 200) * budget * len(p):
        near = p + 0.05 * (np.clip(other, 0, 1) - p)  # the budget's set is convex, so this is in it
        assert max(connectivity(laplacians, np.clip(other, 0, 1)), connectivity(laplacians, near)) <= best * (1 + 2e-6)


def test_a_bridge_is_active_most_often() -> None:
    """Two cliques and one edge between them: nothing connects as much as that edge."""
    graph = nx.barbell_graph(4, 0)
    plan = plan_of(graph, 0.4)
    (bridge,) = [k for k, matching in enumerate(plan.matchings) if (3, 4) in matching]
    assert plan.probabilities[bridge] > 1.5 * np.delete(plan.probabilities, bridge).max()


def test_all_links_always_are_the_best_constant_weights() -> None:
    for graph in (ring(8), torus(9), star(5), complete(6)):
        plan = plan_of(graph, 1.0)
        assert (plan.probabilities == 1).all()
        rho = spectral_gap(best_constant(graph)).rho
        assert rho is not None
        assert plan.contraction**0.5 == pytest.approx(rho, abs=1e-6)
        if rho > 1e-6:
            assert plan.weight == pytest.approx(-float(laplacian_weight(graph)), abs=1e-6)


def laplacian_weight(graph: nx.Graph) -> float:
    """-2 / (l_2 + l_n)."""
    values = np.linalg.eigvalsh(nx.laplacian_matrix(graph).toarray().astype(float))
    return -2 / (values[1] + values[-1])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 5), st.integers(0, 10**6), st.floats(0.2, 1.0))
def test_no_other_weight_averages_faster_and_the_contraction_is_that_of_all_choices(
    n: int, extra: int, seed: int, budget: float
) -> None:
    laplacians = laplacians_of(random_graph(n, extra, seed))
    p = best_probabilities(laplacians, budget)
    weight, norm = best_weight(laplacians, p)

    def exact(a: float) -> float:
        total = np.zeros((n, n))
        for active in product([0, 1], repeat=len(p)):
            chance = np.prod(np.where(active, p, 1 - p))
            W = np.eye(n) - a * np.tensordot(np.array(active, float), laplacians, 1)
            total += chance * W @ W
        return float(np.linalg.norm(total - 1 / n, 2))

    assert exact(weight) == pytest.approx(norm, abs=1e-9)
    assert norm < 1
    assert all(exact(factor * weight) >= norm - 1e-9 for factor in (0.5, 0.9, 0.999, 1.001, 1.1, 1.5))


def test_matchings_are_active_as_often_as_they_should_be() -> None:
    spec = SimpleNamespace(kind="matcha", graph=SimpleNamespace(kind="torus", rows=3), budget=0.5)
    graphs = build_sequence(spec, 12, seed=3)
    plan = plan_of(torus(12, rows=3), 0.5)
    assert graphs.spectrum().rho == pytest.approx(plan.contraction**0.5)
    counts = np.zeros(len(plan.matchings))
    for step in range(2000):
        W = graphs.at(step).toarray()
        active = [W[edges[0]] != 0 for edges in plan.matchings]
        expected = np.eye(12) - plan.weight * sum(
            (laplacian(12, edges) for edges, is_active in zip(plan.matchings, active, strict=True) if is_active),
            np.zeros((12, 12)),
        )
        np.testing.assert_allclose(W, expected, atol=1e-15)
        counts += active
    np.testing.assert_allclose(counts / 2000, plan.probabilities, atol=0.05)


@pytest.mark.parametrize("budget", [0.0, 1.5])
def test_an_impossible_budget_is_refused(budget: float) -> None:
    with pytest.raises(ParameterError, match=f"budget: found {budget:g}; above 0 up to 1 is allowed"):
        plan_of(ring(4), budget)
