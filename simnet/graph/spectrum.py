"""How fast averaging with a mixing matrix brings the nodes together.

Every recipe for weights moves the eigenvalues of the plain recipe towards or away from one by a common factor:
1 - lambda becomes a (1 - lambda). So a closed form needs only the second and the last eigenvalue of each topology with
Metropolis-Hastings weights, and the factor a of the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sqrt
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import ArpackError, eigs

from simnet.graph.eigenvalues import LARGEST_DENSE, eigenvalue_bound, largest_eigenvalue
from simnet.graph.links import Weights
from simnet.graph.mixing import MixingSpec, is_doubly_stochastic, is_symmetric
from simnet.graph.topologies import TopologySpec, torus_shape
from simnet.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_COMPUTED = 4096

Ends: TypeAlias = tuple[float, float]
"""The second and the last eigenvalue with plain weights."""


@dataclass(frozen=True)
class Spectrum:
    """How fast repeated averaging forgets where it started: the disagreement shrinks at least by rho per round.

    Attributes:
        rho: ||W - J||_2 with J = 1 1^T / n; for symmetric W that is max(|lambda_2|, |lambda_n|). None: not computed.
        gap: the spectral gap, 1 - rho, or None.
        how: "closed form", "computed", or what else must be known about the two numbers.
    """

    rho: float | None
    gap: float | None
    how: str


def spectral_gap(
    weights: Weights, *, topology: TopologySpec | None = None, mixing: MixingSpec | None = None
) -> Spectrum:
    """The spectral gap 1 - rho of a mixing matrix, rho = ||W - J||_2 and J = 1 1^T / n.

    If W is not doubly stochastic, its powers do not approach J; then rho is the second largest |eigenvalue|, and
    ``how`` says so. Some papers call rho^2 rho.

    Args:
        weights: W, [n, n].
        topology: what W's graph was built from; with ``mixing`` it allows a closed form, at any n.
        mixing: what W was built from.

    Returns:
        rho and the gap; both None where there is no closed form and n is above 4096.

    Example:
        >>> from simnet.graph import metropolis, ring
        >>> spectrum = spectral_gap(metropolis(ring(8)))
        >>> round(spectrum.rho, 6), spectrum.how
        (0.804738, 'computed')

    Reference:
        Xiao, Boyd: Fast linear iterations for distributed averaging, 2004.
    """
    rho = None if topology is None or mixing is None else _closed_form(weights, topology, mixing)
    if rho is not None:
        return Spectrum(rho, 1 - rho, "closed form")
    if weights.shape[0] > LARGEST_COMPUTED:
        return Spectrum(None, None, f"not computed (n > {LARGEST_COMPUTED})")
    try:
        rho, how = _computed(weights)
    except ArpackError:
        return Spectrum(None, None, "not computed (the eigenvalue solver did not converge)")
    return Spectrum(rho, 1 - rho, how)


def _ring(n: int, _: TopologySpec) -> Ends | None:
    return ((1 + 2 * cos(2 * pi / n)) / 3, (1 + 2 * _lowest_cosine(n)) / 3) if n >= 3 else None


def _path(n: int, _: TopologySpec) -> Ends | None:
    return ((1 + 2 * cos(pi / n)) / 3, (1 - 2 * cos(pi / n)) / 3) if n >= 3 else None


def _torus(n: int, spec: TopologySpec) -> Ends | None:
    rows, columns = torus_shape(n, getattr(spec, "rows", None))
    if min(rows, columns) < 3:
        return None
    lowest = (1 + 2 * _lowest_cosine(rows) + 2 * _lowest_cosine(columns)) / 5
    return (3 + 2 * cos(2 * pi / max(rows, columns))) / 5, lowest


def _hypercube(n: int, _: TopologySpec) -> Ends | None:
    dimension = n.bit_length() - 1
    return ((dimension - 1) / (dimension + 1), (1 - dimension) / (1 + dimension)) if n >= 2 else None


def _star(n: int, _: TopologySpec) -> Ends | None:
    return (1 - 1 / n, 0.0) if n >= 3 else None


def _complete(n: int, _: TopologySpec) -> Ends | None:
    return (0.0, 0.0) if n >= 2 else None


def _exponential(n: int, _: TopologySpec) -> Ends | None:
    """For even n the eigenvalue of largest modulus is real; all others, complex ones too, stay within it if a <= 1."""
    rho = 1 - 2 / (1 + (n - 1).bit_length())
    return (rho, rho) if n % 2 == 0 else None


def _ring_lattice(n: int, spec: TopologySpec) -> Ends | None:
    reach = int(getattr(spec, "reach", 1))
    if 2 * reach >= n:
        return None
    cosines = np.cos(2 * pi * np.arange(1, n)[:, None] * np.arange(1, reach + 1) / n).sum(axis=1)
    eigenvalues = (1 + 2 * cosines) / (2 * reach + 1)
    return float(eigenvalues.max()), float(eigenvalues.min())


def _lowest_cosine(n: int) -> float:
    """The smallest of cos(2 pi m / n), m = 0..n-1."""
    return cos(2 * pi * (n // 2) / n)


CLOSED_FORMS: Mapping[str, Callable[[int, TopologySpec], Ends | None]] = {
    "ring": _ring,
    "path": _path,
    "torus": _torus,
    "hypercube": _hypercube,
    "star": _star,
    "complete": _complete,
    "exponential": _exponential,
    "ring_lattice": _ring_lattice,
}


def _closed_form(weights: Weights, topology: TopologySpec, mixing: MixingSpec) -> float | None:
    if mixing.matrix is not None or topology.kind not in CLOSED_FORMS:
        return None
    n = weights.shape[0]
    ends = CLOSED_FORMS[topology.kind](n, topology)
    factor = None if ends is None else _factor(ends, degree=weights.nnz / n - 1, topology=topology.kind, mixing=mixing)
    if ends is None or factor is None:
        return None
    second, last = (1 - factor * (1 - end) for end in ends)
    return max(abs(second), abs(last))


def _factor(ends: Ends, degree: float, topology: str, mixing: MixingSpec) -> float | None:
    """The a of 1 - lambda -> a (1 - lambda) that leads from plain weights to this recipe, or None if there is none."""
    is_directed, is_regular = topology == "exponential", topology not in {"path", "star"}
    kind = mixing.kind or ("uniform" if is_directed else "metropolis")
    factor = 1.0
    if kind == "uniform" and not is_regular:
        return None
    if kind == "uniform" and mixing.self_weight is not None:
        factor = (1 - mixing.self_weight) * (degree + 1) / degree
    if kind == "best_constant":
        factor = 2 / (2 - sum(ends))
    if mixing.lazy or kind == "lazy":
        factor /= 2
    if mixing.slack is not None:
        factor *= mixing.slack
    return None if is_directed and factor > 1 else factor


def smallest_eigenvalue(weights: Weights) -> float | None:
    """The smallest eigenvalue of a symmetric mixing matrix.

    Args:
        weights: W, [n, n].

    Returns:
        lambda_n; None where W is not symmetric, n is above 4096, or the solver does not converge.

    Example:
        >>> from simnet.graph import metropolis, ring
        >>> round(smallest_eigenvalue(metropolis(ring(8))), 6)
        -0.333333
    """
    if weights.shape[0] > LARGEST_COMPUTED or not is_symmetric(weights):
        return None
    try:
        return -largest_eigenvalue(-weights)
    except ArpackError:
        return None


def _computed(weights: Weights) -> tuple[float, str]:
    if not is_doubly_stochastic(weights):
        return _second_modulus(weights), "computed (second largest |eigenvalue|, as W is not doubly stochastic)"
    if is_symmetric(weights):
        return _largest_modulus(weights), "computed"
    if weights.shape[0] <= LARGEST_DENSE:
        return float(np.linalg.norm(weights.toarray() - 1 / weights.shape[0], 2)), "computed"
    return sqrt(max(0.0, largest_eigenvalue(csr_array(weights.T @ weights), ones=1.0))), "computed"


def _largest_modulus(weights: Weights) -> float:
    """max(|lambda_2|, |lambda_n|) of a symmetric matrix."""
    second = largest_eigenvalue(weights, ones=1.0)
    if eigenvalue_bound(-weights) <= second:
        return second
    return max(second, largest_eigenvalue(-weights))


def _second_modulus(weights: Weights) -> float:
    n = weights.shape[0]
    if n <= LARGEST_DENSE:
        moduli = np.abs(np.linalg.eigvals(weights.toarray()))
    else:
        start = stream(0, "arnoldi", n).standard_normal(n)
        moduli = np.abs(eigs(weights, k=2, which="LM", v0=start, ncv=64, maxiter=200, return_eigenvectors=False))
    return float(np.sort(moduli)[-2])
