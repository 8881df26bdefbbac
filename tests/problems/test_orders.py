"""Next epochs' orders as pure functions: published behaviour, and what holds for any vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from simnet.problems.orders import (
    Order,
    balance,
    herding,
    mean_balance,
    pair_balance,
    parallel_pair_balance,
    reordered,
    reordered_pairs,
)

seeds = st.integers(0, 10**6)


def objective(vectors_ND: Tensor) -> float:
    """The longest prefix sum of the vectors less their mean."""
    return float(torch.linalg.vector_norm((vectors_ND - vectors_ND.mean(0)).cumsum(0), dim=1).max())


def cube(*shape: int, seed: int = 0) -> Tensor:
    """Vectors uniform in a cube."""
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def visit(orders: list[Order], vectors_nND: Tensor) -> Tensor:
    return torch.stack([vectors[order] for order, vectors in zip(orders, vectors_nND, strict=True)])


def means_over_seeds(epochs: dict[int, float], next_order: object) -> dict[int, float]:
    """The herding objective of 2000 vectors in [0, 1]^16 after some epochs, mean over two draws."""
    found: dict[int, list[float]] = {epoch: [] for epoch in epochs}
    for seed in range(2):
        vectors, order = cube(2000, 16, seed=seed), np.arange(2000)
        for epoch in range(max(epochs) + 1):
            if epoch in found:
                found[epoch].append(objective(vectors[order]))
            order = next_order(order, vectors[order])  # type: ignore[operator]
    return {epoch: float(np.mean(values)) for epoch, values in found.items()}


MEAN = {0: 29.7, 1: 15.1, 2: 8.3, 3: 4.9, 6: 3.2, 12: 3.2}
PAIR = {0: 29.7, 1: 18.8, 2: 10.3, 3: 6.4, 6: 3.9, 12: 3.6}


@pytest.mark.parametrize(
    ("expected", "next_order"),
    [(MEAN, lambda order, vectors: mean_balance(order, vectors, vectors.mean(0))), (PAIR, pair_balance)],
    ids=["mean", "pair"],
)
def test_each_epoch_of_balancing_about_halves_the_herding_objective(expected: dict[int, float], next_order: object) -> None:
    """The figures are those of one draw; means over several lie within a quarter of them."""
    found = means_over_seeds(expected, next_order)
    assert found == pytest.approx(expected, rel=0.25)


def test_cd_grab_balances_eight_nodes_together_better_than_each_alone() -> None:
    expected = {0: 34.8, 1: 17.8, 2: 10.0, 5: 3.8, 10: 3.9}
    found: dict[int, list[float]] = {epoch: [] for epoch in expected}
    alone = []
    for seed in range(2):
        vectors = cube(8, 500, 16, seed=seed)
        together = apart = [np.arange(500)] * 8
        for epoch in range(11):
            if epoch in found:
                found[epoch].append(objective(visit(together, vectors).sum(0)))
            if epoch == 10:
                alone.append(objective(visit(apart, vectors).sum(0)))
            together = parallel_pair_balance(together, visit(together, vectors))
            apart = [pair_balance(order, seen) for order, seen in zip(apart, visit(apart, vectors), strict=True)]
    means = {epoch: float(np.mean(values)) for epoch, values in found.items()}
    assert means == pytest.approx(expected, rel=0.3)
    assert means[10] < 0.6 * np.mean(alone)


def test_herding_beats_a_random_order_by_far() -> None:
    vectors = cube(400, 16)
    assert objective(vectors[herding(vectors)]) < objective(vectors) / 6


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), seeds)
def test_every_next_order_is_a_permutation(num: int, d: int, seed: int) -> None:
    vectors, order = cube(num, d, seed=seed) - 0.5, np.random.default_rng(seed).permutation(num)
    found = [
        *(herding(vectors), mean_balance(order, vectors, vectors.mean(0)), pair_balance(order, vectors)),
        *parallel_pair_balance([order, order[::-1]], torch.stack([vectors, -vectors])),
    ]
    for permutation in found:
        assert sorted(permutation.tolist()) == list(range(num))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), seeds)
def test_signed_sums_stay_as_short_as_if_all_vectors_were_orthogonal(num: int, d: int, seed: int) -> None:
    vectors, total = cube(num, d, seed=seed) - 0.3, torch.zeros(1, d, dtype=torch.float64)
    for t in range(num):
        sign = balance(total, vectors[t : t + 1])
        assert sign.item() in (1, -1)
        assert total.square().sum() <= vectors[: t + 1].square().sum() + 1e-12


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), seeds)
def test_a_reordered_prefix_is_at_most_the_mean_of_the_old_and_the_signed_one(num: int, d: int, seed: int) -> None:
    """For any signs, which is why balancing them well is enough (Harvey and Samadi, 2014)."""
    rng = np.random.default_rng(seed)
    vectors, order = cube(num, d, seed=seed), np.arange(num)
    vectors = vectors - vectors.mean(0)
    signs = rng.choice([-1, 1], num)
    signed = float(torch.linalg.vector_norm((vectors * torch.from_numpy(signs)[:, None]).cumsum(0), dim=1).max())
    assert objective(vectors[reordered(order, signs)]) <= (objective(vectors) + signed) / 2 + 1e-12
    pairs = signs[: num // 2]
    differences = (vectors[0 : 2 * len(pairs) : 2] - vectors[1 : 2 * len(pairs) : 2]) * torch.from_numpy(pairs)[:, None]
    signed = float(torch.linalg.vector_norm(differences.cumsum(0), dim=1).max()) if len(pairs) else 0.0
    assert objective(vectors[reordered_pairs(order, pairs)]) <= (objective(vectors) + signed) / 2 + 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_orders_follow_the_published_listing(seed: int) -> None:
    """With pointers that move from both ends, one example after the other."""
    vectors, order = cube(31, 4, seed=seed).numpy(), np.random.default_rng(seed).permutation(31)
    mean, total, left, right, expected = vectors.mean(0), np.zeros(4), 0, 30, np.empty(31, dtype=int)
    for i in order:
        centred = vectors[i] - mean
        if total @ centred <= 0:
            total, expected[left], left = total + centred, i, left + 1
        else:
            total, expected[right], right = total - centred, i, right - 1
    assert mean_balance(order, torch.from_numpy(vectors[order]), torch.from_numpy(mean)).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_parallel_orders_follow_the_published_listing(seed: int) -> None:
    n, m = 3, 8
    vectors = cube(n, m, 4, seed=seed).numpy()
    orders = [np.random.default_rng((seed, i)).permutation(m) for i in range(n)]
    total, left, right, expected = np.zeros(4), 0, m - 1, np.empty((n, m), dtype=int)
    for t in range(0, m, 2):
        for i in range(n):
            first, second = orders[i][t], orders[i][t + 1]
            difference = vectors[i, first] - vectors[i, second]
            if total @ difference <= 0:
                total = total + difference
            else:
                total, first, second = total - difference, second, first
            expected[i, left], expected[i, right] = first, second
        left, right = left + 1, right - 1
    found = parallel_pair_balance(orders, visit(orders, torch.from_numpy(vectors)))
    assert np.array_equal(found, expected)
