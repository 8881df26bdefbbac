"""Data sets: shapes, scaling, stratified splits, the synthetic families' parameters."""

from __future__ import annotations

import numpy as np
import pytest

from simnet.problems import datasets


def test_digits_are_scaled_images_split_by_class_and_seed() -> None:
    digits = datasets.digits(0.2, seed=1)
    assert len(digits.train_y) + len(digits.test_y) == 1797
    assert digits.train_x.min() == 0
    assert digits.train_x.max() == 1
    shares = np.bincount(digits.test_y) / (np.bincount(digits.train_y) + np.bincount(digits.test_y))
    np.testing.assert_allclose(shares, 0.2, atol=0.005)
    assert (digits.train_y == datasets.digits(0.2, seed=1).train_y).all()
    assert (digits.train_y != datasets.digits(0.2, seed=2).train_y).any()


def test_a_split_keeps_a_training_sample_of_every_class() -> None:
    train, test = datasets.stratified_split(np.array([0, 1, 1, 2, 2, 2]), 0.9, seed=1)
    assert sorted([*train, *test]) == list(range(6))
    assert set(np.array([0, 1, 1, 2, 2, 2])[train]) == {0, 1, 2}
    assert len(datasets.stratified_split(np.zeros(5, dtype=np.int64), 0.0, seed=1)[1]) == 0


def test_gaussian_mixture_has_balanced_classes_at_the_chosen_distance() -> None:
    mixture = datasets.gaussian_mixture(50, 200, 5, 100, 500, 6.0, seed=1)
    assert np.bincount(mixture.train_y).tolist() == [1000] * 5
    means = np.stack([mixture.train_x[mixture.train_y == label].mean(0) for label in range(5)])
    distances = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(5, 1)]
    assert np.sqrt((distances**2).mean()) == pytest.approx(6.0, rel=0.1)
    residual = mixture.train_x - means[mixture.train_y]
    assert residual.std() == pytest.approx(1.0, rel=0.01)


def test_logistic_labels_follow_each_nodes_own_model() -> None:
    def local_models(heterogeneity: float) -> np.ndarray:
        """Proportional to x_i* in expectation: the mean of (2 y - 1) h."""
        data = datasets.logistic(4, 3, 20_000, heterogeneity, 100, seed=1)
        signs = 2 * data.train_y - 1
        directions = [(data.train_x * signs[:, None])[data.owner == node].mean(0) for node in range(4)]
        return np.stack([d / np.linalg.norm(d) for d in directions])

    same, different = local_models(0.0), local_models(5.0)
    assert np.abs(same - same[0]).max() < 0.05
    assert np.abs(different - different[0]).max() > 0.5
    assert datasets.logistic(4, 3, 10, 0.2, 10, seed=1).classes == ("-1", "+1")
