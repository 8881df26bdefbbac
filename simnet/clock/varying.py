"""What a scenario says of a network that varies in time: traces, schedules and changes, out of which come series."""

from __future__ import annotations

from pathlib import Path

from simnet.clock.columns import check_times, read_table
from simnet.clock.parameters import LinkParameters
from simnet.clock.series import Series, as_series
from simnet.errors import ParameterError
from simnet.scenario import Change, Constant, Schedule, TraceFile, Varying
from simnet.scenario import Network as NetworkSpec

KEYS = ("latency", "bandwidth", "uplink", "downlink")


def varies(spec: NetworkSpec) -> bool:
    """Whether anything in a network depends on the time.

    Args:
        spec: the scenario's `network`.

    Returns:
        True if there is a trace, a schedule or a change.
    """
    return bool(spec.changes) or any(isinstance(getattr(spec, key), Varying) for key in KEYS)


def link_parameters(
    spec: NetworkSpec, num_nodes: int, num_machines: int, seed: int, folder: Path
) -> LinkParameters | VaryingParameters:
    """What a network is made of: constants, or where anything varies in time, series.

    Args:
        spec: the scenario's `network`.
        num_nodes: n.
        num_machines: n, or n + 1 with a parameter server.
        seed: the run's seed.
        folder: where the scenario's files lie.

    Returns:
        What a `Network`, or a `VaryingNetwork`, is built of.

    Raises:
        ParameterError: if a file cannot be read or does not hold what it should.
    """
    make = VaryingParameters if varies(spec) else LinkParameters
    return make(spec, num_nodes, num_machines, seed, folder)


def read_trace(trace: TraceFile, folder: Path) -> Series:
    """The series in a trace file: CSV, time [s] and value in each row.

    Args:
        trace: path, unit, and what comes after the last row.
        folder: where a relative path starts.

    Returns:
        The series, in s or bit/s.

    Raises:
        ParameterError: if the file cannot be read, or holds anything else than times that ascend from 0 and values >= 0.
    """
    rows = read_table("trace", trace.trace, folder)
    if rows.shape[1] != 2:
        shape = " x ".join(map(str, rows.shape))
        raise ParameterError(f"trace: found {shape} numbers in {trace.trace}; rows of two are needed: time in s, value")
    times, values = rows.T
    check_times("trace", trace.trace, times)
    if (values < 0).any():
        raise ParameterError(f"trace: found {values.min():g} in {trace.trace}; values of at least 0 are needed")
    return Series.of(tuple(times.tolist()), tuple((values * trace.scale).tolist()), trace.then == "repeat")


def read_series(key: str, varying: Varying, folder: Path) -> Series:
    """The series that a trace or a schedule of a scenario denotes.

    Args:
        key: where it stands, for complaints.
        varying: what stands there.
        folder: where a relative path starts.

    Returns:
        The series, in s or bit/s.

    Raises:
        ParameterError: if a trace file is not as it should be.
    """
    if isinstance(varying, TraceFile):
        try:
            return read_trace(varying, folder)
        except ParameterError as error:
            raise ParameterError(f"{key}.{error}") from error
    assert isinstance(varying, Schedule)
    times, values = zip(*varying.schedule, strict=True)
    return Series.of(times, values, varying.then == "repeat")


class VaryingParameters:
    """Latency and bandwidth of every link, limits of every machine, where some of them vary.

    Each change says for its own links or nodes what holds from its moment on; of several changes at one moment the last
    one counts.

    Args:
        spec: the scenario's `network`.
        num_nodes: n; machine n, a parameter server, is concerned where all nodes are.
        num_machines: n, or n + 1 with a parameter server.
        seed: the run's seed. A link that draws from a distribution again, in a change, has the same luck again.
        folder: where the scenario's files lie.

    Raises:
        ParameterError: if a file cannot be read or does not hold what it should.
    """

    def __init__(self, spec: NetworkSpec, num_nodes: int, num_machines: int, seed: int, folder: Path) -> None:
        start = Change.model_construct(at=0.0, links=None, nodes=None, **{key: getattr(spec, key) for key in KEYS})
        self.stages = [_Stage("", start, spec, num_nodes, num_machines, seed, folder)]
        for i, change in sorted(enumerate(spec.changes), key=lambda entry: entry[1].at):
            self.stages.append(_Stage(f"changes.{i}.", change, spec, num_nodes, num_machines, seed, folder))
        self.uplinks = [self._over_time("uplink", i) for i in range(num_machines)]
        self.downlinks = [self._over_time("downlink", i) for i in range(num_machines)]

    def latency(self, sender: int, receiver: int) -> float | Series:
        """Seconds from one machine to another.

        Args:
            sender: number of the one.
            receiver: number of the other.

        Returns:
            A number if it never changes.
        """
        return self._over_time("latency", sender, receiver)

    def bandwidth(self, sender: int, receiver: int) -> float | Series:
        """Bit/s of the link itself; infinite where there is no limit.

        Args:
            sender: number of the machine at its start.
            receiver: number of the machine at its end.

        Returns:
            A number if it never changes.
        """
        return self._over_time("bandwidth", sender, receiver)

    def _over_time(self, key: str, *ends: int) -> float | Series:
        value = self.stages[0].value(key, *ends)
        for stage in self.stages[1:]:
            if stage.concerns(key, *ends):
                value = as_series(value).then(stage.change.at, as_series(stage.value(key, *ends)))
        return value


class _Stage:
    """What one change says, or what holds at the start."""

    def __init__(
        self, where: str, change: Change, spec: NetworkSpec, num_nodes: int, num_machines: int, seed: int, folder: Path
    ) -> None:
        self.change = change
        said = {key: getattr(change, key) for key in KEYS}
        try:
            self.series = {key: read_series(key, value, folder) for key, value in said.items() if isinstance(value, Varying)}
            fixed = {key: None if key in self.series else value for key, value in said.items()}
            if fixed["latency"] is None and (where or spec.latency is not None):  # else the preset's places say it
                fixed["latency"] = Constant(value=0.0)
            self.fixed = LinkParameters(spec.model_copy(update=fixed), num_nodes, num_machines, seed, folder)
        except ParameterError as error:
            raise ParameterError(f"{where}{error}") from error

    def concerns(self, key: str, *ends: int) -> bool:
        """Whether it says anything of this link or machine."""
        chosen = self.change.nodes if len(ends) == 1 else self.change.links
        which = ends[0] if len(ends) == 1 else ends
        return getattr(self.change, key) is not None and (chosen is None or which in chosen)

    def value(self, key: str, *ends: int) -> float | Series:
        """What it says, whether it concerns them or not."""
        if key in self.series:
            return self.series[key]
        match key:
            case "latency":
                return self.fixed.latency(*ends)
            case "bandwidth":
                return self.fixed.bandwidth(*ends)
            case "uplink":
                return self.fixed.uplinks[ends[0]]
        return self.fixed.downlinks[ends[0]]
