"""Topologies: who talks to whom.

A topology is a networkx graph on the nodes 0..n-1, without weights and without self-loops (a node always hears itself).
In an undirected ``Graph`` neighbors hear each other; in a ``DiGraph`` the edge (u, v) means that u sends to v.
The keyword parameters of a function are the keys of its entry in a scenario: ``topology: {kind: torus, rows: 4}``.
"""

from __future__ import annotations

import inspect
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from simnet.errors import ParameterError
from simnet.graph.common import Graph, check_connected, on_nodes, words
from simnet.graph.edge_lists import edge_list, graph_file
from simnet.graph.random_graphs import erdos_renyi, random_regular, watts_strogatz
from simnet.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TopologySpec(Protocol):
    """What ``build_topology`` reads: the kind, and an attribute for each parameter of that kind's function."""

    @property
    def kind(self) -> str:
        """The key in ``TOPOLOGIES``."""


def ring(n: int) -> Graph:
    """The undirected ring: node i talks to i - 1 and i + 1 mod n.

    Args:
        n: number of nodes; two nodes share one edge, a single node has none.

    Returns:
        A graph in which every node has two neighbors when n >= 3.

    Example:
        >>> sorted(ring(4).edges)
        [(0, 1), (0, 3), (1, 2), (2, 3)]
    """
    return on_nodes(n, ((i, (i + 1) % n) for i in range(n)))


def path(n: int) -> Graph:
    """The path: node i talks to i + 1; the two ends are not joined.

    Args:
        n: number of nodes.

    Returns:
        A graph with n - 1 edges.

    Example:
        >>> sorted(path(3).edges)
        [(0, 1), (1, 2)]
    """
    return on_nodes(n, ((i, i + 1) for i in range(n - 1)))


def torus(n: int, *, rows: int | None = None) -> Graph:
    """The two-dimensional torus: a grid whose opposite borders are joined; node r * columns + c sits at (r, c).

    Args:
        n: number of nodes = rows * columns.
        rows: number of rows; None takes the most nearly square shape.

    Returns:
        A graph with four neighbors for every node when rows and columns are at least 3.

    Raises:
        ParameterError: n is a prime number, or rows does not divide n into at least two columns.

    Example:
        >>> sorted(torus(9)[0])
        [1, 2, 3, 6]
    """
    num_rows, num_columns = torus_shape(n, rows)
    right = ((i, i - i % num_columns + (i + 1) % num_columns) for i in range(n))
    below = ((i, (i + num_columns) % n) for i in range(n))
    return on_nodes(num_rows * num_columns, (*right, *below))


def torus_shape(n: int, rows: int | None = None) -> tuple[int, int]:
    """Rows and columns of the torus with n nodes.

    Args:
        n: number of nodes.
        rows: number of rows; None takes the largest divisor of n up to its square root.

    Returns:
        (rows, columns), at least 2 each unless n = 1.

    Raises:
        ParameterError: n is a prime number, or rows does not divide n into at least two columns.

    Example:
        >>> torus_shape(32), torus_shape(32, rows=8)
        ((4, 8), (8, 4))
    """
    if n == 1 and rows in {None, 1}:
        return 1, 1
    divisors = [r for r in range(2, n // 2 + 1) if n % r == 0]
    if not divisors:
        raise ParameterError(
            f"kind: found torus with {n} nodes; rows times columns must give the number of nodes, each at least 2; "
            f"set nodes to {max(4, n - n % 2)} or {max(6, n + n % 2)}, or use ring"
        )
    if rows is None:
        rows = max(r for r in divisors if r * r <= n)
    if rows not in divisors:
        raise ParameterError(f"rows: found {rows}; {n} nodes allow {words(divisors)}; choose one, or leave it out")
    return rows, n // rows


def complete(n: int) -> Graph:
    """The complete graph: everybody talks to everybody.

    Args:
        n: number of nodes.

    Returns:
        A graph with n (n - 1) / 2 edges.

    Example:
        >>> complete(5).size()
        10
    """
    return on_nodes(n, combinations(range(n), 2))


def star(n: int) -> Graph:
    """The star: node 0 talks to all others, and they only to node 0.

    Args:
        n: number of nodes, the center included.

    Returns:
        A graph with n - 1 edges.

    Example:
        >>> sorted(star(4).edges)
        [(0, 1), (0, 2), (0, 3)]
    """
    return on_nodes(n, ((0, i) for i in range(1, n)))


def hypercube(n: int) -> Graph:
    """The hypercube: nodes talk when their numbers differ in one binary digit.

    Args:
        n: number of nodes, a power of two.

    Returns:
        A graph with log2(n) neighbors for every node.

    Raises:
        ParameterError: n is not a power of two.

    Example:
        >>> sorted(hypercube(8)[5])
        [1, 4, 7]
    """
    dimension = n.bit_length() - 1
    if n != 2**dimension:
        raise ParameterError(
            f"kind: found hypercube with {n} nodes; the number of nodes must be a power of two; "
            f"set nodes to {2**dimension} or {2 ** (dimension + 1)}"
        )
    return on_nodes(n, ((i, i ^ (1 << bit)) for i in range(n) for bit in range(dimension)))


def exponential(n: int) -> Graph:
    """The static exponential graph: node i sends to i + 2^m mod n, for m = 0, ..., ceil(log2(n)) - 1.

    Args:
        n: number of nodes.

    Returns:
        A directed graph in which everybody sends to, and hears, ceil(log2(n)) others.

    Example:
        >>> sorted(exponential(8).successors(0)), sorted(exponential(8).predecessors(0))
        ([1, 2, 4], [4, 6, 7])

    Reference:
        Ying, Yuan, Chen, Hu, Pan, Yin: Exponential Graph is Provably Efficient for Decentralized Deep Training, 2021.
    """
    num_offsets = (n - 1).bit_length()
    return on_nodes(n, ((i, (i + (1 << m)) % n) for i in range(n) for m in range(num_offsets)), directed=True)


def ring_lattice(n: int, *, reach: int) -> Graph:
    """The ring lattice: node i talks to i - k, ..., i - 1, i + 1, ..., i + k mod n.

    Args:
        n: number of nodes.
        reach: k, the neighbors on each side; at most n / 2, which makes the graph complete.

    Returns:
        A graph with 2k neighbors for every node if 2k < n.

    Raises:
        ParameterError: reach is not between 1 and n / 2.

    Example:
        >>> sorted(ring_lattice(8, reach=2)[0])
        [1, 2, 6, 7]
    """
    if not 1 <= reach <= max(1, n // 2):
        raise ParameterError(f"reach: found {reach} with {n} nodes; from 1 to {max(1, n // 2)} is allowed; change reach")
    return on_nodes(n, ((i, (i + a) % n) for i in range(n) for a in range(1, reach + 1)))


TOPOLOGIES: Mapping[str, Callable[..., Graph]] = {
    "ring": ring,
    "path": path,
    "torus": torus,
    "complete": complete,
    "star": star,
    "hypercube": hypercube,
    "exponential": exponential,
    "random_regular": random_regular,
    "erdos_renyi": erdos_renyi,
    "watts_strogatz": watts_strogatz,
    "ring_lattice": ring_lattice,
    "edges": edge_list,
    "file": graph_file,
}


def build_topology(spec: TopologySpec, n: int, seed: int = 0, base: str | Path = ".") -> Graph:
    """The connected graph that a scenario's ``topology`` describes.

    Args:
        spec: has ``kind``, a key of ``TOPOLOGIES``, and the parameters of that function as attributes.
        n: number of nodes.
        seed: of the random kinds.
        base: the folder that relative paths start from.

    Returns:
        A networkx graph on the nodes 0..n-1; a ``DiGraph`` where some edge has one direction only.

    Raises:
        ParameterError: a parameter is impossible, or some node cannot reach some other.

    Example:
        >>> from types import SimpleNamespace
        >>> build_topology(SimpleNamespace(kind="torus", rows=None), 16).size()
        32
    """
    if spec.kind not in TOPOLOGIES:
        raise ParameterError(f"kind: found {spec.kind}; allowed are {words(TOPOLOGIES)}; choose one of these")
    if n < 1:
        raise ParameterError(f"kind: found {spec.kind} with {n} nodes; at least one node is needed; raise nodes")
    function = TOPOLOGIES[spec.kind]
    names = [name for name in inspect.signature(function).parameters if name != "n"]
    known = {"rng": stream(seed, "topology", spec.kind), "base": base}
    known |= {name: getattr(spec, name) for name in names if hasattr(spec, name)}
    graph = function(n, **{name: known[name] for name in names if name in known})
    return check_connected(graph, f"kind: found {spec.kind} with {n} nodes")
