"""Gradients whose time is counted on a device or measured here, and the memory that a node needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simnet
from simnet.errors import AlgorithmError, ScenarioError
from simnet.gradient_cost import REPETITIONS, WARM_UP, first_samples, measured
from simnet.node_memory import NodeMemory, memory_notes
from simnet.scenario import Device
from simnet.simulation import Plan, prepare

LINEAR_FLOPS = 4 * 16 * 64 * 10  # forward and the weights' gradient


def source(compute: Any, n: int = 4, *algorithms: str, **changes: Any) -> dict[str, Any]:
    return {
        "nodes": n,
        "topology": "ring",
        "problem": {"dataset": "digits", "model": "linear", "batch_size": 16},
        "compute": compute,
        "algorithms": [{"name": name, "lr": 0.1} for name in algorithms or ("dpsgd",)],
        "run": {"steps": 4, "evaluate_every": 4},
        **changes,
    }


def plan(compute: Any, *arguments: Any, **changes: Any) -> Plan:
    return prepare(source(compute, *arguments, **changes), device="cpu")


def test_a_gradient_takes_its_operations_over_speed_and_utilisation() -> None:
    result = simnet.run(source({"device": {"flops": "1 Mflop/s", "utilisation": 0.5}}), device="cpu")
    seconds = LINEAR_FLOPS / 0.5e6
    assert result.metrics["time_s"].iloc[-1] == pytest.approx(4 * seconds)
    (kind,) = result.environment["gradient"]["devices"]
    assert kind == {"device": "1 Mflop/s", "flops": LINEAR_FLOPS, "seconds": pytest.approx(seconds), "nodes": 4}


def test_devices_go_to_nodes_in_order_and_everything_else_multiplies() -> None:
    devices = ["t4", {"name": "raspberry-pi-5", "count": 2}, {"flops": "1 Gflop/s", "utilisation": 1}]
    times = [next(t) for t in plan({"device": devices, "factors": [1, 1, 2, 3]}).setting.compute_times()]
    pi = LINEAR_FLOPS / (153.6e9 * 0.3)
    assert times == pytest.approx([LINEAR_FLOPS / (8.1e12 * 0.3), pi, 2 * pi, 3 * LINEAR_FLOPS / 1e9])


def test_the_batch_counts_and_full_batches_are_each_nodes_own() -> None:
    device = {"flops": "1 Gflop/s", "utilisation": 1}
    problem = {"dataset": "digits", "model": "linear", "batch_size": "full"}
    setting = plan({"device": device}, problem=problem).setting
    sizes = [first_samples(setting.problem, i, 0).shape[1] for i in range(4)]
    assert [next(t) for t in setting.compute_times()] == pytest.approx([4 * size * 640 / 1e9 for size in sizes])


def test_the_reference_on_one_machine_takes_the_mean_over_the_devices() -> None:
    devices = [{"flops": "1 Mflop/s", "utilisation": 1}, {"flops": "4 Mflop/s", "utilisation": 1, "count": 3}]
    result = simnet.run(source({"device": devices}, 4, "sgd"), device="cpu")
    mean = LINEAR_FLOPS / 1e6 * (1 + 3 / 4) / 4
    assert result.metrics["time_s"].iloc[-1] == pytest.approx(4 * mean)


def test_devices_change_times_and_nothing_else() -> None:
    plain = simnet.run(source({"time": "1 s"}, 4, "dpsgd", "allreduce"), device="cpu")
    counted = simnet.run(source({"device": "t4"}, 4, "dpsgd", "allreduce"), device="cpu")
    assert plain.environment["hashes"] == counted.environment["hashes"]
    same = ["train_loss", "accuracy", "consensus_distance", "bits_sent"]
    assert plain.metrics[same].equals(counted.metrics[same])
    assert "gradient" not in plain.environment
    assert "node_memory_bytes" not in plain.summary


def test_the_saved_scenario_keeps_the_devices_figures(tmp_path: Path) -> None:
    result = simnet.run(source({"device": "raspberry-pi-4"}), device="cpu")
    line = "compute: {device: {name: raspberry-pi-4, flops: 48 Gflop/s, utilisation: 0.3, memory: 4 GB}}"
    assert line in result.scenario_yaml
    result.save(tmp_path / "a")
    assert simnet.load(tmp_path / "a") == result
    assert simnet.run(tmp_path / "a" / "scenario.yaml", device="cpu").metrics.equals(result.metrics)


def test_a_measured_time_is_kept_as_a_number(tmp_path: Path) -> None:
    result = simnet.run(source({"time": "measured"}), device="cpu")
    seconds = result.environment["gradient"]["measured_s"]
    assert 0 < seconds < 1
    assert result.metrics["time_s"].iloc[-1] == pytest.approx(4 * seconds)
    assert "measured" not in result.scenario_yaml
    result.save(tmp_path / "a")
    assert json.loads((tmp_path / "a" / "environment.json").read_text())["gradient"] == {"measured_s": seconds}
    again = simnet.run(tmp_path / "a" / "scenario.yaml", device="cpu")
    assert again.metrics.equals(result.metrics)
    assert again.scenario_yaml == result.scenario_yaml


def test_the_median_of_several_counts_when_warm() -> None:
    readings: list[float] = []

    def clock() -> float:
        k, is_end = divmod(len(readings), 2)
        taken = 100.0 if k < WARM_UP else [1.0, 2.0, 99.0][k % 3]
        readings.append((readings[-1] + taken) if is_end else float(1000 * k))
        return readings[-1]

    assert measured(plan({"time": "1 s"}).setting.problem, 1, clock) == 2.0
    assert len(readings) == 2 * (WARM_UP + REPETITIONS)


def test_a_measured_time_satisfies_whoever_needs_one() -> None:
    changes = {"run": {"simulated_time": "10 ms"}}
    assert simnet.run(source({"time": "measured"}, 4, "adpsgd", **changes), device="cpu").metrics["step"].iloc[-1] > 0
    assert plan({"device": "phone"}, 4, "adpsgd", **changes).estimate().simulated_s["adpsgd"] > 0
    with pytest.raises(ScenarioError, match="gradients take no time"):
        plan({"jitter": {"normal": 0.1}}, 4, "adpsgd", **changes)


def test_an_estimate_works_with_everything_at_once(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("0,1\n1,2\n")
    compute = {
        "device": {"flops": "1 Mflop/s"},
        "jitter": {"lognormal": 0.1},
        "factors": [1, 2, 1, 1],
        "stragglers": {"fraction": 0.25, "slowdown": 2},
        "trace": {"file": str(tmp_path / "load.csv")},
        "slowdowns": [{"every": "1 s", "duration": "1 s", "factor": 2}, {"from": "1 s", "until": "2 s", "factor": 3}],
        "diurnal": {"period": "10 s", "amplitude": 0.5, "phase": "random"},
        "per_number": {"mix": "1 us", "compress": "1 us"},
    }
    names = ["dpsgd", "allreduce", "adpsgd", "detag", "sgd"]
    estimate = plan(compute, 4, *names).estimate()
    assert all(estimate.simulated_s[name] > 0 for name in names)
    first, second = (simnet.run(source(compute, 4, *names), device="cpu") for _ in range(2))
    assert first.metrics.equals(second.metrics)


MODEL = 32 * 650
"""Bits of the model: 64 x 10 weights, 10 biases."""


def test_memory_is_that_of_the_vectors_a_node_holds() -> None:
    """D-PSGD: model and gradient, the next model while it is made; and two neighbors' models. DeTAG holds trackers beside."""
    needs = plan({"device": "t4"}, 8, "dpsgd", "detag", "sgd").node_memory
    assert set(needs) == {"dpsgd", "detag"}
    assert 2 <= needs["dpsgd"].vectors <= 4
    assert needs["detag"].vectors >= needs["dpsgd"].vectors + 3
    assert needs["dpsgd"].received_bits == 2 * MODEL
    assert needs["detag"].received_bits == 4 * MODEL
    assert needs["dpsgd"].bits == needs["dpsgd"].vectors * MODEL + 2 * MODEL


def test_memory_grows_with_the_hub_and_with_precision() -> None:
    star = plan({"device": "t4"}, 8, "dpsgd", topology="star").node_memory["dpsgd"]
    assert star.received_bits == 7 * MODEL
    double = plan({"device": "t4"}, 8, "dpsgd", dtype="float64").node_memory["dpsgd"]
    assert double.bits == 2 * double.vectors * MODEL + 2 * MODEL


def test_too_small_a_device_is_a_note_and_the_summary_says_what_is_needed() -> None:
    devices = [{"flops": "1 Gflop/s", "memory": "1 kB", "count": 2}, {"name": "t4", "count": 2}]
    small = plan({"device": devices})
    (note,) = [note for note in small.notes if "model and buffers" in note]
    assert note.startswith("dpsgd: a node's model and buffers take ")
    assert note.endswith(" kB; node 0 has 1 kB (1 more are too small)")
    assert not [note for note in plan({"device": "t4"}).notes if "model and buffers" in note]
    result = simnet.run(source({"device": devices}), device="cpu")
    assert result.summary["node_memory_bytes"].tolist() == [small.node_memory["dpsgd"].num_bytes]


def test_only_known_memory_can_be_too_small() -> None:
    needs = {"it": NodeMemory(vectors=3.0, received_bits=0.0, bits=8e9)}
    assert memory_notes(needs, [Device(flops="1 flop/s")] * 2) == []
    assert memory_notes(needs, [Device(flops="1 flop/s", memory="1 GB")] * 2) == []
    enough, short = (Device(flops="1 flop/s", memory=memory) for memory in ("1.1 GB", "500 MB"))
    assert memory_notes(needs, [enough, short]) == ["it: a node's model and buffers take 1 GB; node 1 has 500 MB"]


def test_an_algorithm_that_fails_has_no_estimate_and_fails_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_here.py").write_text("def broken(node):\n    for k in node.steps():\n        yield 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = [{"name": "broken_here:broken"}]
    prepared = plan({"device": "t4"}, algorithms=entry)
    assert prepared.node_memory == {}
    with pytest.raises(AlgorithmError, match="ZeroDivisionError"):
        simnet.run(source({"device": "t4"}, algorithms=entry), device="cpu")
