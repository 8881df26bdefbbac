"""Max-min fair rates: no flow could get more without taking from one that has no more.

The sign of it: every flow has a *bottleneck*, a resource that is full and on which nobody is faster (Bertsekas and
Gallager, Data Networks, 1992, section 6.5.2). So a change need be followed only as far as it is felt: the flows around
it get new rates while all others keep theirs, whoever has lost its bottleneck by that joins them, until nobody has.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from math import fsum, inf
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from simnet.clock.fluid import Flow
    from simnet.clock.network import Resource

SAME = 1e-13
"""Resources that are full at levels with at most this relative difference are full together: more than rounding."""

SLACK = 1e-12
"""A resource of which at most this share is left is full; a flow that is faster by at most this is not faster."""

MAX_WIDENINGS = 6
"""After so many times, a change is felt far away: the whole connected part of the network gets new rates at once."""

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
        stopped = dict.fromkeys(number for resource in full for number in users[resource] if rates[number] < 0)
        num_growing -= len(stopped)
        for number in stopped:
            rates[number] = level
            bottlenecks[number] = next(resource for resource in paths[number] if resource in full)
            for resource in paths[number]:
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


def updated_rates(
    crossing: Mapping[Resource, Mapping[Flow, None]], affected: Iterable[Flow]
) -> tuple[list[Flow], list[float], list[Resource]]:
    """The rates after a change, of all flows that may feel it.

    Args:
        crossing: the flows that cross each resource.
        affected: those that have begun, and those whose bottleneck may be one no more.

    Returns:
        The flows whose rates may be others now, their rates in bit/s, their bottlenecks.
    """
    flows = dict.fromkeys(affected)
    for _ in range(MAX_WIDENINGS):
        capacities, border = _left_to(flows, crossing)
        rates, bottlenecks = max_min_rates([flow.path for flow in flows], capacities)
        found = dict(zip(flows, zip(rates, bottlenecks, strict=True), strict=True))
        more = [flow for resource in border for flow in _without_bottleneck(resource, crossing[resource], found)]
        if not more:
            return list(flows), rates, bottlenecks
        flows.update(dict.fromkeys(more))
    everyone = list(_connected(flows, crossing))
    capacities, _ = _left_to(dict.fromkeys(everyone), crossing)
    return everyone, *max_min_rates([flow.path for flow in everyone], capacities)


def _left_to(
    flows: Mapping[Flow, None], crossing: Mapping[Resource, Mapping[Flow, None]]
) -> tuple[dict[Resource, float], list[Resource]]:
    """What all others leave of each resource that these flows cross; and the resources that others cross, too."""
    counts: dict[Resource, int] = {}
    for flow in flows:
        for resource in flow.path:
            counts[resource] = counts.get(resource, 0) + 1
    border = [resource for resource, count in counts.items() if count != len(crossing[resource])]
    left = {resource: resource.bandwidth for resource in counts}
    for resource in border:
        others = fsum(flow.rate for flow in crossing[resource] if flow not in flows)
        left[resource] = max(0.0, resource.bandwidth - others)
    return left, border


def _without_bottleneck(
    resource: Resource, users: Mapping[Flow, None], found: Mapping[Flow, tuple[float, Resource]]
) -> list[Flow]:
    """The other flows on a resource that new rates concern.

    Those whose bottleneck it was and no longer is; and those that are faster than one whose bottleneck it would be now.
    """
    others = [flow for flow in users if flow not in found]
    inside = [found[flow] for flow in users if flow in found]
    fastest = max(max(rate for rate, _ in inside), max(flow.rate for flow in others))
    used = fsum(rate for rate, _ in inside) + fsum(flow.rate for flow in others)
    is_full = used >= resource.bandwidth * (1 - SLACK)
    slowest = min((rate for rate, bottleneck in inside if bottleneck is resource), default=inf)
    return [
        flow
        for flow in others
        if flow.rate > slowest * (1 + SLACK)
        or (flow.bottleneck is resource and not (is_full and flow.rate >= fastest * (1 - SLACK)))
    ]


def _connected(flows: Iterable[Flow], crossing: Mapping[Resource, Mapping[Flow, None]]) -> dict[Flow, None]:
    """These flows and all that share a resource with one of them, or with one of those, and so on."""
    found = dict.fromkeys(flows)
    resources: set[Resource] = set()
    waiting = list(found)
    while waiting:
        fresh = dict.fromkeys(resource for resource in waiting.pop().path if resource not in resources)
        resources.update(fresh)
        joining = dict.fromkeys(flow for resource in fresh for flow in crossing[resource] if flow not in found)
        found.update(joining)
        waiting.extend(joining)
    return found
