"""Spanning trees: breadth-first, from the center, the same every time."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.graph import path, ring, spanning_tree, star
from simnet.graph.trees import NODES_AT_ONCE
from tests.algorithms.cases import random_graph


@given(st.integers(1, 30), st.integers(0, 20), st.integers(0, 10**6))
def test_a_tree_spans_the_graph_at_the_smallest_height(n: int, extra: int, seed: int) -> None:
    graph = nx.empty_graph(1) if n == 1 else random_graph(n, extra, seed)
    branches = spanning_tree(graph)
    (root,) = [i for i in range(n) if branches[i].parent is None]
    assert root == min(nx.center(graph))
    depths = nx.shortest_path_length(graph, root)
    for i, branch in enumerate(branches):
        assert branch.depth == depths[i]
        assert branch.height == nx.radius(graph)
        assert branch.children == tuple(j for j in range(n) if branches[j].parent == i)
        assert set(branch.neighbors) <= set(graph[i])
        assert branch.neighbors == tuple(sorted(branch.neighbors))
        if branch.parent is not None:
            assert i in branches[branch.parent].children


def test_trees_of_known_graphs() -> None:
    assert [branch.parent for branch in spanning_tree(star(4))] == [None, 0, 0, 0]
    assert [branch.parent for branch in spanning_tree(path(5))] == [1, 2, None, 2, 3]
    assert [branch.parent for branch in spanning_tree(ring(4))] == [None, 0, 1, 0]


def test_the_direction_of_edges_plays_no_role() -> None:
    cycle = nx.DiGraph([(0, 1), (1, 2), (2, 3), (3, 0)])
    assert spanning_tree(cycle) == spanning_tree(ring(4))


@pytest.mark.parametrize("n", [NODES_AT_ONCE, NODES_AT_ONCE + 1, 2 * NODES_AT_ONCE + 1])
def test_the_center_of_a_long_path_is_in_its_middle(n: int) -> None:
    branches = spanning_tree(path(n))
    assert branches[(n - 1) // 2].parent is None
    assert branches[0].height == n // 2
