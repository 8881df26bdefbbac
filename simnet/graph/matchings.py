"""MATCHA: a graph cut into matchings, each of which is active at random, as often as it helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from scipy.optimize import linprog, minimize_scalar

from simnet.errors import ParameterError
from simnet.graph.common import Edge, Graph, on_nodes
from simnet.graph.links import Weights
from simnet.graph.over_time import Drawn, linked

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISION = 1e-6
MOST_CUTS = 1000


@dataclass(frozen=True)
class Plan:
    """How often which matching is active.

    Args:
        matchings: disjoint lists of edges, each with every node once at most.
        probabilities: p_j, of each matching.
        weight: a, of W = I - a sum of the active matchings' Laplacians.
        contraction: ``||E[W^2] - J||``.
    """

    matchings: list[list[Edge]]
    probabilities: NDArray[np.float64]
    weight: float
    contraction: float


def matcha(
    n: int, *, graph: Any, budget: float, build: Callable[[Any], Graph], draws: Callable[[int], np.random.Generator]
) -> Drawn:
    """MATCHA: in each step every matching j of a graph is active with probability p_j, and W = I - a sum_active L_j.

    Args:
        n: number of nodes.
        graph: what describes the graph; it must be undirected.
        budget: the mean share of matchings that are active.
        build: makes the graph.
        draws: the random numbers of each step.

    Returns:
        Symmetric matrices with rows that sum to one.

    Raises:
        ParameterError: the graph is directed, or budget is not in (0, 1].

    Example:
        >>> from simnet.graph import ring
        >>> from simnet.streams import stream
        >>> graphs = matcha(6, graph=6, budget=0.5, build=ring, draws=lambda k: stream(0, "example", k))
        >>> [graphs.at(step).nnz for step in range(4)]
        [6, 18, 6, 12]

    Reference:
        Wang, Sahu, Yang, Joshi, Kar: MATCHA: Speeding Up Decentralized SGD via Matching Decomposition Sampling, 2019.
    """
    links = build(graph)
    if links.is_directed():
        raise ParameterError("graph: found a directed graph; undirected ones are allowed; choose another kind")
    plan = plan_of(links, budget)

    def draw(step: int) -> Weights:
        active = draws(step).random(len(plan.matchings)) < plan.probabilities
        edges = [edge for matching, is_active in zip(plan.matchings, active, strict=True) if is_active for edge in matching]
        return linked(n, ((u, v, plan.weight) for i, j in edges for u, v in ((i, j), (j, i))))

    return Drawn(draw, on_nodes(n, links.edges), plan.contraction)


def plan_of(graph: Graph, budget: float) -> Plan:
    """The matchings of a graph, the probabilities that connect it best on average, and the weight that averages fastest.

    Args:
        graph: undirected and connected.
        budget: the mean share of matchings that are active.

    Returns:
        What MATCHA needs.

    Raises:
        ParameterError: budget is not in (0, 1].

    Example:
        >>> from simnet.graph import ring
        >>> plan = plan_of(ring(8), budget=1.0)
        >>> plan.probabilities.tolist(), round(plan.weight, 5), round(plan.contraction ** 0.5, 5)
        ([1.0, 1.0], 0.43613, 0.74452)
    """
    if not 0 < budget <= 1:
        raise ParameterError(f"budget: found {budget:g}; above 0 up to 1 is allowed; change it")
    matchings = edge_coloring(graph)
    laplacians = np.array([laplacian(len(graph), matching) for matching in matchings])
    probabilities = best_probabilities(laplacians, budget)
    return Plan(matchings, probabilities, *best_weight(laplacians, probabilities))


def laplacian(n: int, edges: Sequence[Edge]) -> NDArray[np.float64]:
    """The Laplacian of some edges.

    Args:
        n: number of nodes.
        edges: pairs of nodes.

    Returns:
        The matrix, [n, n].

    Example:
        >>> laplacian(2, [(0, 1)]).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    matrix = np.zeros((n, n))
    for i, j in edges:
        matrix[i, i] += 1
        matrix[j, j] += 1
        matrix[i, j] -= 1
        matrix[j, i] -= 1
    return matrix


def best_probabilities(laplacians: NDArray[np.float64], budget: float) -> NDArray[np.float64]:
    """Maximizes lambda_2(sum_j p_j L_j) subject to sum_j p_j <= budget M and 0 <= p_j <= 1.

    lambda_2 is the least of ``v^T (sum_j p_j L_j) v`` over all unit vectors v that sum to zero, and each v gives a linear
    bound; so linear programs with more and more of these v (the eigenvector of the last answer) close in on the maximum.

    Args:
        laplacians: L_j, [M, n, n].
        budget: the mean share of matchings that are active.

    Returns:
        The probabilities p, [M].

    Example:
        >>> paths = np.array([laplacian(3, [(0, 1)]), laplacian(3, [(1, 2)])])
        >>> best_probabilities(paths, 0.5).round(6).tolist()
        [0.5, 0.5]

    Reference:
        Kelley: The cutting-plane method for solving convex programs, 1960.
    """
    best = p = np.full(len(laplacians), budget)
    best_value, bound = 0.0, np.inf
    cuts: list[NDArray[np.float64]] = []
    while best_value < (1 - PRECISION) * bound and len(cuts) < MOST_CUTS and budget < 1:
        values, vectors = np.linalg.eigh(np.tensordot(p, laplacians, 1) + 2.0)  # the vector of ones comes last
        if values[0] > best_value:
            best, best_value = p, float(values[0])
        cuts.append(laplacians @ vectors[:, 0] @ vectors[:, 0])
        p, bound = highest(cuts, budget)
    return best


def highest(cuts: list[NDArray[np.float64]], budget: float) -> tuple[NDArray[np.float64], float]:
    """Maximizes the least of several linear functions of p within the budget.

    Args:
        cuts: the coefficients of each, [M].
        budget: the mean of p at most.

    Returns:
        p, and the maximum.
    """
    rows = np.array(cuts)
    num_cuts, num_matchings = rows.shape
    below = np.hstack([-rows, np.ones((num_cuts, 1))])
    spent = np.append(np.ones(num_matchings), 0.0)
    limits = np.append(np.zeros(num_cuts), budget * num_matchings)
    goal = np.append(np.zeros(num_matchings), -1.0)
    bounds: Any = [(0.0, 1.0)] * num_matchings + [(None, None)]  # of t, the last variable
    exact: Any = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found: Any = linprog(goal, A_ub=np.vstack([below, spent]), b_ub=limits, bounds=bounds, method="highs", options=exact)
    return np.clip(found.x[:-1], 0.0, 1.0), float(found.x[-1])


def best_weight(laplacians: NDArray[np.float64], probabilities: NDArray[np.float64]) -> tuple[float, float]:
    """Minimizes ``||E[W^2] - J|| = ||I - 2 a Lbar + a^2 (Lbar^2 + 2 Lt) - J||`` over a, a convex function.

    Args:
        laplacians: L_j of the matchings, [M, n, n].
        probabilities: p_j, [M]; Lbar = sum p_j L_j, Lt = sum p_j (1 - p_j) L_j.

    Returns:
        The weight a, and the norm.

    Example:
        >>> weight, norm = best_weight(np.array([laplacian(2, [(0, 1)])]), np.ones(1))
        >>> round(weight, 9), norm
        (0.5, 0.0)
    """
    n = laplacians.shape[1]
    mean = np.tensordot(probabilities, laplacians, 1)
    spread = mean @ mean + 2 * np.tensordot(probabilities * (1 - probabilities), laplacians, 1)

    def norm(a: float) -> float:
        return float(np.linalg.eigvalsh(np.eye(n) - 2 * a * mean + a**2 * spread - 1 / n)[-1])

    most = 2 / float(np.linalg.eigvalsh(mean)[-1])
    found = minimize_scalar(norm, bounds=(0.0, most), method="bounded", options={"xatol": 1e-12})
    return float(found.x), max(0.0, norm(float(found.x)))


def edge_coloring(graph: nx.Graph[Any]) -> list[list[Edge]]:
    """The edges of a graph cut into at most d_max + 1 matchings, or d_max if the graph is bipartite.

    Args:
        graph: undirected.

    Returns:
        The matchings, each a sorted list of edges.

    Example:
        >>> from simnet.graph import ring
        >>> edge_coloring(ring(4))
        [[(0, 3), (1, 2)], [(0, 1), (2, 3)]]

    Reference:
        Misra, Gries: A constructive proof of Vizing's theorem, 1992.
    """
    at: dict[int, dict[int, int]] = {node: {} for node in graph}  # node -> color -> the neighbor along it
    for u, v in sorted(tuple(sorted(edge)) for edge in graph.edges):
        fan, free, own = [v], free_color(at, v), free_color(at, u)
        path = path_of(at, u, free, own)
        if path[-1] == v:  # not in a bipartite graph, which so gets no more than d_max colors
            fan = fan_of(at, u, v)
            free = free_color(at, fan[-1])
            path = path_of(at, u, free, own)
        swap_colors(at, path, free, own)
        colors = {w: color for color, w in at[u].items()}
        end = 0
        while free in at[fan[end]]:
            end += 1
            assert colors[fan[end]] not in at[fan[end - 1]], "what Vizing's theorem proves"
        for before, after in pairwise(fan[: end + 1]):
            paint(at, u, before, after, colors[after])
        at[u][free], at[fan[end]][free] = fan[end], u
    used = sorted({color for colors in at.values() for color in colors})
    return [sorted((u, at[u][color]) for u in at if color in at[u] and u < at[u][color]) for color in used]


def free_color(at: dict[int, dict[int, int]], node: int) -> int:
    """The first color that no edge at a node has.

    Args:
        at: node -> color -> the neighbor along it.
        node: where.

    Returns:
        The color.
    """
    return next(color for color in range(len(at[node]) + 1) if color not in at[node])


def fan_of(at: dict[int, dict[int, int]], u: int, v: int) -> list[int]:
    """Neighbors of u, v first, such that the color of u to each next one is free at the one before; as many as there are.

    Args:
        at: node -> color -> the neighbor along it.
        u: the center.
        v: its neighbor along an edge without color.

    Returns:
        The neighbors.
    """
    fan = [v]
    while following := [w for color, w in sorted(at[u].items()) if w not in fan and color not in at[fan[-1]]]:
        fan.append(following[0])
    return fan


def path_of(at: dict[int, dict[int, int]], u: int, c: int, d: int) -> list[int]:
    """The nodes along the path from a node whose edges have two colors in turn.

    Args:
        at: node -> color -> the neighbor along it.
        u: where it starts.
        c: the color of the first edge.
        d: that of the second one.

    Returns:
        The nodes; u alone if no edge at it has the first color.
    """
    path, color = [u], c
    while color in at[path[-1]]:
        path.append(at[path[-1]][color])
        color = c + d - color
    return path


def swap_colors(at: dict[int, dict[int, int]], path: list[int], c: int, d: int) -> None:
    """Swaps the two colors on a path that has no others and cannot be made longer.

    Args:
        at: node -> color -> the neighbor along it; it is changed.
        path: its nodes.
        c: one color.
        d: the other one.
    """
    for node in path:
        at[node].update({c + d - color: at[node].pop(color) for color in (c, d) if color in at[node]})


def paint(at: dict[int, dict[int, int]], u: int, before: int, after: int, color: int) -> None:
    """Moves a color at u from the edge to one neighbor to the edge to another.

    Args:
        at: node -> color -> the neighbor along it; it is changed.
        u: the center.
        before: the neighbor that gets the color.
        after: the neighbor that loses it.
        color: which.
    """
    del at[after][color]
    at[u][color], at[before][color] = before, u
