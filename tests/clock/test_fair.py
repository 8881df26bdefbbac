"""Fair sharing: the rates are max-min fair at every moment, and transfers end when these rates say."""

from __future__ import annotations

from math import fsum, inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.clock import Clock, flows
from simnet.clock.clock import WAKE
from simnet.clock.events import Transfer
from simnet.clock.flows import Flow
from simnet.clock.fluid import Fluid
from simnet.clock.links import Path, Resource
from simnet.clock.max_min import max_min_rates
from simnet.clock.sharing import Fair

NAMES = "abcdef"
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
speeds = st.one_of(st.sampled_from([1.0, 2.0, 3.0]), st.floats(1e-3, 1e3))
capacities = st.fixed_dictionaries(dict.fromkeys(NAMES, speeds))


def assert_fair(paths: Any, capacities: Any, rates: Any, tolerance: float) -> None:
    """Feasible, and every flow has a bottleneck: there is only one such allocation, and it is max-min fair."""
    used = {name: fsum(rate for path, rate in zip(paths, rates, strict=True) if name in path) for name in capacities}
    fastest = {name: max((r for p, r in zip(paths, rates, strict=True) if name in p), default=0.0) for name in capacities}
    assert all(used[name] <= capacities[name] * (1 + tolerance) for name in capacities)
    for path, rate in zip(paths, rates, strict=True):
        assert any(
            used[name] >= capacities[name] * (1 - tolerance) and rate >= fastest[name] * (1 - tolerance) for name in path
        ), (path, rate)


@settings(deadline=None)
@given(st.lists(paths, max_size=20), capacities, st.randoms(use_true_random=False))
def test_max_min_rates(paths: Any, capacities: Any, random: Any) -> None:
    rates, bottlenecks = max_min_rates(paths, capacities)
    assert_fair(paths, capacities, rates, 1e-12)
    assert all(bottleneck in path for bottleneck, path in zip(bottlenecks, paths, strict=True))
    order = random.sample(range(len(paths)), len(paths))
    shuffled = max_min_rates([paths[k] for k in order], capacities)
    assert shuffled == ([rates[k] for k in order], [bottlenecks[k] for k in order])


@settings(deadline=None)
@given(st.lists(paths, min_size=1, max_size=20), capacities, st.floats(0.01, 100))
def test_rates_scale_with_bandwidths(paths: Any, capacities: Any, factor: float) -> None:
    scaled = max_min_rates(paths, {name: factor * capacity for name, capacity in capacities.items()})[0]
    assert scaled == pytest.approx([factor * rate for rate in max_min_rates(paths, capacities)[0]], rel=1e-9)


# (start, bits, path); eighths, so that much is simultaneous.
eighths = st.integers(0, 40).map(lambda k: k / 8)
traffic = st.lists(st.tuples(eighths, st.sampled_from([0.5, 1.0, 4.0]) | st.floats(0.01, 9.0), paths), min_size=1, max_size=25)
changes = st.lists(st.tuples(eighths, st.sampled_from(NAMES), speeds | st.just(0.0)), max_size=4)


class Traffic:
    """Transfers over a few resources, watched.

    Args:
        speeds: of the resources.
        sent: when, how many bits, over what.
        changes: when which bandwidth becomes another.
    """

    def __init__(self, speeds: dict[str, float], sent: Any, changes: Any = ()) -> None:
        self.clock = Clock()
        self.rule = Fair(self.clock)
        self.resources = {name: Resource(speed) for name, speed in speeds.items()}
        self.arrived: dict[int, float] = {}
        for number, (start, bits, path) in enumerate(sent):
            self.at(start, lambda number=number, bits=bits, path=path: self.send(number, bits, path))
        for start, name, speed in changes:
            self.at(start, lambda name=name, speed=speed: self.rule.fluid.change_bandwidth(self.resources[name], speed))

    def at(self, time: float, action: Any) -> None:
        self.clock.call(time, lambda _: action(), WAKE)

    def send(self, number: int, bits: float, path: Any) -> None:
        crossed = tuple(self.resources[name] for name in path)
        arrival = Transfer(bits, [lambda _: self.arrived.setdefault(number, self.clock.now)])
        self.rule.carry(Path(0.0, crossed, 1000 + number), arrival)

    def run(self, look: Any = lambda: None) -> dict[int, float]:
        """To the end; looks at the end of every moment."""
        while self.clock._queue:
            self.clock.step()
            if self.clock.peek() > self.clock.now:
                look()
        return self.arrived

    def look(self) -> None:
        """The rates of all flows under way are max-min fair, whichever of them were found anew."""
        fluid = self.rule.fluid
        under_way = fluid.flows()
        assert len(under_way) == fluid.num_flows
        limits = {resource: resource.bandwidth for resource in self.resources.values()}
        assert_fair([flow.path for flow in under_way], limits, [flow.rate for flow in under_way], 1e-11)
        wanted, _ = max_min_rates([flow.path for flow in under_way], limits)
        assert [flow.rate for flow in under_way] == pytest.approx(wanted, rel=1e-10, abs=1e-300)


@settings(deadline=None)
@given(capacities, traffic, changes)
def test_rates_are_fair_at_every_moment(speeds: Any, sent: Any, changes: Any) -> None:
    setup = Traffic(speeds, sent, changes)
    setup.run(setup.look)
    fluid = setup.rule.fluid
    assert all(flow.rate == 0 for flow in fluid.flows())  # nobody waits but for a bandwidth of 0 to change
    assert len(setup.arrived) + fluid.num_flows == len(sent)


@settings(deadline=None)
@given(capacities, traffic, changes)
def test_what_arrives_are_the_bits_that_flowed(speeds: Any, sent: Any, changes: Any) -> None:
    setup = Traffic(speeds, sent, changes)
    flowed: dict[Flow, float] = {}
    last = [0.0, {}]

    def look() -> None:
        now, rates = setup.clock.now, last[1]
        for flow, rate in rates.items():  # type: ignore[attr-defined]
            flowed[flow] = flowed.get(flow, 0.0) + rate * (now - last[0])  # type: ignore[operator]
        last[:] = [now, {flow: flow.rate for flow in setup.rule.fluid.flows()}]

    setup.run(look)
    for flow, bits in flowed.items():
        if flow not in setup.rule.fluid.flows():
            assert bits == pytest.approx(flow.transfer.bits, rel=1e-9)


@settings(deadline=None)
@given(capacities, traffic, changes, st.randoms(use_true_random=False))
def test_the_order_of_simultaneous_events_plays_no_role(speeds: Any, sent: Any, changes: Any, random: Any) -> None:
    changes = list({(start, name): (start, name, speed) for start, name, speed in changes}.values())
    order = random.sample(range(len(sent)), len(sent))
    shuffled = Traffic(speeds, [sent[k] for k in order], random.sample(changes, len(changes))).run()
    assert {order[k]: time for k, time in shuffled.items()} == Traffic(speeds, sent, changes).run()


@settings(deadline=None)
@given(capacities, traffic, changes, st.sampled_from([0, 1, 100]))
def test_how_far_a_change_is_followed_before_all_is_found_anew_plays_no_role(
    speeds: Any, sent: Any, changes: Any, widenings: int
) -> None:
    found = Traffic(speeds, sent, changes).run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "MAX_WIDENINGS", widenings)
        assert Traffic(speeds, sent, changes).run() == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("widenings", [flows.MAX_WIDENINGS, 100])
def test_a_change_that_is_felt_far_away(widenings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each flow takes what the one before leaves it, along a chain: one more at its start is felt at its end."""
    monkeypatch.setattr(flows, "MAX_WIDENINGS", widenings)
    rates = [2.0 + 4 * k for k in range(30)]
    speeds = {0: rates[0]} | {k + 1: rates[k] + rates[k + 1] for k in range(29)}
    chain = [(0.0, 1e3, (k, k + 1)) for k in range(29)]
    setup = Traffic(speeds, [*chain, (1.0, 0.5, (0,))])  # type: ignore[arg-type]
    seen = []

    def look() -> None:
        setup.look()
        found = {flow.path[0]: flow.rate for flow in setup.rule.fluid.flows() if len(flow.path) == 2}
        seen.append([found[setup.resources[k]] for k in range(28)])  # type: ignore[index]

    for _ in range(3):
        setup.clock.run_until(len(seen))
        look()
    assert seen[0] == pytest.approx(rates[:28])
    assert seen[1] == pytest.approx([rate + (-1) ** (k + 1) for k, rate in enumerate(rates[:28])])
    assert seen[2] == pytest.approx(rates[:28])


def test_flows_that_share_get_equal_parts_whatever_their_latencies() -> None:
    clock, nic = Clock(), Resource(8.0)
    rule, arrived = Fair(clock), []
    for latency in (0.5, 0.25):
        rule.carry(Path(latency, (nic,), 0), Transfer(4.0, [lambda _: arrived.append(clock.now)]), extra=0.5 - latency)
    clock.run_until()
    assert arrived == [1.5, 1.5]


def test_who_ends_together_ends_together() -> None:
    """Thirds and tenths are rounded; the ends of equal transfers are one moment all the same."""
    sent = [(0.1 * k, 1.0, "a") for k in range(3)] + [(1.0, 1 / 3, f"{NAMES[k]}") for k in range(1, 4)] * 7
    arrived = Traffic(dict.fromkeys(NAMES, 0.3), sent).run()
    assert len({time for k, time in arrived.items() if k >= 3}) == 1


def test_nothing_is_left_in_the_queue_when_the_last_flow_has_ended() -> None:
    """The end of a flow that is sped up was expected later; the clock must not go there, or wait for it."""
    setup = Traffic({"a": 1.0, "b": 10.0}, [(0.0, 4.0, "a")], [(1.0, "a", 3.0)])
    assert setup.run() == {0: 2.0}
    assert setup.clock.now == 2.0
    setup = Traffic({"a": 1.0, "b": 10.0}, [(0.0, 4.0, "a")], [(1.0, "a", 3.0)])
    setup.clock.run_until(2.5)
    assert setup.clock.is_idle


def test_a_bandwidth_of_zero_stops_flows_until_it_changes() -> None:
    setup = Traffic({"a": 1.0}, [(0.0, 2.0, "a")], [(1.0, "a", 0.0)])
    setup.clock.run_until()
    assert (setup.clock.now, setup.clock.is_idle, setup.arrived) == (1.0, True, {})
    assert Traffic({"a": 1.0}, [(0.0, 2.0, "a")], [(1.0, "a", 0.0), (5.0, "a", 2.0)]).run() == {0: 5.5}


def test_what_has_no_bandwidth_limit_takes_only_latency() -> None:
    clock, arrived = Clock(), []
    rule = Fair(clock)
    for resources, bits in (((Resource(inf),), 1e9), ((), 1e9), ((Resource(1.0),), 0.0)):
        rule.carry(Path(0.5, resources, 0), Transfer(bits, [lambda _: arrived.append(clock.now)]))
    clock.run_until()
    assert arrived == [0.5] * 3
    assert rule.fluid.num_flows == 0


def test_long_runs_stay_exact() -> None:
    """A flow whose rate changes 20,000 times delivers its bits, no more and no less."""
    clock, nic = Clock(), Resource(1.0)
    fluid, arrived = Fluid(clock), []
    fluid.start(Flow(Transfer(1e4, [lambda _: arrived.append(clock.now)]), (nic,), 0, fluid.begin))

    def again(_: Any) -> None:
        if not arrived:
            fluid.start(Flow(Transfer(0.1, [again]), (nic,), 1, fluid.begin))

    again(None)
    clock.run_until()
    assert arrived == pytest.approx([2e4], rel=1e-9)
    assert len(fluid._ends) < 100
