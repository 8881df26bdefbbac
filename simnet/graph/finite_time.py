"""Graphs over time that average exactly after finitely many steps: one peer at a time, hypercubes, Base-(k+1) graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Literal

from simnet.errors import ParameterError
from simnet.graph.over_time import Listed, averages, linked

if TYPE_CHECKING:
    import numpy as np

Groups = list[list[int]]
Pair = tuple[int, int, float]
"""Two nodes that exchange models, and the weight that each gives to the other."""


def one_peer_exponential(
    n: int, *, order: Literal["cyclic", "shuffled"] = "cyclic", draws: Callable[[int], np.random.Generator]
) -> Listed:
    """The one-peer exponential graph: in step k node i sends to i + 2^(k mod tau), tau = ceil(log2 n), with weight 1/2.

    If n = 2^tau, any tau steps with different shifts give exact consensus; otherwise no number of steps does.

    Args:
        n: number of nodes, at least 2.
        order: ``cyclic``, or ``shuffled`` anew in each period.
        draws: the random numbers of each period, for the shuffling.

    Returns:
        tau directed, doubly stochastic matrices.

    Example:
        >>> from simnet.streams import stream
        >>> one_peer_exponential(8, draws=lambda k: stream(0, "example", k)).spectrum().how
        'exact consensus every 3 steps'

    Reference:
        Ying, Yuan, Chen, Hu, Pan, Yin: Exponential Graph is Provably Efficient for Decentralized Deep Training, 2021.
    """
    tau = (n - 1).bit_length()
    matrices = tuple(linked(n, [(i, (i + (1 << m)) % n, 0.5) for i in range(n)]) for m in range(tau))
    if order == "cyclic":
        return Listed(matrices)
    shuffled = cache(lambda period: draws(period).permutation(tau).tolist())
    return Listed(matrices, lambda step: int(shuffled(step // tau)[step % tau]))


def hyper_hypercube(n: int, *, degree: int = 1) -> Listed:
    """The k-peer hyper-hypercube: with n = n_1 ... n_L, step l averages groups of n_l nodes with stride n_1 ... n_{l-1}.

    Args:
        n: number of nodes; none of its prime factors exceeds k + 1.
        degree: k, the most neighbors in a step.

    Returns:
        L symmetric, doubly stochastic matrices with exact consensus after all of them; L is as small as can be.

    Raises:
        ParameterError: some prime factor is larger.

    Example:
        >>> [len(hyper_hypercube(12, degree=k).matrices) for k in (2, 3, 11)]
        [3, 2, 1]

    Reference:
        Takezawa, Sato, Bao, Niwa, Yamada: Beyond Exponential Graph: Communication-Efficient Topologies for Decentralized
        Learning via Finite-time Convergence, 2023.
    """
    if fewest_factors(n, degree + 1) is None:
        raise ParameterError(
            f"degree: found {degree} with {n} nodes; no prime factor of the number of nodes may exceed degree + 1; raise "
            "degree, change nodes, or take base_graph"
        )
    return Listed(tuple(averages(n, groups) for groups in hypercube_rounds(range(n), degree)))


def base_graph(n: int, *, degree: int = 1, simple: bool = False) -> Listed:
    """The Base-(k+1) graph: exact consensus after a number of steps of order log_{k+1} n, for any n.

    Args:
        n: number of nodes.
        degree: k, the most neighbors in a step.
        simple: the simple Base-(k+1) graph; otherwise the shorter of it and of one that first takes the prime factors up
            to k + 1 out of n.

    Returns:
        Symmetric, doubly stochastic matrices with exact consensus after all of them.

    Example:
        >>> [len(base_graph(n).matrices) for n in (5, 6, 8)], len(base_graph(6, simple=True).matrices)
        ([5, 4, 3], 5)

    Reference:
        Takezawa, Sato, Bao, Niwa, Yamada: Beyond Exponential Graph: Communication-Efficient Topologies for Decentralized
        Learning via Finite-time Convergence, 2023.
    """
    rounds = simple_rounds(range(n), degree)
    if not simple:
        rounds = min(rounds, split_rounds(n, degree), key=len)
    both_ways = ([(u, v, w) for i, j, w in pairs for u, v in ((i, j), (j, i))] for pairs in rounds)
    return Listed(tuple(linked(n, links) for links in both_ways))


def simple_rounds(nodes: Sequence[int], k: int) -> list[list[Pair]]:
    """The rounds of the simple Base-(k+1) graph.

    With n = a_1 (k+1)^p_1 + ... + a_L (k+1)^p_L, blocks V_l of a_l (k+1)^p_l nodes: first each block averages; then, one
    block after the other, all nodes of later blocks exchange with one node of each of its a_l parts; then the parts average.

    Args:
        nodes: that are to agree.
        k: the most neighbors in a round.

    Returns:
        For each round who exchanges with whom.

    Example:
        >>> simple_rounds(range(3), 1)
        [[(0, 1, 0.5)], [(0, 2, 0.6666666666666666)], [(0, 1, 0.5)]]
    """
    if fewest_factors(len(nodes), k + 1) is not None:
        return [pairs_of(groups) for groups in hypercube_rounds(nodes, k)]
    blocks = digits_of(len(nodes), k + 1)
    num_first = len(hypercube_rounds(nodes[: blocks[0][0] * blocks[0][1]], k))
    rounds: list[list[Pair]] = [[] for _ in range(num_first + 1 + len(hypercube_rounds(nodes[: blocks[0][1]], k)))]

    def average(members: Sequence[int], first: int) -> None:
        for r, groups in enumerate(hypercube_rounds(members, k), first):
            rounds[r] += pairs_of(groups)

    for place, (num_parts, size) in enumerate(blocks):
        weight = size / len(nodes)
        block, nodes = nodes[: num_parts * size], nodes[num_parts * size :]
        average(block, 0)
        if nodes:
            for start in range(0, len(block), size):
                part = block[start : start + size]
                rounds[num_first + place] += [(i, j, weight) for i, j in zip(part, nodes, strict=False)]
                average(part, num_first + place + 1)
    return rounds


def split_rounds(n: int, k: int) -> list[list[Pair]]:
    """The rounds of simple Base-(k+1) graphs of q nodes each, then those of hyper-hypercubes across; n = p q.

    Args:
        n: number of nodes; p has all its prime factors up to k + 1.
        k: the most neighbors in a round.

    Returns:
        For each round who exchanges with whom.
    """
    q = n
    for factor in range(2, k + 2):
        while q % factor == 0:
            q //= factor
    within = [simple_rounds(range(start, start + q), k) for start in range(0, n, q)]
    across = [hypercube_rounds(range(start, n, q), k) for start in range(q)]
    first = [list(chain(*parts)) for parts in zip(*within, strict=True)]
    return first + [pairs_of([*chain(*groups)]) for groups in zip(*across, strict=True)]


def hypercube_rounds(nodes: Sequence[int], k: int) -> list[Groups]:
    """The groups that average in each round of a hyper-hypercube.

    Args:
        nodes: that are to agree; no prime factor of their number exceeds k + 1.
        k: the most neighbors in a round.

    Returns:
        For each round the groups.

    Example:
        >>> hypercube_rounds(range(4), 1)
        [[[0, 1], [2, 3]], [[0, 2], [1, 3]]]
    """
    rounds, stride = [], 1
    for size in fewest_factors(len(nodes), k + 1) or ():
        first = [i for i in range(len(nodes)) if i // stride % size == 0]
        rounds.append([[nodes[i + a * stride] for a in range(size)] for i in first])
        stride *= size
    return rounds


def pairs_of(groups: Groups) -> list[Pair]:
    """The pairs in groups whose nodes all get the group's average.

    Args:
        groups: lists of nodes.

    Returns:
        Each pair once.

    Example:
        >>> pairs_of([[0, 1], [2, 3]])
        [(0, 1, 0.5), (2, 3, 0.5)]
    """
    return [(i, j, 1 / len(group)) for group in groups for a, i in enumerate(group) for j in group[a + 1 :]]


@cache
def fewest_factors(n: int, largest: int) -> tuple[int, ...] | None:
    """The shortest way to write n as a product of factors from 2 to some number.

    Args:
        n: the product.
        largest: what no factor exceeds.

    Returns:
        The factors; None if there are none.

    Example:
        >>> fewest_factors(24, 4), fewest_factors(14, 6)
        ((4, 3, 2), None)
    """
    if n == 1:
        return ()
    rests = {factor: fewest_factors(n // factor, largest) for factor in range(min(n, largest), 1, -1) if n % factor == 0}
    found = [(factor, *rest) for factor, rest in rests.items() if rest is not None]
    return min(found, key=len) if found else None


def digits_of(n: int, base: int) -> list[tuple[int, int]]:
    """The digits of n that are not zero, the first one first.

    Args:
        n: the number.
        base: of its digits.

    Returns:
        Pairs (digit, its place value).

    Example:
        >>> digits_of(10, 3)
        [(1, 9), (1, 1)]
    """
    digits, power = [], 1
    while n:
        n, digit = divmod(n, base)
        digits += [(digit, power)] if digit else []
        power *= base
    return digits[::-1]
