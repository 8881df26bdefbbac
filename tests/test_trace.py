"""trace.json follows the Trace Event Format, says what the timeline says, and belongs to a result like its other files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import simnet
from simnet.errors import ScenarioError, SimnetError
from tests.clock.building import scenario

MICROSECONDS = {"type": "number", "minimum": 0}
TRACK = {"pid": {"type": "integer", "minimum": 1}, "tid": {"type": "integer", "minimum": 1}}
NAMED = {"name": {"type": "string", "minLength": 1}, "ts": MICROSECONDS, **TRACK}


def event(phase: str, required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    keys = {"ph": {"const": phase}, **NAMED, "cat": {"type": "string"}, "args": {"type": "object"}, **properties}
    needed = ["ph", "name", "ts", "pid", *required]
    return {"type": "object", "properties": keys, "required": needed, "additionalProperties": False}


# Duca, Sinclair: Trace Event Format, 2016: the JSON object format, with complete, instant and metadata events.
SCHEMA = {
    "type": "object",
    "properties": {
        "traceEvents": {
            "type": "array",
            "items": {
                "oneOf": [
                    event("X", ("cat", "tid", "dur", "args"), dur=MICROSECONDS),
                    event("i", ("cat", "tid", "s"), s={"enum": ["g", "p", "t"]}),
                    event(
                        "M",
                        ("args",),
                        name={"enum": ["process_name", "process_sort_index", "thread_name", "thread_sort_index"]},
                    ),
                ]
            },
        },
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object"},
    },
    "required": ["traceEvents", "displayTimeUnit"],
    "additionalProperties": False,
}


def checked(path: Path) -> list[dict[str, Any]]:
    """The events of a file, if it follows the format and Perfetto would show all of it."""
    trace = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    jsonschema.Draft202012Validator(SCHEMA).validate(trace)
    events: list[dict[str, Any]] = trace["traceEvents"]
    phases = [e["ph"] for e in events]
    assert phases == sorted(phases, key=lambda phase: phase != "M")  # names come first
    happened = [e for e in events if e["ph"] != "M"]
    assert [e["ts"] for e in happened] == sorted(e["ts"] for e in happened)
    assert {(e["pid"], e["tid"]) for e in happened} <= set(tracks(events))
    free_at: Counter[int] = Counter()
    for e in happened:
        if e["ph"] == "X":
            start, length = nanoseconds(e["ts"]), nanoseconds(e["dur"])
            assert start >= free_at[e["tid"]], f"{e} overlaps what is before it on its track"
            free_at[e["tid"]] = start + length
    return events


def nanoseconds(microseconds: float) -> int:
    assert 1000 * microseconds == pytest.approx(round(1000 * microseconds), rel=1e-12)
    return round(1000 * microseconds)


def tracks(events: list[dict[str, Any]]) -> dict[tuple[int, int], str]:
    return {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}


def groups(events: list[dict[str, Any]]) -> dict[int, str]:
    return {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}


NETWORK = {"latency": "1 s", "bandwidth": "32 bit/s", "sharing": "queue"}
ALGORITHMS = [
    {"name": "dpsgd", "lr": 0.1},
    {"name": "adpsgd", "lr": 0.1},
    {"name": "allreduce", "lr": 0.1, "exchange": "parameter_server", "label": 'a "server" / ü'},
    {"name": "sgd", "lr": 0.1},
]


def small(**changes: Any) -> dict[str, Any]:
    plain = {"nodes": 4, "steps": 3, "network": NETWORK, "compute": {"time": "500 ms", "jitter": {"lognormal": 0.5}}}
    source = scenario(**{**plain, **changes, "run": {"trace": True, **changes.get("run", {})}})
    return {**source, "algorithms": changes.get("algorithms", ALGORITHMS)}


@pytest.fixture(scope="module")
def result() -> simnet.Result:
    return simnet.run(small(seeds=[1, 2]))


def test_the_file_follows_the_format(result: simnet.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "a")
    events = checked(tmp_path / "a" / "trace.json")
    labels = [entry.get("label", entry["name"]) for entry in ALGORITHMS]
    runs = [f"{label} (seed {seed})" for seed in (1, 2) for label in labels]
    expected = [name for run in runs for name in (run, f"{run}: network")]
    assert list(groups(events).values()) == expected
    found = Counter(e["cat"] for e in events if e["ph"] == "X")
    table = [result.timeline(label, seed) for seed in (1, 2) for label in labels]
    assert found == sum((Counter(t["kind"][t["kind"] != "window"]) for t in table), Counter())


def test_two_nodes_in_microseconds(tmp_path: Path) -> None:
    simnet.run(small(nodes=2, steps=1, compute={"time": "500 ms"}, algorithms=ALGORITHMS[:1])).save(tmp_path / "a")
    events = checked(tmp_path / "a" / "trace.json")
    names, where = groups(events), tracks(events)
    told = [
        (names[e["pid"]], where[e["pid"], e["tid"]], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"
    ]
    run, network = "dpsgd (seed 0)", "dpsgd (seed 0): network"
    assert sorted(told) == [
        (run, "node 0", "compute", 0, 500_000),
        (run, "node 0", "wait for 1", 500_000, 1_500_000),
        (run, "node 1", "compute", 0, 500_000),
        (run, "node 1", "wait for 0", 500_000, 1_500_000),
        (network, "node 0 sends", "to 1", 0, 2_000_000),
        (network, "node 1 sends", "to 0", 0, 2_000_000),
    ]
    (sent, _) = [e["args"] for e in events if e.get("cat") == "transfer"]
    assert sent == {"bits": 32.0, "bit/s": 32.0, "sent_s": 0.0, "held_s": 0.0, "latency_s": 1.0, "step": 0, "message": "0"}
    assert [(e["name"], e["ts"]) for e in events if e["ph"] == "i"] == [("step 0", 0), ("step 1", 2_000_000)]


def test_transfers_that_overlap_lie_on_tracks_of_their_own(tmp_path: Path) -> None:
    network = {"latency": "1 s", "bandwidth": "32 bit/s", "sharing": "none"}
    source = small(nodes=4, steps=2, network=network, algorithms=ALGORITHMS[:1], topology="complete")
    simnet.run(source).save(tmp_path / "a")
    names = tracks(checked(tmp_path / "a" / "trace.json")).values()
    sends = [name for name in names if name.startswith("node 0 sends")]
    assert sends[:3] == ["node 0 sends", "node 0 sends (2)", "node 0 sends (3)"]


def test_what_never_arrives_and_a_full_window_are_told(tmp_path: Path) -> None:
    wait = {"wait": {"deadline": "600 ms"}}
    simnet.run(small(nodes=2, steps=1, algorithms=[{**ALGORITHMS[0], **wait}])).save(tmp_path / "a")
    events = checked(tmp_path / "a" / "trace.json")
    assert [e["args"]["arrived"] for e in events if e.get("cat") == "transfer"] == [False, False]
    simnet.run(small(run={"trace": {"most_events": 7}}, algorithms=ALGORITHMS[:1])).save(tmp_path / "b")
    events = checked(tmp_path / "b" / "trace.json")
    assert "the timeline ends after 7 events" in {e["name"] for e in events}


def test_the_same_scenario_gives_the_same_bytes(result: simnet.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "a")
    simnet.run(small(seeds=[1, 2])).save(tmp_path / "b")
    for file in ("trace.json", "timeline.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_timeline_survives_being_saved(result: simnet.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "a")
    loaded = simnet.load(tmp_path / "a")
    assert loaded == result
    assert loaded.timeline("adpsgd", 2).equals(result.timeline("adpsgd", 2))
    assert result.timeline("adpsgd").equals(result.timeline("adpsgd", 1))
    record = loaded.records[0]
    assert record.timeline is not None
    record.timeline["end_s"][3] = np.nextafter(record.timeline["end_s"][3], 10)
    assert loaded != result


def test_without_trace_there_is_none(tmp_path: Path) -> None:
    result = simnet.run(small(run={"trace": False}, algorithms=ALGORITHMS[:1]))
    result.save(tmp_path / "a")
    assert {"trace.json", "timeline.npz"}.isdisjoint(path.name for path in (tmp_path / "a").iterdir())
    assert "trace" not in (tmp_path / "a" / "scenario.yaml").read_text()
    with pytest.raises(SimnetError, match=r"dpsgd was not traced; write run: \{trace: true\}"):
        result.timeline("dpsgd")


def test_an_older_trace_does_not_outlive_its_result(result: simnet.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "a")
    simnet.run(small(run={"trace": False}, algorithms=ALGORITHMS[:1])).save(tmp_path / "a")
    assert not (tmp_path / "a" / "trace.json").exists()


@pytest.mark.parametrize(
    ("trace", "complaint"),
    [
        (3, "run.trace: found 3; allowed: true, false, or {from: 0 s, until: 10 s}"),
        ({"form": "1 s"}, "run.trace.form: unknown key; did you mean from?"),
        ({"from": "3 s", "until": "2 s"}, "run.trace.until: found 2 s; allowed: more than from, which is 3 s"),
        ({"until": 5}, "run.trace.until: found 5 without a unit"),
        ({"nodes": [1, 7]}, "run.trace.nodes.1: found node 7; allowed: 0 to 3, since nodes is 4"),
        ({"nodes": []}, "run.trace.nodes: found []; allowed: a list of at least 1"),
        ({"most_events": 0}, "run.trace.most_events: found 0; allowed: a number >= 1"),
    ],
)
def test_a_bad_window_is_refused_with_a_sentence(trace: Any, complaint: str) -> None:
    with pytest.raises(ScenarioError) as error:
        simnet.prepare(small(run={"trace": trace}))
    assert complaint in str(error.value)


def test_a_window_can_be_set_over_a_switch() -> None:
    for before in (True, False, None):
        plan = simnet.prepare(small(run={"trace": before}), {"run.trace.until": "3 s"})
        assert plan.scenario.to_plain()["run"]["trace"] == {"from": "0 s", "until": "3 s", "most_events": 50_000}
