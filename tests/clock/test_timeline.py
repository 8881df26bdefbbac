"""The recorded timeline: who computed, waited for whom, and what was on its way, in closed form and as a whole."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.accounting import waited_s
from simnet.clock.clock import Clock
from simnet.clock.events import Leg, Transfer
from simnet.clock.timeline import Timeline, without
from simnet.execution import Run
from simnet.result.record import same
from simnet.scenario import Trace
from tests.clock.building import prepared, scenario

BITS = 32.0  # of a model, which is one number
NETWORK = {"latency": "1 s", "bandwidth": "32 bit/s", "sharing": "queue"}


def traced_scenario(trace: Any = True, **changes: Any) -> dict[str, Any]:
    return scenario(**changes, run={"trace": trace})


def traced(trace: Any = True, executor: Any = "off", **changes: Any) -> tuple[Run, pd.DataFrame]:
    run = prepared(traced_scenario(trace, **changes), executor)
    record = run.execute()
    assert record.status == "done"
    assert record.timeline is not None
    return run, pd.DataFrame(record.timeline)


def rows(table: pd.DataFrame, kind: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table[table["kind"] == kind][list(columns)].itertuples(index=False)]


def done(table: pd.DataFrame, kind: str) -> list[tuple[Any, ...]]:
    return rows(table, kind, "node", "start_s", "end_s", "peers")


def test_two_nodes_compute_and_wait_the_rest_of_the_exchange() -> None:
    _, table = traced(nodes=2, steps=2, network=NETWORK, compute={"time": "500 ms"})
    assert rows(table, "window", "start_s", "end_s", "what") == [(0.0, 4.0, "")]
    assert done(table, "compute") == [(0, 0.0, 0.5, ""), (1, 0.0, 0.5, ""), (0, 2.0, 2.5, ""), (1, 2.0, 2.5, "")]
    assert done(table, "wait") == [(0, 0.5, 2.0, "1"), (1, 0.5, 2.0, "0"), (0, 2.5, 4.0, "1"), (1, 2.5, 4.0, "0")]
    columns = ("node", "peers", "start_s", "first_bit_s", "last_bit_s", "end_s", "bits", "latency_s", "step", "what")
    assert rows(table, "transfer", *columns) == [
        (i, str(1 - i), 2.0 * k, 2.0 * k, 2.0 * k + 1, 2.0 * k + 2, BITS, 1.0, k, str(k)) for k in (0, 1) for i in (0, 1)
    ]


def test_a_node_that_computes_longer_than_messages_take_never_waits() -> None:
    _, table = traced(nodes=2, steps=3, network=NETWORK, compute={"time": "3 s"})
    assert done(table, "wait") == []
    assert done(table, "compute") == [(i, 3.0 * k, 3.0 * k + 3, "") for k in range(3) for i in (0, 1)]


def test_the_second_message_of_an_uplink_is_held_back_by_a_queue_only() -> None:
    network = {"latency": "1 s", "uplink": "32 bit/s"}
    columns = ("node", "first_bit_s", "last_bit_s", "end_s")
    _, table = traced(nodes=3, steps=1, network={**network, "sharing": "queue"})
    assert sorted(rows(table, "transfer", *columns)) == [(i, k, k + 1, k + 2) for i in range(3) for k in (0.0, 1.0)]
    assert [(row[0], row[3]) for row in done(table, "wait")] == [(0, "2"), (1, "2"), (2, "1")]  # whoever comes last
    _, table = traced(nodes=3, steps=1, network={**network, "sharing": "none"})
    assert sorted(rows(table, "transfer", *columns)) == [(i, 0.0, 1.0, 2.0) for i in range(3) for _ in range(2)]


def test_the_parameter_server_waits_for_one_node_after_the_other() -> None:
    algorithm = {"name": "allreduce", "exchange": "parameter_server"}
    network = {"latency": "1 s", "uplink": "32 bit/s", "downlink": "16 bit/s", "sharing": "queue"}
    _, table = traced(nodes=2, algorithm=algorithm, steps=1, network=network, compute={"time": "1 s"})
    assert done(table, "wait") == [
        *[(2, 0.0, 4.0, "0"), (0, 1.0, 9.0, "2"), (1, 1.0, 10.0, "2"), (2, 4.0, 6.0, "1")],
        (2, 6.0, 10.0, "0"),  # for the next step, until the run ends
    ]


def test_a_question_is_waited_for_until_the_reply() -> None:
    network = {"latency": "1 s", "bandwidth": "32 bit/s"}
    _, table = traced(nodes=2, algorithm="adpsgd", steps=3, network=network, compute={"time": "1 s"})
    assert done(table, "wait")[0] == (0, 1.0, 4.0, "1")
    asked = rows(table, "transfer", "node", "start_s", "end_s")
    assert asked[:2] == [(0, 0.0, 2.0), (1, 2.0, 4.0)]


def test_who_is_given_up_is_who_was_waited_for() -> None:
    algorithm = {"name": "dpsgd", "wait": {"deadline": "1500 ms"}}
    network = {"latency": "1 s", "bandwidth": "32 bit/s"}
    _, table = traced(nodes=2, algorithm=algorithm, steps=1, network=network, compute={"time": "1 s"})
    assert done(table, "wait") == [(0, 1.0, 1.5, "1"), (1, 1.0, 1.5, "0")]
    assert rows(table, "transfer", "node", "end_s") == [(0, inf), (1, inf)]  # under way when the run ended


RUNS: dict[str, dict[str, Any]] = {
    "dpsgd": {"algorithm": "dpsgd"},
    "deadline": {"algorithm": {"name": "dpsgd", "wait": {"deadline": "40 ms"}}},
    "no-wait": {"algorithm": {"name": "dpsgd", "wait": "none"}},
    "detag": {"algorithm": {"name": "detag", "gossip_rounds": 2}},
    "ring": {"algorithm": "allreduce"},
    "halving": {"algorithm": {"name": "allreduce", "exchange": "halving_doubling"}},
    "server": {"algorithm": {"name": "allreduce", "exchange": "parameter_server", "chunks": 2}},
    "adpsgd": {"algorithm": "adpsgd"},
    "sgd": {"algorithm": "sgd"},
}
UNEVEN: dict[str, Any] = {
    "nodes": 5,
    "steps": 6,
    "network": {
        "sharing": "queue",
        "latency": {"uniform": {"low": "1 ms", "high": "40 ms"}},
        "uplink": "2 kbit/s",
        "downlink": "3 kbit/s",
    },
    "compute": {"time": "20 ms", "jitter": {"lognormal": 0.5}, "stragglers": {"fraction": 0.2, "slowdown": 4}},
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("executor", ["off", "deferred"])
def test_computing_and_waiting_cover_the_time_of_every_node(name: str, executor: str) -> None:
    run = prepared(traced_scenario(**UNEVEN, **RUNS[name]), executor)
    ends: dict[int, float] = {}
    completed = run.observer.completed

    def note(node: Any) -> None:
        ends[node.id] = node.now
        completed(node)

    run.observer.completed = note  # type: ignore[method-assign]
    table = pd.DataFrame(run.execute().timeline)
    for machine in run.machines:
        spans = sorted(span[1:3] for kind in ("compute", "wait") for span in done(table, kind) if span[0] == machine.id)
        assert all(left[1] == right[0] for left, right in pairwise(spans))  # nothing between, nothing twice
        has_ended = not run.processes[machine.id].is_alive
        assert (spans[0][0], spans[-1][1]) == (0.0, ends[machine.id] if has_ended else run.clock.now)


@pytest.mark.parametrize("name", RUNS)
def test_the_timeline_says_what_the_summary_says(name: str) -> None:
    run, table = traced(**UNEVEN, **RUNS[name])
    summary = run.record("done", "", 0.0).summary
    table["seconds"] = table["end_s"] - table["start_s"]
    for kind, key in (("compute", "computing_s"), ("wait", "waiting_s")):
        seconds = table[table["kind"] == kind].groupby("node")["seconds"].sum()
        told = [seconds.get(node.id, 0.0) for node in run.nodes]
        assert told == pytest.approx(summary["nodes"][key], abs=1e-9)
    for node in run.nodes:
        waits = table[(table["kind"] == "wait") & (table["node"] == node.id)]
        by_first = waits["seconds"].groupby(waits["peers"].str.split().str[0].astype(int)).sum()
        assert by_first.to_dict() == pytest.approx(waited_s(node, run.clock.now), abs=1e-9)
    transfers = table[table["kind"] == "transfer"]
    assert transfers["bits"].sum() == pytest.approx(sum(machine.bits_sent for machine in run.machines))
    assert len(transfers) == sum(machine.messages_sent for machine in run.machines)


@pytest.mark.parametrize("name", RUNS)
def test_times_of_a_transfer_are_in_order(name: str) -> None:
    _, table = traced(**UNEVEN, **RUNS[name])
    sent = table[(table["kind"] == "transfer") & np.isfinite(table["end_s"])]
    assert (sent["start_s"] <= sent["first_bit_s"]).all()
    assert (sent["first_bit_s"] < sent["last_bit_s"]).all()
    assert (sent["last_bit_s"] + sent["latency_s"] <= sent["end_s"] + 1e-12).all()


@pytest.mark.parametrize("name", RUNS)
def test_being_watched_changes_nothing(name: str) -> None:
    plain = prepared(scenario(**UNEVEN, **RUNS[name])).execute()
    watched, again = (prepared(traced_scenario(**UNEVEN, **RUNS[name])).execute() for _ in range(2))
    assert plain.timeline is None
    assert watched.metrics == plain.metrics
    assert watched.summary["hash"] == plain.summary["hash"]
    assert watched.timeline is not None
    assert same(watched.timeline, again.timeline)


def test_values_make_no_difference() -> None:
    _, alone = traced(**UNEVEN, executor="off")
    _, with_values = traced(**UNEVEN, executor="deferred")
    pd.testing.assert_frame_equal(alone, with_values)


def test_a_window_has_what_lies_in_it() -> None:
    whole = traced(**UNEVEN)[1]
    low, high = 0.1, 0.25
    part = traced(trace={"from": f"{low} s", "until": f"{high} s"}, **UNEVEN)[1]
    assert rows(part, "window", "start_s", "end_s") == [(low, high)]
    for kind in ("compute", "wait"):
        cut = [(n, max(a, low), min(b, high), p) for n, a, b, p in done(whole, kind) if a < high and b > low]
        assert sorted(done(part, kind)) == sorted(cut)
    sent = [row for row in done(whole, "transfer") if row[1] < high and row[2] >= low]
    assert sorted(row[:2] + row[3:] for row in done(part, "transfer")) == sorted(row[:2] + row[3:] for row in sent)


def test_a_window_may_have_some_of_the_nodes() -> None:
    whole = traced(**UNEVEN)[1]
    part = traced(trace={"nodes": [1, 2]}, **UNEVEN)[1]
    for kind in ("compute", "wait"):
        assert done(part, kind) == [row for row in done(whole, kind) if row[0] in (1, 2)]
    assert done(part, "transfer") == [row for row in done(whole, "transfer") if {row[0], int(row[3])} & {1, 2}]


@pytest.mark.parametrize("most", [1, 10, 60])
def test_a_full_window_ends_early_and_says_so(most: int) -> None:
    whole = traced(**UNEVEN)[1]
    part = traced(trace={"most_events": most}, **UNEVEN)[1]
    ((_, end, what),) = rows(part, "window", "start_s", "end_s", "what")
    assert what == f"ends after {most} events"
    assert end < whole["end_s"].iloc[0]
    assert (part["end_s"] < end).sum() <= most  # the others were in progress
    for kind in ("compute", "wait"):
        assert sorted(done(part, kind)) == sorted(
            (n, a, min(b, end), p) for n, a, b, p in done(whole, kind) if a < end and n in set(whole["node"])
        )


def test_who_is_down_neither_computes_nor_waits() -> None:
    run = prepared(traced_scenario(nodes=2, steps=2, network=NETWORK, compute={"time": "500 ms"}), "off")
    assert run.timeline is not None
    for node, start, end in ((0, 0.25, 0.4), (1, 1.0, 1.5), (1, 3.0, inf)):
        run.timeline.down(node, start, end, "crash")
    table = pd.DataFrame(run.execute().timeline)
    assert rows(table, "down", "node", "start_s", "end_s", "what") == [
        *[(0, 0.25, 0.4, "crash"), (1, 1.0, 1.5, "crash"), (1, 3.0, 4.0, "crash")]
    ]
    starts = [(0, 0.0, 0.25, ""), (1, 0.0, 0.5, ""), (0, 0.4, 0.5, ""), (0, 2.0, 2.5, ""), (1, 2.0, 2.5, "")]
    assert done(table, "compute") == starts
    assert [row for row in done(table, "wait") if row[0] == 0] == [(0, 0.5, 2.0, "1"), (0, 2.5, 4.0, "1")]
    assert [row for row in done(table, "wait") if row[0] == 1] == [(1, 0.5, 1.0, "0"), (1, 1.5, 2.0, "0"), (1, 2.5, 3.0, "0")]


class Wrapped(Leg):
    """What a layer around a sharing rule makes of a message."""

    def __init__(self, message: Any, is_lost: bool) -> None:
        super().__init__(message, message.bits, ())
        self.is_lost = is_lost


class Fluid:
    """A sharing rule of which a timeline knows nothing: the latency, then 2 s."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def carry(self, link: Any, transfer: Transfer, extra: float = 0.0) -> None:
        self.clock.at(self.clock.now + link.latency + extra + 2.0, transfer, 1)


def test_layers_and_other_sharing_rules_are_understood() -> None:
    clock = Clock()
    timeline, rule = Timeline(clock, Trace()), Fluid(clock)
    timeline.watch(rule)
    limit = SimpleNamespace(bandwidth=inf, free_at=0.0)
    link = SimpleNamespace(sender=0, receiver=1, latency=1.0, own=limit, uplink=limit, downlink=limit)
    message: Any = SimpleNamespace(bits=8.0, step=3, tag="x")
    rule.carry(link, Wrapped(message, is_lost=True), 0.5)
    rule.carry(link, Wrapped(Wrapped(message, is_lost=False), is_lost=False))
    clock.run_until()
    table = pd.DataFrame(timeline.table())
    columns = ("start_s", "first_bit_s", "last_bit_s", "end_s", "latency_s", "step", "what")
    assert rows(table, "lost", *columns) == [(0.0, 1.5, 3.5, 3.5, 1.5, 3, "x")]
    assert rows(table, "transfer", *columns) == [(0.0, 1.0, 3.0, 3.0, 1.0, 3, "x")]


intervals = st.lists(st.integers(0, 30), unique=True, max_size=8).map(
    lambda ends: list(zip(*[iter(sorted(ends))] * 2, strict=False))
)


@given(st.integers(0, 30), st.integers(0, 10), intervals)
def test_what_is_left_of_an_interval_is_what_the_others_do_not_cover(
    start: int, length: int, taken: list[tuple[int, int]]
) -> None:
    pieces = list(without(start, start + length, taken))
    covered = {k for low, high in pieces for k in range(int(low), int(high))}
    assert covered == {k for k in range(start, start + length) if not any(low <= k < high for low, high in taken)}
    assert all(low < high for low, high in pieces)


def test_a_run_without_trace_has_no_timeline() -> None:
    assert prepared(scenario()).timeline is None
