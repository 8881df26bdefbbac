"""Mixing matrices: every rule on every graph, explicit matrices, and what is refused."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.graph import (
    MIXINGS,
    best_constant,
    build_mixing,
    complete,
    edge_list,
    exponential,
    hypercube,
    is_column_stochastic,
    is_doubly_stochastic,
    is_row_stochastic,
    is_symmetric,
    lazy,
    max_degree,
    metropolis,
    path,
    random_regular,
    read_matrix,
    ring,
    slack,
    star,
    topology_of,
    torus,
    uniform,
)
from simnet.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from simnet.graph import Graph, Weights

SYMMETRIC = [metropolis, max_degree, best_constant, lazy]
DIRECTED_CYCLE = edge_list(3, edges=[(0, 1), (1, 2), (2, 0)], directed=True)


def mixing(kind: str | None = None, **keys: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"kind": kind, "matrix": None, "lazy": False, "slack": None, "self_weight": None} | keys)


@st.composite
def connected_graphs(draw: st.DrawFn) -> Graph:
    """A random tree with some more edges."""
    n = draw(st.integers(1, 14))
    tree = [(draw(st.integers(0, i - 1)), i) for i in range(1, n)]
    more = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
    return edge_list(n, edges=tree + more)


def stored(weights: Weights) -> set[tuple[int, int]]:
    rows, columns = weights.tocoo().coords
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


def laplacian(graph: Graph) -> NDArray[np.float64]:
    return nx.laplacian_matrix(graph, nodelist=range(len(graph))).toarray()


@settings(deadline=None)
@given(connected_graphs(), st.sampled_from(sorted(MIXINGS)))
def test_one_number_is_stored_for_every_link_and_every_node(graph: Graph, kind: str) -> None:
    weights = MIXINGS[kind](graph)
    links = {(i, j) for i in graph for j in graph[i]} | {(i, i) for i in graph}
    assert stored(weights) == links
    assert weights.nnz == len(links)
    assert weights.has_canonical_format
    assert weights.dtype == np.float64


@settings(deadline=None)
@given(connected_graphs(), st.sampled_from(SYMMETRIC))
def test_undirected_rules_are_symmetric_and_doubly_stochastic(graph: Graph, rule: Callable[..., Weights]) -> None:
    weights = rule(graph)
    assert is_symmetric(weights)
    assert is_doubly_stochastic(weights, tol=1e-12)


@given(connected_graphs())
def test_metropolis_is_its_formula(graph: Graph) -> None:
    dense = metropolis(graph).toarray()
    for i, j in graph.edges:
        assert dense[i, j] == 1 / (1 + max(graph.degree[i], graph.degree[j]))
    assert dense.diagonal().min() > 0


@given(connected_graphs())
def test_max_degree_is_its_formula(graph: Graph) -> None:
    largest = max(degree for _, degree in graph.degree)
    expected = np.eye(len(graph)) - laplacian(graph) / (largest + 1)
    np.testing.assert_allclose(max_degree(graph).toarray(), expected, atol=1e-14)


@given(connected_graphs())
def test_best_constant_balances_both_ends_of_the_spectrum(graph: Graph) -> None:
    eigenvalues = np.linalg.eigvalsh(best_constant(graph).toarray())
    if len(graph) > 1:
        assert eigenvalues[-2] == pytest.approx(-eigenvalues[0], abs=1e-12)


@given(connected_graphs(), st.floats(0.01, 1))
def test_slack_and_lazy_are_their_formulas(graph: Graph, kappa: float) -> None:
    dense = metropolis(graph).toarray()
    identity = np.eye(len(dense))
    np.testing.assert_allclose(slack(metropolis(graph), kappa).toarray(), kappa * dense + (1 - kappa) * identity)
    np.testing.assert_allclose(lazy(graph).toarray(), (dense + identity) / 2)
    assert np.linalg.eigvalsh(lazy(graph).toarray()).min() > -1e-12


@pytest.mark.parametrize(
    "graph", [ring(7), torus(12), hypercube(8), complete(5), random_regular(10, degree=3, rng=stream(0))]
)
def test_rules_agree_on_regular_graphs(graph: Graph) -> None:
    for rule in (max_degree, uniform):
        np.testing.assert_allclose(rule(graph).toarray(), metropolis(graph).toarray(), atol=1e-15)


def test_uniform_counts_those_who_send() -> None:
    graph = edge_list(3, edges=[(0, 1), (1, 2), (2, 0), (0, 2)], directed=True)
    expected = [[1 / 2, 0, 1 / 2], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(uniform(graph).toarray(), expected)


def test_uniform_is_row_stochastic_only_unless_regular() -> None:
    assert is_row_stochastic(uniform(star(5)))
    assert not is_column_stochastic(uniform(star(5)))
    assert is_column_stochastic(uniform(star(5)).T)
    assert is_doubly_stochastic(uniform(exponential(6)))
    assert not is_symmetric(uniform(exponential(6)))


@pytest.mark.parametrize("own", [0.0, 0.25, 0.5])
def test_uniform_self_weight_is_kept_and_the_rest_is_shared(own: float) -> None:
    dense = uniform(ring(5), self_weight=own).toarray()
    np.testing.assert_allclose(dense[0], [own, (1 - own) / 2, 0, 0, (1 - own) / 2])
    np.testing.assert_allclose(uniform(star(4), self_weight=own).sum(axis=1), 1)


@pytest.mark.parametrize("kind", [None, *MIXINGS])
@pytest.mark.parametrize("more", [{}, {"lazy": True}, {"slack": 0.5}])
def test_a_single_node_keeps_everything(kind: str | None, more: dict[str, Any]) -> None:
    np.testing.assert_array_equal(build_mixing(mixing(kind, **more), ring(1)).toarray(), [[1.0]])
    np.testing.assert_array_equal(build_mixing(mixing("uniform", self_weight=0.2), ring(1)).toarray(), [[1.0]])
    np.testing.assert_array_equal(build_mixing(mixing(matrix=[[1]], **more), ring(1)).toarray(), [[1.0]])


def test_without_a_kind_the_graph_decides() -> None:
    np.testing.assert_array_equal(build_mixing(mixing(), star(4)).toarray(), metropolis(star(4)).toarray())
    np.testing.assert_array_equal(build_mixing(mixing(), DIRECTED_CYCLE).toarray(), uniform(DIRECTED_CYCLE).toarray())


def test_lazy_comes_first_and_slack_last_and_kind_lazy_is_lazy_once() -> None:
    weights = build_mixing(mixing("max_degree", lazy=True, slack=0.4), path(4)).toarray()
    np.testing.assert_allclose(weights, 0.2 * max_degree(path(4)).toarray() + 0.8 * np.eye(4))
    for kind in ("lazy", "metropolis"):
        weights = build_mixing(mixing(kind, lazy=True), path(4)).toarray()
        np.testing.assert_allclose(weights, lazy(path(4)).toarray())


@pytest.mark.parametrize(
    ("spec", "graph", "sentence"),
    [
        (
            mixing("metropolis"),
            DIRECTED_CYCLE,
            "kind: found metropolis on a directed graph; uniform or .*; use kind: uniform",
        ),
        (mixing("max_degree"), DIRECTED_CYCLE, "kind: found max_degree on a directed graph"),
        (mixing("best_constant"), DIRECTED_CYCLE, "kind: found best_constant on a directed graph"),
        (mixing("lazy"), DIRECTED_CYCLE, "kind: found metropolis on a directed graph"),
        (mixing("fdla"), ring(3), "kind: found fdla; allowed are metropolis, .*; choose one"),
        (mixing("uniform", self_weight=1.0), ring(3), "self_weight: found 1; from 0 to below 1"),
        (mixing("metropolis", self_weight=0.5), ring(3), "self_weight: found 0.5 with metropolis; only uniform has it"),
        (mixing(slack=0.0), ring(3), "slack: found 0; above 0 up to 1"),
        (mixing(matrix=[[1, 0], [0, 1]]), ring(3), "matrix: found 2 x 2 numbers; 3 rows of 3 are allowed"),
        (mixing(matrix=[[1, 0], [0]]), ring(2), "matrix: found rows of different lengths"),
        (mixing(matrix=7), ring(2), "matrix: found no rows of numbers; "),
        (
            mixing(matrix=[["a", 0], [0, 1]]),
            ring(2),
            "matrix: found rows of different lengths, or entries that are no numbers",
        ),
        (mixing(matrix=[[10**400, 0], [0, 1]]), ring(2), "matrix: found rows"),
        (mixing(matrix=[[0.5, 0.5], [float("nan"), 1]]), ring(2), r"matrix: found W\[1, 0\] = nan; finite"),
        (
            mixing(matrix=[[0.5, 0.4], [0.5, 0.5]]),
            ring(2),
            "matrix: found row 0 with sum 0.9 and column 1 with sum 0.9; ",
        ),
        (
            mixing(matrix=np.full((4, 4), 0.25)),
            ring(4),
            r"matrix: found W\[0, 2\] = 0.25, but node 2 does not send to node 0",
        ),
        (
            mixing(matrix=[[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]),
            DIRECTED_CYCLE,
            r"matrix: found W\[0, 1\] = 0.5, but node 1 does not send to node 0",
        ),
    ],
)
def test_what_is_impossible_is_refused_with_a_sentence(spec: SimpleNamespace, graph: Graph, sentence: str) -> None:
    with pytest.raises(ParameterError, match=f"^{sentence}"):
        build_mixing(spec, graph)


def test_an_explicit_matrix_stores_the_links_that_have_no_weight() -> None:
    weights = build_mixing(mixing(matrix=[[0, 1, 0], [1, 0, 0], [0, 0, 1]]), ring(3))
    assert weights.nnz == 9
    assert weights[0, 2] == 0


def test_explicit_rows_or_columns_suffice() -> None:
    columns_only = [[0.5, 0.0, 0.3], [0.5, 0.5, 0.0], [0.0, 0.5, 0.7]]
    assert is_column_stochastic(build_mixing(mixing(matrix=columns_only), DIRECTED_CYCLE))
    assert is_row_stochastic(build_mixing(mixing(matrix=np.transpose(columns_only)), DIRECTED_CYCLE.reverse()))


def test_matrix_files(tmp_path: Path) -> None:
    expected = metropolis(path(3)).toarray()
    np.save(tmp_path / "w.npy", expected)
    np.savetxt(tmp_path / "w.csv", expected, delimiter=",", fmt="%.17g")
    for name in ("w.npy", "w.csv"):
        np.testing.assert_array_equal(build_mixing(mixing(matrix=name), path(3), tmp_path).toarray(), expected)
        np.testing.assert_array_equal(read_matrix(tmp_path / name, 3).toarray(), expected)


def test_an_unreadable_matrix_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("1,x\n")
    (tmp_path / "text.npy").write_text("")
    np.save(tmp_path / "object.npy", np.array([{}]))
    for name in ("nowhere.csv", "nowhere.npy", "text.csv", "text.npy", "object.npy", "."):
        with pytest.raises(ParameterError, match=r"(?s)^matrix: .* cannot be read \(.+\); a CSV file"):
            read_matrix(name, 2, tmp_path)


@given(connected_graphs())
def test_a_matrix_alone_implies_its_topology(graph: Graph) -> None:
    weights = read_matrix(metropolis(graph).toarray(), len(graph))
    assert nx.utils.graphs_equal(topology_of(weights), graph)


def test_a_directed_matrix_implies_a_directed_topology() -> None:
    implied = topology_of(read_matrix(uniform(exponential(6)).toarray(), 6))
    assert nx.utils.graphs_equal(implied, exponential(6))
    with pytest.raises(ParameterError, match=r"^matrix: found separate parts: no path leads from node 0 to node 1"):
        topology_of(read_matrix(np.eye(3), 3))


@pytest.mark.parametrize("rule", [metropolis, uniform, max_degree, lazy])
@pytest.mark.parametrize("graph", [ring(10_000), random_regular(3_000, degree=4, rng=stream(0, "test"))])
def test_large_graphs_are_quick(rule: Callable[..., Weights], graph: Graph) -> None:
    start = time.perf_counter()
    weights = rule(graph)
    assert time.perf_counter() - start < 1
    assert is_doubly_stochastic(weights)


def test_best_constant_of_a_long_ring_is_exact() -> None:
    n = 3_000
    smallest, largest = 2 - 2 * np.cos(2 * np.pi / n), 4
    assert best_constant(ring(n))[0, 1] == pytest.approx(2 / (smallest + largest), rel=1e-12)
