"""EquiTopo: random cyclic shifts that average at a rate that does not depend on the number of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from simnet.errors import ParameterError
from simnet.graph.common import Graph, on_nodes
from simnet.graph.links import Weights
from simnet.graph.over_time import Drawn, Listed, linked
from simnet.graph.random_graphs import NUM_TRIES

if TYPE_CHECKING:
    from numpy.typing import NDArray


def equi_static(n: int, *, shifts: int, directed: bool = True, rng: np.random.Generator) -> Listed:
    """D-EquiStatic: W = (1/M) sum_m A^(a_m), A^(a) = I/n + (n-1)/n P^a, shifts a_m drawn from 1..n-1; else (W + W^T)/2.

    Args:
        n: number of nodes, at least 2.
        shifts: M; ``8 ln(2n/p) / (3 eps^2)`` give ||W - J|| < eps with probability 1 - p.
        directed: D-EquiStatic; otherwise U-EquiStatic, which is symmetric.
        rng: where the randomness comes from; drawn again until the graph is connected.

    Returns:
        One doubly stochastic matrix.

    Raises:
        ParameterError: chance found no connected graph.

    Example:
        >>> from simnet.streams import stream
        >>> equi_static(6, shifts=3, rng=stream(0, "example")).matrices[0].sum(axis=0).round(12).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    Reference:
        Song, Li, Jin, Shi, Yan, Yin, Yuan: Communication-Efficient Topologies for Decentralized Learning with O(1)
        Consensus Rate, 2022.
    """
    each = (n - 1) / n / shifts
    drawn = connecting_shifts(n, shifts, rng)
    signs = (1,) if directed else (1, -1)
    links = ((i, (i + s * a) % n, each / len(signs)) for a in drawn for s in signs for i in range(n))
    return Listed((linked(n, links),))


def equi_dynamic(
    n: int,
    *,
    shifts: int | None = None,
    eta: float = 0.5,
    directed: bool = True,
    rng: np.random.Generator,
    draws: Callable[[int], np.random.Generator],
) -> Drawn:
    """OD-EquiDyn: in each step W = (1 - eta) I + eta A^(a) with one random shift a; OU-EquiDyn: with the matching it gives.

    ``||E[W^T W] - J|| = (1 - eta)^2 + eta^2 (1 - 2/n)`` where all shifts are drawn from: 1/2 - 1/(2n) for eta = 1/2, but almost
    no averaging for eta = 1.

    Args:
        n: number of nodes, at least 2.
        shifts: how many shifts are drawn once, to be drawn from in each step; None: all n - 1.
        eta: in (0, 1].
        directed: OD-EquiDyn; otherwise, from a random start, each node i pairs up with i + a if both are still free.
        rng: draws the list.
        draws: the random numbers of each step.

    Returns:
        Doubly stochastic matrices; those of OU-EquiDyn are symmetric.

    Example:
        >>> from simnet.streams import stream
        >>> graphs = equi_dynamic(4, rng=stream(0, "list"), draws=lambda k: stream(0, "step", k))
        >>> round(graphs.spectrum().rho ** 2, 9), graphs.at(0).diagonal().tolist()
        (0.375, [0.625, 0.625, 0.625, 0.625])

    Reference:
        Song, Li, Jin, Shi, Yan, Yin, Yuan: Communication-Efficient Topologies for Decentralized Learning with O(1)
        Consensus Rate, 2022.
    """
    allowed = np.arange(1, n) if shifts is None else connecting_shifts(n, shifts, rng)
    weight = eta * (n - 1) / n

    def draw(step: int) -> Weights:
        chance = draws(step)
        shift = int(chance.choice(allowed))
        if directed:
            return linked(n, ((i, (i + shift) % n, weight) for i in range(n)))
        pairs = shifted_pairs(n, shift, int(chance.integers(n)))
        return linked(n, ((u, v, weight) for i, j in pairs for u, v in ((i, j), (j, i))))

    links = shifted_graph(n, allowed, directed=directed)
    return Drawn(draw, links, contraction(n, allowed, eta) if directed else None)


def connecting_shifts(n: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Random shifts from 1..n-1, with repetition, that together lead from every node to every other.

    Args:
        n: number of nodes.
        count: how many.
        rng: where the randomness comes from.

    Returns:
        The shifts, [count].

    Raises:
        ParameterError: chance did not find such shifts.
    """
    for _ in range(NUM_TRIES):
        shifts = rng.integers(1, n, size=count)
        if gcd(n, *shifts.tolist()) == 1:
            return shifts
    raise ParameterError(f"shifts: found {count} with {n} nodes, which were never connected; more are allowed; raise shifts")


def shifted_pairs(n: int, shift: int, start: int) -> list[tuple[int, int]]:
    """The matching that a shift gives: from a start on, i and i + shift pair up if both are free.

    Args:
        n: number of nodes.
        shift: from 1 to n - 1.
        start: the first i.

    Returns:
        Pairs of nodes.

    Example:
        >>> shifted_pairs(5, 1, start=3)
        [(3, 4), (0, 1)]
    """
    free, pairs = [True] * n, []
    for i in ((start + r) % n for r in range(n)):
        j = (i + shift) % n
        if free[i] and free[j]:
            free[i] = free[j] = False
            pairs.append((i, j))
    return pairs


def shifted_graph(n: int, shifts: Iterable[int], *, directed: bool) -> Graph:
    """The circulant graph in which node i sends to i + a for each shift a.

    Args:
        n: number of nodes.
        shifts: each a.
        directed: whether node i + a does not send to i as well.

    Returns:
        The graph; undirected as well if each shift is there in both directions.

    Example:
        >>> shifted_graph(5, [1, 4], directed=True).is_directed()
        False
    """
    steps = {int(shift) % n for shift in shifts}
    is_one_way = directed and any(n - a not in steps for a in steps)
    return on_nodes(n, ((i, (i + a) % n) for a in sorted(steps) for i in range(n)), directed=is_one_way)


def contraction(n: int, shifts: NDArray[np.int64], eta: float) -> float:
    """``||E[W^T W] - J||`` of OD-EquiDyn: the largest eigenvalue of a circulant matrix, that of the vector of ones left out.

    Args:
        n: number of nodes.
        shifts: that are drawn from.
        eta: of W = (1 - eta) I + eta A.

    Returns:
        The norm.

    Example:
        >>> round(contraction(10, np.arange(1, 10), 0.5), 12)
        0.45
    """
    frequencies = np.arange(1, n)
    turns = np.cos(2 * np.pi * frequencies[:, None] * shifts / n).mean(axis=1)
    kept, sent = 1 - eta + eta / n, eta * (n - 1) / n
    return float((kept**2 + sent**2 + 2 * kept * sent * turns).max())
