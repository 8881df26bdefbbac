"""Faults: closed forms for small ones, and over many random ones nothing is lost, forgotten or unexplained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simnet
from simnet.algorithms import ALGORITHMS
from simnet.clock.loss import Unreliable
from simnet.errors import ScenarioError
from simnet.execution import Run
from tests.algorithms.cases import suited
from tests.algorithms.oracles import PARAMETERS
from tests.clock.building import prepared, scenario

NETWORK = {"latency": "100 ms"}
COMPUTE = {"time": "1 s"}
DEADLINE = {"wait": {"deadline": "1500 ms"}}


def crash(node: int = 1, at: str = "2500 ms", until: str | None = "4 s", state: str = "kept") -> dict[str, Any]:
    return {"kind": "crash", "nodes": [node], "at": at, "until": until, "state": state}


def run(*faults: dict[str, Any], n: int = 4, algorithm: Any = "dpsgd", steps: int = 6, **facts: Any) -> Run:
    given = {"network": NETWORK, "compute": COMPUTE, "faults": list(faults), **facts}
    return prepared(scenario(n, algorithm, steps, **given))


def summary(*faults: dict[str, Any], **facts: Any) -> dict[str, Any]:
    record = run(*faults, **facts).execute()
    assert record.status == "done", record.message
    return record.summary


def test_a_gradient_under_way_begins_anew_at_the_return() -> None:
    """Steps end at 1, 2, ...; the third gradient of node 1 starts at 2 s, is lost at 2.5 s, and takes from 4 to 5 s.

    Its neighbors are a step ahead when it crashes; what they send it then is lost, and sent again.
    """
    told = summary(crash(), n=2, steps=6)
    assert told["nodes"]["down_s"] == [0.0, 1.5]
    assert told["nodes"]["computing_s"][1] == pytest.approx(6.5)  # half a second in vain
    assert told["time_s"] == pytest.approx(8.0, abs=0.5)


def test_iterates_of_who_waits_for_all_do_not_depend_on_crashes() -> None:
    record = {"record": {"models": True}}
    facts = {"network": {**NETWORK, "loss": {"probability": 0, "timeout": "50 ms"}}, "compute": COMPUTE, **record}
    faults = [crash(), {"kind": "link_down", "links": [[2, 3]], "at": "1 s", "until": "6 s"}]
    for algorithm in ("dpsgd", "detag", "allreduce"):
        source = scenario(4, algorithm, 6, **facts)
        quiet, shaken = simnet.run(source), simnet.run({**source, "faults": faults})
        assert quiet.models(algorithm).tobytes() == shaken.models(algorithm).tobytes()
        assert shaken.metrics["time_s"].max() > quiet.metrics["time_s"].max()


def test_nobody_waits_for_a_node_that_has_left() -> None:
    """With a deadline the others go on; a neighbor that is not there costs the deadline."""
    told = summary({"kind": "leave", "nodes": [1], "at": "2500 ms"}, run=DEADLINE)
    assert told["steps"] == 6
    assert told["nodes"]["down_s"][1] == pytest.approx(told["time_s"] - 2.5)
    assert told["counters"]["undelivered_messages"] > 0


def test_metrics_are_about_the_members_and_models_of_all_are_kept() -> None:
    """Without gradients and messages each node keeps its own number; the one that has left no longer counts."""
    loss = {"probability": 1, "then": "drop"}
    source = scenario(
        *(3, {"name": "dpsgd", "lr": 0}, 4),
        network={**NETWORK, "loss": loss}, compute=COMPUTE, record={"models": True}, run=DEADLINE,
        init=[[0.0], [3.0], [6.0]], faults=[{"kind": "leave", "nodes": [2], "at": "100 ms"}],
    )
    result = simnet.run(source)
    assert result.metrics["consensus_distance"].tolist()[1:] == [1.5] * 4
    assert result.models("dpsgd")[-1].ravel().tolist() == [0.0, 3.0, 6.0]


@pytest.mark.parametrize("state", ["neighbor", "start"])
def test_a_node_that_restarts_has_the_model_that_was_said(state: str) -> None:
    """All models move; the initial one is 0, and a neighbor's is not."""
    fault = crash(state=state, until="4200 ms")
    run_ = run(fault, run=DEADLINE, algorithm={"name": "dpsgd", "lr": 0.5}, init=[[0.0]] * 4)
    lifted: list[Any] = []
    node: Any = None

    def joined(returned: Any) -> None:
        nonlocal node
        node = returned
        lifted.append((run_.clock.now, returned.x, returned.step))
        original(returned)

    original = run_.observer.joined  # type: ignore[attr-defined]
    run_.observer.joined = joined  # type: ignore[attr-defined]
    record = run_.execute()
    assert record.status == "done"
    ((time, model, step),) = lifted
    assert (node.id, step > 2) == (1, True)
    assert time == pytest.approx(4.2 if state == "start" else 4.4, abs=0.05)  # a question and an answer
    assert (model is run_.nodes[1].x) is False


def test_who_joins_late_takes_part_from_then_on() -> None:
    told = summary({"kind": "join", "nodes": [3], "at": "3200 ms", "state": "neighbor"}, steps=8, run=DEADLINE)
    assert told["steps"] == 8
    assert 0 < told["nodes"]["computing_s"][3] < told["nodes"]["computing_s"][0]


def test_a_partition_keeps_both_sides_to_themselves() -> None:
    """Each side agrees on its own mean while it lasts, and on the common one long after."""
    fault = {"kind": "partition", "groups": [[0, 1], [2, 3]], "until": "40 s"}
    source = scenario(
        *(4, {"name": "dpsgd", "lr": 0}, 120),
        network=NETWORK, compute=COMPUTE, run={**DEADLINE, "evaluate_every": 1}, faults=[fault],
        init=[[0.0], [2.0], [10.0], [12.0]], record={"models": True},
    )
    models = simnet.run(source).models("dpsgd")[:, :, 0]
    np.testing.assert_allclose(models[20], [1, 1, 11, 11], atol=1e-3)
    np.testing.assert_allclose(models[-1], models[-1].mean(), atol=1e-6)


def test_the_average_of_pairs_survives_crashes_and_outages() -> None:
    """AD-PSGD without gradients: both ends of an average change, or none does, whatever is down in between."""
    faults = [crash(), crash(3, "1 s", "1500 ms"), {"kind": "random_outages", "up": "2 s", "down": "500 ms"}]
    run_ = run(*faults, algorithm={"name": "adpsgd", "lr": 0}, steps=30, init=[[0.0], [4.0], [8.0], [12.0]])
    record = run_.execute()
    assert record.status == "done"
    assert record.summary["counters"]["lost_messages"] > 0
    run_.clock.is_stopped = False
    run_.clock.run_until(run_.clock.now + 20)  # what is under way arrives
    run_.executor = type(run_.executor)(run_.setting.problem, 9)  # nothing of it is left; only the words are looked at
    assert not any(node.is_locked for node in run_.nodes)


def test_asking_a_node_that_is_gone_ends_with_nothing() -> None:
    told = summary({"kind": "leave", "nodes": [1], "at": "2500 ms"}, algorithm="adpsgd", steps=20)
    assert told["steps"] == 20


def test_a_stall_names_what_is_cut() -> None:
    record = run({"kind": "link_down", "links": [[0, 1]], "at": "2500 ms"}).execute()
    assert record.status == "stalled"
    assert "waits for message" in record.message
    told = "a fault has cut 0 -> 1, 1 -> 0 for good; faults.0 (link_down) has cut links for good; nothing can happen any more"
    assert told in record.message
    assert len(record.metrics) == 4  # what was found before is kept


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (crash(state="start"), r"dpsgd waits for all neighbors, but faults\.0 takes some of them out of step; use faults that"),
        (crash(9), r"faults\.0\.nodes\.0: found node 9; allowed: 0 to 3, since nodes is 4"),
        (crash(until="1 s"), r"faults\.0\.until: found 1 s, which is not after 2\.5 s; allowed: a later time"),
        ({"kind": "partition", "groups": [[0, 1], [1]]}, r"faults\.0\.groups: found node 1 twice; allowed: each node once"),
        ({"kind": "trace", "path": "nowhere.csv"}, r"faults\.0\.path: cannot read nowhere\.csv"),
        ({"kind": "crsh", "nodes": [1]}, r"faults\.0\.kind: found 'crsh'; allowed: crash, .*; did you mean crash\?"),
    ],
)
def test_what_cannot_be_is_refused(fault: dict[str, Any], told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        run(fault)


def test_a_trace_of_crashes(tmp_path: Path) -> None:
    (tmp_path / "churn.csv").write_text("2.5, 1, down\n4, 1, up\n", encoding="utf-8")
    trace = {"kind": "trace", "path": str(tmp_path / "churn.csv")}
    assert summary(trace, n=2)["nodes"] == summary(crash(), n=2)["nodes"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", r"found no rows in churn\.csv; allowed: at least one, such as 2\.5,1,down"),
        ("2.5,1,up\n", r"found '2\.5,1,up' in line 1 of churn\.csv; each node goes down and up by turns"),
        ("3,1,down\n2,1,up\n", r"found '2,1,up' in line 2 of churn\.csv; each node goes down and up by turns, in the order of"),
        ("1,1,down\n\n2,1,upp\n", r"found '2,1,upp' in line 3 of churn\.csv; allowed: time \[s\], node \(0 to 1\), up or down"),
        ("1,2,down\n", r"found '1,2,down' in line 1 of churn\.csv; allowed: time \[s\], node \(0 to 1\), up or down"),
        ("1,1,down,x\n", r"found '1,1,down,x' in line 1"),
        ("nan,1,down\n", r"found 'nan,1,down' in line 1"),
        ("time,node,state\n", r"found 'time,node,state' in line 1"),
        (None, r"cannot read churn\.csv: .*No such file"),
    ],
)
def test_a_trace_that_cannot_be_is_refused_with_its_file_and_line(tmp_path: Path, rows: str | None, told: str) -> None:
    if rows is not None:
        (tmp_path / "churn.csv").write_text(rows, encoding="utf-8")
    text = "nodes: 2\ntopology: ring\nfaults:\n  - {kind: trace, path: churn.csv}\nproblem: {kind: quadratic, dimension: 2}\n"
    (tmp_path / "churn.yaml").write_text(text + "algorithms: [{name: adpsgd, lr: 0.1}]\nrun: {steps: 2}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=rf"churn\.yaml:4: faults\.0\.path: {told}"):
        simnet.prepare(tmp_path / "churn.yaml")


def test_a_reference_without_a_network_knows_no_faults() -> None:
    assert summary(crash(state="start"), algorithm="sgd")["time_s"] == 6.0


seconds = st.integers(0, 60).map(lambda k: f"{k / 4} s")
later = st.integers(61, 120).map(lambda k: f"{k / 4} s")


WAITS: dict[str, Any] = {"all": "all", "none": "none", "deadline": {"deadline": "1200 ms"}}
BEARERS = [
    (name, WAITS[wait])
    for name, entry in ALGORITHMS.items()
    for wait in (entry.tolerates or ("all",))
    if not entry.pooled
]
"""Every algorithm of the table that has a network, with every waiting rule that it tolerates."""

AVERAGING = {"dpsgd", "adpsgd", "sgp", "osgp", "gradient_push", "delayed_gradient", "ada"}
"""Without gradients their models stay between the first ones, whatever is lost."""


@st.composite
def shaken(draw: st.DrawFn) -> dict[str, Any]:
    """A scenario with any faults that its algorithm bears."""
    n = draw(st.integers(2, 6))
    node = st.integers(0, n - 1)
    pairs = st.lists(st.tuples(node, node).filter(lambda ends: ends[0] != ends[1]).map(list), min_size=1, max_size=3)
    name, wait = draw(st.sampled_from(BEARERS))
    asynchronous = ALGORITHMS[name].asynchronous
    bears_all = asynchronous or wait != "all"
    state = st.sampled_from(["kept", "neighbor", "start"]) if bears_all else st.just("kept")
    spans = st.fixed_dictionaries({"at": seconds, "until": later})
    kinds = [
        st.builds(lambda i, span, s: {"kind": "crash", "nodes": [i], "state": s, **span}, node, spans, state),
        st.builds(lambda ends, span: {"kind": "link_down", "links": ends, **span}, pairs, spans),
        st.builds(lambda i, span: {"kind": "partition", "groups": [[i], [j for j in range(n) if j != i]], **span}, node, spans),
        st.builds(lambda s: {"kind": "random_crashes", "up": "9 s", "down": "2 s", "state": s}, state),
        st.just({"kind": "random_outages", "up": "5 s", "down": "1 s"}),
        st.builds(lambda ends, at: {"kind": "link_down", "links": ends, "at": at}, pairs, seconds),  # for ever
    ]
    if bears_all:
        kinds += [
            st.builds(lambda i, at: {"kind": "leave", "nodes": [i], "at": at}, node, seconds),
            st.builds(lambda i, at: {"kind": "join", "nodes": [i], "at": at}, node, later),
        ]
    drop = st.just({"probability": 0.1, "then": "drop"}) if not asynchronous and wait != "all" else st.nothing()
    loss = st.none() | st.just({"probability": 0.1, "timeout": "300 ms"}) | drop
    sharing = st.sampled_from(["none", "queue", "fair"])
    links = {"latency": {"exponential": {"mean": "200 ms"}}, "uplink": "200 bit/s"}
    network = {**links, "sharing": draw(sharing), "loss": draw(loss)}
    parameters = PARAMETERS[name][0] | ({"theta": 50.0} if "theta" in PARAMETERS[name][0] else {})
    kinds_over_time = ["random_matching", "one_peer_exponential", "base_graph"]
    topology = draw(st.sampled_from(["ring", "complete"] + kinds_over_time * (not ALGORITHMS[name].fixed_topology)))
    return scenario(
        *(n, {"name": name, "lr": 0.0, **parameters}, 12),
        topology=suited(ALGORITHMS[name], topology, n), seed=draw(st.integers(0, 9)),
        network=network, compute={"time": "1 s", "jitter": {"exponential": 0.5}}, run={"wait": wait},
        faults=draw(st.lists(st.one_of(kinds), min_size=1, max_size=4)), record={"models": True},
        init=[[float(i)] for i in range(n)],
    )


@settings(max_examples=max(200, 4 * len(BEARERS)), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shaken())
def test_whatever_fails_nothing_is_lost_forgotten_or_unexplained(source: dict[str, Any]) -> None:
    run_ = prepared(source)
    record = run_.execute()
    assert record.status in {"done", "stalled"}, record.message
    if record.status == "stalled":
        assert "nothing can happen any more" in record.message
        assert "for good" in record.message or "before their budget" in record.message
    looked = [row["step"] for row in record.metrics]
    assert looked == sorted({0, *looked})  # what was found is there, once
    assert all(-1e-9 <= row["idle_share"] <= 1 for row in record.metrics)
    told = record.summary["nodes"]
    for computing, waiting, down in zip(told["computing_s"], told["waiting_s"], told["down_s"], strict=True):
        assert min(computing, waiting, down) > -1e-9
        assert computing + waiting + down <= run_.clock.now + 1e-6
    (layer,) = [layer for layer in run_.network.layers if isinstance(layer, Unreliable)]
    attempts = record.summary["messages"] + layer.retransmitted
    assert attempts >= layer.delivered_messages + layer.lost_messages
    assert layer.lost_messages >= layer.retransmitted
    if record.status == "stalled":  # nothing is under way
        assert attempts == layer.delivered_messages + layer.lost_messages
        assert layer.lost_messages == layer.retransmitted + layer.undelivered
    assert record.models is not None
    if source["algorithms"][0]["name"] in AVERAGING:  # averages, whose weights sum to one, and nothing else
        n = source["nodes"]
        assert record.models.min() >= -1e-9
        assert record.models.max() <= n - 1 + 1e-9
    again = prepared(source).execute()
    assert (again.metrics, again.summary["hash"], again.message) == (record.metrics, record.summary["hash"], record.message)
