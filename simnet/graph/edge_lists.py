"""Topologies that the user lists: edges in the scenario, in a text file, or in a GraphML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from simnet.errors import ParameterError
from simnet.graph.common import Edge, Graph, on_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def edge_list(n: int, *, edges: Iterable[Sequence[int]], directed: bool = False) -> Graph:
    """The graph with the edges that are listed; edges from a node to itself are ignored.

    Args:
        n: number of nodes.
        edges: pairs (from, to) of node numbers.
        directed: whether ``from`` only sends and ``to`` only receives. A directed list that holds both directions of
            every edge gives an undirected graph.

    Returns:
        A ``Graph``, or a ``DiGraph`` where some edge has one direction only.

    Raises:
        ParameterError: an entry is not a pair of numbers in 0..n-1.

    Example:
        >>> edge_list(3, edges=[(0, 1), (1, 2), (2, 0)], directed=True).is_directed()
        True
        >>> edge_list(2, edges=[(0, 1), (1, 0)], directed=True).is_directed()
        False
    """
    pairs = [_checked_edge(n, edge) for edge in edges]
    one_way = directed and bool(set(pairs) - {(v, u) for u, v in pairs})
    return on_nodes(n, pairs, directed=one_way)


def graph_file(n: int, *, path: str | Path, directed: bool = False, base: str | Path = ".") -> Graph:
    r"""The graph in a file: an edge list (two node numbers on a line; commas or spaces; # comments) or GraphML.

    Args:
        n: number of nodes; the file's nodes are numbered 0..n-1.
        path: the file; ``.graphml`` and ``.xml`` are read as GraphML, everything else as an edge list.
        directed: as in ``edge_list``; a GraphML file says itself whether it is directed.
        base: the folder that a relative path starts from.

    Returns:
        A ``Graph``, or a ``DiGraph`` where some edge has one direction only.

    Raises:
        ParameterError: the file cannot be read, or its nodes are not those of the scenario.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "edges.csv").write_text("from,to\n0,1\n1,2\n")
        ...     sorted(graph_file(3, path="edges.csv", base=folder).edges)
        [(0, 1), (1, 2)]
    """
    file = Path(base, path)
    try:
        if file.suffix.lower() in {".graphml", ".xml"}:
            edges, directed = _read_graphml(file, n)
        else:
            edges = _read_edge_list(file)
        return edge_list(n, edges=edges, directed=directed)
    except ParameterError as error:
        raise ParameterError(f"path: {file}: {str(error).removeprefix('edges: ')}") from None
    # The XML and GraphML readers raise whatever a broken file makes them stumble over.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ParameterError(
            f"path: {file} cannot be read ({reason}); an edge list or a GraphML file is allowed; correct it"
        ) from error


def _checked_edge(n: int, edge: Sequence[int]) -> Edge:
    if len(edge) != 2 or not all(_is_node(n, node) for node in edge):
        raise ParameterError(
            f"edges: found {list(edge)}; pairs of node numbers 0..{n - 1} are allowed; correct it, or change nodes"
        )
    return int(edge[0]), int(edge[1])


def _is_node(n: int, node: object) -> bool:
    return isinstance(node, int | np.integer) and 0 <= int(node) < n


def _read_edge_list(file: Path) -> list[Edge]:
    edges: list[Edge] = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        fields = re.split(r"\s*[,;\s]\s*", line.partition("#")[0].strip())
        is_header = not edges and not re.search(r"\d", line)
        if fields == [""] or is_header:
            continue
        if len(fields) != 2 or not all(field.isdecimal() for field in fields):
            raise ParameterError(f"found {line.strip()!r} in line {number}; two node numbers are allowed; correct it")
        edges.append((int(fields[0]), int(fields[1])))
    return edges


def _read_graphml(file: Path, n: int) -> tuple[list[Any], bool]:
    graph: nx.Graph[Any] = nx.read_graphml(file)
    unknown = sorted(set(graph) - {str(i) for i in range(n)})
    if unknown or len(graph) != n:
        found = f"a node called {unknown[0]!r}" if unknown else f"{len(graph)} nodes"
        raise ParameterError(f"found {found}; the ids 0..{n - 1} are allowed; rename them, or change nodes")
    return [(int(u), int(v)) for u, v in graph.edges()], graph.is_directed()
