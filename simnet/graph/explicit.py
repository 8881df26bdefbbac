"""Explicit mixing matrices: reading them, and checking what every one of them must fulfil."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simnet.errors import ParameterError
from simnet.graph.common import Edge, Graph, check_connected, on_nodes
from simnet.graph.links import TOLERANCE, Links, Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_matrix(matrix: Any, n: int, base: str | Path = ".") -> Weights:
    """An explicit mixing matrix by itself, for scenarios that give no topology.

    Args:
        matrix: n rows of n numbers, or the path of a CSV or NPY file.
        n: number of nodes.
        base: the folder that a relative path starts from.

    Returns:
        W, with its non-zeros and its diagonal stored.

    Raises:
        ParameterError: the shape is wrong, an entry is not finite, or neither rows nor columns sum to one.

    Example:
        >>> read_matrix([[0.5, 0.5], [0.5, 0.5]], n=2).nnz
        4
    """
    dense = parse_matrix(matrix, n, base)
    links = on_nodes(n, _off_diagonal(dense), directed=True)
    return on_links(dense, links)


def topology_of(weights: Weights) -> Graph:
    """The topology that a mixing matrix implies: j sends to i where W[i, j] is not zero.

    Args:
        weights: W.

    Returns:
        An undirected graph where all non-zeros lie in pairs, otherwise a directed one.

    Raises:
        ParameterError: some node cannot reach some other.

    Example:
        >>> sorted(topology_of(read_matrix([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], n=3)).edges)
        [(0, 2), (1, 0), (2, 1)]
    """
    edges = set(_off_diagonal(weights))
    one_way = any((v, u) not in edges for u, v in edges)
    return check_connected(on_nodes(weights.shape[0], sorted(edges), directed=one_way), "matrix: found separate parts")


def on_links(dense: NDArray[np.float64], graph: Graph) -> Weights:
    """The matrix with one entry stored for every link of the graph, one for every node, and no other.

    Args:
        dense: [n, n] numbers.
        graph: who talks to whom.

    Returns:
        W.

    Raises:
        ParameterError: a weight is where no link is.

    Example:
        >>> on_links(np.eye(2), on_nodes(2, [(0, 1)])).nnz
        4
    """
    for sender, receiver in _off_diagonal(dense):
        if not graph.has_edge(sender, receiver):
            raise ParameterError(
                f"matrix: found W[{receiver}, {sender}] = {dense[receiver, sender]:g}, but node {sender} does not send "
                f"to node {receiver}; only the topology's links may have a weight; set it to 0 or add the edge"
            )
    links = Links.of(graph)
    return links.matrix(dense[links.receivers, links.senders], dense.diagonal())


def parse_matrix(matrix: Any, n: int, base: str | Path = ".") -> NDArray[np.float64]:
    """The explicit mixing matrix that a scenario gives.

    Args:
        matrix: n rows of n numbers, or the path of a CSV or NPY file.
        n: number of nodes.
        base: the folder that a relative path starts from.

    Returns:
        [n, n] numbers.

    Raises:
        ParameterError: the file cannot be read, the shape is wrong, an entry is not finite, or neither all rows nor all
            columns sum to one.

    Example:
        >>> parse_matrix([[0.5, 0.5], [0.5, 0.5]], n=2)
        array([[0.5, 0.5],
               [0.5, 0.5]])
    """
    rows = _read(Path(base, matrix)) if isinstance(matrix, str | Path) else matrix
    try:
        dense = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(
            f"matrix: found rows of different lengths, or entries that are no numbers; {n} rows of {n} numbers are "
            "allowed; correct the matrix"
        ) from None
    if dense.shape != (n, n):
        found = " x ".join(str(size) for size in dense.shape) or "no rows of"
        raise ParameterError(f"matrix: found {found} numbers; {n} rows of {n} are allowed; correct the matrix or nodes")
    if not np.isfinite(dense).all():
        i, j = np.argwhere(~np.isfinite(dense))[0]
        raise ParameterError(f"matrix: found W[{i}, {j}] = {dense[i, j]}; finite numbers are allowed; correct it")
    return _with_unit_sums(dense)


def _with_unit_sums(dense: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = dense.sum(axis=1), dense.sum(axis=0)
    row, column = np.abs(rows - 1).argmax(), np.abs(columns - 1).argmax()
    if min(abs(rows[row] - 1), abs(columns[column] - 1)) > TOLERANCE:
        raise ParameterError(
            f"matrix: found row {row} with sum {rows[row]:.12g} and column {column} with sum {columns[column]:.12g}; "
            f"all rows or all columns must sum to 1 (to {TOLERANCE:g}); correct the weights, or write more digits"
        )
    return dense


def read_array(file: Path, key: str) -> Any:
    """What an NPY file holds.

    Args:
        file: its path.
        key: of the scenario that names it, for the message.

    Returns:
        The array.

    Raises:
        ParameterError: it cannot be read.
    """
    try:
        return np.load(file, allow_pickle=False)
    # NumPy raises whatever a broken file makes it stumble over.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ParameterError(
            f"{key}: {file} cannot be read ({reason}); an NPY file is allowed; correct the path or the file"
        ) from error


def _read(file: Path) -> Any:
    try:
        if file.suffix.lower() == ".npy":
            return np.load(file, allow_pickle=False)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        return [[float(field) for field in line.split(",")] for line in lines if line.strip()]
    # NumPy raises whatever a broken file makes it stumble over.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ParameterError(
            f"matrix: {file} cannot be read ({reason}); a CSV file (rows of numbers, commas between) or an NPY file is "
            "allowed; correct the path or the file"
        ) from error


def _off_diagonal(weights: Weights | NDArray[np.float64]) -> list[Edge]:
    """The edges (sender, receiver) of a matrix's non-zeros."""
    receivers, senders = weights.nonzero()
    return [(j, i) for i, j in zip(receivers.tolist(), senders.tolist(), strict=True) if i != j]
