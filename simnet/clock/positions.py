"""Latency by distance: where the nodes stand on a map, and how long a signal takes between two of them."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from pathlib import Path

import numpy as np

from simnet.errors import ParameterError
from simnet.scenario import Positions
from simnet.scenario.schema_links import LATITUDE_LONGITUDE, is_on_earth

EARTH_RADIUS = 6_371_008.8
"""Mean radius of the earth [m] (IUGG)."""

Position = tuple[float, float]
"""Latitude and longitude in degrees."""


def great_circle(one: Position, other: Position) -> float:
    """The distance over the surface of a round earth.

    ::

        2 R asin sqrt(sin^2(dlat / 2) + cos(lat1) cos(lat2) sin^2(dlon / 2))

    Args:
        one: latitude and longitude in degrees.
        other: likewise.

    Returns:
        The distance in m.

    Example:
        >>> round(great_circle((51.5, -0.1), (35.7, 139.7)) / 1000)  # London, Tokyo
        9558
    """
    (lat1, lon1), (lat2, lon2) = ([radians(degrees) for degrees in position] for position in (one, other))
    square = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(square)))


def read_numbers(key: str, name: str, folder: Path) -> np.ndarray:
    """The numbers in a file: CSV without header, or NPY.

    Args:
        key: where the scenario names the file, for complaints.
        name: the file's path.
        folder: where a relative path starts.

    Returns:
        Numbers in float64, with at least two axes if they come from CSV.

    Raises:
        ParameterError: if the file cannot be read.
    """
    path = folder / name
    try:
        numbers = np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
        return np.asarray(numbers, dtype=np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise ParameterError(f"{key}: cannot read {name}: {error}") from error


def read_positions(spec: Positions, num_nodes: int, folder: Path) -> list[Position]:
    """One position for each node, out of the scenario or of its file (CSV without header, or NPY).

    Args:
        spec: rows, or the file's path.
        num_nodes: n.
        folder: where a relative path starts.

    Returns:
        n latitudes and longitudes in degrees.

    Raises:
        ParameterError: if the file cannot be read, has another shape, or holds what is no position.
    """
    if not isinstance(spec.positions, str):
        return [(row[0], row[1]) for row in spec.positions]
    rows = read_numbers("latency.positions", spec.positions, folder)
    if rows.shape != (num_nodes, 2):
        shape = " x ".join(map(str, rows.shape))
        raise ParameterError(
            f"latency.positions: found {shape} numbers in {spec.positions}; {num_nodes} x 2 are needed, one row for each node"
        )
    wrong = [row for row in rows.tolist() if not is_on_earth(row)]
    if wrong:
        raise ParameterError(f"latency.positions: found {wrong[0]} in {spec.positions}; allowed: {LATITUDE_LONGITUDE}")
    return [(latitude, longitude) for latitude, longitude in rows.tolist()]
