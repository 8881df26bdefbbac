"""What scenarios say of changes, traces, jitter and loss: read, run, and the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.clock.series import Series
from simnet.clock.varying import VaryingParameters, link_parameters
from simnet.errors import ParameterError, ScenarioError
from simnet.scenario import Network
from tests.clock.building import completion_times, matrix_file, prepared, scenario

NODES = 4
SHARING = ("none", "queue", "fair")
VECTOR = {"message": {"bits_per_number": 1000}}
"""A model of one number is a message of 1 kbit."""


def parameters(folder: Path = Path(), machines: int = NODES, **network: Any) -> VaryingParameters:
    found = link_parameters(Network.model_validate(network), NODES, machines, 1, folder)
    assert isinstance(found, VaryingParameters)
    return found


def file(folder: Path, text: str) -> str:
    (folder / "trace.csv").write_text(text)
    return str(folder / "trace.csv")


def test_a_trace_of_all_links(tmp_path: Path) -> None:
    trace = {"trace": file(tmp_path, "0, 20\n1.5, 5\n3, 0\n"), "unit": "Mbit/s"}
    held = parameters(bandwidth=trace)
    assert held.bandwidth(0, 1) == held.bandwidth(2, 1) == Series((0.0, 1.5, 3.0), (20e6, 5e6, 0.0))
    assert held.latency(0, 1) == 0.0
    assert held.uplinks == [np.inf] * NODES
    repeated = parameters(bandwidth={**trace, "then": "repeat"}).bandwidth(0, 1)
    assert repeated == Series((0.0, 1.5, 3.0), (20e6, 5e6, 0.0), first=0, end=4.5)


def test_a_schedule_of_all_nodes() -> None:
    rows = [["0 s", "20 ms"], ["1 min", "5 ms"]]
    assert parameters(latency={"schedule": rows}).latency(0, 1) == Series((0.0, 60.0), (0.02, 0.005))
    limits = parameters(machines=NODES + 1, uplink={"schedule": [["0 s", "1 kB/s"], ["1 s", "0 bit/s"]], "then": "repeat"})
    assert limits.uplinks == [Series((0.0, 1.0), (8000.0, 0.0), first=0, end=2.0)] * (NODES + 1)
    assert limits.downlinks == [np.inf] * (NODES + 1)


def test_changes_of_chosen_links_and_nodes(tmp_path: Path) -> None:
    """A later change goes on from the one before; who is not named stays as he is."""
    trace = {"trace": file(tmp_path, "0, 7\n1, 3\n"), "unit": "bit/s", "then": "repeat"}
    network = parameters(
        bandwidth="8 bit/s",
        uplink=["1 bit/s", "2 bit/s", "3 bit/s", "4 bit/s"],
        changes=[
            {"at": "20 s", "links": [[0, 1]], "bandwidth": trace},
            {"at": "10 s", "links": [[0, 1], [1, 0]], "bandwidth": "0 bit/s", "latency": "1 s"},
            {"nodes": [3], "uplink": {"schedule": [["0 s", "9 bit/s"], ["5 s", "6 bit/s"]]}},
            {"at": "10 s", "downlink": "5 bit/s"},
        ],
    )
    assert network.bandwidth(0, 1) == Series((0.0, 10.0, 20.0, 21.0), (8.0, 0.0, 7.0, 3.0), first=2, end=22.0)
    assert network.bandwidth(1, 0) == Series((0.0, 10.0), (8.0, 0.0))
    assert network.bandwidth(0, 2) == 8.0
    assert network.latency(1, 0) == Series((0.0, 10.0), (0.0, 1.0))
    assert network.uplinks == [1.0, 2.0, 3.0, Series((0.0, 5.0), (9.0, 6.0))]
    assert network.downlinks == [Series((0.0, 10.0), (np.inf, 5.0))] * NODES


def test_of_changes_at_one_moment_the_last_one_counts() -> None:
    twice = [{"at": "1 s", "latency": "5 ms"}, {"at": "1 s", "links": [[0, 1]], "latency": "7 ms"}]
    network = parameters(changes=twice)
    assert network.latency(0, 1) == Series((0.0, 1.0), (0.0, 0.007))
    assert network.latency(1, 0) == Series((0.0, 1.0), (0.0, 0.005))


def test_a_change_may_draw(tmp_path: Path) -> None:
    """The same luck with another distribution, and matrix files as everywhere."""
    base = {"uniform": {"low": "1 ms", "high": "2 ms"}}
    slow = {"uniform": {"low": "10 ms", "high": "20 ms"}}
    matrix = matrix_file(tmp_path, "bandwidth", np.arange(16.0).reshape(4, 4) + 1, "kbit/s")
    network = parameters(latency=base, changes=[{"at": "1 s", "latency": slow, "bandwidth": matrix}])
    before, after = network.latency(2, 3).values  # type: ignore[union-attr]
    assert after == pytest.approx(10 * before)
    assert network.bandwidth(2, 3) == Series((0.0, 1.0), (np.inf, 12000.0))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1, 2\n2, 3\n", "found times in .* that do not ascend from 0"),
        ("0, 2\n0, 3\n", "found times in .* that do not ascend from 0"),
        ("0, 2\nnan, 3\n", "found no numbers, or some that are not finite, in .*; lines of numbers are needed"),
        ("0, 2\n1, -3\n", "found -3 in .*; values of at least 0 are needed"),
        ("0, inf\n", "found no numbers, or some that are not finite, in .*; lines of numbers are needed"),
        ("0, 2, 3\n", "found 1 x 3 numbers in .*; rows of two are needed"),
        ("", "found no numbers, or some that are not finite, in .*; lines of numbers are needed"),
        ("time, value\n0, two\n", "cannot read"),
    ],
)
def test_a_bad_trace_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    trace = {"trace": file(tmp_path, text), "unit": "Mbit/s"}
    with pytest.raises(ParameterError, match=rf"^bandwidth\.trace: {complaint}"):
        parameters(bandwidth=trace)
    with pytest.raises(ScenarioError, match=rf"network\.changes\.0\.uplink\.trace: {complaint}"):
        simnet.prepare(scenario(network={"changes": [{"uplink": trace}]}))
    with pytest.raises(ScenarioError, match=r"network\.latency\.trace: cannot read missing\.csv"):
        simnet.prepare(scenario(network={"latency": {"trace": "missing.csv", "unit": "ms"}}))


@pytest.mark.parametrize("sharing", SHARING)
def test_a_bandwidth_that_drops_during_training(sharing: str) -> None:
    """1 kbit each way per step. At 5 s the message of the fourth has 0.5 kbit left; under `fair` it waits for the latency."""
    network = {
        "sharing": sharing,
        "latency": "500 ms",
        "bandwidth": {"schedule": [["0 s", "1 kbit/s"], ["5 s", "250 bit/s"]]},
    }
    times = completion_times(scenario(3, steps=4, network=network, **VECTOR))[:, 0]
    assert times.tolist() == pytest.approx([0, 1.5, 3, 4.5, 9.0 if sharing == "fair" else 7.5])


@pytest.mark.parametrize("sharing", SHARING)
def test_a_bandwidth_that_ends_stalls_the_run(sharing: str) -> None:
    dying = {"schedule": [["0 s", "1 kbit/s"], ["2500 ms", "0 bit/s"]]}
    record = prepared(scenario(3, network={"sharing": sharing, "uplink": dying}, **VECTOR)).execute()
    assert record.status == "stalled"
    assert "node 0 in step" in record.message
    assert "bandwidth stays 0 on the way" in record.message
    assert record.message.endswith("nothing can happen any more")


def test_a_stall_is_dated_when_it_happens_under_a_repeating_trace() -> None:
    """One link never moves; the other bandwidths change for ever, and do not let the clock run on."""
    trace = {"schedule": [["0 s", "1 kbit/s"], ["7 s", "2 kbit/s"]], "then": "repeat"}
    network = {"sharing": "fair", "uplink": trace, "changes": [{"links": [[0, 1]], "bandwidth": "0 bit/s"}]}
    record = prepared(scenario(3, network=network, **VECTOR)).execute()
    assert record.status == "stalled"
    assert "bandwidth stays 0 on the way 0 -> 1" in record.message


@pytest.mark.parametrize(
    ("jitter", "mean"),
    [
        ({"uniform": {"low": "1 s", "high": "3 s"}}, 2.0),
        ({"normal": {"mean": "0 s", "std": "1 s"}}, 0.3989),  # cut at 0
        ({"lognormal": {"median": "1 s", "sigma": 0.5}}, np.exp(0.125)),
        ({"exponential": {"mean": "2 s"}}, 2.0),
    ],
)
def test_the_mean_of_jitter(jitter: dict[str, Any], mean: float) -> None:
    """It comes on top of the latency."""
    steps = 4000
    run = prepared(scenario(2, steps=steps, network={"latency": "500 ms", "jitter": jitter}), "off", echo)
    run.execute()
    assert run.clock.now / (2 * steps) - 0.5 == pytest.approx(mean, rel=0.06)


def echo(node: Any) -> Any:
    """One message goes to and fro."""
    for k in node.steps():
        if node.id == 0:
            node.send(1, 1.0, tag=k)
            yield node.receive(1, tag=k)
        else:
            yield node.receive(0, tag=k)
            node.send(0, 1.0, tag=k)


@pytest.mark.parametrize("sharing", SHARING)
def test_the_same_bytes_again(sharing: str) -> None:
    network = {
        "sharing": sharing,
        "bandwidth": {"schedule": [["0 s", "1 kbit/s"], ["3 s", "0 bit/s"], ["4 s", "3 kbit/s"]], "then": "repeat"},
        "jitter": {"lognormal": {"median": "100 ms", "sigma": 1.0}},
        "loss": {"gilbert_elliott": {"good_to_bad": 0.1, "bad_to_good": 0.3}, "timeout": "300 ms"},
        "changes": [{"at": "5 s", "nodes": [1], "uplink": "500 bit/s"}],
    }
    source = scenario(5, steps=12, network=network, **VECTOR)
    first, second = (simnet.run(source) for _ in range(2))
    assert first.metrics.to_csv() == second.metrics.to_csv()
    assert first.summary["counters.lost_messages"].tolist() == second.summary["counters.lost_messages"].tolist() != [0]
    assert simnet.run({**source, "seed": 7}).metrics["time_s"].tolist() != first.metrics["time_s"].tolist()
