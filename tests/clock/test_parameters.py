"""Latencies, bandwidths and limits: values, distributions, lists and matrix files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simnet
from simnet.clock.parameters import LinkParameters
from simnet.errors import ParameterError
from simnet.scenario import Network
from tests.clock.building import matrix_file, scenario

NODES = 5
PAIRS = [(i, j) for i in range(NODES) for j in range(NODES) if i != j]


def parameters(
    seed: int = 1, machines: int = NODES, folder: Path = Path(), nodes: int = NODES, **network: Any
) -> LinkParameters:
    return LinkParameters(Network.model_validate(network), nodes, machines, seed, folder)


def test_values_are_the_same_everywhere() -> None:
    links = parameters(latency="50 ms", bandwidth="20 Mbit/s", uplink="1 Gbit/s")
    assert {links.latency(i, j) for i, j in PAIRS} == {0.05}
    assert {links.bandwidth(i, j) for i, j in PAIRS} == {20e6}
    assert links.uplinks == [1e9] * NODES


def test_what_is_not_given_is_free() -> None:
    links = parameters()
    assert (links.latency(0, 1), links.bandwidth(0, 1)) == (0.0, np.inf)
    assert links.uplinks == links.downlinks == [np.inf] * NODES


@pytest.mark.parametrize(
    ("latency", "mean", "std"),
    [
        ({"normal": {"mean": "50 ms", "std": "5 ms"}}, 0.05, 0.005),
        ({"lognormal": {"median": "50 ms", "sigma": 0.2}}, 0.05 * np.exp(0.02), 0.05 * np.exp(0.02) * 0.202),
        ({"exponential": {"mean": "50 ms"}}, 0.05, 0.05),
        ({"uniform": {"low": "20 ms", "high": "80 ms"}}, 0.05, 0.06 / np.sqrt(12)),
    ],
    ids=["normal", "lognormal", "exponential", "uniform"],
)
def test_distributions_are_drawn_once_per_directed_link(latency: dict[str, Any], mean: float, std: float) -> None:
    links = parameters(nodes=40, machines=40, latency=latency)
    pairs = [(i, j) for i in range(40) for j in range(40) if i != j]
    drawn = np.array([links.latency(i, j) for i, j in pairs])
    assert drawn.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(len(drawn)))
    assert drawn.std() == pytest.approx(std, rel=0.15)
    assert drawn.min() > 0
    assert len(set(drawn)) == len(drawn)  # both directions of an edge are drawn
    backwards = parameters(nodes=40, machines=40, latency=latency)
    again = np.array([backwards.latency(i, j) for i, j in reversed(pairs)])
    np.testing.assert_array_equal(again[::-1], drawn)
    assert parameters(seed=2, latency=latency).latency(0, 1) != links.latency(0, 1)


def test_a_link_does_not_depend_on_what_else_there_is() -> None:
    """On the number of machines, on other links, on the bandwidth's distribution."""
    latency = {"uniform": {"low": "1 ms", "high": "9 ms"}}
    bandwidth = {"uniform": {"low": "1 Mbit/s", "high": "9 Mbit/s"}}
    few, many = parameters(latency=latency), parameters(machines=NODES + 1, latency=latency, bandwidth=bandwidth)
    assert [few.latency(*pair) for pair in PAIRS] == [many.latency(*pair) for pair in PAIRS]
    assert many.bandwidth(0, 1) / 1e6 != pytest.approx(many.latency(0, 1) * 1e3)


def test_negative_normal_values_are_drawn_again() -> None:
    links = parameters(latency={"normal": {"mean": "1 ms", "std": "5 ms"}})
    assert min(links.latency(i, j) for i, j in PAIRS) > 0


def test_limits_of_each_node() -> None:
    rates = ["1 Mbit/s", "2 Mbit/s", "3 Mbit/s", "4 Mbit/s", "5 Mbit/s"]
    links = parameters(machines=NODES + 1, uplink=rates, downlink={"uniform": {"low": "1 bit/s", "high": "2 bit/s"}})
    assert links.uplinks == [1e6, 2e6, 3e6, 4e6, 5e6, 1e6]  # a server has the first node's
    assert len(set(links.downlinks)) == NODES + 1
    assert all(1 <= rate <= 2 for rate in links.downlinks)


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_matrix_files(suffix: str, tmp_path: Path) -> None:
    """Rows send, columns receive; the diagonal does not count."""
    matrix = np.arange(25.0).reshape(NODES, NODES) + 1
    np.fill_diagonal(matrix, np.nan)
    if suffix == "csv":
        np.savetxt(tmp_path / "links.csv", matrix, delimiter=",")
    else:
        np.save(tmp_path / "links.npy", matrix.astype(np.float32))
    path = f"links.{suffix}"
    links = parameters(
        folder=tmp_path, latency={"file": path, "unit": "ms"}, bandwidth={"file": path, "unit": "Mbit/s"}
    )
    for i, j in PAIRS:
        assert links.latency(i, j) == pytest.approx(matrix[i, j] / 1000)
        assert links.bandwidth(i, j) == pytest.approx(matrix[i, j] * 1e6)


@pytest.mark.parametrize("shape", [(4, 4), (5, 4), (5, 6), (7, 7), (25,), (1, 1)])
def test_a_matrix_of_the_wrong_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    file = matrix_file(tmp_path, "latency", np.ones(shape), "ms")
    with pytest.raises(ParameterError, match=r"^latency\.file: found .*"):
        parameters(latency=file)


@pytest.mark.parametrize(("key", "value"), [("latency", -1.0), ("latency", np.nan), ("bandwidth", 0.0), ("bandwidth", np.inf)])
def test_impossible_numbers_are_refused(key: str, value: float, tmp_path: Path) -> None:
    matrix = np.ones((NODES, NODES))
    matrix[1, 2] = value
    unit = {"latency": "ms", "bandwidth": "Mbit/s"}[key]
    with pytest.raises(ParameterError, match=f"^{key}\\.file: found"):
        parameters(**{key: matrix_file(tmp_path, key, matrix, unit)})


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize("content", ["1,2\n3", "a,b\nc,d", ""])
def test_unreadable_files_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text(content)
    with pytest.raises(ParameterError, match=r"^latency\.file"):
        parameters(folder=tmp_path, latency={"file": "links.csv", "unit": "ms"})
    with pytest.raises(ParameterError, match=r"cannot read missing\.npy"):
        parameters(folder=tmp_path, latency={"file": "missing.npy", "unit": "ms"})


def test_one_matrix_serves_algorithms_with_and_without_a_server(tmp_path: Path) -> None:
    file = matrix_file(tmp_path, "latency", np.ones((5, 5)), "ms")
    source = scenario(4, steps=1, network={"latency": file})
    source["algorithms"].append({"name": "allreduce", "lr": 0.1, "exchange": "parameter_server"})
    assert simnet.run(source).exit_status == 0
