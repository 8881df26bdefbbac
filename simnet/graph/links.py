"""The links of a graph as arrays, and the sparse matrices on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import networkx as nx
import numpy as np
from scipy.sparse import coo_array, csr_array

from simnet.graph.common import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

Weights: TypeAlias = "csr_array[np.float64, tuple[int, int]]"
"""A mixing matrix, [n, n] float64; W[i, j] is the weight that receiver i gives to sender j."""

TOLERANCE = 1e-9
"""How far a sum of weights may be from one."""


@dataclass(frozen=True)
class Links:
    """The directed links of a graph as arrays: receivers[e] hears senders[e].

    Attributes:
        n: number of nodes.
        receivers, senders: node numbers, [number of links].
    """

    n: int
    receivers: NDArray[np.intp]
    senders: NDArray[np.intp]

    @classmethod
    def of(cls, graph: Graph) -> Links:
        """The links of a networkx graph; an undirected edge is two.

        Args:
            graph: on 0..n-1.

        Example:
            >>> from simnet.graph import star
            >>> Links.of(star(3)).degrees().tolist()
            [2, 1, 1]
        """
        sends = nx.to_scipy_sparse_array(graph, nodelist=range(len(graph)), weight=None, format="coo")
        return cls(len(graph), sends.col.astype(np.intp), sends.row.astype(np.intp))

    def degrees(self) -> NDArray[np.intp]:
        """How many others each node hears, [n]."""
        return np.bincount(self.receivers, minlength=self.n)

    def matrix(self, weights: NDArray[np.float64], own: NDArray[np.float64] | None = None) -> Weights:
        """The matrix of these link weights: W[receivers[e], senders[e]] = weights[e], W[i, i] = own[i].

        Args:
            weights: of each link, [number of links].
            own: what each node gives itself, [n]; by default what makes its row sum one.

        Example:
            >>> from simnet.graph import ring
            >>> Links.of(ring(3)).matrix(np.full(6, 0.25)).toarray()[0].tolist()
            [0.5, 0.25, 0.25]
        """
        if own is None:
            own = 1 - np.bincount(self.receivers, weights, minlength=self.n).astype(np.float64)
        nodes = np.arange(self.n)
        rows, columns = np.concatenate([self.receivers, nodes]), np.concatenate([self.senders, nodes])
        matrix = csr_array(coo_array((np.concatenate([weights, own]), (rows, columns)), shape=(self.n, self.n)))
        matrix.sort_indices()
        return matrix
