"""Mini-batches by passes over a node's examples: an epoch visits each of them once.

Shapes: ``N`` examples of a node, ``b`` samples in one mini-batch, ``k`` mini-batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, repeat

import numpy as np
import numpy.typing as npt

from simnet.problems.orders import Order
from simnet.streams import stream

WITH_REPLACEMENT = "with_replacement"
RANDOM_RESHUFFLING = "random_reshuffling"
FIXED = "fixed"


def orders(kind: str, num_examples: int, node: int, seed: int) -> Iterator[Order]:
    """The orders of a node's epochs, one after the other, without end.

    Args:
        kind: ``random_reshuffling``: each at random; ``fixed``: as the data lie; any other: that of the first epoch, which
            is random, for ever.
        num_examples: N.
        node: its number.
        seed: the run's seed.

    Returns:
        An iterator over permutations; the random ones are of the stream (seed, "order", node, epoch).

    Example:
        >>> next(orders("fixed", 3, node=0, seed=1)).tolist()
        [0, 1, 2]
    """
    if kind == FIXED:
        return repeat(np.arange(num_examples))
    if kind == RANDOM_RESHUFFLING:
        return (shuffled(num_examples, node, seed, epoch) for epoch in count())
    return repeat(shuffled(num_examples, node, seed, 0))


def shuffled(num_examples: int, node: int, seed: int, epoch: int) -> Order:
    """The random order of one epoch.

    Args:
        num_examples: N.
        node: its number.
        seed: the run's seed.
        epoch: counted from 0.

    Returns:
        A permutation.
    """
    return stream(seed, "order", node, epoch).permutation(num_examples)


def cut(ids: npt.NDArray[np.int64], batch_size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Consecutive mini-batches, in blocks: all full ones, then the last one, if it is smaller.

    Args:
        ids: of an epoch's samples, in their order, [N].
        batch_size: b.

    Yields:
        Sample ids, [k, b] and [1, N mod b].

    Example:
        >>> [block.tolist() for block in cut(np.arange(5), 2)]
        [[[0, 1], [2, 3]], [[4]]]
    """
    full = len(ids) // batch_size * batch_size
    if full:
        yield ids[:full].reshape(-1, batch_size)
    if full < len(ids):
        yield ids[None, full:]
