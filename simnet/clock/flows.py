"""Flows, and who of them feels a change.

Under max-min fair sharing every flow has a *bottleneck*, a resource that is full and on which nobody is faster; that is
enough to know the rates by. So a change need be followed only as far as it is felt: the flows around it get new rates
while all others keep theirs, whoever has lost its bottleneck by that joins them, until nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum, inf
from typing import Any

from simnet.clock.clock import Occurrence
from simnet.clock.events import Transfer
from simnet.clock.links import Resource
from simnet.clock.max_min import max_min_rates

SLACK = 1e-12
"""A resource of which at most this share is left is full; a flow that is faster by at most this is not faster."""

MAX_WIDENINGS = 6
"""After so many times, a change is felt far away: the whole connected part of the network gets new rates at once."""

Crossing = Mapping[Resource, Mapping["Flow", None]]
"""The flows that cross each resource, if any do."""


class Flow(Occurrence):
    """A transfer that takes bandwidth; as an event, the moment when it begins to.

    Args:
        transfer: the event that happens when the last bit is delivered.
        path: the resources that it crosses, each once.
        priority: the place of the transfer among simultaneous events.
        begin: is called with the flow when it begins.
    """

    __slots__ = ("bottleneck", "callbacks", "end", "left", "path", "priority", "rate", "since", "transfer")

    def __init__(self, transfer: Transfer, path: tuple[Resource, ...], priority: int, begin: tuple[Any]) -> None:
        self.transfer = transfer
        self.path = path
        self.priority = priority
        self.callbacks = begin  # a tuple that all flows share
        self.left = transfer.bits
        self.rate = 0.0
        self.since = 0.0
        self.end = inf
        self.bottleneck = path[0]

    def go_on(self, rate: float, now: float) -> None:
        """Flows at another rate from now on.

        Args:
            rate: in bit/s.
            now: the moment [s].
        """
        self.left = max(0.0, self.left - self.rate * (now - self.since))
        self.since = now
        self.rate = rate
        self.end = now + self.left / rate if rate else inf


def updated_rates(crossing: Crossing, affected: Iterable[Flow]) -> tuple[list[Flow], list[float], list[Resource]]:
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
        if not border:
            return list(flows), rates, bottlenecks
        found = dict(zip(flows, zip(rates, bottlenecks, strict=True), strict=True))
        more = [flow for resource in border for flow in _without_bottleneck(resource, crossing[resource], found)]
        if not more:
            return list(flows), rates, bottlenecks
        flows.update(dict.fromkeys(more))
    everyone = list(_connected(flows, crossing))
    capacities, _ = _left_to(dict.fromkeys(everyone), crossing)
    return everyone, *max_min_rates([flow.path for flow in everyone], capacities)


def _left_to(flows: Mapping[Flow, None], crossing: Crossing) -> tuple[dict[Resource, float], list[Resource]]:
    """What all others leave of each resource that these flows cross; and the resources that others cross, too."""
    counts: dict[Resource, int] = {}
    for flow in flows:
        for resource in flow.path:
            counts[resource] = counts.get(resource, 0) + 1
    border = [resource for resource, count in counts.items() if count != len(crossing[resource])]
    left = {resource: resource.bandwidth for resource in counts}
    for resource in border:
        others = fsum([flow.rate for flow in crossing[resource] if flow not in flows])
        left[resource] = max(0.0, resource.bandwidth - others)
    return left, border


def _without_bottleneck(
    resource: Resource, users: Mapping[Flow, None], found: Mapping[Flow, tuple[float, Resource]]
) -> list[Flow]:
    """The other flows on a resource that new rates concern.

    Those whose bottleneck it was and no longer is; and those that are faster than one whose bottleneck it would be now.
    """
    rates, others, slowest = [], [], inf
    for flow in users:
        if flow in found:
            rate, bottleneck = found[flow]
            if bottleneck is resource:
                slowest = rate
        else:
            rate = flow.rate
            others.append(flow)
        rates.append(rate)
    fastest = max(rates)
    is_full = fsum(rates) >= resource.bandwidth * (1 - SLACK)
    return [
        flow
        for flow in others
        if flow.rate > slowest * (1 + SLACK)
        or (flow.bottleneck is resource and not (is_full and flow.rate >= fastest * (1 - SLACK)))
    ]


def _connected(flows: Iterable[Flow], crossing: Crossing) -> dict[Flow, None]:
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
