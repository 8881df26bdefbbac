"""Who counts when nodes come and go, and what a run makes of those that are lost at a bad moment."""

from __future__ import annotations

import re
from heapq import merge
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import simnet
from simnet.clock import Clock, Machine, Network
from simnet.clock.outages import random_spells
from simnet.clock.parameters import LinkParameters
from simnet.errors import ScenarioError
from simnet.execution import Run
from simnet.scenario import Network as NetworkSpec
from simnet.scenario.schema_faults import spells_in_one
from tests.clock.building import prepared, scenario

NETWORK = {"latency": "100 ms"}
COMPUTE = {"time": "1 s"}


def crash(node: int, at: str, until: str | None = None, state: str = "kept") -> dict[str, Any]:
    return {"kind": "crash", "nodes": [node], "at": at, "until": until, "state": state}


def run(*faults: dict[str, Any], n: int = 2, algorithm: Any = "dpsgd", steps: int = 6, **facts: Any) -> Run:
    given = {"network": NETWORK, "compute": COMPUTE, "faults": list(faults), **facts}
    return prepared(scenario(n, algorithm, steps, **given))


def test_no_step_is_looked_at_twice() -> None:
    """The slow node has done 2 steps when both are gone and 10 of the fast one are looked at; it returns first, at step 3."""
    faults = [crash(0, "10500 ms", "30 s", "start"), crash(1, "12 s", "14 s", "start")]
    compute = {"time": "1 s", "factors": [1, 5]}
    record = run(*faults, steps=12, compute=compute, run={"wait": {"deadline": "1 ms"}}).execute()
    looked = [row["step"] for row in record.metrics]
    assert record.status == "done"
    assert looked == sorted(set(looked))
    assert looked[-1] == 12


def test_the_first_evaluation_is_about_those_that_are_there() -> None:
    join = {"kind": "join", "nodes": [2], "at": "1500 ms", "state": "start"}
    source = scenario(
        *(3, {"name": "dpsgd", "lr": 0}, 3),
        network=NETWORK, compute=COMPUTE, run={"wait": {"deadline": "1 s"}}, faults=[join],
        init=[[0.0], [2.0], [70.0]], record={"models": True},
    )
    result = simnet.run(source)
    assert result.metrics["consensus_distance"][0] == 1.0
    assert result.models("dpsgd")[0].ravel().tolist() == [0.0, 2.0, 70.0]


def test_a_gradient_in_vain_is_no_time_that_is_still_to_come() -> None:
    """Node 1 computes for half a second and stands still until long after the end; nobody waits for it."""
    run_ = run(crash(1, "500 ms", "100 s"), steps=10, run={"wait": "none", "evaluate_every": 1})
    record = run_.execute()
    end = record.summary["time_s"]
    assert record.summary["nodes"]["computing_s"] == [pytest.approx(end), 0.5]
    assert [row["idle_share"] for row in record.metrics[1:]] == pytest.approx(
        [1 - (row["time_s"] + 0.5) / (2 * row["time_s"]) for row in record.metrics[1:]]
    )


def test_a_crash_ends_a_gradient_that_would_have_been_held_up_later() -> None:
    """It would have run from 0 to 10 s, but for a fault from 5 to 6 s; at 300 ms all is lost, and the last step with it."""
    faults = [crash(1, "300 ms", "400 ms", "start"), crash(1, "5 s", "6 s")]
    run_ = run(*faults, steps=1, compute={"time": "10 s"}, run={"wait": {"deadline": "1 s"}, "simulated_time": "2 s"})
    assert run_.execute().summary["nodes"]["computing_s"] == [2.0, pytest.approx(0.3)]


def test_two_faults_of_one_node_are_both_felt() -> None:
    """The first keeps what it has; the second one takes it out of the network for good."""
    leave = {"kind": "leave", "nodes": [1], "at": "4 s"}
    run_ = run(crash(1, "1500 ms", "2 s"), leave, steps=8, run={"wait": {"deadline": "200 ms"}})
    assert run_.execute().status == "done"
    assert list(run_.observer.members) == [0]  # type: ignore[attr-defined]


def test_a_reply_that_will_never_come_locks_nobody() -> None:
    """Asked at 0 s, answered at 100 ms; 50 ms later the link is gone for ever, and node 0 goes on without its neighbor."""
    cut = {"kind": "link_down", "links": [[0, 1]], "at": "150 ms"}
    run_ = run(cut, algorithm={"name": "adpsgd", "lr": 0}, init=[[0.0], [4.0]])
    record = run_.execute()
    assert record.status == "done", record.message
    assert run_.nodes[0].step >= 5


def test_a_deadline_of_a_former_life_does_nothing() -> None:
    clock = Clock()
    machine = Machine(0, clock, Network("none", LinkParameters(NetworkSpec(), 2, 2, 1, Path()), clock), [])
    before = machine.collect_until((1,), "tag", deadline=2.0)
    machine.forget()
    after = machine.collect((1,), "tag")
    clock.run_until()
    assert clock.now == 2.0
    assert not before.processed
    assert machine.waiting == {"tag": after}


def random(up: str, down: str, state: str = "kept", **facts: Any) -> dict[str, Any]:
    return {"kind": "random_crashes", "up": up, "down": down, "state": state, **facts}


DEADLINE = {"wait": {"deadline": "1500 ms"}}
OUTAGES = {"kind": "random_outages", "up": "5 ms", "down": "1 s"}


LEAVE = {"kind": "leave", "nodes": [0], "at": "1 s"}


@pytest.mark.parametrize(
    ("faults", "facts", "told"),
    [
        ([random("10 ms", "10 ms")], {}, "a gradient that it has not finished in 10000 attempts"),
        ([random("10 ms", "10 ms", nodes=[1])], {"run": DEADLINE}, "^node 1 in step 0 .* a gradient that it has not finished"),
        ([random("10 ms", "10 ms", "start")], {"algorithm": "adpsgd"}, "nodes have returned 10000 times, and none has"),
        ([random("1 ms", "1000 s")], {}, "a fault has cut 0 -> 1, 1 -> 0 for good"),
        ([OUTAGES], {}, r"a fault has cut .* for good; faults.0 \(random_outages\) lets everything be up for 0.005 s"),
        ([LEAVE, crash(1, "2 s")], {"run": DEADLINE}, "all nodes have ended .* 0 away for good; faults.1 .* 1 away for good"),
    ],
)
def test_a_run_that_faults_keep_from_going_on_ends_and_names_them(faults: list[Any], facts: dict[str, Any], told: str) -> None:
    record = run(*faults, **facts).execute()
    assert record.status == "stalled"
    assert re.search(told, record.message), record.message
    assert "faults.0" in record.message


def test_random_faults_that_overlap_for_ever_are_refused() -> None:
    often = random("1 ms", "10 s")
    links = [{**OUTAGES, "down": "1000 s", "links": pairs} for pairs in ([[0, 1]], [[1, 0]])]
    with pytest.raises(ScenarioError, match=r"faults\.1: .* here and in faults.0 would practically never be up"):
        run(often, {**often, "nodes": [1]})
    with pytest.raises(ScenarioError, match=r"faults\.2: .* here and in faults.1 would practically never be up"):
        run(often, *links)
    run({**often, "nodes": [0]}, {**often, "nodes": [1]})  # different nodes
    run(random("1 s", "9 s"), random("1 s", "9 s"))  # one spell in ten


@pytest.mark.parametrize("means", [[(1.0, 2.0), (1.0, 2.0)], [(2.0, 1.0), (1.0, 3.0), (4.0, 4.0)]])
def test_so_many_spells_overlap_on_average(means: list[tuple[float, float]]) -> None:
    sources = [random_spells(up, down, "kept", 1, i) for i, (up, down) in enumerate(means)]
    spells, whole = 0, 0
    end = 0.0
    for spell in takewhile(lambda spell: spell.start < 40_000, merge(*sources)):
        spells += 1
        whole += spell.start > end
        end = max(end, spell.end)
    assert spells / whole == pytest.approx(spells_in_one(means), rel=0.05)
