"""What a scenario may say about computation, and what it is told when it says something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simnet.cli.catalog import device_rows
from simnet.errors import ScenarioError
from simnet.scenario import Compute, Scenario
from simnet.scenario.devices import DEVICES, UTILISATION
from simnet.units import FLOP_RATES, parse, parse_size

Read = Callable[..., Scenario]


def plain(compute: Any) -> dict[str, Any]:
    return {
        "nodes": 4,
        "topology": "ring",
        "problem": {"kind": "quadratic", "dimension": 3},
        "compute": compute,
        "algorithms": [{"name": "dpsgd", "lr": 0.1}],
        "run": {"steps": 3},
    }


WINDOW = {"from": "1 s", "until": "2 s", "factor": 4}
SPELLS = {"every": "1 s", "duration": "2 s", "factor": 4}


@pytest.mark.parametrize(
    ("compute", "complaint"),
    [
        ({"time": "50"}, "time: found '50' without a unit; allowed: a number and one of ns, us, ms, s, min, h, such as "),
        ({"time": "mesured"}, "such as 50 ms; or measured; or {file: ..., unit: ms}"),
        ({"time": {"file": "a.csv"}}, "time.unit: missing; it is needed here"),
        ({"time": {"file": "a.csv", "unit": "ms", "then": "stop"}}, "time.then: found 'stop'; allowed: repeat, hold"),
        ({"time": "1 s", "device": "t4"}, "device: found device and time; allowed: one of the two"),
        ({"device": "rtx3090"}, "device.name: found 'rtx3090'; allowed: raspberry-pi-4, "),
        ({"device": "rtx3090"}, "; did you mean rtx-3090?; another one needs flops: 35 Tflop/s"),
        ({"device": {"name": "mine", "flop": "1 flop/s"}}, "device.flop: unknown key; did you mean flops?"),
        ({"device": {"memory": "1 GB"}}, "device.flops: missing; it is needed here"),
        ({"device": {"flops": "35 Tbit/s"}}, "device.flops: found '35 Tbit/s' with the unknown unit Tbit/s; allowed: "),
        ({"device": {"flops": "0 flop/s"}}, "device.flops: found 0; allowed: more than 0"),
        ({"device": {"name": "t4", "utilisation": 2}}, "device.utilisation: found 2; allowed: a number <= 1"),
        ({"device": {"name": "t4", "memory": "2 s"}}, "device.memory: found '2 s' with the unknown unit s"),
        ({"device": ["t4", "v100"]}, "device: found devices for 2 nodes; allowed: for 4, as many as nodes"),
        ({"device": {"name": "t4", "count": 3}}, "device: found devices for 3 nodes; allowed: for 4, as many as nodes"),
        ({"device": ["t4", {"name": "x"}]}, "device.1.name: found 'x'; allowed: raspberry-pi-4"),
        ({"device": 3}, "device: found 3; allowed: a mapping (key: value)"),
        ({"trace": "a.csv"}, "trace: found 'a.csv'; allowed: a mapping (key: value)"),
        ({"slowdowns": {**WINDOW, "every": "1 s"}}, "slowdowns: found {from: ..., until: ..., factor: ...}; allowed: from and"),
        ({"slowdowns": [WINDOW, {"from": "1 s", "factor": 2}]}, "slowdowns.1: found {from: ..., factor: ...}; allowed: from "),
        ({"slowdowns": {**WINDOW, "until": "1 s"}}, "slowdowns.until: found 1 s; allowed: more than from"),
        ({"slowdowns": {**WINDOW, "nodes": [1, 4]}}, "slowdowns.nodes.1: found node 4; allowed: 0 to 3, since nodes is 4"),
        ({"slowdowns": [WINDOW, {**WINDOW, "nodes": [9]}]}, "slowdowns.1.nodes.0: found node 9; allowed: 0 to 3"),
        ({"slowdowns": {**SPELLS, "every": "0 s"}}, "slowdowns.every: found 0; allowed: more than 0"),
        ({"slowdowns": {**SPELLS, "factor": 0}}, "slowdowns.factor: found 0; allowed: a number > 0"),
        ({"slowdowns": {**SPELLS, "duration": ["1 s"] * 3}}, "slowdowns.duration: found 3 values; allowed: 4, as many as"),
        ({"slowdowns": {**SPELLS, "evry": "1 s"}}, "slowdowns.evry: unknown key; "),
        ({"diurnal": {"amplitude": 0.5}}, "diurnal.period: missing; it is needed here"),
        ({"diurnal": {"period": "24 h", "amplitude": 1}}, "diurnal.amplitude: found 1; allowed: a number < 1"),
        ({"diurnal": {"period": "24 h", "amplitude": 0, "phase": [0.5]}}, "diurnal.phase: found 1 values; allowed: 4, as man"),
        ({"diurnal": {"period": "24 h", "amplitude": 0, "phase": "even"}}, "diurnal.phase: found 'even'; allowed: a number"),
        ({"per_number": {"mixing": "1 ns"}}, "per_number.mixing: unknown key; did you mean mix?"),
        ({"per_number": {"mix": 1}}, "per_number.mix: found 1 without a unit"),
        ({"factors": [1, 2]}, "factors: found 2 values; allowed: 4, as many as nodes"),
    ],
)  # fmt: skip
def test_one_mistake_gives_one_complaint(read: Read, compute: Any, complaint: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(plain(compute))
    (found,) = str(error.value).splitlines()
    assert found.startswith("scenario: compute.")
    assert complaint in found


def test_all_mistakes_of_lists_are_told_at_once(read: Read) -> None:
    compute = {"factors": [1], "device": ["t4", "t4"], "slowdowns": [WINDOW | {"nodes": [7]}, WINDOW | {"until": "1 ms"}]}
    with pytest.raises(ScenarioError) as error:
        read(plain(compute))
    keys = [line.split(": ")[1] for line in str(error.value).splitlines()]
    assert sorted(keys) == ["compute.device", "compute.factors", "compute.slowdowns.0.nodes.0", "compute.slowdowns.1.until"]


def test_one_slowdown_or_device_needs_no_list(read: Read) -> None:
    one, listed = (read(plain({"device": d, "slowdowns": s})) for d, s in [("t4", WINDOW), (["t4"], [WINDOW])])
    assert one == listed
    assert one.to_plain()["compute"]["slowdowns"] == {"factor": 4.0, "from": "1 s", "until": "2 s"}
    assert "time" not in one.to_plain()["compute"]


def test_figures_that_are_given_win_over_those_of_the_preset() -> None:
    (device,) = Compute.model_validate({"device": {"name": "t4", "memory": "1 GB", "utilisation": 0.5}}).device or ()
    assert (device.flops, device.memory, device.utilisation) == (8.1e12, 8e9, 0.5)
    (own,) = Compute.model_validate({"device": {"name": "t4", "flops": "1 Gflop/s"}}).device or ()
    assert (own.flops, own.memory, own.utilisation) == (1e9, 16 * 8e9, UTILISATION)


@pytest.mark.parametrize("key", ["device=t4", "time=2 s"])
def test_setting_a_time_or_a_device_takes_the_place_of_the_other(read: Read, key: str) -> None:
    name, value = key.split("=")
    for compute in ({"time": "1 s"}, {"device": {"name": "t4"}}):
        written = read(plain(compute), overrides={f"compute.{name}": value}).to_plain()["compute"]
        assert list(written) == [name]
    faster = read(plain({"device": "t4"}), overrides={"compute.device.utilisation": 0.5}).to_plain()["compute"]["device"]
    assert faster == {"name": "t4", "flops": "8.1 Tflop/s", "utilisation": 0.5, "memory": "16 GB"}


def test_the_listed_devices_parse_and_can_be_named() -> None:
    rows = device_rows()
    assert [row[0] for row in rows] == list(DEVICES)
    for name, speed, memory, what, source in rows:
        (device,) = Compute.model_validate({"device": name}).device or ()
        assert device.flops == parse(speed, FLOP_RATES, "") > 1e9
        assert device.memory == parse_size(memory) >= 8 * 4e9
        assert what
        assert source


def test_the_peak_of_a_processor_is_that_of_its_cores() -> None:
    figures = {name: DEVICES[name].flops for name in ("raspberry-pi-4", "raspberry-pi-5", "laptop-cpu", "jetson-nano")}
    assert figures == {
        "raspberry-pi-4": 4 * 1.5e9 * 8,
        "raspberry-pi-5": pytest.approx(4 * 2.4e9 * 16),
        "laptop-cpu": 4 * 3.0e9 * 32,
        "jetson-nano": pytest.approx(128 * 921.6e6 * 2),
    }
    assert DEVICES["phone"].flops == 3.0e9 * 32 + 3 * 2.5e9 * 16
