"""Where machines stand: presets with places against their source, and latency by distance."""

from __future__ import annotations

from itertools import combinations
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.clock.parameters import LinkParameters
from simnet.clock.positions import EARTH_RADIUS, great_circle
from simnet.errors import ParameterError
from simnet.scenario import PRESETS
from tests.clock.building import scenario
from tests.clock.test_parameters import parameters

# ms, Gbit/s; as the supplement of the paper has them (Yuan et al. 2022).
MEASURED = """
|           | Virginia | Ohio | Tokyo | Seoul | Singapore | Sydney | London | Frankfurt | Ireland |
| Oregon | 67, 0.79 | 49, 1.10 | 96, 0.523 | 124, 0.46 | 163, 0.341 | 139, 0.36 | 136, 0.42 | 143, 0.404 | 124, 0.482 |
| Virginia | | 11, 1.12 | 143, 0.524 | 172, 0.500 | 230, 0.364 | 197, 0.383 | 76, 1.16 | 90, 1.02 | 67, 1.05 |
| Ohio | | | 130, 0.694 | 159, 0.529 | 197, 0.452 | 185, 0.484 | 86, 1.05 | 99, 0.799 | 77, 1.14 |
| Tokyo | | | | 34, 1.10 | 73, 1.01 | 100, 0.761 | 210, 0.366 | 223, 0.36 | 199, 0.465 |
| Seoul | | | | | 74, 1.14 | 148, 0.58 | 238, 0.342 | 235, 0.358 | 228, 0.335 |
| Singapore | | | | | | 92, 0.816 | 169, 0.500 | 155, 0.535 | 179, 0.492 |
| Sydney | | | | | | | 262, 0.326 | 265, 0.328 | 254, 0.344 |
| London | | | | | | | | 14, 1.14 | 12, 1.09 |
| Frankfurt | | | | | | | | | 24, 1.08 |
"""
CITIES = ["Oregon", "Virginia", "Ohio", "Tokyo", "Seoul", "London", "Frankfurt", "Ireland"]


def measured() -> dict[frozenset[str], tuple[float, float]]:
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in MEASURED.strip().splitlines()]
    return {
        frozenset((row[0], city)): (float(cell.split(",")[0]), float(cell.split(",")[1]))
        for row in rows
        for city, cell in zip(head[1:], row[1:], strict=True)
        if cell
    }


def matrices(links: LinkParameters, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Latencies in ms and bandwidths in Gbit/s, diagonals included."""
    pairs = [[(links.latency(i, j), links.bandwidth(i, j)) for j in range(nodes)] for i in range(nodes)]
    latency_NN, bandwidth_NN = np.array(pairs).transpose(2, 0, 1)
    return 1e3 * latency_NN, bandwidth_NN / 1e9


def blocks(sizes: list[int], inside: float, outside: float) -> np.ndarray:
    place_N = np.repeat(np.arange(len(sizes)), sizes)
    return np.where(place_N[:, None] == place_N[None, :], inside, outside)


def of_cities(cities: list[str], pairs: dict[frozenset[str], tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    table = [[pairs[frozenset((a, b))] if a != b else (5.0, 2.0) for b in cities] for a in cities]
    latency_NN, bandwidth_NN = np.array(table).transpose(2, 0, 1)
    return latency_NN, bandwidth_NN


def test_there_are_45_measured_pairs_of_ten_regions() -> None:
    assert len(measured()) == 45
    assert set().union(*measured()) == set(PRESETS["world"].places)


@pytest.mark.parametrize("preset", ["world", "dtfm-4-worldwide"])
def test_regions_have_what_was_measured(preset: str) -> None:
    cities = PRESETS[preset].places
    for (i, one), (j, other) in combinations(enumerate(cities), 2):
        links = parameters(nodes=len(cities), machines=len(cities), preset=preset)
        milliseconds, gigabits = measured()[frozenset((one, other))]
        for a, b in ((i, j), (j, i)):
            assert links.latency(a, b) == pytest.approx(milliseconds / 1e3, rel=1e-15)
            assert links.bandwidth(a, b) == pytest.approx(gigabits * 1e9, rel=1e-15)


REGIONAL = {
    "Virginia-Oregon": (67, 1.15), "Virginia-California": (59, 1.05), "Virginia-Ohio": (11, 1.12),
    "Oregon-California": (12, 1.25), "Oregon-Ohio": (49, 1.10), "California-Ohio": (52, 1.02),
}  # fmt: skip
CASES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "dtfm-0-datacenter": (np.zeros((64, 64)), blocks([8] * 8, 100, 3.125)),
    "dtfm-1-spot": (
        np.zeros((64, 64)),
        np.where(blocks([4] * 8 + [32], 1, 0) * (np.add.outer(range(64), range(64)) < 63), 100, 1.25),
    ),
    "dtfm-2-universities": (blocks([32, 32], 1, 11), blocks([32, 32], 5, 1.12)),
    "dtfm-3-regional": of_cities(
        ["Virginia"] * 16 + ["Oregon"] * 16 + ["California"] * 16 + ["Ohio"] * 16,
        {frozenset(pair.split("-")): values for pair, values in REGIONAL.items()},
    ),
    "dtfm-4-worldwide": of_cities([city for city in CITIES for _ in range(8)], measured()),
    "dtfm-5-homogeneous": (np.full((64, 64), 50.0), np.full((64, 64), 1.0)),
}


@pytest.mark.parametrize("preset", CASES)
def test_the_cases_of_dtfm_for_their_64_nodes(preset: str) -> None:
    links = parameters(nodes=64, machines=64, preset=preset)
    off_diagonal = ~np.eye(64, dtype=bool)
    for found_NN, expected_NN in zip(matrices(links, 64), CASES[preset], strict=True):
        np.testing.assert_allclose(found_NN[off_diagonal], expected_NN[off_diagonal], rtol=1e-14)


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if preset.layout])
@given(nodes=st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_by_default_nodes_stand_in_blocks_with_the_shares_of_the_source(preset: str, nodes: int) -> None:
    layout = PRESETS[preset].layout
    counts, total = PRESETS[preset].spread(nodes), sum(layout.values())
    assert sum(counts.values()) == nodes
    assert list(counts) == [place for place in layout if place in counts]
    for place, count in layout.items():
        assert abs(counts.get(place, 0) - nodes * count / total) < 1
    numbers = PRESETS[preset].numbered(None, nodes)
    assert numbers == sorted(numbers)


def test_places_by_name_by_number_and_in_blocks() -> None:
    listed = ["Tokyo", "Oregon", "Tokyo", "Sydney", "Sydney"]
    by_name = matrices(parameters(preset="world", places=listed), 5)
    by_number = matrices(parameters(preset="world", places=[3, 0, "Tokyo", 6, 6]), 5)
    np.testing.assert_array_equal(by_name, by_number)
    assert by_name[0][0].tolist() == [5, 96, 5, 100, 100]
    in_blocks = parameters(preset="world", places={"Tokyo": 2, "Sydney": 0, "Oregon": 3})
    assert matrices(in_blocks, 5)[0][0].tolist() == [5, 5, 96, 96, 96]


def test_keys_beside_a_preset_win() -> None:
    links = parameters(preset="dtfm-4-worldwide", latency="7 ms")
    assert links.latency(0, 4) == 0.007
    assert links.bandwidth(0, 1) == 0.79e9
    links = parameters(preset="dtfm-4-worldwide", bandwidth="1 Mbit/s", uplink="2 Mbit/s")
    assert (links.latency(0, 1), links.bandwidth(0, 1), links.uplinks[0]) == (0.067, 1e6, 2e6)
    links = parameters(preset="home-broadband", uplink="20 Mbit/s")
    assert (links.latency(0, 1), links.bandwidth(0, 1)) == (0.02, np.inf)
    assert (links.uplinks[0], links.downlinks[0]) == (20e6, 64e6)
    assert parameters(preset="home-broadband", duplex="half").downlinks[0] == np.inf  # its downlink is not its own


@pytest.mark.parametrize("preset", PRESETS)
def test_a_resolved_scenario_keeps_its_preset_and_places_and_means_the_same(preset: str) -> None:
    source = scenario(6, steps=2, network={"preset": preset, "sharing": "queue"})
    result = simnet.run(source)
    kept = result.scenario["network"]
    assert kept["preset"] == preset
    assert ("places" in kept) == bool(PRESETS[preset].layout)
    assert not {"latency", "bandwidth", "uplink", "downlink"} & kept.keys()
    again = simnet.run(result.scenario)
    assert again.metrics.equals(result.metrics)
    assert again.scenario == result.scenario


def test_another_preset_can_be_chosen_for_a_resolved_scenario() -> None:
    resolved = simnet.run(scenario(4, steps=2, network={"preset": "datacenter-25g"})).scenario
    slower = simnet.run(resolved, overrides={"network.preset": "mobile-4g"})
    assert slower.metrics.equals(simnet.run(scenario(4, steps=2, network={"preset": "mobile-4g"})).metrics)


def test_the_parameter_server_stands_where_the_first_node_stands() -> None:
    links = parameters(preset="world", machines=6, places=["Seoul", "Tokyo", "Ohio", "London", "Sydney"])
    assert [round(1e3 * links.latency(5, i)) for i in range(5)] == [5, 34, 159, 238, 148]
    on_map = parameters(machines=6, latency={"positions": [[10 * i, 0] for i in range(5)], "base": "1 ms"})
    assert on_map.latency(5, 0) == 0.001
    assert on_map.latency(5, 3) == on_map.latency(0, 3)


degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def chord(one: Any, other: Any) -> float:
    """The distance by another way: through the angle between two vectors."""
    points = [np.radians(position) for position in (one, other)]
    a, b = (np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]) for lat, lon in points)
    return EARTH_RADIUS * float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


@given(degrees, degrees)
def test_distances_on_a_globe(one: Any, other: Any) -> None:
    assert great_circle(one, other) == pytest.approx(chord(one, other), abs=1.0)
    assert great_circle(one, other) == great_circle(other, one) <= pi * EARTH_RADIUS
    assert great_circle(one, one) == 0


def test_known_distances() -> None:
    zurich, ithaca, sydney = (47.38, 8.54), (42.44, -76.5), (-33.87, 151.21)
    assert great_circle((90, 0), (-90, 77)) == pytest.approx(pi * EARTH_RADIUS)
    assert great_circle((0, 179), (0, -179)) == pytest.approx(2 / 180 * pi * EARTH_RADIUS)
    assert great_circle(zurich, sydney) == pytest.approx(16_570e3, rel=5e-3)
    assert great_circle(zurich, ithaca) == pytest.approx(6_370e3, rel=5e-3)


@pytest.mark.parametrize("form", ["rows", "csv", "npy"])
def test_latency_is_distance_over_speed_plus_a_base(form: str, tmp_path: Path) -> None:
    rows = [[0.0, 0.0], [0.0, 90.0], [90.0, 0.0], [0.0, 180.0], [-45.0, -90.0]]
    if form == "csv":
        np.savetxt(tmp_path / "places.csv", rows, delimiter=",")
    elif form == "npy":
        np.save(tmp_path / "places.npy", rows)
    given_as = rows if form == "rows" else f"places.{form}"
    links = parameters(folder=tmp_path, latency={"positions": given_as, "speed": "100000 km/s", "base": "2 ms"})
    quarter = pi / 2 * EARTH_RADIUS / 1e8
    assert links.latency(0, 1) == links.latency(1, 0) == pytest.approx(0.002 + quarter)
    assert links.latency(0, 3) == pytest.approx(0.002 + 2 * quarter)
    assert links.latency(2, 4) == pytest.approx(0.002 + 1.5 * quarter)
    in_fiber = parameters(folder=tmp_path, latency={"positions": given_as})
    assert in_fiber.latency(0, 1) == pytest.approx(quarter / 2)


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3,4", "found 2 x 2 numbers in places.csv; 5 x 2 are needed"),
        ("1,2,3\n" * 5, "found 5 x 3 numbers"),
        ("1,2\n" * 4 + "91,0\n", r"found \[91.0, 0.0\] in places.csv; allowed: \[latitude"),
        ("1,2\n" * 4 + "nan,0\n", r"found \[nan, 0.0\]"),
        ("a,b\n" * 5, "cannot read places.csv"),
        (None, "cannot read places.csv"),
    ],
)
def test_a_file_without_positions_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "places.csv").write_text(content)
    with pytest.raises(ParameterError, match=rf"^latency\.positions: {message}"):
        parameters(folder=tmp_path, latency={"positions": "places.csv"})
