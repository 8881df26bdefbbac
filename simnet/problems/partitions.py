"""How training samples are spread over nodes.

Every function returns one array of sample indices per node. Each sample goes to exactly one node; no node stays empty.
"""

from __future__ import annotations

import numpy as np

from simnet.errors import ParameterError
from simnet.problems.datasets import Ints


def iid(labels: Ints, nodes: int, rng: np.random.Generator) -> list[Ints]:
    """Shuffles all samples and cuts evenly: sizes differ by one at most.

    Args:
        labels: [S].
        nodes: n.
        rng: source of the order.

    Returns:
        Each node's sample indices.

    Example:
        >>> [len(part) for part in iid(np.zeros(7, dtype=np.int64), 3, np.random.default_rng(1))]
        [3, 2, 2]
    """
    return _cut(rng.permutation(len(labels)), nodes)


def label_sorted(labels: Ints, nodes: int, rng: np.random.Generator, *, shuffled: float = 0.0) -> list[Ints]:
    """Sorts by label, shuffles the first share of the list among itself, and cuts evenly.

    This is DeTAG's "X % shuffled" taken at its word: the first X % of the *sorted* list are shuffled, so the first
    nodes hold a mixture of the lowest labels and the last nodes one or two labels each. 0 is sorted, 1 is i.i.d.

    Args:
        labels: [S].
        nodes: n.
        rng: source of the order.
        shuffled: X / 100, in [0, 1].

    Returns:
        Each node's sample indices; sizes differ by one at most.

    Example:
        >>> labels = np.array([1, 0, 1, 0])
        >>> [labels[part].tolist() for part in label_sorted(labels, 2, np.random.default_rng(1))]
        [[0, 0], [1, 1]]

    Reference:
        Lu, De Sa: Optimal complexity in decentralized training, 2021, section 6.
    """
    order = np.argsort(labels, kind="stable")
    head = round(shuffled * len(order))
    return _cut(np.concatenate((rng.permutation(order[:head]), order[head:])), nodes)


def dirichlet(labels: Ints, nodes: int, rng: np.random.Generator, *, concentration: float) -> list[Ints]:
    """Spreads each class over the nodes in proportions drawn from a symmetric Dirichlet distribution.

    A node that got nothing then takes one sample from the node that has most, so that every node has a gradient.

    Args:
        labels: [S].
        nodes: n.
        rng: source of order and proportions.
        concentration: > 0; small is heterogeneous, large is i.i.d.

    Returns:
        Each node's sample indices, of any number from one on.

    Example:
        >>> parts = dirichlet(np.arange(100) % 2, 4, np.random.default_rng(1), concentration=0.1)
        >>> sum(len(part) for part in parts)
        100

    Reference:
        Hsu, Qi, Brown: Measuring the effects of non-identical data distribution for federated visual classification,
        2019.
    """
    owner = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(nodes, concentration))
        cuts = np.rint(np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
        for node, part in enumerate(np.split(members, cuts)):
            owner[part] = node
    return _fill_empty(owner, nodes)


def by_owner(owner: Ints, nodes: int) -> list[Ints]:
    """Each node's own samples, where the data set says whose they are.

    Args:
        owner: the node of each sample, [S].
        nodes: n.

    Returns:
        Each node's sample indices, ascending.

    Example:
        >>> [part.tolist() for part in by_owner(np.array([1, 0, 1]), 2)]
        [[1], [0, 2]]
    """
    order = np.argsort(owner, kind="stable")
    return np.split(order, np.cumsum(np.bincount(owner, minlength=nodes))[:-1])


def _cut(order: Ints, nodes: int) -> list[Ints]:
    return list(np.array_split(order, nodes))


def _fill_empty(owner: Ints, nodes: int) -> list[Ints]:
    sizes = np.bincount(owner, minlength=nodes)
    for node in np.flatnonzero(sizes == 0):
        giver = sizes.argmax()
        owner[np.flatnonzero(owner == giver)[-1]] = node
        sizes[giver] -= 1
        sizes[node] += 1
    return by_owner(owner, nodes)


PARTITIONS = {"iid": iid, "label_sorted": label_sorted, "dirichlet": dirichlet}


def check_enough(num_samples: int, nodes: int) -> None:
    """Refuses fewer training samples than nodes: a node without one has no gradient.

    Args:
        num_samples: S.
        nodes: n.

    Raises:
        ParameterError: if S < n.

    Example:
        >>> check_enough(10, 10)
    """
    if num_samples < nodes:
        raise ParameterError(
            f"partition: found {num_samples} training samples for {nodes} nodes; every node needs one at least; "
            "use fewer nodes or more data"
        )
