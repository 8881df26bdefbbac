"""Topologies have the nodes, degrees and directions that their names promise, or refuse with a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.graph import (
    TOPOLOGIES,
    build_topology,
    complete,
    exponential,
    hypercube,
    path,
    random_regular,
    ring,
    star,
    torus,
    torus_shape,
)
from simnet.streams import stream

if TYPE_CHECKING:
    from simnet.graph import Graph

PARAMETERS = {
    "random_regular": {"degree": 4},
    "erdos_renyi": {"probability": 0.5},
    "watts_strogatz": {"degree": 4, "rewiring": 0.3},
    "ring_lattice": {"reach": 3},
    "edges": {"edges": [(i, i + 1) for i in range(15)]},
}
DRAWN = ["random_regular", "erdos_renyi", "watts_strogatz"]


def build(kind: str, n: int, seed: int = 0, **parameters: Any) -> Graph:
    return build_topology(SimpleNamespace(kind=kind, **parameters), n, seed)


def degrees(graph: Graph) -> set[int]:
    return {degree for _, degree in graph.degree}


def edge_set(graph: Graph) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in graph.edges}


@pytest.mark.parametrize("kind", sorted(set(TOPOLOGIES) - {"file"}))
def test_every_kind_is_connected_on_ordered_nodes_without_self_loops_or_weights(kind: str) -> None:
    graph = build(kind, 16, **PARAMETERS.get(kind, {}))
    assert list(graph) == list(range(16))
    assert nx.number_of_selfloops(graph) == 0
    assert graph.is_directed() == (kind == "exponential")
    assert all(not data for _, _, data in graph.edges(data=True))


@pytest.mark.parametrize("kind", ["ring", "path", "torus", "complete", "star", "hypercube", "exponential"])
def test_a_single_node_is_a_topology_of_every_fixed_kind(kind: str) -> None:
    graph = build(kind, 1)
    assert list(graph) == [0]
    assert graph.size() == 0


@pytest.mark.parametrize("kind", ["ring", "path", "complete", "star", "hypercube"])
def test_two_nodes_share_one_edge(kind: str) -> None:
    assert edge_set(build(kind, 2)) == {frozenset({0, 1})}


@given(st.integers(3, 60))
def test_identities_between_topologies(n: int) -> None:
    assert edge_set(ring(n)) - edge_set(path(n)) == {frozenset({0, n - 1})}
    assert edge_set(ring(n)) == edge_set(nx.cycle_graph(n))
    assert edge_set(star(n)) == edge_set(nx.star_graph(n - 1))
    assert edge_set(complete(n)) == edge_set(nx.complete_graph(n))


@given(st.integers(3, 8), st.integers(3, 8))
def test_a_torus_is_the_product_of_two_rings(rows: int, columns: int) -> None:
    product = nx.cartesian_product(nx.cycle_graph(rows), nx.cycle_graph(columns))
    renamed = nx.relabel_nodes(product, {(r, c): r * columns + c for r, c in product})
    assert edge_set(torus(rows * columns, rows=rows)) == edge_set(renamed)


@pytest.mark.parametrize(
    ("n", "shape"), [(1, (1, 1)), (4, (2, 2)), (6, (2, 3)), (12, (3, 4)), (32, (4, 8)), (36, (6, 6))]
)
def test_a_torus_is_as_square_as_possible(n: int, shape: tuple[int, int]) -> None:
    assert torus_shape(n) == shape


def test_a_torus_of_two_rows_has_no_double_edges() -> None:
    assert edge_set(torus(4)) == edge_set(nx.relabel_nodes(ring(4), {2: 3, 3: 2}))
    assert degrees(torus(8)) == {3}


@given(st.integers(0, 7))
def test_a_hypercube_is_that_of_networkx(dimension: int) -> None:
    tuples = nx.hypercube_graph(dimension) if dimension else nx.empty_graph(1)
    graph = hypercube(2**dimension)
    assert nx.is_isomorphic(graph, tuples)
    assert degrees(graph) == {dimension}


@pytest.mark.parametrize(
    ("n", "num_offsets"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (1024, 10), (1025, 11)]
)
def test_exponential_sends_to_powers_of_two(n: int, num_offsets: int) -> None:
    graph = exponential(n)
    assert sorted(graph.successors(0)) == [2**m for m in range(num_offsets)]
    assert {degree for _, degree in graph.in_degree} == {num_offsets}


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.data())
def test_random_regular_graphs_are_regular_up_to_the_complete_one(n: int, data: st.DataObject) -> None:
    allowed = [d for d in range(min(n - 1, 3), n) if n * d % 2 == 0]
    degree = data.draw(st.sampled_from(allowed or [n - 1]))
    if n * degree % 2:
        return
    graph = random_regular(n, degree=degree, rng=stream(data.draw(st.integers(0, 99)), "test"))
    assert list(graph) == list(range(n))
    assert degrees(graph) == {degree}
    assert nx.is_connected(graph)


@pytest.mark.parametrize("kind", DRAWN)
def test_the_seed_alone_decides_a_random_graph(kind: str) -> None:
    first, again, other = (build(kind, 16, seed, **PARAMETERS[kind]) for seed in (1, 1, 2))
    assert list(first.edges) == list(again.edges)
    assert edge_set(first) != edge_set(other)


def test_random_graphs_are_drawn_again_until_connected() -> None:
    draws = [build("erdos_renyi", 20, seed, probability=0.12) for seed in range(10)]
    assert all(nx.is_connected(graph) for graph in draws)


@pytest.mark.parametrize(
    ("kind", "n", "parameters", "sentence"),
    [
        ("torus", 13, {}, "kind: found torus with 13 nodes; .*; set nodes to 12 or 14, or use ring"),
        ("torus", 2, {}, "kind: found torus with 2 nodes; .*; set nodes to 4 or 6"),
        ("torus", 12, {"rows": 5}, "rows: found 5; 12 nodes allow 2, 3, 4, 6; choose one"),
        ("torus", 12, {"rows": 1}, "rows: found 1; "),
        ("hypercube", 12, {}, "kind: found hypercube with 12 nodes; .*; set nodes to 8 or 16"),
        ("random_regular", 5, {"degree": 3}, "degree: found 3 with 5 nodes; .* must be even"),
        ("random_regular", 8, {"degree": 8}, "degree: found 8 with 8 nodes; between 2 and 7"),
        ("random_regular", 8, {"degree": 1}, "degree: found 1 with 8 nodes; between 2 and 7"),
        ("erdos_renyi", 8, {"probability": 0.0}, "probability: found 0; above 0 up to 1"),
        (
            "erdos_renyi",
            50,
            {"probability": 0.01},
            "probability: found 0.01 with 50 nodes: none of 100 .*; raise it .* 0.078",
        ),
        (
            "watts_strogatz",
            8,
            {"degree": 3, "rewiring": 0.1},
            "degree: found 3 with 8 nodes; an even number from 2 to 7",
        ),
        ("watts_strogatz", 8, {"degree": 2, "rewiring": 1.5}, "rewiring: found 1.5; 0 to 1"),
        ("mesh", 8, {}, "kind: found mesh; allowed are ring, path, .*; choose one"),
        ("ring", 0, {}, "kind: found ring with 0 nodes; at least one"),
    ],
)
def test_impossible_parameters_are_refused_with_a_sentence(
    kind: str, n: int, parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=f"^{sentence}"):
        build(kind, n, **parameters)


def test_ten_thousand_nodes_are_quick_to_build() -> None:
    assert build("ring", 10_000).size() == 10_000
    assert build("random_regular", 10_000, degree=4).size() == 20_000
