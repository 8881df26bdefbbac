"""Graphs over time: a mixing matrix for each step, all of them known to everybody beforehand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np

from simnet.graph.common import Graph, check_connected, on_nodes
from simnet.graph.eigenvalues import LARGEST_DENSE
from simnet.graph.links import Links, Weights
from simnet.graph.mixing import is_doubly_stochastic
from simnet.graph.spectrum import Spectrum, spectral_gap

EXACT = 1e-12
"""What is left of a disagreement that averaging has removed, but for rounding."""

NUM_EXAMPLES = 8

Change = Callable[[Weights], Weights]


class GraphSequence(ABC):
    """The mixing matrices W of the steps 0, 1, 2, ...; a matrix stores the links of its steps, and no others.

    Steps with the same matrix have the same phase.

    Attributes:
        num_phases: how many different matrices there are at most; None: no end of them.
    """

    num_phases: int | None

    @property
    @abstractmethod
    def graph(self) -> Graph:
        """The union: who ever sends to whom."""

    @property
    @abstractmethod
    def examples(self) -> Sequence[Weights]:
        """All of its matrices, or, of a sequence without end, the first."""

    @abstractmethod
    def phase(self, step: int) -> int:
        """The phase of a step.

        Args:
            step: from 0.
        """

    @abstractmethod
    def weights(self, phase: int) -> Weights:
        """The matrix W of a phase, ``[n, n]``.

        Args:
            phase: what `phase` gave.
        """

    @abstractmethod
    def spectrum(self) -> Spectrum:
        """How fast disagreement shrinks per step, in the mean over steps."""

    @abstractmethod
    def changed(self, change: Change) -> GraphSequence:
        """The sequence of the changed matrices.

        Args:
            change: W -> W, such as `slack`.
        """

    def at(self, step: int) -> Weights:
        """The matrix W of a step, ``[n, n]``.

        Args:
            step: from 0.
        """
        return self.weights(self.phase(step))


@dataclass(frozen=True)
class Listed(GraphSequence):
    """Finitely many matrices, one after the other.

    Args:
        matrices: W of each phase.
        order: step -> phase; None: over and over again. If it is given and ``ends``, the last matrix stays.
        ends: whether the matrices come once only.

    Example:
        >>> from simnet.graph import metropolis, complete, path
        >>> from simnet.graph.mixing import slack
        >>> pair = Listed((metropolis(complete(3)), slack(metropolis(path(3)), 0.5)))
        >>> [pair.phase(step) for step in range(4)], pair.spectrum().how
        ([0, 1, 0, 1], 'exact consensus every 2 steps')
    """

    matrices: tuple[Weights, ...]
    order: Callable[[int], int] | None = None
    ends: bool = False

    @property
    def num_phases(self) -> int:  # type: ignore[override]  # read only
        """How many matrices there are."""
        return len(self.matrices)

    @cached_property
    def graph(self) -> Graph:
        """The union of their links.

        Raises:
            ParameterError: some node cannot reach some other, however many steps it takes.
        """
        return check_connected(graph_of(self.matrices), "found separate parts in all steps together")

    @property
    def examples(self) -> Sequence[Weights]:
        """All of them."""
        return self.matrices

    def phase(self, step: int) -> int:
        """The place of the step's matrix in the list.

        Args:
            step: from 0.
        """
        return step % len(self.matrices) if self.order is None else self.order(step)

    def weights(self, phase: int) -> Weights:
        """The matrix at this place.

        Args:
            phase: the place.
        """
        return self.matrices[phase]

    def changed(self, change: Change) -> Listed:
        """The list of the changed matrices.

        Args:
            change: W -> W.
        """
        return replace(self, matrices=tuple(map(change, self.matrices)))

    def spectrum(self) -> Spectrum:
        """The geometric mean ``||W_tau ... W_1 - J||^(1/tau)`` over a period; where the matrices end, rho of the last one."""
        if self.ends or len(self.matrices) == 1:
            last = spectral_gap(self.matrices[-1])
            return replace(last, how=f"{last.how}, of the graph of the last steps") if self.ends else last
        n, period = self.matrices[0].shape[0], len(self.matrices)
        if n > LARGEST_DENSE:
            return Spectrum(None, None, f"not computed (n > {LARGEST_DENSE})")
        left = disagreement_after(self.matrices)
        if left < EXACT:
            return Spectrum(0.0, 1.0, f"exact consensus every {period} steps")
        rho = left ** (1 / period)
        return Spectrum(rho, 1 - rho, f"computed, mean per step of {period} steps")


@dataclass(frozen=True)
class Drawn(GraphSequence):
    """A random matrix in each step, without end.

    Args:
        draw: step -> W; the same matrix whenever it is asked for.
        links: the union.
        contraction: ``||E[W^T W] - J||``, if it is known: the mean square of the disagreement shrinks at least by it.
    """

    draw: Callable[[int], Weights]
    links: Graph
    contraction: float | None = None
    num_phases = None

    @property
    def graph(self) -> Graph:
        """The union of all links that can be drawn."""
        return self.links

    @property
    def examples(self) -> Sequence[Weights]:
        """The matrices of the first steps."""
        return tuple(map(self.draw, range(NUM_EXAMPLES)))

    def phase(self, step: int) -> int:
        """The step itself.

        Args:
            step: from 0.
        """
        return step

    def weights(self, phase: int) -> Weights:
        """The step's matrix.

        Args:
            phase: the step.
        """
        return self.draw(phase)

    def changed(self, change: Change) -> Drawn:
        """The changed matrices; nothing is known of how fast they average.

        Args:
            change: W -> W.
        """
        return Drawn(lambda step: change(self.draw(step)), self.links)

    def spectrum(self) -> Spectrum:
        """The root of the contraction."""
        if self.contraction is None:
            return Spectrum(None, None, "not computed (random graphs)")
        rho = sqrt(self.contraction)
        return Spectrum(rho, 1 - rho, "root of ||E[W^T W] - J||")


def graph_of(matrices: Iterable[Weights]) -> Graph:
    """The graph of all links that some matrix has.

    Args:
        matrices: of the same size.

    Returns:
        An undirected graph if all links lie in pairs, otherwise a directed one.

    Example:
        >>> sorted(graph_of([averages(3, [[0, 1]]), averages(3, [[1, 2]])]).edges)
        [(0, 1), (1, 2)]
    """
    edges: set[tuple[int, int]] = set()
    n = 0
    for weights in matrices:
        n, stored = weights.shape[0], weights.tocoo()
        edges |= set(zip(stored.col.tolist(), stored.row.tolist(), strict=True))
    edges = {(u, v) for u, v in edges if u != v}
    one_way = any((v, u) not in edges for u, v in edges)
    return on_nodes(n, sorted(edges), directed=one_way)


def linked(n: int, links: Iterable[tuple[int, int, float]]) -> Weights:
    """The matrix with these links; what is missing to one in a row, a node keeps for itself.

    Args:
        n: number of nodes.
        links: triples (from, to, weight).

    Returns:
        W.

    Example:
        >>> linked(2, [(0, 1, 0.25)]).toarray().tolist()
        [[1.0, 0.0], [0.25, 0.75]]
    """
    senders, receivers, weights = zip(*links, strict=True) if (links := list(links)) else ((), (), ())
    return Links(n, np.array(receivers, np.intp), np.array(senders, np.intp)).matrix(np.array(weights, np.float64))


def averages(n: int, groups: Iterable[Sequence[int]]) -> Weights:
    """The matrix with which the nodes of each group all get their average; who is in no group stays as it is.

    Args:
        n: number of nodes.
        groups: lists of nodes, each node in one of them at most.

    Returns:
        W, symmetric and doubly stochastic.

    Example:
        >>> averages(3, [[0, 2]]).toarray()[0].tolist()
        [0.5, 0.0, 0.5]
    """
    return linked(n, ((i, j, 1 / len(group)) for group in groups for i in group for j in group if i != j))


def disagreement_after(matrices: Sequence[Weights]) -> float:
    """``||W_tau ... W_1 - J||``, or, if a matrix is not doubly stochastic, the second largest |eigenvalue| of the product.

    Args:
        matrices: W_1, ..., W_tau.

    Returns:
        What is left of a disagreement at most, as a share.

    Example:
        >>> disagreement_after([averages(4, [[0, 1], [2, 3]]), averages(4, [[0, 2], [1, 3]])])
        0.0
    """
    n = matrices[0].shape[0]
    product: Any = np.eye(n)
    for weights in matrices:
        product = weights @ product
    if all(map(is_doubly_stochastic, matrices)):
        return float(np.linalg.norm(product - 1 / n, 2))
    return float(np.sort(np.abs(np.linalg.eigvals(product)))[-2])
