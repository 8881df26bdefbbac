"""Latency and bandwidth of every link, and the limits of every machine, out of what the scenario says."""

from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np

from simnet.clock.positions import great_circle, read_numbers, read_positions
from simnet.errors import ParameterError
from simnet.scenario import PRESETS, Constant, Distribution, MatrixFile, PerNode, Positions, Quantity, Varying
from simnet.scenario import Network as NetworkSpec
from simnet.streams import stream


class LinkParameters:
    """What the network is made of; the same for the same seed, whichever links are used, in whatever order.

    Args:
        spec: the scenario's `network`.
        num_nodes: n; machine n, a parameter server, stands where the first node stands, and has its limits where each
            node has its own.
        num_machines: n, or n + 1 with a parameter server.
        seed: the run's seed; every directed link draws from its own stream.
        folder: where the scenario's files lie.

    Raises:
        ParameterError: if a file cannot be read, or has not one row (of a matrix: and column) for each machine.
    """

    def __init__(self, spec: NetworkSpec, num_nodes: int, num_machines: int, seed: int, folder: Path) -> None:
        self.seed = seed
        self.spec = spec
        self.matrices = {
            key: read_matrix(key, getattr(spec, key), num_nodes, num_machines, folder)
            for key in ("latency", "bandwidth")
            if isinstance(getattr(spec, key), MatrixFile)
        }
        preset = PRESETS.get(spec.preset or "")
        self.tables = preset.tables() if preset else {}
        places = preset.numbered(spec.places, num_nodes) if preset and self.tables else []
        self.places = [places[i % num_nodes] for i in range(num_machines)] if places else []
        on_map = read_positions(spec.latency, num_nodes, folder) if isinstance(spec.latency, Positions) else []
        self.positions = [on_map[i % num_nodes] for i in range(num_machines)] if on_map else []
        self.uplinks = self._limits("uplink", num_nodes, num_machines)
        self.downlinks = self._limits("downlink", num_nodes, num_machines)

    def latency(self, sender: int, receiver: int) -> float:
        """The latency of a link [s].

        Args:
            sender: number of the machine at the beginning.
            receiver: number of the machine at the end.
        """
        latency = self.spec.latency
        if latency is None:
            return self._by_place("latency", sender, receiver)
        if isinstance(latency, Positions):
            return latency.base + great_circle(self.positions[sender], self.positions[receiver]) / latency.speed
        return self._value("latency", latency, sender, receiver)

    def bandwidth(self, sender: int, receiver: int) -> float:
        """The bandwidth of the link itself [bit/s]; infinite where there is no limit.

        Args:
            sender: number of the machine at the beginning.
            receiver: number of the machine at the end.
        """
        if self.spec.bandwidth is None:
            return self._by_place("bandwidth", sender, receiver) if self.tables else inf
        return self._value("bandwidth", self.spec.bandwidth, sender, receiver)

    def _by_place(self, key: str, sender: int, receiver: int) -> float:
        return self.tables[key][self.places[sender]][self.places[receiver]]

    def _value(self, key: str, quantity: Quantity | Varying, *ends: int) -> float:
        if isinstance(quantity, Constant):
            return quantity.value
        if isinstance(quantity, MatrixFile):
            return float(self.matrices[key][ends])
        assert isinstance(quantity, Distribution)
        return draw(quantity, stream(self.seed, key, *ends))

    def _limits(self, key: str, num_nodes: int, num_machines: int) -> list[float]:
        quantity: Quantity | Varying | None = getattr(self.spec, key)
        if quantity is None:
            return [inf] * num_machines
        if isinstance(quantity, PerNode):
            return [quantity.values[i % num_nodes] for i in range(num_machines)]
        return [self._value(key, quantity, i) for i in range(num_machines)]


def draw(distribution: Distribution, rng: np.random.Generator) -> float:
    """One value of a distribution, in its unit; a normal one is drawn again until it is positive.

    Args:
        distribution: with parameters in s or bit/s.
        rng: the stream to draw from.

    Returns:
        Seconds or bit/s.

    Example:
        >>> from simnet.streams import stream
        >>> draw(Distribution(kind="uniform", low=2.0, high=2.0), stream(1, "latency", 0, 1))
        2.0
    """
    values = distribution.parameters
    match distribution.kind:
        case "normal":
            return next(x for x in iter(lambda: rng.normal(values["mean"], values["std"]), None) if x > 0)
        case "lognormal":
            return values["median"] * float(np.exp(values["sigma"] * rng.standard_normal()))
        case "exponential":
            return float(rng.exponential(values["mean"]))
        case "uniform":
            return float(rng.uniform(values["low"], values["high"]))


def read_matrix(key: str, file: MatrixFile, num_nodes: int, num_machines: int, folder: Path) -> np.ndarray:
    """A matrix file (CSV without header, or NPY) of one number for each directed pair.

    Args:
        key: ``latency`` or ``bandwidth``, for complaints.
        file: path and unit.
        num_nodes: n; there may always be one row and column more, for a parameter server.
        num_machines: rows and columns that are needed.
        folder: where a relative path starts.

    Returns:
        The numbers in s or bit/s; row = sender, column = receiver.

    Raises:
        ParameterError: if it cannot be read, has another shape, or holds numbers that cannot be.
    """
    matrix = read_numbers(f"{key}.file", file.path, folder)
    size = len(matrix)
    if matrix.shape != (size, size) or not num_machines <= size <= num_nodes + 1:
        shape = " x ".join(map(str, matrix.shape))
        raise ParameterError(
            f"{key}.file: found {shape} numbers in {file.path}; {num_machines} x {num_machines} are needed, "
            "one row and one column for each node (and a last one for the parameter server, if there is one)"
        )
    off_diagonal = matrix[~np.eye(size, dtype=bool)]
    is_wrong = ~np.isfinite(off_diagonal) | (off_diagonal < 0) | ((off_diagonal == 0) & (key == "bandwidth"))
    if is_wrong.any():
        raise ParameterError(f"{key}.file: found {off_diagonal[is_wrong][0]} in {file.path}; positive numbers are needed")
    return matrix * file.scale
