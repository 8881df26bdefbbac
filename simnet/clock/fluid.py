"""Fluid sharing: bits flow like water through all that they cross at once; rates change when a flow starts or ends.

Rates are max-min fair (`simnet.clock.max_min`). Times are exact, not stepped: between two changes a flow goes on evenly,
so when it ends is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

from simnet.clock.clock import FLOW_END, SETTLE, Clock, Occurrence
from simnet.clock.flows import Flow, updated_rates
from simnet.clock.links import Resource

TOGETHER = 2e-15
"""Flows whose ends differ by at most this share of the simulated time end together: about nine roundings."""


class Fluid:
    """All flows of a network; it tells the clock when each ends.

    What happens at one moment is taken together: rates are found once, when all else of that moment has happened.

    Args:
        clock: the run's clock.

    Attributes:
        crossing: the flows that cross each resource, if any do.
        num_flows: how many flows there are.
        begin: what a `Flow` needs to be told.

    Example:
        >>> from simnet.clock.events import Transfer
        >>> clock = Clock()
        >>> fluid = Fluid(clock)
        >>> nic = Resource(8.0)
        >>> for bits in (4.0, 12.0):
        ...     arrival = Transfer(bits, [lambda _: print(clock.now)])
        ...     fluid.start(Flow(arrival, (nic,), 0, fluid.begin))
        >>> clock.run_until()
        1.0
        2.0
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.begin = (self.start,)
        self.crossing: dict[Resource, dict[Flow, None]] = {}
        self.num_flows = 0
        self._started: list[Flow] = []
        self._freed: dict[Resource, None] = {}
        self._changed: dict[Resource, None] = {}
        self._settling = Recurring(clock, SETTLE, self._settle)
        self._alarm = Recurring(clock, FLOW_END, self._end)
        self._ends: list[tuple[float, int, Flow]] = []  # a heap; an entry is void if its flow ends at another time by now
        self._numbers = count()

    def start(self, flow: Flow) -> None:
        """Lets a flow begin, now.

        Args:
            flow: which has not begun yet.
        """
        flow.since = self.clock._now
        self.num_flows += 1
        for resource in flow.path:
            if resource in self.crossing:
                self.crossing[resource][flow] = None
            else:
                self.crossing[resource] = {flow: None}
        self._started.append(flow)
        self._settle_later()

    def change_bandwidth(self, resource: Resource, bandwidth: float) -> None:
        """Gives a resource another bandwidth, now.

        Args:
            resource: flows that are under way cross it only if its bandwidth was finite when they began.
            bandwidth: in bit/s; with 0, flows stand still until it changes again.
        """
        resource.bandwidth = bandwidth
        if resource in self.crossing:
            self._changed[resource] = None
            self._settle_later()

    def flows(self) -> list[Flow]:
        """The flows under way, each once."""
        return list(dict.fromkeys(flow for flows in self.crossing.values() for flow in flows))

    def _settle_later(self) -> None:
        if not self._settling.times:
            self._settling.at(self.clock._now)

    def _settle(self) -> None:
        """Finds the rates after all that has happened at this moment."""
        now, affected = self.clock._now, self._affected()
        for flow, rate, bottleneck in zip(*updated_rates(self.crossing, affected), strict=True) if affected else ():
            flow.bottleneck = bottleneck
            if rate != flow.rate:
                flow.go_on(rate, now)
                heappush(self._ends, (flow.end, next(self._numbers), flow))
        if len(self._ends) > 4 * self.num_flows + 64:
            self._ends = [entry for entry in self._ends if entry[0] == entry[2].end]
            heapify(self._ends)
        self._set_alarm()

    def _affected(self) -> list[Flow]:
        """The flows that have started, and those whose bottleneck has lost or won a flow, or has changed itself."""
        touched = dict.fromkeys(resource for flow in self._started for resource in flow.path) | self._freed
        affected = self._started
        for resource in touched:
            affected += [flow for flow in self.crossing.get(resource, ()) if flow.bottleneck is resource]
        for resource in self._changed:
            affected += self.crossing.get(resource, ())
        self._started, self._freed, self._changed = [], {}, {}
        return affected

    def _set_alarm(self) -> None:
        """Sees to it that the clock knows the next end, and no other time when there is none."""
        ends = self._ends
        while ends and ends[0][0] != ends[0][2].end:
            heappop(ends)
        if not ends or ends[0][0] == inf:
            self._alarm.withdraw()
        elif not self._alarm.times or ends[0][0] < self._alarm.times[0]:
            self._alarm.at(ends[0][0])

    def _end(self) -> None:
        """Lets the flows end whose time has come; the alarm may also be of a time that is no end any more."""
        now, ends = self.clock._now, self._ends
        while ends and ends[0][0] <= now * (1 + TOGETHER):
            end, _, flow = heappop(ends)
            if end == flow.end:
                self._deliver(flow)
        if any(flow.bottleneck is resource for resource in self._freed for flow in self.crossing.get(resource, ())):
            self._settle_later()
        else:
            self._freed.clear()
            self._set_alarm()

    def _deliver(self, flow: Flow) -> None:
        flow.end = inf
        self.num_flows -= 1
        for resource in flow.path:
            users = self.crossing[resource]
            del users[flow]
            if users:
                self._freed[resource] = None
            else:
                del self.crossing[resource]
        self.clock.at(self.clock._now, flow.transfer, flow.priority)


class Recurring(Occurrence):
    """An event that happens again and again.

    Args:
        clock: the run's clock.
        priority: its place among simultaneous events.
        action: what happens.

    Attributes:
        times: when it will, a heap.
    """

    __slots__ = ("action", "callbacks", "calls", "clock", "priority", "times")

    def __init__(self, clock: Clock, priority: int, action: Callable[[], None]) -> None:
        self.clock = clock
        self.priority = priority
        self.action = action
        self.calls = self.callbacks = [self._happen]
        self.times: list[float] = []

    def at(self, time: float) -> None:
        """Lets it happen at this time, too.

        Args:
            time: in simulated seconds.
        """
        heappush(self.times, time)
        self.clock.at(time, self, self.priority)

    def withdraw(self) -> None:
        """Lets it not happen any more."""
        if self.times:
            self.times.clear()
            self.clock.withdraw(self)

    def _happen(self, _: Recurring) -> None:
        heappop(self.times)
        self.callbacks = self.calls
        self.action()
