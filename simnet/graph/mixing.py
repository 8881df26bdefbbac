"""Mixing matrices: the weights with which nodes average.

``W[i, j]`` is the weight that receiver i gives to sender j, so one round of averaging is ``X <- W X`` for the matrix X
with one row per node, its model. A matrix stores exactly one number per direction of an edge and one per node, zeros
included: whoever iterates over a row finds all neighbors and the node itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.sparse.linalg import ArpackError

from simnet.errors import ParameterError
from simnet.graph.common import Graph, words
from simnet.graph.eigenvalues import largest_eigenvalue
from simnet.graph.explicit import on_links, parse_matrix
from simnet.graph.links import TOLERANCE, Links, Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class MixingSpec(Protocol):
    """What ``build_mixing`` reads; the attributes are the keys of a scenario's ``mixing``."""

    @property
    def kind(self) -> str | None:
        """The key in ``MIXINGS``; None leaves the choice to the graph or to ``matrix``."""

    @property
    def matrix(self) -> Any:
        """The explicit matrix or the path of its file, or None."""

    @property
    def lazy(self) -> bool:
        """Whether to take (I + W) / 2."""

    @property
    def slack(self) -> float | None:
        """The kappa of kappa W + (1 - kappa) I, applied last."""

    @property
    def self_weight(self) -> float | None:
        """What a node keeps for itself, for ``uniform`` only."""


def metropolis(graph: Graph) -> Weights:
    """Metropolis-Hastings weights: w_ij = 1 / (1 + max(deg_i, deg_j)) on edges, and w_ii is the rest.

    Args:
        graph: undirected.

    Returns:
        W, symmetric, with rows and columns that sum to one and a positive diagonal.

    Raises:
        ParameterError: the graph is directed.

    Example:
        >>> from simnet.graph import star
        >>> metropolis(star(4)).diagonal()
        array([0.25, 0.75, 0.75, 0.75])

    Reference:
        Xiao, Boyd, Kim: Distributed average consensus with least-mean-square deviation, 2007.
    """
    links = _undirected_links(graph, "metropolis")
    degrees = links.degrees()
    return links.matrix(1 / (1 + np.maximum(degrees[links.receivers], degrees[links.senders])))


def uniform(graph: Graph, *, self_weight: float | None = None) -> Weights:
    """Equal weights for all that a node hears: w_ij = 1 / (1 + deg_i), w_ii too; deg_i counts those that send to i.

    Args:
        graph: directed or not.
        self_weight: what each node keeps for itself, in [0, 1); the others share the rest equally. None: as much as
            any other.

    Returns:
        W, with rows that sum to one, and columns too if all nodes hear and are heard by equally many.

    Raises:
        ParameterError: self_weight is not in [0, 1).

    Example:
        >>> from simnet.graph import ring
        >>> uniform(ring(4), self_weight=0.5).toarray()[0]
        array([0.5 , 0.25, 0.  , 0.25])
    """
    if self_weight is not None and not 0 <= self_weight < 1:
        raise ParameterError(f"self_weight: found {self_weight:g}; from 0 to below 1 is allowed; change it")
    links = Links.of(graph)
    degrees = links.degrees()
    kept = 1 / (1 + degrees) if self_weight is None else np.where(degrees > 0, self_weight, 1.0)
    return links.matrix(((1 - kept) / np.maximum(degrees, 1))[links.receivers], kept)


def max_degree(graph: Graph) -> Weights:
    """Max-degree weights: W = I - Lap / (d_max + 1), with the graph's Laplacian Lap and largest degree d_max.

    Args:
        graph: undirected.

    Returns:
        W, symmetric, with rows and columns that sum to one; equal to ``metropolis`` on regular graphs.

    Raises:
        ParameterError: the graph is directed.

    Example:
        >>> from simnet.graph import path
        >>> max_degree(path(3)).diagonal().round(3)
        array([0.667, 0.333, 0.667])
    """
    links = _undirected_links(graph, "max_degree")
    return links.matrix(np.full(len(links.senders), 1 / (1 + links.degrees().max())))


def best_constant(graph: Graph) -> Weights:
    """The best constant edge weight: W = I - alpha Lap, alpha = 2 / (l_2 + l_n), with l_k the eigenvalues of Lap.

    l_2 is the smallest positive eigenvalue of the Laplacian Lap, l_n the largest; rho = (l_n - l_2) / (l_n + l_2).

    Args:
        graph: undirected and connected.

    Returns:
        W, symmetric, with rows and columns that sum to one; own weights may be zero or negative.

    Raises:
        ParameterError: the graph is directed, or (a huge one) its eigenvalues cannot be computed.

    Example:
        >>> from simnet.graph import star
        >>> float(best_constant(star(8))[0, 1].round(4))
        0.2222

    Reference:
        Xiao, Boyd: Fast linear iterations for distributed averaging, 2004, section 4.1.
    """
    links = _undirected_links(graph, "best_constant")
    if links.n == 1:
        return links.matrix(np.empty(0))
    smallest, largest = _laplacian_ends(links)
    return links.matrix(np.full(len(links.senders), 2 / (smallest + largest)))


def lazy(graph: Graph) -> Weights:
    """Lazy Metropolis-Hastings weights: (I + W) / 2.

    Args:
        graph: undirected.

    Returns:
        W, symmetric and positive semidefinite, with rows and columns that sum to one.

    Raises:
        ParameterError: the graph is directed.

    Example:
        >>> from simnet.graph import ring
        >>> lazy(ring(5)).diagonal().round(3)
        array([0.667, 0.667, 0.667, 0.667, 0.667])
    """
    return slack(metropolis(graph), 0.5)


def push(graph: Graph) -> Weights:
    """Push weights: each node splits what it has into equal shares, w_ji = 1 / (1 + outdeg_i) for itself and all it sends to.

    Args:
        graph: directed or not.

    Returns:
        W, with columns that sum to one, and rows too if all nodes hear and are heard by equally many.

    Example:
        >>> from simnet.graph import star
        >>> push(star(4)).toarray()[0]
        array([0.25, 0.5 , 0.5 , 0.5 ])

    Reference:
        Nedic, Olshevsky: Distributed Optimization over Time-Varying Directed Graphs, 2015.
    """
    links = Links.of(graph)
    shares = 1 / (1 + np.bincount(links.senders, minlength=links.n))
    return links.matrix(shares[links.senders], shares)


MIXINGS: Mapping[str, Callable[..., Weights]] = {
    "metropolis": metropolis,
    "uniform": uniform,
    "max_degree": max_degree,
    "best_constant": best_constant,
    "lazy": lazy,
    "push": push,
}


def slack(weights: Weights, kappa: float) -> Weights:
    """The matrix with slack: kappa W + (1 - kappa) I.

    Args:
        weights: W.
        kappa: in (0, 1]; 1/2 gives the lazy matrix.

    Returns:
        A new matrix with the same entries stored.

    Raises:
        ParameterError: kappa is not in (0, 1].

    Example:
        >>> from simnet.graph import complete
        >>> slack(metropolis(complete(2)), 0.5).toarray()
        array([[0.75, 0.25],
               [0.25, 0.75]])
    """
    if not 0 < kappa <= 1:
        raise ParameterError(f"slack: found {kappa:g}; above 0 up to 1 is allowed; change it or leave it out")
    slower = weights.copy()
    slower.data *= kappa
    slower.setdiag(slower.diagonal() + (1 - kappa))
    return slower


def build_mixing(spec: MixingSpec, graph: Graph, base: str | Path = ".") -> Weights:
    """The mixing matrix that a scenario's ``mixing`` describes.

    Args:
        spec: the keys of ``mixing``. Without kind and matrix: ``metropolis`` on an undirected graph, else ``uniform``.
        graph: who talks to whom.
        base: the folder that a relative path of a matrix file starts from.

    Returns:
        W after ``lazy`` and ``slack``; one stored number per direction of an edge and one per node.

    Raises:
        ParameterError: the kind does not suit the graph, or an explicit matrix has a wrong shape, an entry that is not
            finite, a weight where no link is, or neither rows nor columns that sum to one.

    Example:
        >>> from types import SimpleNamespace
        >>> from simnet.graph import ring
        >>> spec = SimpleNamespace(kind="metropolis", matrix=None, lazy=True, slack=None, self_weight=None)
        >>> build_mixing(spec, ring(4)).diagonal().round(3)
        array([0.667, 0.667, 0.667, 0.667])
    """
    matrix = spec.matrix
    weights = _by_kind(spec, graph) if matrix is None else on_links(parse_matrix(matrix, len(graph), base), graph)
    if spec.lazy and spec.kind != "lazy":
        weights = slack(weights, 0.5)
    return weights if spec.slack is None else slack(weights, spec.slack)


def is_symmetric(weights: Weights, tol: float = TOLERANCE) -> bool:
    """Whether W equals its transpose.

    Args:
        weights: W.
        tol: the largest difference that counts as equal.

    Returns:
        True if |W_ij - W_ji| <= tol everywhere.

    Example:
        >>> from simnet.graph import exponential
        >>> is_symmetric(uniform(exponential(8)))
        False
    """
    return bool(abs(weights - weights.T).max() <= tol)


def is_row_stochastic(weights: Weights, tol: float = TOLERANCE) -> bool:
    """Whether every row sums to one, so that equal models stay as they are. Negative weights are allowed.

    Args:
        weights: W.
        tol: the largest difference from one.

    Returns:
        True if W 1 = 1.

    Example:
        >>> from simnet.graph import star
        >>> is_row_stochastic(uniform(star(4)))
        True
    """
    return bool(np.abs(weights.sum(axis=1) - 1).max() <= tol)


def is_column_stochastic(weights: Weights, tol: float = TOLERANCE) -> bool:
    """Whether every column sums to one, so that the sum of the models stays. Negative weights are allowed.

    Args:
        weights: W.
        tol: the largest difference from one.

    Returns:
        True if 1^T W = 1^T.

    Example:
        >>> from simnet.graph import star
        >>> is_column_stochastic(uniform(star(4)))
        False
    """
    return bool(np.abs(weights.sum(axis=0) - 1).max() <= tol)


def is_doubly_stochastic(weights: Weights, tol: float = TOLERANCE) -> bool:
    """Whether rows and columns sum to one, so that averaging keeps the mean. Negative weights are allowed.

    Args:
        weights: W.
        tol: the largest difference from one.

    Returns:
        True if W 1 = 1 and 1^T W = 1^T.

    Example:
        >>> from simnet.graph import exponential
        >>> is_doubly_stochastic(uniform(exponential(8)))
        True
    """
    return is_row_stochastic(weights, tol) and is_column_stochastic(weights, tol)


def _by_kind(spec: MixingSpec, graph: Graph) -> Weights:
    kind = spec.kind or ("uniform" if graph.is_directed() else "metropolis")
    if kind not in MIXINGS:
        raise ParameterError(f"kind: found {kind}; allowed are {words(MIXINGS)}; choose one of these")
    if kind == "uniform":
        return uniform(graph, self_weight=spec.self_weight)
    if spec.self_weight is not None:
        raise ParameterError(
            f"self_weight: found {spec.self_weight:g} with {kind}; only uniform has it; set kind: uniform or drop it"
        )
    return MIXINGS[kind](graph)


def _undirected_links(graph: Graph, kind: str) -> Links:
    if graph.is_directed():
        raise ParameterError(
            f"kind: found {kind} on a directed graph; uniform or an explicit matrix is allowed; use kind: uniform"
        )
    return Links.of(graph)


def _laplacian_ends(links: Links) -> tuple[float, float]:
    """The smallest positive and the largest eigenvalue of the Laplacian."""
    degrees = links.degrees().astype(np.float64)
    above = 2 * degrees.max()
    minus_one = np.full(len(links.senders), -1.0)
    laplacian, upside_down = links.matrix(minus_one, degrees), links.matrix(-minus_one, above - degrees)
    try:
        return above - largest_eigenvalue(upside_down, ones=above), largest_eigenvalue(laplacian)
    except ArpackError:
        raise ParameterError(
            f"kind: found best_constant, but the eigenvalues of this graph of {links.n} nodes cannot be computed; "
            "metropolis and max_degree need none; choose one of these"
        ) from None
