"""Task graphs on the network model: known completion times, the rules by themselves, and what is refused."""

from __future__ import annotations

import json
from math import inf, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from tests.clock.test_network import Sent, Setup, arrivals

CASES = json.loads((Path(__file__).parent / "data" / "network" / "cases.json").read_text(encoding="utf-8"))["cases"]
RULES = ["fair", "queue", "none"]


def in_bits(case: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Tasks and resources of a case, whose file counts bytes."""
    tasks = [{("bits" if key == "size" else key): value for key, value in task.items()} for task in case["tasks"]]
    for task in tasks:
        if task["kind"] == "flow":
            task["bits"] *= 8
    resources = {name: {**facts, "bandwidth": 8 * facts["bandwidth"]} for name, facts in case["resources"].items()}
    return tasks, resources


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_known_completion_times(case: dict[str, Any]) -> None:
    found = simnet.replay(*in_bits(case), sharing="fair")
    assert found == pytest.approx(case["finish"], rel=1e-9, abs=0)
    if case["closed_form"]:
        closed, found["makespan"] = case["closed_form"]["finish"], max(found.values())
        assert {task: found[task] for task in closed} == pytest.approx(closed, rel=1e-9, abs=0)


def test_there_are_75_cases_and_58_closed_forms() -> None:
    assert (len(CASES), sum(bool(case["closed_form"]) for case in CASES)) == (75, 58)


def flow(name: Any, bits: float, path: str, **facts: Any) -> dict[str, Any]:
    return {"id": name, "kind": "flow", "bits": bits, "path": path.split(), **facts}


def compute(name: Any, seconds: float, **facts: Any) -> dict[str, Any]:
    return {"id": name, "kind": "compute", "node": 0, "seconds": seconds, **facts}


def rates(**bandwidths: float) -> dict[str, Any]:
    return {name: {"bandwidth": bandwidth} for name, bandwidth in bandwidths.items()}


# Graphs with shared resources, computations in between, and eighths as times, so that much is simultaneous.
names = st.sampled_from("abcd")
eighths = st.integers(0, 16).map(lambda k: k / 8)
paths = st.lists(names, max_size=3, unique=True)
bandwidths = st.fixed_dictionaries({name: st.sampled_from([0.5, 1.0, 2.0, 3.0]) for name in "abcd"})


@st.composite
def graphs(draw: st.DrawFn, latency: st.SearchStrategy[float] = eighths) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 12))):
        before = draw(st.lists(st.sampled_from(range(number)), max_size=2, unique=True)) if number else []
        common = {"id": f"t{number}", "after": [f"t{k}" for k in before], "start": draw(eighths)}
        if draw(st.booleans()) and draw(st.booleans()):
            tasks.append({**common, "kind": "compute", "seconds": draw(eighths)})
        else:
            bits = draw(st.sampled_from([0.0, 1.0, 2.0, 5.0]))
            tasks.append({**common, "kind": "flow", "bits": bits, "latency": draw(latency), "path": draw(paths)})
    return tasks


@settings(deadline=None)
@given(graphs(), bandwidths, st.sampled_from(RULES), st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_plays_no_role(tasks: Any, speeds: Any, sharing: str, random: Any) -> None:
    shuffled = random.sample(tasks, len(tasks))
    assert simnet.replay(shuffled, rates(**speeds), sharing) == simnet.replay(tasks, rates(**speeds), sharing)


@settings(deadline=None)
@given(graphs(), bandwidths, st.sampled_from(RULES))
def test_a_task_starts_when_all_before_it_have_finished_and_takes_its_time(tasks: Any, speeds: Any, sharing: str) -> None:
    finish = simnet.replay(tasks, rates(**speeds), sharing)
    for task in tasks:
        start = max([task["start"], *(finish[before] for before in task["after"])])
        if task["kind"] == "compute":
            assert finish[task["id"]] == pytest.approx(start + task["seconds"], rel=1e-12)
        else:
            alone = task["latency"] + max([task["bits"] / speeds[name] for name in task["path"]], default=0.0)
            assert finish[task["id"]] >= (start + alone) * (1 - 1e-12)
            if sharing == "none" or not task["path"]:
                assert finish[task["id"]] == pytest.approx(start + alone, rel=1e-12)


@settings(deadline=None)
@given(graphs(latency=st.just(0.0)), bandwidths, st.floats(0.1, 10.0))
def test_scaling_all_bandwidths_scales_all_times(tasks: Any, speeds: Any, factor: float) -> None:
    """Without latencies, and with everything else that takes time scaled as well."""
    slow = [
        {**t, "start": t["start"] * factor, **({"seconds": t["seconds"] * factor} if "seconds" in t else {})} for t in tasks
    ]
    found = simnet.replay(slow, rates(**{name: speed / factor for name, speed in speeds.items()}))
    expected = simnet.replay(tasks, rates(**speeds))
    assert found == pytest.approx({name: time * factor for name, time in expected.items()}, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(graphs(), bandwidths, st.sampled_from(["fair", "queue"]))
def test_without_anybody_to_share_with_all_rules_agree(tasks: Any, speeds: Any, sharing: str) -> None:
    fatpipes = {name: {"bandwidth": speed, "policy": "fatpipe"} for name, speed in speeds.items()}
    found = simnet.replay(tasks, fatpipes, sharing)
    assert found == pytest.approx(simnet.replay(tasks, rates(**speeds), "none"), rel=1e-12)


LINKS = [(i, j) for i in range(3) for j in range(3) if i != j]


@pytest.mark.parametrize("sharing", RULES)
@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LINKS), st.floats(0, 3), st.floats(0.125, 4)), max_size=9))
def test_transfers_take_as_long_as_messages_of_a_run(sharing: str, sent: list[tuple[tuple[int, int], float, float]]) -> None:
    """Messages over uplinks, links and downlinks, in the order of the links, which decides about simultaneous ones."""
    setup = Setup(latency=0.25, bandwidth=1.5, uplinks=[1.0, 3.0, 2.0], downlinks=[inf, 1.0, 2.0])
    messages = [Sent(time, *ends, bits) for ends, time, bits in sorted(sent, key=lambda item: item[0])]
    limits = {f"up{i}": speed for i, speed in enumerate(setup.uplinks)}
    limits |= {f"link{i}{j}": setup.bandwidth for i, j in LINKS}
    limits |= {f"down{i}": speed for i, speed in enumerate(setup.downlinks) if speed < inf}
    tasks = []
    for k, m in enumerate(messages):
        path = [f"up{m.sender}", f"link{m.sender}{m.receiver}", f"down{m.receiver}"]
        tasks.append(flow(k, m.bits, " ".join(path if path[2] in limits else path[:2]), start=m.time, latency=0.25))
    found = simnet.replay(tasks, rates(**limits), sharing)
    assert [found[k] for k in range(len(tasks))] == pytest.approx(arrivals(setup, messages, sharing), rel=1e-9)


def test_queue_serves_in_path_order_cut_through() -> None:
    """The wide resource is free again early; who waits at the narrow one waits for the first bit's turn only."""
    tasks = [flow("a", 8, "wide narrow", latency=0.5), flow("b", 8, "wide narrow", latency=0.5), flow("c", 4, "wide")]
    found = simnet.replay(tasks, rates(wide=4, narrow=1), "queue")
    assert found == {"a": 8.5, "b": 16.5, "c": 5.0}


def test_the_latency_of_a_queue_lies_before_the_last_resource() -> None:
    """So a short way overtakes at the receiver, not at the sender."""
    late, early = flow("far", 4, "up down", latency=2), flow("near", 4, "other down", latency=0, start=0.5)
    assert simnet.replay([late, early], rates(up=4, other=4, down=1), "queue") == {"far": 8.5, "near": 4.5}
    late, early = flow("far", 4, "up down", latency=2), flow("near", 4, "up other", latency=0, start=0.5)
    assert simnet.replay([late, early], rates(up=1, other=4, down=4), "queue") == {"far": 6.0, "near": 8.0}


def test_simultaneous_transfers_are_served_in_the_order_of_their_ids() -> None:
    tasks = [flow(name, 1, "nic") for name in ("b", "a", 10, 9)]
    assert simnet.replay(tasks, rates(nic=1), "queue") == {9: 1.0, 10: 2.0, "a": 3.0, "b": 4.0}
    followers = [flow("z", 1, "x"), flow("a", 1, "nic", after=["z"]), flow("b", 1, "nic", start=1)]
    assert simnet.replay(followers, rates(nic=1, x=1), "queue") == {"z": 1.0, "a": 2.0, "b": 3.0}


def test_computations_of_one_node_do_not_wait_for_each_other() -> None:
    assert simnet.replay([compute("a", 1.0), compute("b", 1.0), compute("c", 1.0, after=["b"])], {}) == {"a": 1, "b": 1, "c": 2}


@pytest.mark.parametrize("n", [2, 4, 16])
@pytest.mark.parametrize("sharing", RULES)
def test_collectives_of_full_duplex_nics(n: int, sharing: str) -> None:
    """ALGORITHMS-table forms: sharded parameter server (`fair` only: a queue lets heads of lines wait), tree, one peer."""
    size, speed, latency = 8e6, 1e6, 0.05
    nics = rates(**{f"{way}{i}": speed for i in range(n) for way in ("up", "down")})

    def sent(k: Any, i: int, j: int, bits: float, *after: Any) -> dict[str, Any]:
        return flow(k, bits, f"up{i} down{j}", latency=latency, after=list(after))

    one_peer = [sent(i, i, (i + 1) % n, size) for i in range(n)]
    assert max(simnet.replay(one_peer, nics, sharing).values()) == pytest.approx(latency + size / speed)
    tree: list[dict[str, Any]] = []
    for level in range(int(log2(n))):
        far = n >> (level + 1)
        before = [task["id"] for task in tree]
        tree += [sent(f"{level} {i}", i + far, i, size, *before) for i in range(far)]
    broadcast = [{**task, "id": f"back {task['id']}", "path": [f"up{i}", f"down{j}"]} for task in tree for i, j in [ends(task)]]
    for task, forth in zip(broadcast, tree, strict=True):
        level = int(forth["id"].split()[0])
        task["after"] = [t["id"] for t in tree] + [t["id"] for t in broadcast if int(t["id"].split()[1]) > level]
    expected = 2 * log2(n) * (latency + size / speed)
    assert max(simnet.replay(tree + broadcast, nics, sharing).values()) == pytest.approx(expected)
    if sharing == "fair":
        scatter = [sent(f"s{i}-{j}", i, j, size / n) for i in range(n) for j in range(n) if i != j]
        gather = [sent(f"g{t['id']}", *ends(t), size / n, *(s["id"] for s in scatter)) for t in scatter]
        expected = 2 * latency + 2 * (n - 1) / n * size / speed
        assert max(simnet.replay(scatter + gather, nics, sharing).values()) == pytest.approx(expected)


def ends(task: dict[str, Any]) -> tuple[int, int]:
    """Where the opposite of a transfer starts and ends."""
    up, down = task["path"]
    return int(down.removeprefix("down")), int(up.removeprefix("up"))


def test_numbers_of_numpy_tuples_and_iterators_are_all_right() -> None:
    tasks = ({"id": np.int64(i), "kind": "flow", "bits": np.float32(4), "path": ("nic",)} for i in range(2))
    assert simnet.replay(tasks, {"nic": {"bandwidth": np.int32(2), "policy": "SHARED"}}) == {0: 4.0, 1: 4.0}
    assert simnet.replay([], {}) == {}


GOOD = flow("good", 1, "nic")
NIC = rates(nic=1)


@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        ({"kind": "flow"}, "tasks.0.bits: missing; it is needed here"),
        (flow("a", -1, "nic"), "tasks.0.bits: found -1; allowed: a number >= 0"),
        (flow("a", inf, "nic"), "tasks.0.bits: found inf; allowed: a finite number"),
        (flow("a", 1, "nik"), "tasks.0.path: found 'nik'; allowed: names of resources; did you mean nic?"),
        (flow("a", 1, "nic nic"), "tasks.0.path: found a resource twice; allowed: each once"),
        (flow("good", 1, "nic"), "tasks.1.id: found 'good' twice; allowed: each id once"),
        (flow("a", 1, "nic", after=["god"]), "tasks.0.after: found 'god'; allowed: ids of tasks; did you mean good?"),
        (flow("a", 1, "nic", after=["a"]), "tasks: found tasks that wait for one another: 'a' -> 'a'; allowed"),
        (flow("a", 1, "nic", latencie=1), "tasks.0.latencie: unknown key; did you mean latency?"),
        (flow("a", 1, "nic", start="1 s"), "tasks.0.start: found '1 s'; allowed: a number"),
        (flow("a", 1, "nic") | {"path": "nic"}, "tasks.0.path: found 'nic'; allowed: a list"),
        (compute("a", -0.5), "tasks.0.seconds: found -0.5; allowed: a number >= 0"),
        (compute("a", 1, bits=3), "tasks.0.bits: unknown key"),
        (compute(True, 1), "tasks.0.id: found true; allowed: a whole number, or text"),
        ({"id": "a", "kind": "comput"}, "tasks.0.kind: found 'comput'; allowed: compute, flow; did you mean compute?"),
        ({"id": "a"}, "tasks.0.kind: missing; allowed: compute, flow"),
        (7, "tasks.0: found 7; allowed: a mapping (key: value)"),
        ({1: 2}, "tasks.0: found the key 1; allowed: keys that are text"),
    ],
)
def test_a_wrong_task_is_refused(task: Any, complaint: str) -> None:
    assert any(line.startswith(f"replay: {complaint}") for line in complaints([task, GOOD], NIC))


@pytest.mark.parametrize(
    ("tasks", "resources", "sharing", "complaint"),
    [
        ([GOOD], {"nic": {"bandwidth": 0}}, "fair", "resources.nic.bandwidth: found 0; allowed: a number > 0"),
        ([GOOD], {"nic": {}}, "fair", "resources.nic.bandwidth: missing; it is needed here"),
        ([GOOD], {"nic": 5}, "fair", "resources.nic: found 5; allowed: a mapping"),
        (
            [GOOD],
            {"nic": {"bandwidth": 1, "policy": "fat"}},
            "fair",
            "resources.nic.policy: found 'fat'; allowed: shared, fatpipe; did you mean fatpipe?",
        ),
        ([GOOD], NIC, "fare", "sharing: found 'fare'; allowed: none, queue, fair; did you mean fair?"),
        ([GOOD], NIC, ["fair"], "sharing: found ['fair']; allowed: none, queue, fair"),
        (None, NIC, "fair", "tasks: found nothing; allowed: a list"),
        ([GOOD], None, "fair", "resources: found nothing; allowed: a mapping"),
        (
            [flow(i, 1, "nic", after=[(i + 1) % 3]) for i in range(3)],
            NIC,
            "none",
            "tasks: found tasks that wait for one another",
        ),
    ],
)
def test_wrong_input_is_refused(tasks: Any, resources: Any, sharing: Any, complaint: str) -> None:
    (line,) = complaints(tasks, resources, sharing)
    assert line.startswith(f"replay: {complaint}")


def test_all_complaints_come_at_once() -> None:
    tasks = [flow("a", -1, "nik"), compute("a", 1, after=["b", "c"]), {"id": "b", "kind": "compute"}]
    assert complaints(tasks, {"nic": {"bandwidth": -1}}, "fast") == [
        "replay: resources.nic.bandwidth: found -1; allowed: a number > 0",
        "replay: sharing: found 'fast'; allowed: none, queue, fair",
        "replay: tasks.0.bits: found -1; allowed: a number >= 0",
        "replay: tasks.0.path: found 'nik'; allowed: names of resources; did you mean nic?",
        "replay: tasks.1.id: found 'a' twice; allowed: each id once",
        "replay: tasks.1.after: found 'c'; allowed: ids of tasks",
        "replay: tasks.2.seconds: missing; it is needed here",
    ]


def complaints(tasks: Any, resources: Any, sharing: Any = "fair") -> list[str]:
    with pytest.raises(simnet.SimnetError) as error:
        simnet.replay(tasks, resources, sharing)
    return str(error.value).splitlines()


@pytest.mark.parametrize("sharing", RULES)
def test_what_takes_longer_than_numbers_go_takes_for_ever(sharing: str) -> None:
    tasks = [flow("a", 1e300, "nic"), compute("b", 1.0, after=["a"]), compute("c", 1.0)]
    found = simnet.replay(tasks, rates(nic=1e-300), sharing)
    assert found == {"a": inf, "b": inf, "c": 1.0}
