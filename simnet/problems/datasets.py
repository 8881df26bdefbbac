"""Data sets as plain arrays: scikit-learn's digits and two synthetic families.

Shapes: ``S`` samples, ``F`` features.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from simnet.streams import stream

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Labelled samples, split into training and test data.

    Attributes:
        name: for people.
        train_x: [S, ...], one sample per row.
        train_y: class numbers [S].
        test_x: like ``train_x``; may be empty.
        test_y: like ``train_y``.
        classes: the classes' names, in the order of their numbers.
        owner: the node that each training sample belongs to, where the data set itself says so.
        is_logistic: whether a model has one output (binary logistic loss), not one per class (softmax).
    """

    name: str
    train_x: Floats
    train_y: Ints
    test_x: Floats
    test_y: Ints
    classes: tuple[str, ...]
    owner: Ints | None = None
    is_logistic: bool = False

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.train_x.shape[1:]

    @property
    def num_outputs(self) -> int:
        """How many outputs a model of these classes has."""
        return 1 if self.is_logistic else len(self.classes)


def stratified_split(labels: Ints, test_fraction: float, seed: int) -> tuple[Ints, Ints]:
    """Splits every class at random in the same proportion.

    Args:
        labels: [S].
        test_fraction: the test data's share of each class, rounded; one sample at least stays for training.
        seed: the run's seed.

    Returns:
        Training and test indices, each in the order of the data set.

    Example:
        >>> train, test = stratified_split(np.array([0, 0, 0, 0, 1, 1]), 0.5, seed=1)
        >>> len(train), len(test)
        (3, 3)
    """
    rng = stream(seed, "split")
    is_test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        is_test[members[: min(round(test_fraction * len(members)), len(members) - 1)]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def split(name: str, x: Floats, y: Ints, classes: tuple[str, ...], test_fraction: float, seed: int) -> Dataset:
    """A data set out of arrays without a test part of their own.

    Args:
        name: for people.
        x: [S, ...].
        y: class numbers [S].
        classes: names of the classes.
        test_fraction: share of each class that becomes test data.
        seed: the run's seed.

    Returns:
        The data set, both parts in the order of the arrays.

    Example:
        >>> dataset = split("coins", np.zeros((8, 3)), np.array([0, 1] * 4), ("heads", "tails"), 0.25, seed=1)
        >>> dataset.train_x.shape, sorted(dataset.test_y.tolist())
        ((6, 3), [0, 1])
    """
    train, test = stratified_split(y, test_fraction, seed)
    return Dataset(name, x[train], y[train], x[test], y[test], classes)


def digits(test_fraction: float, seed: int) -> Dataset:
    """scikit-learn's 1,797 handwritten digits, 1 x 8 x 8 pixels in [0, 1], 10 classes.

    Args:
        test_fraction: share of each class that becomes test data.
        seed: the run's seed.

    Returns:
        The data set, S = 1,797 samples in all.

    Example:
        >>> digits(0.2, seed=1).sample_shape
        (1, 8, 8)

    Reference:
        Alpaydin, Kaynak: Optical recognition of handwritten digits, UCI repository, 1998.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 (a second of imports that other problems do not need)

    pixels, labels = load_digits(return_X_y=True)
    x = np.asarray(pixels, dtype=np.float64).reshape(-1, 1, 8, 8) / 16.0
    return split("digits", x, np.asarray(labels, dtype=np.int64), tuple("0123456789"), test_fraction, seed)


def gaussian_mixture(
    nodes: int, features: int, classes: int, samples_per_node: int, test_samples: int, separation: float, seed: int
) -> Dataset:
    """Balanced classes, each a normal distribution with unit covariance.

    x = m_y + N(0, I) with class means m_c ~ N(0, separation^2 / (2 F) I): the root mean square distance between two
    means is ``separation``.

    Args:
        nodes: n; the data set has n * samples_per_node training samples.
        features: F.
        classes: number of classes.
        samples_per_node: training samples per node on average.
        test_samples: test samples in all.
        separation: distance between two class means, in standard deviations of the noise.
        seed: the run's seed.

    Returns:
        The data set; samples are [F], and in random order.

    Example:
        >>> gaussian_mixture(4, 64, 10, 128, 100, 4.0, seed=1).train_x.shape
        (512, 64)
    """
    rng = stream(seed, "data")
    num_train = nodes * samples_per_node
    means = rng.standard_normal((classes, features)) * separation / np.sqrt(2 * features)
    labels = np.concatenate([rng.permutation(np.arange(size) % classes) for size in (num_train, test_samples)])
    x = means[labels] + rng.standard_normal((len(labels), features))
    names = tuple(str(label) for label in range(classes))
    test = slice(num_train, None)
    return Dataset("gaussian_mixture", x[:num_train], labels[:num_train], x[test], labels[test], names)


def logistic(
    nodes: int, features: int, samples_per_node: int, heterogeneity: float, test_samples: int, seed: int
) -> Dataset:
    """Binary labels from a logistic model of each node's own.

    Node i has x_i* = x* + v_i with x* ~ N(0, I), v_i ~ N(0, sigma_h^2 I); a sample is h ~ N(0, I) with label
    y = 1 with probability 1 / (1 + exp(-h . x_i*)), else 0 (the paper's +1 and -1). Test samples come from all nodes in
    turn.

    Args:
        nodes: n.
        features: d.
        samples_per_node: M.
        heterogeneity: sigma_h^2, the variance of a local model's coordinates around the common ones.
        test_samples: test samples in all.
        seed: the run's seed.

    Returns:
        The data set; it says whose each training sample is, so no partition is chosen.

    Example:
        >>> logistic(4, 10, 100, 0.2, 40, seed=1).num_outputs
        1

    Reference:
        Yuan, Alghunaim, Huang: Removing data heterogeneity influence enhances network topology dependence of
        decentralized SGD, JMLR 24, 2023, section 7.
    """
    rng = stream(seed, "data")
    local_nd = rng.standard_normal(features) + np.sqrt(heterogeneity) * rng.standard_normal((nodes, features))
    owner = np.concatenate((np.repeat(np.arange(nodes), samples_per_node), np.arange(test_samples) % nodes))
    x = rng.standard_normal((len(owner), features))
    probability = 1.0 / (1.0 + np.exp(-(x * local_nd[owner]).sum(1)))
    y = (rng.random(len(owner)) < probability).astype(np.int64)
    train, test = slice(nodes * samples_per_node), slice(nodes * samples_per_node, None)
    return Dataset("logistic", x[train], y[train], x[test], y[test], ("-1", "+1"), owner[train], is_logistic=True)
