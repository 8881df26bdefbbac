"""What TCP adds to a message, in closed form (simnet.clock.protocol); measured against real TCP in benchmarks/real_network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simnet
from simnet.clock import Clock
from simnet.clock.building import build_network
from simnet.clock.events import Transfer
from simnet.clock.parameters import LinkParameters
from simnet.errors import ScenarioError
from simnet.scenario import Network as NetworkSpec
from tests.clock.building import completion_times, scenario

RATE, LATENCY = 100e6, 0.05  # bit/s, s
MEGABYTE = 8e6  # bits
OVERHEAD = 1514 / 1448
SEGMENT = 8 * 1448
TCP = {"overhead": OVERHEAD, "acknowledgements": 66 / 3028, "start_up": {}, "in_order": True}
RULES = ("none", "queue", "fair")


def flow(number: int, sender: int, receiver: int, bits: float = MEGABYTE, **facts: Any) -> dict[str, Any]:
    """A transfer from one node's NIC to another's, acknowledged the other way."""
    ends = {"path": [f"up {sender}", f"down {receiver}"], "back": [f"up {receiver}", f"down {sender}"]}
    return {"id": number, "kind": "flow", "bits": bits, "latency": LATENCY, "src": sender, "dst": receiver, **ends, **facts}


def finishes(flows: list[dict[str, Any]], protocol: Any, sharing: str = "fair", rate: float = RATE) -> list[float]:
    """When each transfer is finished, in the order of the list."""
    nodes = {one[end] for one in flows for end in ("src", "dst")}
    nics = {f"{end} {node}": {"bandwidth": rate} for node in nodes for end in ("up", "down")}
    return list(simnet.replay(flows, nics, sharing, protocol).values())


def slow_start(bits: float, rate: float, latency: float, window: int = 10) -> float:
    """The formula of `SlowStart` for a message alone on its path."""
    segment = SEGMENT * OVERHEAD
    round_trip = 2 * latency + segment / rate
    left, window_bits, late = bits * OVERHEAD, window * segment, 0.0
    while left > window_bits and window_bits < rate * round_trip:
        late += round_trip - window_bits / rate
        left -= window_bits
        window_bits *= 2
    return late + latency + OVERHEAD * bits / rate


@pytest.mark.parametrize("sharing", RULES)
def test_a_warm_megabyte_takes_its_latency_and_its_frames(sharing: str) -> None:
    protocol = {**TCP, "start_up": None}
    assert finishes([flow(0, 0, 1)], protocol, sharing) == pytest.approx([LATENCY + OVERHEAD * MEGABYTE / RATE])
    assert finishes([flow(0, 0, 1)], protocol, sharing)[0] == pytest.approx(0.134, abs=1e-3)  # measured: 0.134


@pytest.mark.parametrize("sharing", RULES)
def test_a_fresh_megabyte_waits_for_six_windows(sharing: str) -> None:
    """10 + 20 + ... + 320 segments hold 630 of its 691."""
    round_trip = 2 * LATENCY + SEGMENT * OVERHEAD / RATE
    by_hand = 6 * round_trip + LATENCY + (OVERHEAD * MEGABYTE - 630 * SEGMENT * OVERHEAD) / RATE
    (fresh,) = finishes([flow(0, 0, 1)], TCP, sharing)
    assert fresh == pytest.approx(by_hand, rel=1e-12)
    assert fresh == pytest.approx(0.66, abs=0.005)  # measured: 0.66


@given(
    bits=st.floats(1e3, 1e9),
    rate=st.floats(1e6, 1e9),
    latency=st.floats(0, 0.3),
    window=st.integers(1, 64),
    sharing=st.sampled_from(RULES),
)
def test_a_fresh_message_alone_is_late_by_the_formula(
    bits: float, rate: float, latency: float, window: int, sharing: str
) -> None:
    protocol = {**TCP, "start_up": {"initial_window": window}}
    (found,) = finishes([flow(0, 0, 1, bits, latency=latency)], protocol, sharing, rate)
    assert found == pytest.approx(slow_start(bits, rate, latency, window), rel=1e-9)


def test_a_handshake_costs_one_round_trip_once() -> None:
    flows = [flow(0, 0, 1), flow(1, 0, 1, after=[0])]
    without, shaken = (finishes(flows, {**TCP, "start_up": {"handshake": on}}) for on in (False, True))
    round_trip = 2 * LATENCY + SEGMENT * OVERHEAD / RATE
    assert [late - early for early, late in zip(without, shaken, strict=True)] == pytest.approx([round_trip] * 2)


def test_a_window_stays_open_until_the_connection_is_idle() -> None:
    """10 MB open the window; 2 s later it is still open, 4 s later it is not."""
    big, protocol = 10 * MEGABYTE, {**TCP, "start_up": {"idle": "3 s"}}
    (first,) = finishes([flow(0, 0, 1, big)], protocol)
    warm, cold = (
        finishes([flow(0, 0, 1, big), flow(1, 0, 1, start=first + pause)], protocol)[1] - first - pause for pause in (2, 4)
    )
    assert warm == pytest.approx(LATENCY + OVERHEAD * MEGABYTE / RATE)
    assert cold == pytest.approx(slow_start(MEGABYTE, RATE, LATENCY))


def test_small_messages_do_not_open_the_window() -> None:
    small = [flow(i, 0, 1, 4 * SEGMENT, start=float(i)) for i in range(20)]
    *_, last = finishes([*small, flow(20, 0, 1, start=20.0)], {**TCP, "start_up": {"idle": "10 s"}})
    assert last - 20 == pytest.approx(slow_start(MEGABYTE, RATE, LATENCY))


def test_many_fresh_connections_open_their_windows_together() -> None:
    """64 windows of ten segments are more than the path holds, 77 ms of 100 ms; the second ones keep it busy."""
    incast = [flow(i, i, 0) for i in range(1, 65)]
    end = max(finishes(incast, TCP))
    busy = 64 * OVERHEAD * MEGABYTE / RATE
    gap = 2 * LATENCY + SEGMENT * OVERHEAD / RATE - 640 * SEGMENT * OVERHEAD / RATE
    assert end == pytest.approx(LATENCY + busy + gap)


@pytest.mark.parametrize("sharing", RULES)
def test_a_rendezvous_is_one_more_latency(sharing: str) -> None:
    assert finishes([flow(0, 0, 1)], {"rendezvous": True}, sharing) == pytest.approx([2 * LATENCY + MEGABYTE / RATE])


@pytest.mark.parametrize("sharing", ["queue", "fair"])
def test_acknowledgements_are_felt_when_both_directions_are_busy(sharing: str) -> None:
    protocol = {"acknowledgements": 0.022}
    one_way = finishes([flow(0, 0, 1)], protocol, sharing)
    both_ways = finishes([flow(0, 0, 1), flow(1, 1, 0)], protocol, sharing)
    assert one_way == pytest.approx([LATENCY + MEGABYTE / RATE])
    assert max(both_ways) == pytest.approx(LATENCY + 1.022 * MEGABYTE / RATE)


def test_acknowledgements_cost_nothing_without_sharing_or_without_a_way_back() -> None:
    protocol = {"acknowledgements": 0.022}
    both_ways = [flow(0, 0, 1), flow(1, 1, 0)]
    plain = [LATENCY + MEGABYTE / RATE] * 2
    assert finishes(both_ways, protocol, "none") == pytest.approx(plain)
    assert finishes([{**one, "back": []} for one in both_ways], protocol) == pytest.approx(plain)


@pytest.mark.parametrize("sharing", RULES)
def test_in_order_the_messages_of_one_connection_do_not_share(sharing: str) -> None:
    flows = [flow(0, 0, 1), flow(1, 0, 1)]
    alone = MEGABYTE / RATE
    assert finishes(flows, None) == pytest.approx([LATENCY + 2 * alone] * 2)
    assert finishes(flows, {"in_order": True}, sharing) == pytest.approx([LATENCY + alone, LATENCY + 2 * alone])


def test_in_order_another_connection_gets_its_half() -> None:
    """Two messages to node 1, one to node 2: without order the uplink is cut in three."""
    flows = [flow(0, 0, 1), flow(1, 0, 1), flow(2, 0, 2)]
    alone = MEGABYTE / RATE
    assert finishes(flows, None) == pytest.approx([LATENCY + 3 * alone] * 3)
    assert finishes(flows, {"in_order": True}) == pytest.approx([LATENCY + share * alone for share in (2, 3, 2)])


def test_in_order_a_later_message_waits_for_its_own_latency() -> None:
    """The first one needs 0.08 s of bandwidth; a second, sent 1 s later, is not served before 1 s + latency."""
    flows = [flow(0, 0, 1), flow(1, 0, 1, start=0.1)]
    alone = MEGABYTE / RATE
    assert finishes(flows, {"in_order": True}) == pytest.approx([LATENCY + alone, 0.1 + LATENCY + alone])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(1e3, 1e7), st.floats(0, 1)), min_size=1, max_size=12),
    st.sampled_from(RULES),
)
def test_whatever_is_sent_arrives_no_earlier_than_alone_and_in_order(
    sends: list[tuple[int, int, float, float]], sharing: str
) -> None:
    flows = [flow(k, i, j + (j >= i), bits, start=start) for k, (i, j, bits, start) in enumerate(sends) if j < 3]
    if not flows:
        return
    ends = dict(zip([one["id"] for one in flows], finishes(flows, TCP, sharing), strict=True))
    for one in flows:
        assert ends[one["id"]] >= one["start"] + LATENCY + OVERHEAD * one["bits"] / RATE - 1e-9
        for other in flows:
            is_same = (one["src"], one["dst"]) == (other["src"], other["dst"])
            if is_same and (one["start"], one["id"]) < (other["start"], other["id"]):
                assert ends[one["id"]] <= ends[other["id"]] + 1e-9


def network(**protocol: Any) -> dict[str, Any]:
    """A scenario's network with shared NICs."""
    return {"sharing": "fair", "latency": "50 ms", "uplink": "1 Mbit/s", "downlink": "1 Mbit/s", "protocol": protocol}


def test_a_scenario_has_the_same_options() -> None:
    """Two nodes exchange 32 bits; a fresh connection's first window holds them."""
    rate, bits = 1e6, 32.0
    options = {**TCP, "start_up": {"handshake": True}, "rendezvous": True}
    (_, start), (_, end) = completion_times(scenario(2, steps=1, topology="complete", network=network(**options)))
    both_ways = OVERHEAD * bits * (1 + 66 / 3028) / rate
    round_trip = 2 * 0.05 + SEGMENT * OVERHEAD / rate
    assert start == 0
    assert end == pytest.approx(2 * 0.05 + round_trip + both_ways)


def test_without_options_a_protocol_changes_nothing() -> None:
    plain, same = ({**network(), "protocol": protocol} for protocol in (None, {}))
    times = [completion_times(scenario(4, steps=3, network=one)) for one in (plain, same)]
    assert times[0] == pytest.approx(times[1], rel=1e-12)


def test_wrong_options_are_told_all_at_once() -> None:
    with pytest.raises(ScenarioError) as found:
        finishes([flow(0, 0, 1)], {"overhead": 0.9, "in_ordr": True, "start_up": {"idle": 3}})
    assert "protocol.overhead" in str(found.value)
    assert "did you mean in_order?" in str(found.value)
    assert "start_up.idle: found 3 without a unit" in str(found.value)


def test_a_way_back_needs_resources_that_exist() -> None:
    with pytest.raises(ScenarioError) as found:
        finishes([flow(0, 0, 1, back=["up 1", "down 3"])], TCP)
    assert "tasks.0.back: found 'down 3'" in str(found.value)


def test_every_hop_has_a_connection_of_its_own() -> None:
    """On a path, an all-reduce over hops shakes hands and waits for the receiver on each link."""
    source = scenario(3, "allreduce", steps=1, topology="path")
    hops = {"latency": "50 ms", "routing": "hops"}
    (_, plain), (_, late) = (
        completion_times({**source, "network": {**hops, "protocol": protocol}}).max(axis=1)
        for protocol in (None, {"rendezvous": True})
    )
    assert late == pytest.approx(2 * plain)


def arrivals(protocol: dict[str, Any] | None) -> list[int]:
    """The order in which 50 messages of one link arrive that are sent together and meet jitter."""
    spec = NetworkSpec.model_validate({"jitter": {"exponential": {"mean": "1 s"}}, "protocol": protocol})
    clock, order = Clock(), list[int]()
    built = build_network(spec, LinkParameters(spec, 2, 2, 1, Path()), clock, seed=1, num_nodes=2)
    for number in range(50):
        built.transmit(built.link(0, 1), Transfer(1.0, (lambda _, number=number: order.append(number),)))
    clock.run_until()
    return order


def test_in_order_jitter_lets_nobody_overtake() -> None:
    assert arrivals({"in_order": True}) == list(range(50))
    assert sorted(arrivals(None)) == list(range(50)) != arrivals(None)
