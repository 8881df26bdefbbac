"""Mini-batches of a node: drawn with replacement, or by passes over its examples, an epoch visiting each of them once.

Shapes: ``N`` examples of a node, ``b`` samples in one mini-batch, ``k`` mini-batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, repeat
from math import ceil

import numpy as np
import numpy.typing as npt

from simnet.errors import ParameterError
from simnet.problems.orders import Order
from simnet.streams import stream

WITH_REPLACEMENT = "with_replacement"
RANDOM_RESHUFFLING = "random_reshuffling"
FIXED = "fixed"
DRAWN = 1024
"""Sample ids drawn with replacement at a time, per node."""


def with_replacement(start: int, end: int, batch_size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Uniform draws, many mini-batches at a time, which costs a twentieth of one at a time.

    Args:
        start: the node's first sample.
        end: the first one after its last.
        batch_size: b.
        rng: what draws.

    Yields:
        Sample ids, [k, b], without end.
    """
    block = max(1, DRAWN // batch_size)
    while True:
        yield rng.integers(start, end, size=(block, batch_size))


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


def even_number(sizes: Sequence[int], batch_size: int) -> int:
    """The smallest even number of mini-batches that is enough for the examples of every node.

    Args:
        sizes: how many examples each node has.
        batch_size: the most in one mini-batch.

    Returns:
        The number, the same for all nodes.

    Raises:
        ParameterError: if a node has fewer examples than that.

    Example:
        >>> even_number([40, 41], 10)
        6
    """
    num = 2 * ceil(max(sizes) / (2 * batch_size))
    if min(sizes) < num:
        raise ParameterError(
            f"an order of mini-batches needs as many on all nodes: found {min(sizes)} to {max(sizes)} examples, which is "
            f"too few for {num} mini-batches each; use a larger batch_size, or partition: iid"
        )
    return num
