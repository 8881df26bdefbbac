"""The same values under another clock: equal to a run of the changed scenario, without a gradient where that can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.errors import AlgorithmError, ScenarioError
from simnet.problems.supervised import Supervised
from simnet.result import Result, RunRecord
from simnet.result.record import same
from tests.algorithms.cases import ALL, Case, each, scenario

MIXTURE = {"dataset": "gaussian_mixture", "features": 4, "classes": 3, "samples_per_node": 12, "batch_size": 3}
DECIDER = '''
from dataclasses import dataclass
import torch

@dataclass(frozen=True)
class Norm:
    def __call__(self, x_BD):
        return x_BD.norm(dim=1)

def decider(node, *, lr: float):
    """Decider: steps along the gradient only while it is large."""
    for k in node.steps():
        gradient = node.gradient(node.x)
        received = yield node.exchange(node.x, tag=k)
        yield gradient
        size = yield node.number(node.measure(Norm(), gradient.value))
        node.x = node.mix(node.x, received) - (lr if size > 0.5 else 0.0) * gradient.value
'''


def mixture(case: Case, **changes: Any) -> dict[str, Any]:
    source = scenario(case, 4, steps=9, evaluate_every=3, **changes)
    del source["init"]
    source["problem"] = MIXTURE
    return {**source, "network": {"latency": "30 ms", "sharing": "queue"}, "record": {"models": True, "average_model": True}}


def told(record: RunRecord) -> dict[str, Any]:
    """All that a record says, less how long it took here, and how much memory."""
    summary = {key: value for key, value in record.summary.items() if key not in {"wall_s", "peak_arena_rows"}}
    return {**vars(record), "summary": summary}


def equal(left: Result, right: Result) -> bool:
    assert left.scenario_yaml == right.scenario_yaml
    return all(same(told(a), told(b)) for a, b in zip(left.records, right.records, strict=True))


@each([case for case in ALL if not case.entry.pooled])
def test_a_retimed_result_is_that_of_the_changed_scenario(case: Case) -> None:
    source = mixture(case)
    result = simnet.run(source, device="cpu")

    @settings(max_examples=2, deadline=None)
    @given(st.integers(0, 200), st.integers(1, 40), st.sampled_from(["none", "queue", "fair"]), st.booleans())
    def check(latency: int, rate: int, sharing: str, is_jittered: bool) -> None:
        network = {"latency": f"{latency} ms", "bandwidth": f"{rate} kbit/s", "sharing": sharing}
        compute = {"time": "20 ms", "jitter": {"exponential": 1.0} if is_jittered else None}
        retimed = result.retime(network=network, compute=compute)
        changes = {f"network.{key}": value for key, value in network.items()}
        changes |= {f"compute.{key}": value for key, value in compute.items()}
        assert equal(retimed, simnet.run(source, device="cpu", overrides=changes))
        assert bool(retimed.recomputed) == case.entry.asynchronous

    check()


def test_no_gradient_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    result = simnet.run(mixture(Case("dpsgd")), device="cpu")

    def refuse(*_: object) -> None:
        raise AssertionError("a gradient")

    monkeypatch.setattr(Supervised, "gradient", refuse)
    assert result.retime(network={"latency": "1 s"}).metrics["time_s"].iloc[-1] == 9.0
    with pytest.raises(AlgorithmError, match="a gradient"):
        simnet.run(mixture(Case("dpsgd")), device="cpu")


def test_decisions_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "decider.py").write_text(DECIDER)
    source = mixture(Case("decider:decider"))
    result = simnet.run(source, device="cpu")
    assert len(result.records[0].decisions) == 4 * 9
    result.save(tmp_path / "saved")
    for known in (result, simnet.load(tmp_path / "saved")):
        retimed = known.retime(network={"latency": "70 ms"})
        assert retimed.recomputed == []
        assert equal(retimed, simnet.run(source, device="cpu", overrides={"network.latency": "70 ms"}))


def test_deadlines_that_drop_other_messages_are_computed_anew() -> None:
    source = mixture(Case("dpsgd")) | {"run": {"steps": 9, "evaluate_every": 3, "wait": {"deadline": "100 ms"}}}
    source["compute"] = {"time": "20 ms"}
    result = simnet.run(source, device="cpu")
    assert result.retime(network={"latency": "90 ms"}).recomputed == []
    late = result.retime(network={"latency": "110 ms"})
    assert late.recomputed == ["it (seed 1)"]
    assert equal(late, simnet.run(source, device="cpu", overrides={"network.latency": "110 ms"}))


def test_a_run_that_gets_further_is_computed_anew() -> None:
    source = mixture(Case("dpsgd")) | {"run": {"simulated_time": "3 s", "evaluate_every": 3}, "compute": {"time": "100 ms"}}
    result = simnet.run(source, device="cpu")
    assert result.retime(compute={"time": "50 ms"}).recomputed == ["it (seed 1)"]


def test_several_seeds_and_a_timeline() -> None:
    source = mixture(Case("dpsgd"))
    del source["seed"]
    result = simnet.run({**source, "seeds": [3, 4]}, device="cpu")
    retimed = result.retime(network={"latency": "70 ms"}, trace=True)
    assert retimed.recomputed == []
    assert [record.seed for record in retimed.records] == [3, 4]
    assert set(retimed.timeline("it", 4)["kind"]) >= {"compute", "transfer"}


def test_what_cannot_be_is_refused() -> None:
    result = simnet.run(mixture(Case("dpsgd")), device="cpu")
    with pytest.raises(ScenarioError, match="latency"):
        result.retime(network={"latency": "soon"})
