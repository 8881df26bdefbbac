"""Max-min fair rates: no flow could get more without taking from one that has no more."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from typing import TypeVar

SAME = 1e-13
"""Resources that are full at levels with at most this relative difference are full together: more than rounding."""

K = TypeVar("K", bound=Hashable)


def max_min_rates(paths: Sequence[Sequence[K]], capacities: Mapping[K, float]) -> tuple[list[float], list[K]]:
    """The max-min fair rate of every flow, by progressive filling.

    All rates grow together; when a resource is full, the flows on it stay as they are, and the others go on growing.
    The result does not depend on the order of the flows, to the last bit.

    Args:
        paths: for each flow what it crosses: at least one resource, each once.
        capacities: of each resource, in bit/s.

    Returns:
        For each flow its rate in bit/s, and its bottleneck.

    Example:
        >>> max_min_rates(["a", "ab", "b"], {"a": 10.0, "b": 4.0})
        ([8.0, 2.0, 2.0], ['a', 'b', 'b'])

    Reference:
        Bertsekas and Gallager, Data Networks, 2nd edition, 1992, section 6.5.2.
    """
    users: dict[K, list[int]] = {}
    for number, path in enumerate(paths):
        for resource in path:
            users.setdefault(resource, []).append(number)
    growing = {resource: len(numbers) for resource, numbers in users.items()}
    left = {resource: capacities[resource] for resource in users}
    levels = [(left[resource] / count, k, resource) for k, (resource, count) in enumerate(growing.items())]
    heapify(levels)
    rates, bottlenecks = [-1.0] * len(paths), [path[0] for path in paths]
    num_growing = len(paths)
    while num_growing:
        level, full = _next_full(levels, left, growing)
        stopped = []
        for resource in full:
            for number in users[resource]:
                if rates[number] < 0:
                    rates[number] = level
                    stopped.append(number)
        num_growing -= len(stopped)
        for number in stopped:
            path = paths[number]
            bottlenecks[number] = next(filter(full.__contains__, path))
            for resource in path:
                left[resource] -= level
                growing[resource] -= 1
    return rates, bottlenecks


def _next_full(levels: list[tuple[float, int, K]], left: Mapping[K, float], growing: Mapping[K, int]) -> tuple[float, set[K]]:
    """The level at which the next resources are full, and all that are; those are taken out of the heap.

    Args:
        levels: a heap; what it says about a resource may be of earlier, when more flows grew there, and is then too low.
        left: of each resource, what the flows that have stopped leave.
        growing: the number of the others.
    """
    lowest, full = inf, set()
    while levels and levels[0][0] <= lowest * (1 + SAME):
        noted, k, resource = heappop(levels)
        if not growing[resource]:
            continue
        level = left[resource] / growing[resource]
        if level > noted:
            heappush(levels, (level, k, resource))
        else:
            full.add(resource)
            lowest = min(lowest, level)
    return max(lowest, 0.0), full
