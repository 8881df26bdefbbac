"""Where each node stands: whom it hears, whom it tells, with which weights; in every step the same, or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import networkx as nx

from simnet.graph import Graph, GraphSequence, Weights
from simnet.surroundings import Place

MOST_PLACES = 1 << 16
"""How many places of past steps are remembered, for nodes that lag behind."""


def asking_order(graph: Graph) -> list[tuple[int, ...]]:
    """Whom each node may ask, so that every edge is asked from one end and nobody waits in a circle.

    In a bipartite graph the larger side asks the other one; in any other the smaller node of an edge asks the larger.

    Args:
        graph: the topology; the direction of its edges plays no role.

    Returns:
        For each node the sorted tuple of neighbors that it may ask.

    Example:
        >>> asking_order(nx.cycle_graph(4)), asking_order(nx.cycle_graph(3))
        ([(1, 3), (), (1, 3), ()], [(1, 2), (2,), ()])
    """
    graph = graph.to_undirected()
    if nx.is_bipartite(graph):
        color = nx.bipartite.color(graph)
        ones = sum(color.values())
        active = color[0] if 2 * ones == len(graph) else int(2 * ones > len(graph))
        return [tuple(sorted(graph[i])) if color[i] == active else () for i in range(len(graph))]
    return [tuple(j for j in sorted(graph[i]) if j > i) for i in range(len(graph))]


def places_in(weights: Weights) -> list[Place]:
    """For each node whom it hears and whom it tells, and with which weights.

    Args:
        weights: the mixing matrix W, ``[n, n]``, which stores a number for every link.

    Returns:
        n places.

    Example:
        >>> from simnet.graph import read_matrix
        >>> places_in(read_matrix([[0.75, 0.25], [0.25, 0.75]], 2))[0]
        Place(neighbors=(1,), listeners=(1,), self_weight=0.75, weights=(0.25,), listener_weights=(0.25,))
    """
    rows, columns = weights.tocsr(), weights.tocsc()
    return [place_of(i, stored(rows, i), stored(columns, i)) for i in range(weights.shape[0])]


def place_of(node: int, heard: dict[int, float], told: dict[int, float]) -> Place:
    """The place of one node.

    Args:
        node: its number.
        heard: its row of the mixing matrix.
        told: its column.

    Returns:
        The place; what the node gives to itself is no neighbor's.
    """
    own = heard.pop(node, 0.0)
    told.pop(node, None)
    neighbors, listeners = tuple(sorted(heard)), tuple(sorted(told))
    return Place(neighbors, listeners, own, tuple([heard[j] for j in neighbors]), tuple([told[j] for j in listeners]))


def stored(lines: Any, i: int) -> dict[int, float]:
    """One line of a sparse matrix: a row of a CSR matrix, a column of a CSC matrix.

    Args:
        lines: the matrix.
        i: which line.

    Returns:
        Index -> entry.
    """
    first, last = lines.indptr[i : i + 2]
    return dict(zip(lines.indices[first:last].tolist(), lines.data[first:last].tolist(), strict=True))


def places_over_time(graphs: GraphSequence) -> Callable[[int], list[Place]]:
    """The places of all nodes, as a function of the step.

    Args:
        graphs: the mixing matrix of each step.

    Returns:
        A function that remembers what it found: all of it where matrices come again, otherwise that of the last steps.

    Example:
        >>> from simnet.graph import hyper_hypercube
        >>> places = places_over_time(hyper_hypercube(4))
        >>> [places(step)[0].neighbors for step in range(4)]
        [(1,), (2,), (1,), (2,)]
    """
    most = None if graphs.num_phases is not None else max(8, MOST_PLACES // graphs.examples[0].shape[0])
    found = lru_cache(maxsize=most)(lambda phase: places_in(graphs.weights(phase)))
    return lambda step: found(graphs.phase(step))
