"""What all kinds of topologies share: building a graph on the nodes 0..n-1, and checking that it is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import networkx as nx

from simnet.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

Graph: TypeAlias = "nx.Graph[Any]"
"""A networkx graph on 0..n-1 without weights or self-loops; in a ``DiGraph`` the edge (u, v) means: u sends to v."""

Edge: TypeAlias = tuple[int, int]


def on_nodes(n: int, edges: Iterable[Edge], *, directed: bool = False) -> Graph:
    """The graph on 0..n-1, in this order, with these edges; edges from a node to itself are left out.

    Args:
        n: number of nodes.
        edges: pairs (from, to) of node numbers.
        directed: whether ``to`` only receives.

    Returns:
        A ``DiGraph`` if directed, otherwise a ``Graph``.

    Example:
        >>> list(on_nodes(3, [(2, 0), (1, 1)])), on_nodes(3, [(2, 0), (1, 1)]).size()
        ([0, 1, 2], 1)
    """
    graph: Graph = nx.DiGraph() if directed else nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((u, v) for u, v in edges if u != v)
    return graph


def is_connected(graph: Graph) -> bool:
    """Whether every node can reach every other, along the edges' directions where they have one.

    Args:
        graph: with at least one node.

    Returns:
        True for a (strongly) connected graph.

    Example:
        >>> is_connected(on_nodes(2, [(0, 1)])), is_connected(on_nodes(2, [(0, 1)], directed=True))
        (True, False)
    """
    return nx.is_strongly_connected(graph) if isinstance(graph, nx.DiGraph) else nx.is_connected(graph)


def check_connected(graph: Graph, found: str) -> Graph:
    """The graph itself, if every node can reach every other.

    Args:
        graph: any graph on 0..n-1.
        found: how an error begins: the key, and what was found there.

    Returns:
        The same graph.

    Raises:
        ParameterError: some node cannot reach some other.

    Example:
        >>> check_connected(on_nodes(2, [(0, 1)]), "kind: found path").size()
        1
    """
    if is_connected(graph):
        return graph
    nodes, reverse = set(graph), graph.reverse(copy=False) if isinstance(graph, nx.DiGraph) else graph
    unreached, silent = nodes - nx.descendants(graph, 0) - {0}, nodes - nx.descendants(reverse, 0) - {0}
    gap = f"from node 0 to node {min(unreached)}" if unreached else f"from node {min(silent)} to node 0"
    raise ParameterError(
        f"{found}: no path leads {gap}; every node must be able to reach every other; add edges, or leave nodes out"
    )


def words(values: Iterable[object]) -> str:
    """The values as they stand in a sentence.

    Args:
        values: anything that has a text.

    Returns:
        Their texts, separated by commas.

    Example:
        >>> words([2, 4, 8])
        '2, 4, 8'
    """
    return ", ".join(str(value) for value in values)
