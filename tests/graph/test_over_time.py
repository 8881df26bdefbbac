"""Graphs over time average as fast as their papers say, are the same whenever they are asked for, or refuse with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import permutations
from math import floor, log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.graph import (
    SEQUENCES,
    GraphSequence,
    base_graph,
    build_sequence,
    exponential,
    has_own_weights,
    hyper_hypercube,
    is_column_stochastic,
    is_doubly_stochastic,
    is_symmetric,
    metropolis,
    ring_lattice,
    spectral_gap,
    uniform,
    with_mixing,
)
from simnet.graph.equitopo import connecting_shifts, contraction

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "one_peer_exponential": [{}, {"order": "shuffled"}],
    "random_matching": [{}],
    "equi_static": [{"shifts": 4}, {"shifts": 4, "directed": False}],
    "equi_dynamic": [{}, {"shifts": 3}, {"directed": False}, {"shifts": 3, "directed": False}],
    "hyper_hypercube": [{"degree": 3}],
    "base_graph": [{}, {"degree": 2, "simple": True}],
    "ring_lattice": [{"reach": 4, "final": 1, "pace": 0.5, "unit": "step"}],
    "matcha": [{"graph": SimpleNamespace(kind="ring"), "budget": 0.6}],
    "epidemic": [{}, {"fanout": 3}],
    "sequence": [{"matrices": [np.eye(12).tolist(), np.full((12, 12), 1 / 12).tolist()]}],
}
EVERY = [(kind, parameters) for kind, rows in PARAMETERS.items() for parameters in rows]
PLAIN = {"kind": None, "matrix": None, "lazy": False, "slack": None, "self_weight": None}


def build(kind: str, n: int = 12, seed: int = 1, **parameters: Any) -> GraphSequence:
    return build_sequence(SimpleNamespace(kind=kind, **parameters), n, seed)


def matrices(graphs: GraphSequence, steps: int) -> list[np.ndarray]:
    return [graphs.at(step).toarray() for step in range(steps)]


def product(factors: Sequence[np.ndarray]) -> np.ndarray:
    """The later a factor, the further left it stands."""
    return reduce(lambda done, W: W @ done, factors)


def test_every_kind_is_tried() -> None:
    assert set(PARAMETERS) == set(SEQUENCES)


@pytest.mark.parametrize(("kind", "parameters"), EVERY, ids=str)
def test_sums_are_one_links_are_those_of_the_union_and_steps_can_be_asked_for_in_any_order(
    kind: str, parameters: dict[str, Any]
) -> None:
    graphs, again = build(kind, **parameters), build(kind, **parameters)
    other = build(kind, seed=2, **parameters)
    links = set(graphs.graph.to_directed().edges)
    for step in reversed(range(20)):
        W = graphs.at(step)
        assert is_column_stochastic(W) if kind == "epidemic" else is_doubly_stochastic(W)
        assert is_symmetric(W) or graphs.graph.is_directed() or kind in {"epidemic", "equi_dynamic"}
        assert {(int(j), int(i)) for i, j in zip(*W.tocoo().coords, strict=True) if i != j} <= links
    assert all((a == b).all() for a, b in zip(matrices(graphs, 20), matrices(again, 20), strict=True))
    is_random = kind in {"random_matching", "epidemic", "matcha"} or kind.startswith("equi") or "order" in parameters
    is_other = any((a != b).any() for a, b in zip(matrices(graphs, 20), matrices(other, 20), strict=True))
    assert is_other == is_random


@pytest.mark.parametrize("tau", [1, 2, 3, 5])
def test_one_peer_exponential_graphs_of_a_power_of_two_agree_in_any_order_of_a_period(tau: int) -> None:
    n = 2**tau
    period = matrices(build("one_peer_exponential", n), tau)
    for order in list(permutations(range(tau)))[:24]:
        np.testing.assert_allclose(product([period[m] for m in order]), 1 / n, atol=1e-15)
    shuffled = build("one_peer_exponential", n, order="shuffled")
    for start in range(0, 6 * tau, tau):
        np.testing.assert_allclose(product([shuffled.at(start + k).toarray() for k in range(tau)]), 1 / n, atol=1e-15)
    assert build("one_peer_exponential", n).spectrum().rho == 0


@pytest.mark.parametrize(("n", "deviation"), [(5, 0.075), (6, 0.083), (7, 0.107), (25, 0.0225)])
def test_one_peer_exponential_graphs_of_other_numbers_never_agree_exactly(n: int, deviation: float) -> None:
    tau = (n - 1).bit_length()
    graphs = build("one_peer_exponential", n)
    assert abs(product(matrices(graphs, tau)) - 1 / n).max() == pytest.approx(deviation, abs=5e-4)
    mean = np.linalg.norm(product(matrices(graphs, tau)) - 1 / n, 2) ** (1 / tau)
    assert graphs.spectrum().rho == pytest.approx(mean)
    assert 0 < mean < 1


ODD = {5: 0.250, 7: 0.354, 9: 0.442, 15: 0.490, 17: 0.548, 33: 0.608}


@pytest.mark.parametrize(("n", "rho"), [*ODD.items(), (6, 0.5), (8, 0.5), (10, 0.6), (16, 0.6), (32, 2 / 3), (100, 0.75)])
def test_static_exponential_graphs_are_better_for_odd_numbers(n: int, rho: float) -> None:
    assert spectral_gap(uniform(exponential(n))).rho == pytest.approx(rho, abs=5e-4)


LENGTHS = {
    1: {4: 2, 5: 5, 6: 4, 7: 5, 8: 3, 9: 7, 10: 6, 12: 5, 16: 4, 21: 9, 22: 8, 23: 9, 24: 6, 25: 9, 32: 5, 64: 6, 100: 11},
    2: {3: 1, 4: 2, 5: 3, 6: 2, 7: 4, 8: 3, 9: 2, 10: 4, 12: 3, 16: 4, 21: 5, 22: 6, 23: 6, 24: 4, 25: 6, 32: 5, 64: 6, 100: 8},
    3: {4: 1, 5: 3, 6: 2, 7: 3, 8: 2, 9: 2, 10: 4, 12: 2, 16: 2, 21: 4, 22: 5, 23: 5, 24: 3, 25: 5, 32: 3, 64: 3, 100: 6},
    4: {5: 1, 6: 2, 7: 3, 8: 2, 9: 2, 10: 2, 12: 2, 16: 2, 21: 4, 22: 4, 23: 4, 24: 3, 25: 2, 32: 3, 64: 3, 100: 3},
}
"""Steps of the Base-(k+1) graphs of the authors' code, by k and n."""
SIMPLE = {3: 3, 5: 5, 6: 5, 7: 5, 10: 7, 12: 7, 21: 9, 25: 9, 33: 11, 100: 13}


@pytest.mark.parametrize("degree", LENGTHS)
def test_base_graphs_are_as_long_as_those_of_the_authors(degree: int) -> None:
    assert {n: base_graph(n, degree=degree).num_phases for n in LENGTHS[degree]} == LENGTHS[degree]


def test_simple_base_graphs_are_as_long_as_those_of_the_authors() -> None:
    assert {n: base_graph(n, simple=True).num_phases for n in SIMPLE} == SIMPLE


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 80), st.integers(1, 5), st.booleans())
def test_base_graphs_agree_exactly_with_few_neighbors(n: int, degree: int, simple: bool) -> None:
    graphs = base_graph(n, degree=degree, simple=simple)
    for W in graphs.matrices:
        dense = W.toarray()
        assert is_doubly_stochastic(W)
        assert is_symmetric(W)
        assert dense.min() >= -1e-15
        assert ((dense != 0).sum(axis=1) - (dense.diagonal() != 0)).max() <= degree
    np.testing.assert_allclose(product([W.toarray() for W in graphs.matrices]), 1 / n, atol=1e-14)
    assert graphs.spectrum().how == (
        f"exact consensus every {graphs.num_phases} steps" if graphs.num_phases > 1 else "computed"
    )


@given(st.integers(1, 5), st.data())
def test_hyper_hypercubes_agree_exactly_where_there_are_any(degree: int, data: st.DataObject) -> None:
    factors = data.draw(st.lists(st.integers(2, degree + 1), min_size=1, max_size=3))
    n = int(np.prod(factors))
    graphs = hyper_hypercube(n, degree=degree)
    assert graphs.num_phases <= len(factors)
    np.testing.assert_allclose(product([W.toarray() for W in graphs.matrices]), 1 / n, atol=1e-14)


LATTICES = {(16, 1): 0.9493, (16, 2): 0.8524, (16, 4): 0.5586, (32, 4): 0.8763, (96, 5): 0.9787}


@pytest.mark.parametrize(("n", "reach"), LATTICES)
def test_ring_lattices_have_their_closed_form(n: int, reach: int) -> None:
    weights = uniform(ring_lattice(n, reach=reach))
    spec, mixing = SimpleNamespace(kind="ring_lattice", reach=reach), SimpleNamespace(**PLAIN)
    closed = spectral_gap(weights, topology=spec, mixing=mixing)
    assert closed.how == "closed form"
    assert closed.rho == pytest.approx(LATTICES[n, reach], abs=5e-5)
    assert closed.rho == pytest.approx(spectral_gap(weights).rho, abs=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([0.25, 0.5, 1.0, 2.0]), st.sampled_from([1.0, 3.5]))
def test_a_lattice_moves_with_whole_epochs(reach: int, final: int, pace: float, epoch: float) -> None:
    spec = SimpleNamespace(kind="ring_lattice", reach=reach, final=final, pace=pace, unit="epoch")
    graphs = build_sequence(spec, 12, steps_per_epoch=epoch)
    for step in range(40):
        moved = floor(pace * floor(step / epoch))
        k = max(reach - moved, final) if final <= reach else min(reach + moved, final)
        np.testing.assert_array_equal(graphs.at(step).toarray(), uniform(ring_lattice(12, reach=k)).toarray())
    last = graphs.spectrum().rho
    assert last == pytest.approx(spectral_gap(uniform(ring_lattice(12, reach=final))).rho, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 8, 10])
@pytest.mark.parametrize("eta", [0.3, 0.5, 1.0])
def test_equi_dynamic_contracts_as_the_paper_says(n: int, eta: float) -> None:
    """All shifts are equally likely: the mean of A is J, and that of W^T W has a closed form."""
    shifts = np.arange(1, n)
    A = [np.eye(n) / n + (n - 1) / n * np.roll(np.eye(n), a, axis=0) for a in shifts]
    np.testing.assert_allclose(np.mean(A, axis=0), 1 / n, atol=1e-15)
    W = [(1 - eta) * np.eye(n) + eta * a for a in A]
    exact = np.linalg.norm(np.mean([w.T @ w for w in W], axis=0) - 1 / n, 2)
    assert exact == pytest.approx((1 - eta) ** 2 + eta**2 * (1 - 2 / n))
    assert contraction(n, shifts, eta) == pytest.approx(exact)
    graphs = build("equi_dynamic", n, eta=eta)
    assert graphs.spectrum().rho == pytest.approx(exact**0.5)
    drawn = matrices(graphs, 8 * n)
    assert all(min(abs(w - d).max() for w in W) < 1e-12 for d in drawn)
    assert n == 2 or len({d.tobytes() for d in drawn}) > n // 2


def test_equi_dynamic_of_a_list_contracts_as_its_matrices_do() -> None:
    graphs = build("equi_dynamic", 12, shifts=3)
    W = list({d.tobytes(): d for d in matrices(graphs, 300)}.values())
    assert len(W) <= 3
    drawn = np.linalg.norm(np.mean([w.T @ w for w in matrices(graphs, 3000)], axis=0) - 1 / 12, 2)
    assert graphs.spectrum().rho ** 2 == pytest.approx(drawn, abs=0.03)


@given(st.integers(2, 20), st.integers(0, 99))
def test_undirected_equi_dynamic_pairs_nodes(n: int, seed: int) -> None:
    for W in matrices(build("equi_dynamic", n, seed, directed=False, eta=1.0), 5):
        others = W - np.diag(W.diagonal())
        assert (W == W.T).all()
        assert ((others > 0).sum(axis=0) <= 1).all()
        np.testing.assert_allclose(others[others > 0], (n - 1) / n)
        pairs = np.argwhere(others)
        assert len(pairs) >= 2
        (shift,) = {min((i - j) % n, (j - i) % n) for i, j in pairs.tolist()}
        free = set(range(n)) - set(pairs.ravel().tolist())
        assert not any((i + shift) % n in free for i in free)


def test_equi_static_keeps_its_promise() -> None:
    """M = 8 ln(2n/p) / (3 eps^2) shifts give ||W - J|| < eps, but with probability p."""
    n, eps, p = 64, 0.5, 0.1
    shifts = floor(8 * log(2 * n / p) / (3 * eps**2))
    for directed in (True, False):
        norms = [build("equi_static", n, seed, shifts=shifts, directed=directed).spectrum().rho for seed in range(20)]
        assert np.mean(np.array(norms) >= eps) <= p
        assert is_symmetric(build("equi_static", n, 1, shifts=4, directed=directed).at(0)) != directed


def perfect_matchings(nodes: list[int]) -> list[list[tuple[int, int]]]:
    if len(nodes) < 2:
        return [[]]
    first, *rest = nodes
    found = [[(first, j), *more] for j in rest for more in perfect_matchings([i for i in rest if i != j])]
    return found + (perfect_matchings(rest) if len(nodes) % 2 else [])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_random_matchings_contract_as_they_say(n: int) -> None:
    every = []
    for pairs in perfect_matchings(list(range(n))):
        W = np.eye(n)
        for i, j in pairs:
            W[np.ix_([i, j], [i, j])] = 0.5
        every.append(W)
    exact = np.linalg.norm(np.mean([W.T @ W for W in every], axis=0) - 1 / n, 2)
    graphs = build("random_matching", n)
    assert graphs.spectrum().rho ** 2 == pytest.approx(exact, abs=1e-15)
    drawn = {W.tobytes() for W in matrices(graphs, 40 * len(every))}
    assert drawn == {W.tobytes() for W in every}


@given(st.integers(2, 15), st.data())
def test_an_epidemic_reaches_so_many_others(n: int, data: st.DataObject) -> None:
    fanout = data.draw(st.integers(1, n - 1))
    for W in matrices(build("epidemic", n, fanout=fanout), 5):
        assert ((W > 0).sum(axis=0) == fanout + 1).all()
        np.testing.assert_allclose(W[W > 0], 1 / (fanout + 1))
        assert (W.diagonal() > 0).all()


def test_a_file_of_matrices_is_read(tmp_path: Path) -> None:
    given = np.array([np.eye(3), np.full((3, 3), 1 / 3)])
    np.save(tmp_path / "own.npy", given)
    graphs = build_sequence(SimpleNamespace(kind="sequence", matrices="own.npy"), 3, base=tmp_path)
    np.testing.assert_array_equal(matrices(graphs, 4), [*given, *given])


REFUSED = [
    ({"kind": "hyper_hypercube", "degree": 2}, 10, "degree: found 2 with 10 nodes; no prime factor"),
    ({"kind": "ring_lattice", "reach": 9, "final": 1}, 12, "reach: found 9 with 12 nodes; from 1 to 6 is allowed"),
    ({"kind": "ring_lattice", "reach": 1, "final": 9}, 12, "reach: found 7 with 12 nodes; from 1 to 6 is allowed"),
    ({"kind": "epidemic", "fanout": 4}, 4, "fanout: found 4 with 4 nodes; up to 3 is allowed"),
    ({"kind": "sequence", "matrices": [[[1, 0], [0, 1]]]}, 2, "kind: sequence found separate parts in all steps together"),
    ({"kind": "sequence", "matrices": [[[1, 0], [0, 1]], [[1, 1], [0, 1]]]}, 2, "matrices.1: found row 0 with sum 2"),
    ({"kind": "sequence", "matrices": [[[1, 0], [0, 1]]]}, 3, "matrices.0: found 2 x 2 numbers; 3 rows of 3 are allowed"),
    ({"kind": "sequence", "matrices": "none.npy"}, 3, "matrices: none.npy cannot be read"),
    ({"kind": "matcha", "graph": SimpleNamespace(kind="exponential"), "budget": 0.5}, 5, "graph: found a directed graph"),
    ({"kind": "matcha", "graph": SimpleNamespace(kind="hypercube"), "budget": 0.5}, 5, "kind: found hypercube with 5 nodes"),
]


@pytest.mark.parametrize(("spec", "n", "told"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_impossible_is_refused_with_a_sentence(spec: dict[str, Any], n: int, told: str) -> None:
    with pytest.raises(ParameterError) as error:
        build_sequence(SimpleNamespace(**spec), n)
    assert str(error.value).startswith(told)


def test_shifts_that_never_connect_are_refused() -> None:
    unlucky = SimpleNamespace(integers=lambda low, high, size: np.full(size, 2))
    with pytest.raises(ParameterError, match="shifts: found 3 with 4 nodes, which were never connected"):
        connecting_shifts(4, 3, unlucky)


@pytest.mark.parametrize("kind", [kind for kind in SEQUENCES if kind != "ring_lattice"])
def test_which_kinds_have_weights_of_their_own(kind: str) -> None:
    assert has_own_weights(SimpleNamespace(kind=kind))
    assert not has_own_weights(SimpleNamespace(kind="ring"))
    assert not has_own_weights(SimpleNamespace(kind="ring_lattice", final=None))


@pytest.mark.parametrize(
    ("kind", "rules", "is_allowed"),
    [
        ("one_peer_exponential", {"kind": "push"}, True),
        ("one_peer_exponential", {"kind": "uniform"}, True),
        ("one_peer_exponential", {"kind": "uniform", "self_weight": 0.25}, False),
        ("one_peer_exponential", {"kind": "metropolis"}, False),
        ("hyper_hypercube", {"kind": "metropolis"}, True),
        ("base_graph", {"kind": "metropolis"}, False),
        ("epidemic", {"kind": "push"}, True),
        ("epidemic", {"kind": "uniform"}, False),
        ("random_matching", {"matrix": [[1.0]]}, False),
    ],
)
def test_mixing_may_say_the_same_but_nothing_else(kind: str, rules: dict[str, Any], is_allowed: bool) -> None:
    graphs = build(kind, 12, degree=2) if kind == "hyper_hypercube" else build(kind, 12)
    spec = SimpleNamespace(**{**PLAIN, **rules})
    if is_allowed:
        assert with_mixing(graphs, spec, kind) is graphs
        return
    with pytest.raises(ParameterError, match=f"with topology {kind}, which comes with other weights; leave it out"):
        with_mixing(graphs, spec, kind)


def test_lazy_and_slack_change_every_matrix() -> None:
    graphs = build("random_matching", 4)
    slower = with_mixing(graphs, SimpleNamespace(**{**PLAIN, "lazy": True, "slack": 0.5}), "random_matching")
    for step in range(5):
        np.testing.assert_allclose(slower.at(step).toarray(), 0.25 * graphs.at(step).toarray() + 0.75 * np.eye(4))
    assert slower.spectrum().rho is None
    assert slower.spectrum().how == "not computed (random graphs)"
    lazy = with_mixing(build("hyper_hypercube", 4), SimpleNamespace(**{**PLAIN, "lazy": True}), "hyper_hypercube")
    assert lazy.spectrum().rho == pytest.approx(np.sqrt(0.5))


def test_the_mean_per_step_of_matrices_that_are_not_doubly_stochastic_is_that_of_an_eigenvalue() -> None:
    W = [[[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]]
    graphs = build("sequence", 3, matrices=W)
    second = np.sort(np.abs(np.linalg.eigvals(np.array(W[1]) @ np.array(W[0]))))[-2]
    assert graphs.spectrum().rho == pytest.approx(second**0.5)


def test_no_spectrum_of_a_huge_product() -> None:
    assert build("one_peer_exponential", 1025).spectrum().rho is None


def test_the_union_of_pairs_is_undirected() -> None:
    graphs = build("hyper_hypercube", 8)
    assert not graphs.graph.is_directed()
    assert set(graphs.graph.edges) == {(i, i ^ bit) for i in range(8) for bit in (1, 2, 4) if i < i ^ bit}
    np.testing.assert_allclose(metropolis(graphs.graph).diagonal(), 0.25)
