"""Random topologies; all are drawn again until they are connected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import networkx as nx

from simnet.errors import ParameterError
from simnet.graph.common import Graph, is_connected, on_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

NUM_TRIES = 100


def random_regular(n: int, *, degree: int, rng: np.random.Generator) -> Graph:
    """A random connected graph in which every node has the same number of neighbors.

    Args:
        n: number of nodes.
        degree: neighbors of every node.
        rng: where the randomness comes from.

    Returns:
        A connected graph with n * degree / 2 edges.

    Raises:
        ParameterError: no connected graph has this degree, or chance did not find one.

    Example:
        >>> from simnet.streams import stream
        >>> {len(neighbors) for neighbors in random_regular(10, degree=3, rng=stream(1, "example")).adj.values()}
        {3}

    Reference:
        Steger, Wormald: Generating random regular graphs quickly, 1999.
    """
    fewest = min(n - 1, 2)
    if not fewest <= degree < n or n * degree % 2:
        raise ParameterError(
            f"degree: found {degree} with {n} nodes; between {fewest} and {n - 1} is allowed, and nodes * degree must "
            "be even; change degree or nodes"
        )

    def draw() -> Graph:
        # The random pairing rarely succeeds for large degrees, but the complement of a regular graph is regular.
        if degree > (n - 1) // 2:
            return nx.complement(nx.empty_graph(n) if degree == n - 1 else regular(n - 1 - degree))
        return regular(degree)

    def regular(k: int) -> Graph:
        return on_nodes(n, nx.random_regular_graph(k, n, seed=rng).edges)

    return _first_connected(draw, f"degree: found {degree} with {n} nodes", "raise degree, or try another seed")


def erdos_renyi(n: int, *, probability: float, rng: np.random.Generator) -> Graph:
    """A connected Erdos-Renyi graph: each pair of nodes talks with the same probability, independently.

    Args:
        n: number of nodes.
        probability: of each edge, in (0, 1].
        rng: where the randomness comes from.

    Returns:
        The first connected graph of at most 100 draws.

    Raises:
        ParameterError: the probability is outside (0, 1], or no draw was connected.

    Example:
        >>> from simnet.streams import stream
        >>> is_connected(erdos_renyi(20, probability=0.3, rng=stream(1, "example")))
        True

    Reference:
        Batagelj, Brandes: Efficient generation of large random networks, 2005.
    """
    if not 0 < probability <= 1:
        raise ParameterError(f"probability: found {probability:g}; above 0 up to 1 is allowed; change it")
    return _first_connected(
        lambda: nx.fast_gnp_random_graph(n, probability, seed=rng),
        f"probability: found {probability:g} with {n} nodes",
        f"raise it (connected graphs are likely above ln(n)/n = {math.log(n) / n:.2g})",
    )


def watts_strogatz(n: int, *, degree: int, rewiring: float, rng: np.random.Generator) -> Graph:
    """A connected small world: a ring lattice of which each edge is rewired at random with some probability.

    Args:
        n: number of nodes.
        degree: neighbors of every node before the rewiring, an even number.
        rewiring: probability, in [0, 1], that an edge gets a new random end.
        rng: where the randomness comes from.

    Returns:
        The first connected graph of at most 100 draws, with n * degree / 2 edges.

    Raises:
        ParameterError: degree or rewiring is out of range, or no draw was connected.

    Example:
        >>> from simnet.streams import stream
        >>> sorted(watts_strogatz(8, degree=4, rewiring=0, rng=stream(1, "example"))[0])
        [1, 2, 6, 7]

    Reference:
        Watts, Strogatz: Collective dynamics of small-world networks, 1998.
    """
    if not 2 <= degree < n or degree % 2:
        raise ParameterError(
            f"degree: found {degree} with {n} nodes; an even number from 2 to {n - 1} is allowed; change it"
        )
    if not 0 <= rewiring <= 1:
        raise ParameterError(f"rewiring: found {rewiring:g}; 0 to 1 is allowed; change it")
    return _first_connected(
        lambda: nx.watts_strogatz_graph(n, degree, rewiring, seed=rng),
        f"rewiring: found {rewiring:g} with degree {degree}",
        "lower rewiring or raise degree",
    )


def _first_connected(draw: Callable[[], Graph], found: str, advice: str) -> Graph:
    for _ in range(NUM_TRIES):
        graph = draw()
        if is_connected(graph):
            return graph
    raise ParameterError(f"{found}: none of {NUM_TRIES} random graphs was connected; {advice}")
