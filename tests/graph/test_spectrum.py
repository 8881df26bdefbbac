"""Spectral gaps: published numbers, closed forms against computation, and what is not computed."""

from __future__ import annotations

from math import cos, pi
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pytest

from simnet.graph import (
    Spectrum,
    best_constant,
    build_mixing,
    build_topology,
    edge_list,
    exponential,
    lazy,
    max_degree,
    metropolis,
    path,
    random_regular,
    ring,
    slack,
    spectral_gap,
    star,
    torus,
    uniform,
)
from simnet.streams import stream

if TYPE_CHECKING:
    from simnet.graph import Graph, Weights


def topology(kind: str, **keys: Any) -> SimpleNamespace:
    return SimpleNamespace(kind=kind, **keys)


def mixing(kind: str | None = None, **keys: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"kind": kind, "matrix": None, "lazy": False, "slack": None, "self_weight": None} | keys)


def both(graph_spec: SimpleNamespace, mixing_spec: SimpleNamespace, n: int) -> tuple[Spectrum, Spectrum]:
    """The spectrum with hints and without."""
    weights = build_mixing(mixing_spec, build_topology(graph_spec, n))
    return spectral_gap(weights, topology=graph_spec, mixing=mixing_spec), spectral_gap(weights)


def largest_disagreement(weights: Weights) -> float:
    """The number rho by its definition."""
    return np.linalg.norm(weights.toarray() - 1 / weights.shape[0], 2)


ALL_SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 32, 36]
SIZES = {
    "ring": ALL_SIZES,
    "path": ALL_SIZES,
    "star": ALL_SIZES,
    "complete": ALL_SIZES,
    "exponential": ALL_SIZES,
    "torus": [1, 4, 6, 8, 9, 12, 15, 16, 25, 32, 36],
    "hypercube": [1, 2, 4, 8, 16, 32],
}
RECIPES = [
    mixing(),
    mixing("metropolis"),
    mixing("uniform"),
    mixing("uniform", self_weight=0.5),
    mixing("uniform", self_weight=0.05),
    mixing("max_degree"),
    mixing("best_constant"),
    mixing("lazy"),
    mixing("best_constant", lazy=True, slack=0.7),
    mixing("lazy", lazy=True),
    mixing(slack=0.3),
]


@pytest.mark.parametrize(
    "recipe", RECIPES, ids=lambda recipe: "-".join(f"{k}={v}" for k, v in vars(recipe).items() if v)
)
@pytest.mark.parametrize("kind", SIZES)
def test_closed_forms_equal_the_computed_numbers(kind: str, recipe: SimpleNamespace) -> None:
    if kind == "exponential" and recipe.kind not in {None, "uniform"}:
        return
    for n in SIZES[kind]:
        hinted, computed = both(topology(kind), recipe, n)
        assert hinted.rho == pytest.approx(computed.rho, abs=1e-12)
        assert hinted.gap == pytest.approx(1 - hinted.rho, abs=1e-15)


@pytest.mark.parametrize("kind", SIZES)
def test_every_fixed_topology_has_a_closed_form(kind: str) -> None:
    hinted, computed = both(topology(kind), mixing(), 16)
    assert hinted.how == "closed form"
    assert computed.how == "computed"


@pytest.mark.parametrize(
    ("n", "rho", "inverse_gap"),
    [
        (4, 0.333333, 1.500),
        (5, 0.539345, 2.171),
        (8, 0.804738, 5.121),
        (16, 0.949253, 19.706),
        (32, 0.987190, 78.065),
        (64, 0.996790, 311.509),
        (100, 0.998684, 760.159),
    ],
)
def test_published_numbers_of_rings(n: int, rho: float, inverse_gap: float) -> None:
    for spectrum in both(topology("ring"), mixing(), n):
        assert spectrum.rho == pytest.approx(1 / 3 + 2 / 3 * cos(2 * pi / n), abs=1e-9)
        assert round(spectrum.rho, 6) == rho
        assert round(1 / spectrum.gap, 3) == inverse_gap


def test_published_number_of_the_quarter_half_quarter_ring() -> None:
    for spectrum in both(topology("ring"), mixing("uniform", self_weight=0.5), 16):
        assert spectrum.rho == pytest.approx((1 + cos(2 * pi / 16)) / 2, abs=1e-9)
        assert round(spectrum.rho, 6) == 0.961940


@pytest.mark.parametrize(
    ("rows", "columns", "rho"), [(3, 3, 0.4), (4, 4, 0.6), (5, 5, 0.72361), (8, 8, 0.88284), (4, 8, 0.88284)]
)
def test_published_numbers_of_tori(rows: int, columns: int, rho: float) -> None:
    for spectrum in both(topology("torus", rows=rows), mixing(), rows * columns):
        assert spectrum.rho == pytest.approx((3 + 2 * cos(2 * pi / max(rows, columns))) / 5, abs=1e-9)
        assert round(spectrum.rho, 5) == rho


@pytest.mark.parametrize(("n", "rho"), [(4, 0.33333), (8, 0.5), (16, 0.6), (32, 0.66667)])
@pytest.mark.parametrize("kind", ["hypercube", "exponential"])
def test_published_numbers_of_hypercubes_and_exponential_graphs_of_the_same_size(kind: str, n: int, rho: float) -> None:
    for spectrum in both(topology(kind), mixing(), n):
        assert spectrum.rho == pytest.approx(1 - 2 / n.bit_length(), abs=1e-9)
        assert round(spectrum.rho, 5) == rho


@pytest.mark.parametrize(
    ("n", "rho"),
    [
        *((5, 0.250), (7, 0.354), (9, 0.442), (15, 0.490), (17, 0.548), (33, 0.608)),
        *((6, 0.5), (14, 0.6), (64, 0.714), (100, 0.75), (256, 0.778), (1024, 0.818)),
    ],
)
def test_published_numbers_of_exponential_graphs(n: int, rho: float) -> None:
    weights = uniform(exponential(n))
    assert round(spectral_gap(weights, topology=topology("exponential"), mixing=mixing()).rho, 3) == rho


@pytest.mark.parametrize(
    ("graph", "published"),
    [
        (ring(5), (0.53934, 0.53934, 0.44721, 0.4)),
        (ring(8), (0.80474, 0.80474, 0.74452, 0.43613)),
        (ring(16), (0.94925, 0.94925, 0.92667, 0.481668)),
        (ring(32), (0.98719, 0.98719, 0.98097, 0.495242)),
        (path(8), (0.94925, 0.94925, 0.92388, 0.5)),
        (star(8), (0.875, 0.875, 0.77778, 0.2222)),
        (nx.convert_node_labels_to_integers(nx.grid_2d_graph(3, 4)), (0.86358, 0.88284, 0.83263, 0.285714)),
        (torus(16), (0.6, 0.6, 0.6, 0.2)),
        (torus(64), (0.88284, 0.88284, 0.86355, 0.232943)),
    ],
)
def test_published_comparison_of_recipes(graph: Graph, published: tuple[float, ...]) -> None:
    *rhos, alpha = published
    for rule, rho in zip((metropolis, max_degree, best_constant), rhos, strict=True):
        assert spectral_gap(rule(graph)).rho == pytest.approx(rho, abs=5.1e-6)
    neighbor = min(graph[0])
    assert best_constant(graph)[0, neighbor] == pytest.approx(alpha, abs=5e-5 if alpha == 0.2222 else 5.1e-6)


@pytest.mark.parametrize("n", [4, 5, 9, 16])
def test_remaining_rows_of_the_table(n: int) -> None:
    assert spectral_gap(metropolis(path(n))).rho == pytest.approx(1 / 3 + 2 / 3 * cos(pi / n), abs=1e-9)
    assert spectral_gap(best_constant(path(n))).rho == pytest.approx(cos(pi / n), abs=1e-9)
    assert spectral_gap(metropolis(star(n))).rho == pytest.approx(1 - 1 / n, abs=1e-9)
    assert spectral_gap(best_constant(star(n))).rho == pytest.approx((n - 1) / (n + 1), abs=1e-9)
    directed_ring = edge_list(n, edges=[(i, (i + 1) % n) for i in range(n)], directed=True)
    assert spectral_gap(uniform(directed_ring)).rho == pytest.approx(cos(pi / n), abs=1e-9)


@pytest.mark.parametrize(
    "weights",
    [
        metropolis(ring(1500)),
        best_constant(path(1100)),
        lazy(random_regular(1500, degree=4, rng=stream(0, "test"))),
        metropolis(torus(1200)),
        uniform(exponential(1101)),
        slack(uniform(edge_list(1100, edges=[(i, (i + 1) % 1100) for i in range(1100)], directed=True)), 0.5),
    ],
    ids=["ring", "path", "regular", "torus", "exponential", "directed ring"],
)
def test_sparse_solvers_agree_with_the_definition(weights: Weights) -> None:
    spectrum = spectral_gap(weights)
    assert spectrum.how == "computed"
    if is_normal_circulant(weights):
        eigenvalues = np.fft.fft(weights.toarray()[:, 0])
        assert spectrum.rho == pytest.approx(np.sort(np.abs(eigenvalues))[-2], abs=1e-9)
    else:
        eigenvalues = np.linalg.eigvalsh(weights.toarray() - 1 / weights.shape[0])
        assert spectrum.rho == pytest.approx(np.abs(eigenvalues).max(), abs=1e-9)


def is_normal_circulant(weights: Weights) -> bool:
    dense = weights.toarray()
    return np.array_equal(dense[1:, 1:], dense[:-1, :-1]) and np.array_equal(dense[1:, 0], dense[:-1, -1])


def test_non_symmetric_doubly_stochastic_weights_have_the_norm() -> None:
    dense = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.3, 0.2, 0.5]])
    weights = build_mixing(mixing(matrix=dense), build_topology(topology("complete"), 3))
    assert spectral_gap(weights).rho == pytest.approx(largest_disagreement(weights), abs=1e-12)
    assert spectral_gap(weights).rho > np.sort(np.abs(np.linalg.eigvals(dense)))[-2] + 0.01


@pytest.mark.parametrize("n", [8, 1200])
def test_weights_that_are_not_doubly_stochastic_say_which_number_is_given(n: int) -> None:
    graph = random_regular(n, degree=4, rng=stream(0, "test"))
    graph.remove_edge(0, min(graph[0]))
    weights = uniform(graph)
    spectrum = spectral_gap(weights, topology=topology("edges"), mixing=mixing("uniform"))
    assert "second largest |eigenvalue|" in spectrum.how
    root_degrees = np.sqrt(np.bincount(weights.indices))
    symmetric = weights.toarray() * root_degrees[:, None] / root_degrees[None, :]
    assert spectrum.rho == pytest.approx(np.sort(np.abs(np.linalg.eigvalsh(symmetric)))[-2], abs=1e-9)


def test_large_graphs_have_a_closed_form_or_none() -> None:
    spec = topology("ring")
    weights = metropolis(ring(10_000))
    assert spectral_gap(weights) == Spectrum(None, None, "not computed (n > 4096)")
    spectrum = spectral_gap(weights, topology=spec, mixing=mixing())
    assert spectrum.how == "closed form"
    assert spectrum.gap == pytest.approx(2 / 3 * (1 - cos(2 * pi / 10_000)), rel=1e-6)


def test_hints_without_a_closed_form_do_no_harm() -> None:
    weights = metropolis(ring(6))
    expected = pytest.approx(2 / 3, abs=1e-12)
    assert spectral_gap(weights, topology=topology("edges"), mixing=mixing()).rho == expected
    assert spectral_gap(weights, topology=None, mixing=mixing(matrix=weights.toarray())).rho == expected
    assert spectral_gap(weights, topology=topology("ring"), mixing=mixing(matrix="w.csv")).how == "computed"
