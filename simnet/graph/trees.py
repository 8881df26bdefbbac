"""Spanning trees: for algorithms that let values flow along the edges of a tree."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.sparse.csgraph import shortest_path

from simnet.graph.common import Graph

NODES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Branch:
    """One node's place in a spanning tree of the topology.

    Args:
        parent: the neighbor that is nearer to the root; None at the root.
        children: the neighbors that it is the parent of, sorted.
        depth: edges between it and the root.
        height: the largest depth in the whole tree.
    """

    parent: int | None
    children: tuple[int, ...]
    depth: int
    height: int

    @property
    def neighbors(self) -> tuple[int, ...]:
        """All its neighbors in the tree, sorted."""
        return self.children if self.parent is None else tuple(sorted((self.parent, *self.children)))


def spanning_tree(graph: Graph) -> list[Branch]:
    """A breadth-first spanning tree from the first of the nodes at the center of the graph, neighbors in sorted order.

    So its height is the radius of the graph, the smallest that a spanning tree can have.

    Args:
        graph: the topology, connected; the direction of its edges plays no role.

    Returns:
        For each node its place in the tree.

    Example:
        >>> spanning_tree(nx.path_graph(3))[0], spanning_tree(nx.path_graph(3))[1].children
        (Branch(parent=1, children=(), depth=1, height=1), (0, 2))
    """
    graph = graph.to_undirected()
    root = int(np.argmin(eccentricities(graph)))
    parents: dict[int, int | None] = {root: None}
    depths = {root: 0}
    children: dict[int, list[int]] = {i: [] for i in graph}
    queue = deque([root])
    while queue:
        i = queue.popleft()
        for j in sorted(graph[i]):
            if j not in parents:
                parents[j], depths[j] = i, depths[i] + 1
                children[i].append(j)
                queue.append(j)
    height = max(depths.values())
    return [Branch(parents[i], tuple(children[i]), depths[i], height) for i in range(len(graph))]


def eccentricities(graph: Graph) -> np.ndarray:
    """How many edges each node is away from the node that is furthest from it.

    Args:
        graph: undirected and connected, on the nodes 0..n-1.

    Returns:
        n numbers.

    Example:
        >>> eccentricities(nx.path_graph(4)).tolist()
        [3.0, 2.0, 2.0, 3.0]
    """
    n = len(graph)
    matrix = nx.to_scipy_sparse_array(graph, nodelist=range(n), weight=None, format="csr")
    blocks = [range(start, min(start + NODES_AT_ONCE, n)) for start in range(0, n, NODES_AT_ONCE)]
    far = [shortest_path(matrix, unweighted=True, indices=block).max(axis=1) for block in blocks]
    return np.concatenate(far)
