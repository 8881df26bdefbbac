"""Where the time went: closed forms for equal nodes, and what must always add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.accounting import largest
from simnet.clock import Message
from simnet.clock.causes import Work
from tests.clock.building import prepared, scenario

NETWORK = {"latency": "1 s", "bandwidth": "32 bit/s"}  # the one number takes a second, and one more on the way


def account(algorithm: dict[str, Any], n: int = 4, steps: int = 5, **facts: Any) -> dict[str, Any]:
    """The summary of a run in which gradients take 0.5 s and messages 2 s."""
    given = {"network": NETWORK, "compute": {"time": "500 ms"}, **facts}
    return prepared(scenario(n, algorithm, steps, **given)).execute().summary


def test_equal_nodes_wait_for_messages_when_these_take_longer() -> None:
    summary = account({"name": "dpsgd"})
    assert summary["time_s"] == 10.0
    assert summary["nodes"]["computing_s"] == [2.5] * 4
    assert summary["nodes"]["waiting_s"] == [7.5] * 4
    assert summary["nodes"]["sending_s"] == [5.0] * 4  # both neighbors at once
    assert summary["critical_path"]["on_links"] == 1.0


def test_what_comes_after_the_gradient_is_on_the_path_with_it() -> None:
    path = account({"name": "dpsgd", "order": "atc"})["critical_path"]
    assert path["time_s"] == 12.5
    assert (path["computing"], path["on_links"]) == (0.2, 0.8)


def test_a_straggler_is_the_bottleneck_and_its_neighbors_wait_for_it() -> None:
    summary = account({"name": "dpsgd"}, n=5, compute={"time": "500 ms", "factors": [1, 1, 20, 1, 1]}, topology="ring")
    path = summary["critical_path"]
    assert (path["bottleneck"], path["share"]) == ("node 2", 1.0)
    assert summary["nodes"]["waited_for"][2] is None
    assert [summary["nodes"]["waited_for"][i] for i in (1, 3)] == [2, 2]


def test_a_slow_link_is_the_bottleneck(tmp_path: Any) -> None:
    (tmp_path / "latency.csv").write_text("0,1,1\n1,0,30\n1,1,0\n", encoding="utf-8")
    file = {"file": str(tmp_path / "latency.csv"), "unit": "s"}
    path = account({"name": "dpsgd"}, n=3, topology="complete", network={"latency": file})["critical_path"]
    assert path["bottleneck"] == "link 1 -> 2"
    assert path["share"] > 0.9


def test_a_run_without_time_has_no_bottleneck() -> None:
    path = account({"name": "dpsgd"}, network=None, compute=None)["critical_path"]
    assert (path["time_s"], path["bottleneck"], path["share"]) == (0.0, None, 0.0)


ALGORITHMS = [
    {"name": "dpsgd"},
    {"name": "dpsgd", "order": "atc"},
    {"name": "detag"},
    {"name": "adpsgd"},
    {"name": "allreduce", "exchange": "ring"},
    {"name": "allreduce", "exchange": "parameter_server"},
    {"name": "dpsgd", "wait": {"deadline": "2100 ms"}},
]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.integers(2, 6), st.integers(0, 99), st.sampled_from(["none", "queue", "fair"]))
def test_the_path_is_as_long_as_the_run_and_no_node_is_busy_twice(
    algorithm: dict[str, Any], n: int, seed: int, sharing: str
) -> None:
    network = {"latency": {"exponential": {"mean": "1 s"}}, "bandwidth": "40 bit/s", "uplink": "50 bit/s", "sharing": sharing}
    compute = {"time": "1 s", "jitter": {"lognormal": 0.5}}
    run = prepared(scenario(n, algorithm, 4, network=network, compute=compute, topology="ring", seed=seed))
    summary = run.execute().summary
    nodes, path, end = summary["nodes"], summary["critical_path"], run.clock.now
    assert path["time_s"] == pytest.approx(end)
    assert path["computing"] + path["on_links"] == pytest.approx(1.0)
    for node, computing, waiting in zip(run.nodes, nodes["computing_s"], nodes["waiting_s"], strict=True):
        accounted = end if node.awaited() else max(node.chain.until, min(node.busy_until, end))
        assert computing + waiting == pytest.approx(accounted)


def length_of(chain: Any) -> int:
    length = 0
    while isinstance(chain, Work | Message):
        chain, length = chain.origin, length + 1
    return length


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: "-".join(map(str, algorithm.values())))
def test_what_lies_far_back_is_added_up_and_nothing_changes(algorithm: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    network = {"latency": {"exponential": {"mean": "1 s"}}, "bandwidth": "40 bit/s"}
    source = scenario(5, algorithm, 300, network=network, compute={"time": "1 s", "jitter": {"lognormal": 0.5}})
    whole = prepared(source)
    summary = whole.execute().summary
    monkeypatch.setattr("simnet.clock.clock.BLOCK", 64)
    tidied = prepared(source)
    same = tidied.execute().summary
    assert (same["nodes"], same["critical_path"]) == (summary["nodes"], summary["critical_path"])
    assert max(length_of(node.chain) for node in tidied.nodes) <= 128 < max(length_of(node.chain) for node in whole.nodes)


def test_one_computation_after_the_other_is_one_cause() -> None:
    run = prepared(scenario(2, steps=50, compute={"time": "1 s"}, network={"latency": "10 ms"}))
    run.execute()
    assert max(length_of(node.chain) for node in run.nodes) <= 2


def test_only_the_largest_shares_are_named() -> None:
    assert list(largest({f"node {i}": i / 100 for i in range(9)})) == [f"node {i}" for i in (8, 7, 6, 5, 4)]
