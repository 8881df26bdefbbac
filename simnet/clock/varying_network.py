"""Links whose latency and bandwidth vary in time, and the sharing rules on them.

Every bandwidth is a piecewise constant function of time. What begins to cross a limit at time t is through at the T
with ``integral from t to T of bandwidth = bits``. The latency is that of the moment when the transfer starts.

Under ``none`` the bandwidth at each moment is the smallest of those on the way, from the moment of sending on. Under
``queue`` each limit serves one transfer after the other, with its own bandwidth over time. Under ``fair`` the rates are
found anew when a bandwidth changes. Where nothing moves for ever, a transfer never arrives; nothing is scheduled for it,
so that a run in which nothing else can happen is seen to have stalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from heapq import heappop, heappush
from itertools import count
from math import fsum, inf

from simnet.clock.clock import FLOW_END, MESSAGE, Clock, Event
from simnet.clock.events import Transfer
from simnet.clock.flows import Flow
from simnet.clock.fluid import Fluid, Recurring
from simnet.clock.links import Link, Path, Resource, SharedLimit
from simnet.clock.network import SHARED_QUEUE, Network
from simnet.clock.series import Series, as_series
from simnet.clock.sharing import Fair, Queued, QueuedPath, SharingRule, Unshared
from simnet.clock.varying import VaryingParameters

UNLIMITED = 1e30
"""Bit/s of a fluid resource that is unlimited for a while; infinite rates cannot be added up."""

PATIENCE = 10_000
"""If not one bit has moved in so many changes of bandwidth, none will."""


class VaryingResource(Resource):
    """A resource whose bandwidth varies.

    Args:
        series: its bandwidth in bit/s over time.

    Attributes:
        bandwidth: under the rule `fair`, that of the moment.

    Example:
        >>> resource = VaryingResource(Series((0.0, 10.0), (2.0, 1.0)))
        >>> resource.start(bits=22.0, arrival=0.0), resource.free_at
        (0.0, 12.0)
    """

    __slots__ = ("series",)

    def __init__(self, series: Series) -> None:
        super().__init__(min(series.values[0], UNLIMITED))
        self.series = series

    @property
    def peak(self) -> float:
        """The largest bandwidth that it ever has [bit/s]."""
        return max(self.series.values)

    def start(self, bits: float, arrival: float) -> float:
        """When a message that arrives now begins to be served: never before the bandwidth is positive."""
        start = self.series.finish(max(arrival, self.free_at), 0.0)
        self.free_at = self.series.finish(start, bits)
        return start


def resource(bandwidth: float | Series) -> Resource:
    """A limit whose bandwidth varies, or one whose bandwidth does not.

    Args:
        bandwidth: in bit/s.

    Returns:
        The one or the other, as the bandwidth is a series or a number.
    """
    return VaryingResource(bandwidth) if isinstance(bandwidth, Series) else Resource(bandwidth)


def bandwidth_of(limit: Resource) -> Series:
    """The bandwidth of a resource over time.

    Args:
        limit: the resource.

    Returns:
        In bit/s.
    """
    return limit.series if isinstance(limit, VaryingResource) else Series.constant(limit.bandwidth)


class VaryingLink(Link):
    """A link whose latency and bandwidth vary.

    Args:
        clock: the run's clock.
        ends: sender and receiver.
        latency: in s.
        bandwidth: in bit/s.
        limits: uplink and downlink.
        priority: the place of its arrivals among simultaneous events.
        shared: what other links share, too.
    """

    __slots__ = ("clock", "latencies")

    def __init__(
        self,
        clock: Clock,
        ends: tuple[int, int],
        latency: float | Series,
        bandwidth: float | Series,
        limits: tuple[Resource, Resource],
        priority: int,
        shared: tuple[Resource, ...] = (),
    ) -> None:
        super().__init__(*ends, 0.0, inf, *limits, priority, shared)
        self.clock = clock
        self.latencies = as_series(latency)
        self.own = resource(bandwidth)
        self.resources = (limits[0], self.own, *shared, limits[1])

    @property
    def latency(self) -> float:
        """Of a transfer that starts now [s]."""
        return self.latencies.at(self.clock._now)

    @latency.setter
    def latency(self, value: float) -> None:
        self.latencies = Series.constant(value)


class Stopping:
    """Goes before a sharing rule that knows at once when a transfer arrives: it notes those that never do.

    Args:
        clock: the run's clock.

    Attributes:
        stuck: the links on which nothing moves any more, by their places among simultaneous events.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)  # type: ignore[call-arg]  # of the rule
        self.clock = clock
        self.stuck: set[int] = set()
        self.at = self._at_if_ever

    def _at_if_ever(self, time: float, event: Event, priority: int) -> None:
        if time < inf:
            self.clock.at(time, event, priority)
        else:
            self.stuck.add(priority)

    def stuck_links(self) -> set[int]:
        """The links on which a transfer never arrives, by their places among simultaneous events."""
        return self.stuck


class VaryingUnshared(Stopping, Unshared):
    """Sharing rule `none` where bandwidths vary.

    Args:
        clock: the run's clock.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.narrowest: dict[Path, Series] = {}

    def carry(self, link: Path, transfer: Transfer, extra: float = 0.0) -> None:
        """Arrives a latency after ``integral of the smallest bandwidth from now on = bits``."""
        narrowest = self.narrowest.get(link)
        if narrowest is None:
            narrowest = self.narrowest[link] = reduce(Series.minimum, map(bandwidth_of, link.resources))
        sent = narrowest.finish(self.clock._now, transfer.bits)
        self.at(sent + (link.latency + extra), transfer, link.priority)


class VaryingQueued(Stopping, Queued):
    """Sharing rule `queue` where bandwidths vary."""


class VaryingQueuedPath(Stopping, QueuedPath):
    """Sharing rule `queue` where bandwidths vary and some links cross shared limits."""


class VaryingFair(Fair):
    """Sharing rule `fair` where bandwidths vary.

    Args:
        clock: the run's clock.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.fluid = VaryingFluid(clock)

    def stuck_links(self) -> set[int]:
        """The links on which something still flows, or should, by their places among simultaneous events."""
        return {flow.priority for flow in self.fluid.flows()}


class VaryingFluid(Fluid):
    """Flows over resources whose bandwidth varies; the clock knows of the next change only while something flows.

    Args:
        clock: the run's clock.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._alarm_of_change = Recurring(clock, FLOW_END, self._change)
        self._due: list[tuple[float, int, float, VaryingResource, Iterator[tuple[float, float]]]] = []  # a heap
        self._followed: set[Resource] = set()
        self._places = count()
        self._changes_in_vain = 0
        self._bits_left = 0.0

    def start(self, flow: Flow) -> None:
        """Lets a flow begin, now; from now on the bandwidths on its way are followed."""
        now = self.clock._now
        for limit in flow.path:
            if isinstance(limit, VaryingResource) and limit not in self._followed:
                limit.bandwidth = min(limit.series.at(now), UNLIMITED)
                self._followed.add(limit)
                self._follow(limit, limit.series.changes(now))
        self._set_alarm_of_change()
        super().start(flow)

    def _follow(self, limit: VaryingResource, changes: Iterator[tuple[float, float]]) -> None:
        """Notes the next change of a resource, if there is one."""
        moment, value = next(changes, (inf, 0.0))
        if moment < inf:
            heappush(self._due, (moment, next(self._places), value, limit, changes))

    def _set_alarm_of_change(self) -> None:
        times = self._alarm_of_change.times
        if self._due and (not times or self._due[0][0] < times[0]):
            self._alarm_of_change.at(self._due[0][0])

    def _change(self) -> None:
        """The bandwidths that change now do so; nobody follows those any longer that nothing crosses."""
        self._end()  # what ends now but for rounding must not wait until a bandwidth of 0 is over
        due, now = self._due, self.clock._now
        while due and due[0][0] <= now:
            _, _, value, limit, changes = heappop(due)
            if limit in self.crossing:
                self.change_bandwidth(limit, min(value, UNLIMITED))
                self._follow(limit, changes)
            else:
                self._followed.discard(limit)
        if self._nothing_moves():
            due.clear()
        self._set_alarm_of_change()

    def _nothing_moves(self) -> bool:
        """Whether bandwidths keep changing such that none of the flows ever has one."""
        self._changes_in_vain += 1
        if self._changes_in_vain < PATIENCE:
            return False
        before, now = self._bits_left, self.clock._now
        self._bits_left = fsum(flow.left - flow.rate * (now - flow.since) for flow in self.flows())
        self._changes_in_vain = 0
        return self._bits_left == before

    def _deliver(self, flow: Flow) -> None:
        super()._deliver(flow)
        if not self.num_flows:
            self._alarm_of_change.withdraw()
            self._due.clear()
            self._followed.clear()


VaryingRule = VaryingUnshared | VaryingQueued | VaryingQueuedPath | VaryingFair

VARYING_RULES: dict[str, Callable[[Clock], VaryingRule]] = {
    "none": VaryingUnshared,
    "queue": VaryingQueued,
    SHARED_QUEUE: VaryingQueuedPath,
    "fair": VaryingFair,
}


class VaryingNetwork(Network):
    """A network whose latencies and bandwidths vary.

    Args:
        sharing: the sharing rule's name.
        parameters: latency and bandwidth of every link, limits of every machine, over time.
        clock: the run's clock.
        duplex: as of any network.
        shared: as of any network.
        watch: as of any network.
    """

    def __init__(
        self,
        sharing: str,
        parameters: VaryingParameters,
        clock: Clock,
        duplex: str = "full",
        shared: Sequence[SharedLimit] = (),
        watch: Callable[[SharingRule], None] | None = None,
    ) -> None:
        self.varying = parameters
        super().__init__(sharing, parameters, clock, duplex, shared, watch)  # type: ignore[arg-type]  # only methods below see series

    def make_resource(self, bandwidth: float | Series) -> Resource:
        """A limit of so many bit/s."""
        return resource(bandwidth)

    def make_rule(self, sharing: str) -> VaryingRule:
        """The sharing rule of a name."""
        self.varying_rule = VARYING_RULES[sharing](self.clock)
        return self.varying_rule

    def direct(self, sender: int, receiver: int) -> Link:
        """A new link from one machine to another."""
        return VaryingLink(
            self.clock,
            (sender, receiver),
            self.varying.latency(sender, receiver),
            self.varying.bandwidth(sender, receiver),
            (self.uplinks[sender], self.downlinks[receiver]),
            MESSAGE + sender * self.num_machines + receiver,
            self.shared_by(sender, receiver),
        )

    def troubles(self) -> list[str]:
        """Which transfers never arrive, and what the layers have to tell."""
        ends = [divmod(place - MESSAGE, self.num_machines) for place in sorted(self.varying_rule.stuck_links())]
        told = ", ".join(f"{sender} -> {receiver}" for sender, receiver in ends[:3])
        more = f" and {len(ends) - 3} more" if len(ends) > 3 else ""
        return [*([f"bandwidth stays 0 on the way {told}{more}"] if ends else []), *super().troubles()]
