"""The next epoch's order of examples out of this epoch's vectors, mostly gradients: pure functions.

An order is a permutation. Vectors come in the order in which their examples were visited: row t belongs to
``order[t]``. What is to become small is the herding objective of an order, ``max_k || sum_(t <= k) (z_t - z_bar) ||``.

Shapes: ``B`` sequences balanced side by side, ``D`` numbers in a vector, ``N`` examples, ``P`` pairs of them, ``n`` nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Order = npt.NDArray[np.int64]
Signs = npt.NDArray[np.int64]


def balance(sums_BD: Tensor, vectors_BD: Tensor) -> Tensor:
    """One step of greedy balancing: each vector's sign is the one that makes the running sum shorter, + if both do alike.

    Args:
        sums_BD: the running sums of the signed vectors; changed in place.
        vectors_BD: the next vector of each.

    Returns:
        The signs, [B], +1 or -1.

    Example:
        >>> sums = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> balance(sums, torch.tensor([[-2.0, 1.0], [2.0, 1.0]])).tolist(), sums.tolist()
        ([1.0, -1.0], [[-1.0, 1.0], [-1.0, -1.0]])

    Reference: Lu, Guo, De Sa: GraB: Finding Provably Better Data Permutations than Random Reshuffling. NeurIPS 2022.
    """
    signs_B = torch.where((sums_BD * vectors_BD).sum(1) <= 0, 1.0, -1.0).to(sums_BD.dtype)
    sums_BD.addcmul_(signs_B[:, None], vectors_BD)
    return signs_B


def reordered(order: Order, signs: Signs) -> Order:
    """The order that balanced signs ask for: + to the front, - to the back, reversed.

    Its longest prefix sum is at most the mean of the old order's and of the longest signed one, for vectors of sum zero.

    Args:
        order: this epoch's, [N].
        signs: of its examples, in this order, [N].

    Returns:
        The next order, [N].

    Example:
        >>> reordered(np.array([4, 2, 0, 1, 3]), np.array([1, -1, 1, -1, 1])).tolist()
        [4, 0, 3, 1, 2]
    """
    return np.concatenate([order[signs > 0], order[signs <= 0][::-1]])


def reordered_pairs(order: Order, signs: Signs) -> Order:
    """The order that the signs of pairs ask for: +: the first to the front, the second to the back; -: the other way round.

    An example without a partner, the last of an odd number, comes to lie in the middle.

    Args:
        order: this epoch's, [N].
        signs: of the differences first - second of its consecutive pairs, [P = N // 2].

    Returns:
        The next order, [N].

    Example:
        >>> reordered_pairs(np.array([4, 2, 0, 1, 3]), np.array([1, -1])).tolist()
        [4, 1, 3, 0, 2]
    """
    paired = 2 * len(signs)
    firsts, seconds, is_plus = order[0:paired:2], order[1:paired:2], signs > 0
    front, back = np.where(is_plus, firsts, seconds), np.where(is_plus, seconds, firsts)
    return np.concatenate([front, order[paired:], back[::-1]])


def mean_balance(order: Order, vectors_ND: Tensor, mean_D: Tensor) -> Order:
    """GraB's next order: the vectors less a mean, that of the epoch before, are balanced.

    Args:
        order: this epoch's, [N].
        vectors_ND: of its examples, in this order.
        mean_D: what is taken from each.

    Returns:
        The next order, [N].

    Example:
        >>> vectors = torch.tensor([[0.0], [1.0], [3.0], [4.0]])
        >>> mean_balance(np.arange(4), vectors, vectors.mean(0)).tolist()  # -2, -1, +1, +2 get the signs +, -, +, +
        [0, 2, 3, 1]

    Reference: Lu, Guo, De Sa 2022.
    """
    return reordered(order, _signs(vectors_ND - mean_D))


def pair_balance(order: Order, vectors_ND: Tensor) -> Order:
    """The next order when the differences of consecutive vectors are balanced, which needs no mean.

    Args:
        order: this epoch's, [N].
        vectors_ND: of its examples, in this order.

    Returns:
        The next order, [N].

    Example:
        >>> pair_balance(np.arange(4), torch.tensor([[0.0], [1.0], [3.0], [4.0]])).tolist()  # -1, -1 get the signs +, -
        [0, 3, 2, 1]

    Reference: Cooper et al.: Coordinating Distributed Example Orders for Provably Accelerated Training. NeurIPS 2023.
    """
    return reordered_pairs(order, _signs(_differences(vectors_ND)))


def parallel_pair_balance(orders: Sequence[Order], vectors_nND: Tensor) -> list[Order]:
    """CD-GraB's next orders of n nodes: one running sum over all of them, pair by pair, node by node.

    Args:
        orders: this epoch's of each node, [N] each.
        vectors_nND: of their examples, in these orders.

    Returns:
        The next order of each node.

    Example:
        >>> vectors = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])
        >>> parallel_pair_balance([np.array([0, 1])] * 2, vectors)  # the second node does the opposite of the first
        [array([0, 1]), array([1, 0])]

    Reference: Cooper et al. 2023.
    """
    differences_PnD = torch.stack([_differences(vectors_ND) for vectors_ND in vectors_nND], dim=1)
    signs_nP = _signs(differences_PnD.flatten(0, 1)).reshape(differences_PnD.shape[:2]).T
    return [reordered_pairs(order, signs) for order, signs in zip(orders, signs_nP, strict=True)]


def herding(vectors_ND: Tensor) -> Order:
    """Greedy herding: next comes whichever vector keeps the sum of the vectors less their mean shortest; N^2 D operations.

    Args:
        vectors_ND: of all examples.

    Returns:
        The order, [N]; of equally good vectors, the first.

    Example:
        >>> herding(torch.tensor([[0.0], [1.0], [3.0], [4.0]])).tolist()  # less the mean: -2, -1, +1, +2
        [1, 2, 0, 3]

    Reference: Welling: Herding Dynamical Weights to Learn. ICML 2009; Lu, Meng, De Sa: A General Analysis of
    Example-Selection for Stochastic Gradient Descent. ICLR 2022.
    """
    centred_ND = vectors_ND - vectors_ND.mean(0)
    squares_N = centred_ND.square().sum(1)
    sum_D = torch.zeros_like(centred_ND[0])
    order = np.empty(len(centred_ND), dtype=np.int64)
    for t in range(len(order)):
        best = int((squares_N + 2 * (centred_ND @ sum_D)).argmin())  # the square of the new sum, less that of the old one
        order[t] = best
        sum_D += centred_ND[best]
        squares_N[best] = torch.inf
    return order


def _signs(vectors_ND: Tensor) -> Signs:
    sum_1D = torch.zeros_like(vectors_ND[:1])
    if not len(vectors_ND):
        return np.zeros(0, dtype=np.int64)
    signs = [balance(sum_1D, vectors_ND[t : t + 1]) for t in range(len(vectors_ND))]
    return torch.cat(signs).cpu().numpy().astype(np.int64)


def _differences(vectors_ND: Tensor) -> Tensor:
    paired = len(vectors_ND) // 2 * 2
    return vectors_ND[0:paired:2] - vectors_ND[1:paired:2]
