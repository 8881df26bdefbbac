"""How full the batches are, and how long rows live: the reasons for the value plane."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from simnet.execution import NODE_STEPS_AT_ONCE
from simnet.values import Row
from tests.clock.building import prepared, scenario

CLOCKS: dict[str, dict[str, Any]] = {
    "free": {},
    "jitter": {"compute": {"time": "1 s", "jitter": {"lognormal": 1.0}}},
    "slow links": {"network": {"latency": {"exponential": {"mean": "3 s"}}}, "compute": {"time": "1 s"}},
    "stragglers": {
        "network": {"sharing": "queue", "uplink": "100 bit/s"},
        "compute": {"time": "1 s", "stragglers": {"fraction": 0.25, "slowdown": 10}},
    },
}
SYNCHRONOUS: list[dict[str, Any]] = [
    {"name": "dpsgd"},
    {"name": "dpsgd", "order": "atc"},
    {"name": "detag"},
    {"name": "moniqua", "theta": 9.0},
    {"name": "allreduce"},
]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("algorithm", SYNCHRONOUS, ids=lambda a: "-".join(str(v) for k, v in a.items() if k != "theta"))
def test_synchronous_batches_are_full(algorithm: dict[str, Any], clock: str) -> None:
    """Every gradient of a step runs in one call, however far the nodes are apart in time (DeTAG: of a phase)."""
    record = prepared(scenario(8, algorithm, 12, **CLOCKS[clock], run={"evaluate_every": 6})).execute()
    assert record.summary["mean_gradient_batch"] >= 8
    if algorithm["name"] != "detag":
        assert record.summary["mean_gradient_batch"] == 8


@pytest.mark.parametrize("rule", ["none", {"deadline": "1 s"}], ids=str)
def test_batches_under_other_waiting_rules(rule: Any) -> None:
    """Nodes that wait for nobody are out of step; still most of them share a call."""
    run = {"evaluate_every": 200, "wait": rule}
    record = prepared(scenario(8, "dpsgd", 200, **CLOCKS["jitter"], run=run)).execute()
    assert record.summary["mean_gradient_batch"] > 0.5 * 8


def test_asynchronous_batches_are_nearly_full() -> None:
    """AD-PSGD with 64 nodes and 50 % jitter, evaluated seldom: at least 0.8 n."""
    source = scenario(
        64,
        "adpsgd",
        256,
        compute={"time": "30 ms", "jitter": {"lognormal": 0.5}},
        network={"latency": "10 ms", "bandwidth": "100 Mbit/s"},
        run={"evaluate_every": 256},
    )
    record = prepared(source).execute()
    assert record.summary["mean_gradient_batch"] >= 0.8 * 64


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_arena_stays_small_however_long_the_run(clock: str) -> None:
    peaks = [
        prepared(scenario(16, "dpsgd", steps, **CLOCKS[clock], run={"evaluate_every": steps}))
        .execute()
        .summary["peak_arena_rows"]
        for steps in (50, 500)
    ]
    assert peaks[0] == peaks[1] <= 8 * 16


def test_a_long_deadline_keeps_no_models() -> None:
    source = scenario(4, "dpsgd", 200, compute={"time": "1 s"}, run={"evaluate_every": 10, "wait": {"deadline": "1 h"}})
    source["network"] = {"latency": "500 ms"}
    assert prepared(source).execute().summary["peak_arena_rows"] <= 8 * 4


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Python's cyclic garbage collector is off, and nothing is left for it."""
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("algorithm", [*SYNCHRONOUS, {"name": "adpsgd"}, {"name": "dpsgd", "wait": "none"}], ids=str)
def test_rows_die_without_the_cyclic_collector(algorithm: dict[str, Any]) -> None:
    run = prepared(scenario(4, algorithm, 20, **CLOCKS["jitter"]))
    run.execute()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    assert [thing for thing in gc.garbage if type(thing) is Row] == []
    alive = [thing for thing in gc.get_objects() if type(thing) is Row]
    assert len(alive) < 4 * 30  # what the nodes still hold; 20 steps of 4 nodes recorded more than that


class Forgetful(list[Any]):
    """Keeps the first and the last item alone."""

    def append(self, item: Any) -> None:
        self[1:] = [item]


@pytest.mark.parametrize("algorithm", ["dpsgd", "adpsgd"])
def test_memory_of_a_long_run_is_flat(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python objects of a run: what is left when it ends does not grow with its length."""
    monkeypatch.setattr("simnet.values.recorder.HASH_EVERY", 256)  # what waits to be hashed is bounded, but long,
    monkeypatch.setitem(NODE_STEPS_AT_ONCE, "asynchronous", 100)  # and so is what waits to be computed,
    monkeypatch.setattr("simnet.clock.clock.BLOCK", 256)  # and so are chains of causes until they are added up

    def left(steps: int) -> int:
        run = prepared(scenario(4, algorithm, steps, **CLOCKS["jitter"], run={"evaluate_every": 25}))
        run.evaluations.rows = Forgetful()
        tracemalloc.start()
        run.execute()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    left(250)  # fills the free lists of the interpreter
    short, long = left(250), left(750)
    assert long - short < 500 * 4 * 20  # less than 20 bytes for each further step of a node
