"""The largest eigenvalue of a symmetric sparse matrix, at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from simnet.streams import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

LARGEST_DENSE = 1024
NUM_LANCZOS_VECTORS = 64
NUM_RESTARTS = 30
PRECISION = 1e-12


def largest_eigenvalue(matrix: csr_array[Any, Any], *, ones: float = 0.0) -> float:
    """The largest eigenvalue of a symmetric matrix; that of the vector of ones can be left out.

    Lanczos is fast where eigenvalues lie apart (expanders, dense graphs). Where they crowd together (long rings, paths,
    grids) it is not, but such graphs fall apart easily, so a sparse factorization of matrix - bound * I is cheap.

    Args:
        matrix: [n, n], symmetric.
        ones: the eigenvalue of the vector of ones, if it is to be left out; 0 leaves out nothing.

    Returns:
        The eigenvalue, to about 1e-12 of the largest possible one.

    Raises:
        ArpackNoConvergence: neither way found it.

    Example:
        >>> from simnet.graph import metropolis, ring
        >>> round(largest_eigenvalue(metropolis(ring(8)), ones=1), 6)
        0.804738

    Reference:
        Lehoucq, Sorensen, Yang: ARPACK Users' Guide, 1998.
    """
    n = matrix.shape[0]
    if n <= LARGEST_DENSE:
        return float(np.linalg.eigvalsh(matrix.toarray() - ones / n)[-1])
    start = stream(0, "lanczos", n).standard_normal(n)
    try:
        return _lanczos(matrix, ones, start)
    except ArpackNoConvergence:
        return _shift_invert(matrix, ones, start)


def eigenvalue_bound(matrix: csr_array[Any, Any]) -> float:
    """What no eigenvalue of a symmetric matrix exceeds: the largest m_ii + sum_j |m_ij|, j not i.

    Args:
        matrix: [n, n], symmetric.

    Returns:
        The bound; regular bipartite graphs and mixing matrices reach it.

    Example:
        >>> from simnet.graph import metropolis, ring
        >>> round(eigenvalue_bound(-metropolis(ring(8))), 6)
        0.333333

    Reference:
        Gershgorin: Ueber die Abgrenzung der Eigenwerte einer Matrix, 1931.
    """
    diagonal = matrix.diagonal()
    return float((diagonal - abs(diagonal) + abs(matrix).sum(axis=1)).max())


def _lanczos(matrix: csr_array[Any, Any], ones: float, start: NDArray[np.float64]) -> float:
    without_ones = LinearOperator(matrix.shape, matvec=lambda x: matrix @ x - ones * x.mean(), dtype=np.float64)
    return float(_arpack(without_ones, start, k=1, which="LA")[0])


def _shift_invert(matrix: csr_array[Any, Any], ones: float, start: NDArray[np.float64]) -> float:
    # The bound itself may be an eigenvalue, and then the factors would be singular.
    shift = eigenvalue_bound(matrix) * (1 + 1e-9)
    nearest = _arpack(csc_array(matrix), start, k=2 if ones else 1, which="LM", sigma=shift)
    if ones:
        nearest = np.delete(nearest, np.abs(nearest - ones).argmin())
    return float(nearest.max())


def _arpack(matrix: Any, start: NDArray[np.float64], **wanted: Any) -> NDArray[np.float64]:
    wanted |= {"ncv": NUM_LANCZOS_VECTORS, "maxiter": NUM_RESTARTS, "tol": PRECISION, "return_eigenvectors": False}
    eigenvalues: NDArray[np.float64] = eigsh(matrix, v0=start, **wanted)
    return eigenvalues
