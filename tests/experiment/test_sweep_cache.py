"""Values are computed once: what is taken from the cache equals what would be computed, and damage is put right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.execution import Run
from simnet.experiment import identity
from simnet.experiment.cache import Cache, cached, decoded, encoded
from simnet.progress import Silent
from simnet.result import RunRecord
from simnet.result.record import same
from simnet.simulation import Plan, limited_threads, prepare
from tests.experiment.sweeping import SMALL

CLOCK_BOUND: list[dict[str, Any]] = [
    {"algorithms": [{"name": "adpsgd", "lr": 0.1}]},
    {"algorithms": [{"name": "dpsgd", "lr": 0.1}], "run": {"steps": 12, "wait": "none"}},
    {"algorithms": [{"name": "dpsgd", "lr": 0.1, "wait": {"deadline": "60 ms"}}]},
    {"algorithms": [{"name": "dpsgd", "lr": 0.1}], "run": {"simulated_time": "1 s"}},
    {
        "algorithms": [{"name": "dpsgd", "lr": 0.1, "wait": {"deadline": "60 ms"}}],
        "faults": [{"kind": "crash", "nodes": [1], "at": "200 ms", "until": "400 ms"}],
    },
    {
        "algorithms": [{"name": "dpsgd", "lr": 0.1, "wait": {"deadline": "60 ms"}}],
        "network": {"latency": "50 ms", "loss": {"probability": 0.2, "then": "drop"}},
    },
]
FREE: list[dict[str, Any]] = [
    {"algorithms": [{"name": name, "lr": 0.1, **more}]}
    for name, more in (("dpsgd", {}), ("allreduce", {}), ("sgd", {}), ("detag", {}), ("moniqua", {"theta": 2.0}))
]

OWN = '''
def own(node, *, lr: float):
    """Own: nothing."""
    for k in node.steps():
        yield node.exchange(node.x, tag=k)
'''


def plan_of(changes: dict[str, Any], **overrides: Any) -> Plan:
    return prepare({**SMALL, **changes}, overrides=overrides, device="cpu")


def key_of(plan: Plan, seed: int = 0, device: str = "cpu") -> str:
    return identity.of_values(plan.scenario, plan.scenario.algorithms[0].label, plan.entries[0], seed, device)


def run(plan: Plan, cache: Cache | None = None) -> tuple[RunRecord, str]:
    named, entry = plan.scenario.algorithms[0], plan.entries[0]
    if cache is not None:
        return cached(cache, key_of(plan), plan.setting, named, entry)
    with limited_threads(1):
        return Run(plan.setting, named, entry, "deferred", Silent()).execute(), "computed"


def told(record: RunRecord) -> dict[str, Any]:
    return {**vars(record), "summary": {key: value for key, value in record.summary.items() if key != "wall_s"}}


@pytest.mark.parametrize("changes", [*FREE, *CLOCK_BOUND], ids=str)
def test_what_is_found_equals_what_would_be_computed(changes: dict[str, Any], tmp_path: Path) -> None:
    changes = {**changes, "record": {"models": True, "average_model": True}}
    cache, is_free = Cache(tmp_path), changes["algorithms"] in [each["algorithms"] for each in FREE] and "run" not in changes
    (slow, fast) = (plan_of(changes, **{"network.latency": latency}) for latency in ("50 ms", "120 ms"))
    record, how = run(slow, cache)
    assert how == "computed"
    assert same(told(record), told(run(slow)[0]))
    again, how = run(slow, cache)
    assert how == ("retimed" if is_free else "reused")
    assert same(told(again), told(record))
    other, how = run(fast, cache)
    assert how == ("retimed" if is_free else "computed")
    assert same(told(other), told(run(fast)[0]))


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"network.latency": "3 ms"}, True),
        ({"compute.time": "9 ms"}, True),
        ({"targets.train_loss": 0.3}, True),
        ({"name": "other"}, True),
        ({"run.trace": True}, True),
        ({"algorithms.moniqua.lr": 0.3}, True),
        ({"algorithms.dpsgd.label": "it"}, True),
        ({"expect": ["all(steps > 3)"]}, True),
        ({"algorithms.dpsgd.lr": 0.3}, False),
        ({"run.steps": 13}, False),
        ({"run.evaluate_every": 3}, False),
        ({"nodes": 5}, False),
        ({"topology": "path"}, False),
        ({"threads": 2}, False),
        ({"dtype": "float64"}, False),
        ({"problem.noise": 0.2}, False),
        ({"mixing.slack": 0.5}, False),
        ({"message.bits_per_number": 16}, False),
    ],
    ids=str,
)
def test_what_the_values_depend_on(changes: dict[str, Any], is_same: bool) -> None:
    assert (key_of(plan_of({}, **changes)) == key_of(plan_of({}))) == is_same


def test_the_seed_the_device_and_the_code_count(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of({})
    keys = {key_of(plan), key_of(plan, seed=1), key_of(plan, device="cuda")}
    monkeypatch.setattr(identity, "code_version", lambda: "another")
    assert len({*keys, key_of(plan)}) == 4


def test_files_and_own_code_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_sweep_code.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "w.csv").write_text("0.5, 0.5\n0.5, 0.5\n")
    base = {key: value for key, value in SMALL.items() if key != "topology"}
    mixing, own = {"matrix": str(tmp_path / "w.csv")}, {"name": "own_sweep_code:own", "lr": 1.0}
    plan = prepare({**base, "nodes": 2, "mixing": mixing, "algorithms": [own]}, device="cpu")
    first = key_of(plan)
    (tmp_path / "w.csv").write_text("0.75, 0.25\n0.25, 0.75\n")
    second = key_of(plan)
    (tmp_path / "own_sweep_code.py").write_text(OWN.replace("nothing", "nothing at all"))
    assert len({first, second, key_of(plan)}) == 3


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_a_damaged_or_wrong_entry_is_computed_anew_and_replaced(damage: str, tmp_path: Path) -> None:
    cache, plan = Cache(tmp_path), plan_of(FREE[0])
    record, _ = run(plan, cache)
    path = cache.path(key_of(plan))
    content = path.read_bytes()
    if damage == "other":
        cache.write(key_of(plan), run(plan_of(FREE[0], **{"algorithms.dpsgd.lr": 0.2}))[0])
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut": content[:middle], "empty": b"", "bit": flipped}[damage])
    again, how = run(plan, cache)
    assert how == "computed"
    assert same(told(again), told(record))
    assert run(plan, cache)[1] == "retimed"


finite = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(["step", "accuracy"]), finite), max_size=3),
    st.dictionaries(st.text(max_size=4), finite | st.text(max_size=4) | st.none(), max_size=3),
    st.none() | st.lists(finite, max_size=3),
)
def test_a_record_is_read_as_it_was_written(metrics: Any, summary: Any, numbers: Any) -> None:
    groups = None if not numbers else {"key": np.arange(len(numbers)), "value": np.array(numbers)}
    record = RunRecord("a/b", 1, "done", "", metrics, summary, numbers=groups, average_model=groups)
    assert decoded(encoded(record)) == record
