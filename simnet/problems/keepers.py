"""Orders that follow from the gradients of single examples: what is kept of these during an epoch, for all nodes.

A keeper is fed each node's gradients in the order in which the node visits its examples, and says in the end in which
order it visits them next. What a node gets depends on its own gradients alone.

Shapes: ``n`` nodes, ``N`` examples of a node, ``D`` parameters, ``B`` mini-batches of different nodes, of ``b`` samples each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from simnet.problems.orders import Order, balance, herding, reordered, reordered_pairs


class OrderKeeper(ABC):
    """What one run keeps of its examples' gradients.

    Args:
        orders: of each node's first epoch.
        num_parameters: D.
        dtype: of gradients.
        device: where they live.

    Attributes:
        orders: each node's in its present epoch.
    """

    def __init__(self, orders: Sequence[Order], num_parameters: int, dtype: torch.dtype, device: torch.device) -> None:
        self.orders = list(orders)
        self._shape = (len(orders), num_parameters)
        self._options = {"dtype": dtype, "device": device}

    def _zeros(self) -> Tensor:
        """[n, D]."""
        return torch.zeros(self._shape, **self._options)  # type: ignore[call-overload,no-any-return]

    @abstractmethod
    def feed(self, nodes: Sequence[int], gradients_BbD: Tensor) -> None:
        """Takes in the gradients of mini-batches, each node's next ones in its order.

        Args:
            nodes: B different ones.
            gradients_BbD: of single examples.
        """

    @abstractmethod
    def turn(self, node: int) -> Order:
        """Ends a node's epoch, all of which has been fed.

        Args:
            node: its number.

        Returns:
            Its order in the next one.
        """


class Herding(OrderKeeper):
    """Greedy herding of the epoch's gradients: keeps all of them, and takes N^2 D operations for the next order."""

    @cached_property
    def _seen(self) -> list[list[Tensor]]:
        return [[] for _ in self.orders]

    def feed(self, nodes: Sequence[int], gradients_BbD: Tensor) -> None:
        """Keeps the gradients."""
        for node, gradients_bD in zip(nodes, gradients_BbD, strict=True):
            self._seen[node].append(gradients_bD.clone())

    def turn(self, node: int) -> Order:
        """The next order."""
        order = self.orders[node][herding(torch.cat(self._seen[node]))]
        self._seen[node].clear()
        self.orders[node] = order
        return order


class Balance(OrderKeeper):
    """What both forms of GraB keep: the running sums and the signs."""

    @cached_property
    def _sums_nD(self) -> Tensor:
        return self._zeros()

    @cached_property
    def _signs(self) -> list[list[float]]:
        return [[] for _ in self.orders]

    def _balance(self, nodes: Sequence[int], vectors_BbD: Tensor) -> None:
        """Balances b vectors of each of these nodes, one after the other."""
        rows_B = torch.tensor(nodes, device=vectors_BbD.device)
        sums_BD = self._sums_nD[rows_B]
        signs_Bb = torch.stack([balance(sums_BD, vectors_BbD[:, t]) for t in range(vectors_BbD.shape[1])], dim=1)
        self._sums_nD[rows_B] = sums_BD
        for node, signs in zip(nodes, signs_Bb.tolist(), strict=True):
            self._signs[node] += signs

    def _signs_of(self, node: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The signs of a node's epoch, whose sum begins anew."""
        signs = np.array(self._signs[node], dtype=np.int64)
        self._signs[node].clear()
        self._sums_nD[node] = 0
        return signs


class MeanBalance(Balance):
    """GraB: the gradients less the mean of the epoch before (zero in the first one) are balanced; 3 vectors for each node."""

    @cached_property
    def _means_nD(self) -> Tensor:
        return self._zeros()

    @cached_property
    def _totals_nD(self) -> Tensor:
        return self._zeros()

    def feed(self, nodes: Sequence[int], gradients_BbD: Tensor) -> None:
        """Balances the gradients."""
        rows_B = torch.tensor(nodes, device=gradients_BbD.device)
        self._totals_nD.index_add_(0, rows_B, gradients_BbD.sum(1))
        self._balance(nodes, gradients_BbD - self._means_nD[rows_B, None])

    def turn(self, node: int) -> Order:
        """The next order."""
        self._means_nD[node] = self._totals_nD[node] / len(self.orders[node])
        self._totals_nD[node] = 0
        self.orders[node] = reordered(self.orders[node], self._signs_of(node))
        return self.orders[node]


class PairBalance(Balance):
    """GraB with pairs: differences of consecutive gradients are balanced; 2 vectors for each node."""

    @cached_property
    def _first_nD(self) -> Tensor:
        return self._zeros()

    @cached_property
    def _has_first(self) -> list[bool]:
        return [False] * len(self.orders)

    def feed(self, nodes: Sequence[int], gradients_BbD: Tensor) -> None:
        """Balances the differences within pairs; a first one whose partner is in the next mini-batch waits for it."""
        waiting = [self._has_first[node] for node in nodes]
        for has_first in sorted(set(waiting)):
            places = [place for place, waits in enumerate(waiting) if waits == has_first]
            self._feed([nodes[place] for place in places], gradients_BbD[places], has_first=has_first)

    def _feed(self, nodes: list[int], gradients_BbD: Tensor, *, has_first: bool) -> None:
        rows_B = torch.tensor(nodes, device=gradients_BbD.device)
        if has_first:
            gradients_BbD = torch.cat([self._first_nD[rows_B, None], gradients_BbD], dim=1)
        num = gradients_BbD.shape[1]
        if num > 1:
            self._balance(nodes, gradients_BbD[:, 0 : num - num % 2 : 2] - gradients_BbD[:, 1::2])
        if num % 2:
            self._first_nD[rows_B] = gradients_BbD[:, -1]
        for node in nodes:
            self._has_first[node] = num % 2 == 1

    def turn(self, node: int) -> Order:
        """The next order."""
        self._has_first[node] = False
        self.orders[node] = reordered_pairs(self.orders[node], self._signs_of(node))
        return self.orders[node]


KEEPERS: dict[str, type[OrderKeeper]] = {"herding": Herding, "mean_balance": MeanBalance, "pair_balance": PairBalance}
"""The orders that gradients decide."""
