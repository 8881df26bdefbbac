"""Bandwidths and latencies that vary: the sharing rules against their statement, one transfer and many at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from simnet.clock import Clock, Message
from simnet.clock.causes import Work
from simnet.clock.clock import WAKE
from simnet.clock.max_min import max_min_rates
from simnet.clock.series import Series
from simnet.clock.varying_network import VaryingNetwork
from tests.clock.test_network import NODES, Sent, Setup, arrivals, messages, setups
from tests.clock.test_series import some_series

RULES = ("none", "queue", "fair")
SQUARE = Series((0.0, 1.0), (4.0, 0.0), first=0, end=2.0)
"""4 bit/s for one second, nothing for the next, and again."""


@dataclass
class World:
    """Three machines; what is not said is unlimited. Keys of `bandwidth` and `latency` are pairs."""

    latency: dict[Any, float | Series] = field(default_factory=dict)
    bandwidth: dict[Any, float | Series] = field(default_factory=dict)
    uplink: dict[int, float | Series] = field(default_factory=dict)
    downlink: dict[int, float | Series] = field(default_factory=dict)

    def network(self, sharing: str, clock: Clock) -> VaryingNetwork:
        parameters = SimpleNamespace(
            uplinks=[self.uplink.get(i, inf) for i in range(NODES)],
            downlinks=[self.downlink.get(i, inf) for i in range(NODES)],
            latency=lambda *ends: self.latency.get(ends, 0.0),
            bandwidth=lambda *ends: self.bandwidth.get(ends, inf),
        )
        return VaryingNetwork(sharing, parameters, clock)  # type: ignore[arg-type]


def everything(limit: float | Series) -> World:
    """The same limit wherever there can be one."""
    nodes = dict.fromkeys(range(NODES), limit)
    return World(bandwidth={(i, j): limit for i in range(NODES) for j in range(NODES)}, uplink=nodes, downlink=nodes)


def run(world: World, sent: list[Sent], sharing: str) -> tuple[list[float], VaryingNetwork, Clock]:
    """When each message arrives (infinite: never), and what is left when nothing can happen any more."""
    clock = Clock()
    network = world.network(sharing, clock)
    links = {(i, j): network.link(i, j) for i in range(NODES) for j in range(NODES)}
    arrived = [inf] * len(sent)

    def arrive(number: int) -> Callable[[Any], None]:
        return lambda _: arrived.__setitem__(number, clock.now)

    for number, one in enumerate(sent):
        message = Message(one.sender, number, None, one.bits, 0, Work(one.sender), (arrive(number),))
        link = links[one.sender, one.receiver]
        clock.call(one.time, lambda _, link=link, message=message: network.transmit(link, message), WAKE)
    clock.run_until()
    assert clock.is_idle
    return arrived, network, clock


def times(world: World, sent: list[Sent], sharing: str) -> list[float]:
    return run(world, sent, sharing)[0]


@pytest.mark.parametrize("sharing", RULES)
@settings(max_examples=25, deadline=None)
@given(setups, messages)
def test_what_never_changes_is_as_if_it_could_not(sharing: str, setup: Setup, sent: list[Sent]) -> None:
    """Series with a break in every second, and the same value all the time."""

    def broken(value: float) -> Series:
        return Series((0.0, 0.75), (value, value), first=0, end=1.0)

    plain = setup.parameters()
    pairs = [(i, j) for i in range(NODES) for j in range(NODES)]
    world = World(
        latency={pair: broken(plain.latency(*pair)) for pair in pairs},
        bandwidth={pair: broken(plain.bandwidth(*pair)) for pair in pairs},
        uplink={i: broken(plain.uplinks[i]) for i in range(NODES)},
        downlink={i: broken(plain.downlinks[i]) for i in range(NODES)},
    )
    assert times(world, sent, sharing) == pytest.approx(arrivals(setup, sent, sharing), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(*[some_series()] * 3, messages)
def test_without_sharing_the_smallest_bandwidth_counts(up: Series, own: Series, down: Series, sent: list[Sent]) -> None:
    world = World(bandwidth={(0, 1): own}, uplink={0: up}, downlink={1: down}, latency={(0, 1): 0.5})
    found = times(world, sent, "none")
    for message, end in zip(sent, found, strict=True):
        limits = {(0, 1): [up, own, down]}.get((message.sender, message.receiver))
        limits = limits or [s for s, is_on in ((up, message.sender == 0), (down, message.receiver == 1)) if is_on]
        latency = 0.5 * ((message.sender, message.receiver) == (0, 1))
        assert end == pytest.approx(walked(limits, message.time, message.bits) + latency, abs=1e-9)


def walked(limits: list[Series], start: float, bits: float) -> float:
    """In steps of an eighth, in which nothing changes: every series here has its breaks at eighths."""
    rate, time = inf, start
    for _ in range(8 * 60 * 8):
        rate = min((series.at(time) for series in limits), default=inf)
        if rate and bits <= rate / 8:
            return time + bits / rate
        bits -= rate / 8
        time += 1 / 8
    return inf


@settings(max_examples=60, deadline=None)
@given(*[some_series()] * 3, messages)
def test_queue_is_what_it_says(up: Series, own: Series, down: Series, sent: list[Sent]) -> None:
    """Each limit serves one after the other; the last bit leaves it no earlier than it left the one before."""
    latency = 0.25
    pairs = [(i, j) for i in range(NODES) for j in range(NODES)]
    limits = [dict.fromkeys(range(NODES), series) for series in (up, down)]
    world = World(dict.fromkeys(pairs, latency), dict.fromkeys(pairs, own), *limits)
    free: dict[Any, float] = {}

    def serve(limit: Any, series: Series, at: float, bits: float) -> float:
        start = series.finish(max(at, free.get(limit, 0.0)), 0.0)
        free[limit] = series.finish(start, bits)
        return start

    entries, expected = [], [inf] * len(sent)
    for rank, number in enumerate(sorted(range(len(sent)), key=lambda number: sent[number].time)):
        one = sent[number]
        at_link = serve((one.sender, one.receiver), own, serve(one.sender, up, one.time, one.bits), one.bits)
        last = max(free[one.sender], free[one.sender, one.receiver]) + latency
        entries.append((at_link + latency, one.sender, one.receiver, rank, number, last))
    for first, _, receiver, _, number, last in sorted(entries):
        serve(("down", receiver), down, first, sent[number].bits)
        expected[number] = max(last, free["down", receiver])
    assert times(world, sent, "queue") == pytest.approx(expected, abs=1e-9)


def fluid(world: World, sent: list[Sent], until: float) -> list[float]:
    """Max-min fair rates, found anew in every eighth of a second and whenever a flow ends."""
    left = {number: one.bits for number, one in enumerate(sent)}
    ends = dict.fromkeys(left, inf)
    time = 0.0
    while time < until:
        active = {
            number: [(kind, k) for kind, k in crossed(sent[number]) if k in getattr(world, kind)]
            for number, bits in left.items()
            if sent[number].time <= time
        }
        for number in [number for number, path in active.items() if not path or not left[number]]:
            del active[number]
            ends[number] = min(ends[number], time)
            left.pop(number)
        capacities = {limit: getattr(world, limit[0])[limit[1]].at(time) for path in active.values() for limit in path}
        rates = dict(zip(active, max_min_rates(list(active.values()), capacities)[0], strict=True)) if active else {}
        step = min([int(time * 8 + 1) / 8 - time, *(left[k] / rate for k, rate in rates.items() if rate)])
        for k, rate in rates.items():
            left[k] = max(0.0, left[k] - rate * step)
            if left[k] <= 1e-12:
                left.pop(k)
                ends[k] = time + step
        time = time + step if step * 8 + (time * 8) % 1 < 1 else int(time * 8 + 1) / 8
    return [ends[number] for number in range(len(sent))]


def crossed(one: Sent) -> list[tuple[str, Any]]:
    return [("uplink", one.sender), ("bandwidth", (one.sender, one.receiver)), ("downlink", one.receiver)]


@settings(max_examples=40, deadline=None)
@given(*[some_series()] * 3, messages)
def test_fair_finds_new_rates_when_a_bandwidth_changes(up: Series, own: Series, down: Series, sent: list[Sent]) -> None:
    world = World(bandwidth={(0, 1): own}, uplink={0: up, 1: up}, downlink={1: down, 2: down})
    for found, expected in zip(times(world, sent, "fair"), fluid(world, sent, 80.0), strict=True):
        assert found == pytest.approx(expected, abs=1e-7) if expected < inf else found >= 80 - 1e-7


@pytest.mark.parametrize(("sharing", "expected"), [("none", [2.5, 2.5]), ("queue", [2.5, 5.0]), ("fair", [5.0, 5.0])])
def test_two_transfers_by_hand(sharing: str, expected: list[float]) -> None:
    """6 bits each over 4 bit/s in every other second."""
    sent = [Sent(0, 0, 1, 6), Sent(0, 0, 1, 6)]
    assert times(World(uplink={0: SQUARE}), sent, sharing) == pytest.approx(expected, rel=1e-12)
    assert times(everything(SQUARE), sent, sharing) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sharing", RULES)
def test_a_latency_is_that_of_the_start(sharing: str) -> None:
    world = World(latency={(0, 1): Series((0.0, 1.0), (3.0, 0.5))}, bandwidth={(0, 1): 1.0})
    assert times(world, [Sent(0.5, 0, 1, 1)], sharing) == [4.5]
    assert times(world, [Sent(1.0, 0, 1, 1)], sharing) == [2.5]


@pytest.mark.parametrize("sharing", RULES)
@settings(max_examples=20, deadline=None)
@given(some_series(), messages)
def test_twice_the_time_takes_twice_the_time(sharing: str, series: Series, sent: list[Sent]) -> None:
    slow = Series(tuple(2 * t for t in series.times), tuple(v / 2 for v in series.values), series.first, 2 * series.end)
    later = [Sent(2 * one.time, one.sender, one.receiver, one.bits) for one in sent]
    twice = [2 * time for time in times(everything(series), sent, sharing)]
    assert times(everything(slow), later, sharing) == (twice if sharing != "fair" else pytest.approx(twice, rel=1e-12))


@pytest.mark.parametrize("sharing", RULES)
def test_what_never_moves_leaves_nothing_to_happen(sharing: str) -> None:
    """After 1 s there is no bandwidth any more. The run is idle at once, and says why."""
    world = World(uplink={0: Series((0.0, 1.0), (4.0, 0.0))})
    arrived, network, clock = run(world, [Sent(0, 0, 1, 4), Sent(2, 0, 2, 1), Sent(3, 1, 2, 1)], sharing)
    assert arrived == [1.0, inf, 3.0]
    assert clock.now == 3.0
    assert network.troubles() == ["bandwidth stays 0 on the way 0 -> 2"]


@pytest.mark.parametrize("sharing", RULES)
def test_limits_that_are_never_open_together(sharing: str) -> None:
    odd = Series((0.0, 1.0), (0.0, 4.0), first=0, end=2.0)
    arrived, network, clock = run(World(uplink={0: SQUARE}, bandwidth={(0, 1): odd}), [Sent(0, 0, 1, 4)], sharing)
    if sharing == "queue":
        assert arrived == [2.0]  # each limit keeps what it has not yet passed on
    else:
        assert arrived == [inf]
        assert network.troubles() == ["bandwidth stays 0 on the way 0 -> 1"]
        assert clock.now < 1e5


def test_an_endless_trace_does_not_keep_the_clock_busy() -> None:
    """The clock knows of a change only while something flows."""
    arrived, network, clock = run(World(uplink={0: SQUARE, 1: SQUARE}), [Sent(0.5, 0, 1, 1), Sent(7.5, 1, 2, 4)], "fair")
    assert arrived == [0.75, 9.0]  # nothing until 8 s
    assert clock.now == 9.0
    assert network.troubles() == []


def test_an_exact_number_of_periods_ends_before_the_pause() -> None:
    """Tenths are no binary fractions: what rounding leaves over must not wait for the next period, under no rule."""
    pausing = Series((0.0, 0.1), (30.0, 0.0), first=0, end=0.7)
    for sharing in RULES:
        for periods in range(1, 100, 3):
            (end,) = times(World(uplink={0: pausing}), [Sent(0, 0, 1, 3.0 * periods)], sharing)
            assert end == pytest.approx(0.7 * (periods - 1) + 0.1, rel=1e-9)
