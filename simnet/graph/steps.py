"""Graphs over time that are drawn anew in each step, that move slowly, or that a user gives."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from simnet.errors import ParameterError
from simnet.graph.explicit import read_array, read_matrix
from simnet.graph.links import Links, Weights
from simnet.graph.mixing import uniform
from simnet.graph.over_time import Drawn, Listed, averages
from simnet.graph.topologies import complete, ring_lattice


def random_matching(n: int, *, draws: Callable[[int], np.random.Generator]) -> Drawn:
    """Random pairs in each step, of which each averages; of an odd number of nodes one is left alone.

    ``||E[W^T W] - J||`` is 1/2 - 1/(2(n - 1)) for even n, 1/2 for odd n.

    Args:
        n: number of nodes, at least 2.
        draws: the random numbers of each step.

    Returns:
        Symmetric, doubly stochastic matrices.

    Example:
        >>> from simnet.streams import stream
        >>> random_matching(5, draws=lambda k: stream(0, "example", k)).at(0).nnz
        9

    Reference:
        Boyd, Ghosh, Prabhakar, Shah: Randomized gossip algorithms, 2006.
    """

    def draw(step: int) -> Weights:
        nodes = draws(step).permutation(n).tolist()
        return averages(n, (nodes[i : i + 2] for i in range(0, n - 1, 2)))

    return Drawn(draw, complete(n), 0.5 if n % 2 else 0.5 - 0.5 / (n - 1))


def epidemic(n: int, *, fanout: int = 1, draws: Callable[[int], np.random.Generator]) -> Drawn:
    """Random receivers in each step: every node splits what it has into equal shares, for itself and for k random others.

    Args:
        n: number of nodes.
        fanout: k, below n.
        draws: the random numbers of each step.

    Returns:
        Directed matrices whose columns sum to one; rows do not, so plain averaging would not keep the mean.

    Raises:
        ParameterError: fanout is not below n.

    Example:
        >>> from simnet.streams import stream
        >>> epidemic(5, fanout=2, draws=lambda k: stream(0, "example", k)).at(0).sum(axis=0).round(12).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]

    Reference:
        Kempe, Dobra, Gehrke: Gossip-based computation of aggregate information, 2003.
    """
    if fanout >= n:
        raise ParameterError(f"fanout: found {fanout} with {n} nodes; up to {n - 1} is allowed; lower fanout")

    def draw(step: int) -> Weights:
        rng, senders = draws(step), np.repeat(np.arange(n), fanout)
        others = np.concatenate([rng.choice(n - 1, fanout, replace=False, shuffle=False) for _ in range(n)])
        receivers = others + (others >= senders)  # of all but the sender
        share = 1 / (1 + fanout)
        return Links(n, receivers, senders).matrix(np.full(n * fanout, share), np.full(n, share))

    return Drawn(draw, complete(n))


def moving_lattice(
    n: int,
    *,
    reach: int,
    final: int,
    pace: float = 1.0,
    unit: Literal["epoch", "step"] = "epoch",
    steps_per_epoch: float,
) -> Listed:
    """The ring lattice whose reach moves, one neighbor on each side at a time: k(t) = reach -+ floor(pace t) until final.

    Args:
        n: number of nodes.
        reach: k at the start.
        final: the last k.
        pace: neighbors per unit of time.
        unit: of the time t: whole epochs, or steps.
        steps_per_epoch: of a node, in the mean.

    Returns:
        For each k the matrix with equal weights 1/(2k + 1).

    Raises:
        ParameterError: a reach is too large.

    Example:
        >>> graphs = moving_lattice(9, reach=4, final=1, pace=0.5, unit="step", steps_per_epoch=1)
        >>> [graphs.at(step).nnz // 9 for step in (0, 1, 2, 4, 6, 8)]
        [9, 9, 7, 5, 3, 3]

    Reference:
        Xie, Yin, Zhou, Oral, Wang: Scaling Up Data Parallelism in Decentralized Deep Learning, 2025 (Ada).
    """
    direction = 1 if final >= reach else -1
    reaches = range(reach, final + direction, direction)
    per_unit = steps_per_epoch if unit == "epoch" else 1.0

    def order(step: int) -> int:
        return min(len(reaches) - 1, floor(pace * floor(step / per_unit + 1e-9) + 1e-9))

    return Listed(tuple(uniform(ring_lattice(n, reach=k)) for k in reaches), order, ends=True)


def sequence(n: int, *, matrices: Any, base: str | Path = ".") -> Listed:
    """A user's own mixing matrices, one for each step, over and over again.

    Args:
        n: number of nodes.
        matrices: for each step n rows of n numbers, or the path of an NPY file with an array [steps, n, n].
        base: the folder that a relative path starts from.

    Returns:
        The matrices; links are where they are not zero.

    Raises:
        ParameterError: the file cannot be read, or a matrix is impossible.

    Example:
        >>> sequence(2, matrices=[[[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]]).at(3).nnz
        4
    """
    if isinstance(matrices, str | Path):
        matrices = read_array(Path(base, matrices), "matrices")
    if np.ndim(matrices[0]) != 2:
        raise ParameterError(f"matrices: found an array of other shape; allowed is [steps, {n}, {n}]; correct it")
    found = []
    for k, rows in enumerate(matrices):
        try:
            found.append(read_matrix(rows, n))
        except ParameterError as error:
            raise ParameterError(f"matrices.{k}: {str(error).removeprefix('matrix: ')}") from None
    return Listed(tuple(found))

