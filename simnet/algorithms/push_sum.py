"""Push-sum: what is carried beside a model so that averaging keeps the mean although rows do not sum to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simnet.node import Node
from simnet.values import Row, Vector

NEGLIGIBLE = 1e-12
"""A weight that differs from one by less is one: sums of shares such as 7 * 1/7 are rounded."""


def with_weight(x: Row, weight: float) -> Any:
    """What travels: the vector, and its weight unless that is one.

    Args:
        x: the vector, ``[D]``.
        weight: its push-sum weight.

    Returns:
        A payload of one vector, and one number if there is need for it.
    """
    return x if abs(weight - 1) < NEGLIGIBLE else (x, weight)


def parts_of(payload: Any) -> tuple[Vector, float]:
    """A vector and its weight.

    Args:
        payload: what `with_weight` gave.

    Returns:
        Both.
    """
    return payload if isinstance(payload, tuple) else (payload, 1.0)


def mixed_weight(node: Node, own: float, received: Mapping[int, float]) -> float:
    """As `Node.mix`, for weights: the share of a neighbor that is missing is taken of oneself.

    Args:
        node: the node that runs this.
        own: its weight.
        received: the neighbors' weights.

    Returns:
        ``w_ii own + sum_j w_ij received[j]``.
    """
    shares = zip(node.neighbors, node.weights, strict=True)
    return node.self_weight * own + sum(share * received.get(j, own) for j, share in shares)
