"""Compute times: how long each gradient takes on each node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle, repeat
from math import exp, pi, sqrt
from operator import mul
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from simnet.clock.columns import check_times, read_columns
from simnet.clock.pace import Piece, UnevenTimes, paces
from simnet.clock.series import Series
from simnet.errors import ParameterError
from simnet.scenario import Compute, TimesFile
from simnet.streams import stream
from simnet.units import SECONDS

BLOCK = 256


def compute_times(
    spec: Compute,
    num_nodes: int,
    seed: int,
    base: Sequence[float] | None = None,
    folder: Path = Path(),
    east: Sequence[float] = (),
) -> list[Iterator[float]]:
    """For each node, the endless sequence of the times that its gradients take.

    ``base * factor_i * (slowdown if i is a straggler) * jitter``, where the jitter has mean 1. Where a trace, slowdowns or a
    diurnal pattern make a node's speed vary, that is the work, and what it takes depends on when it starts: the sequence then
    is a `simnet.clock.pace.UnevenTimes`, which is told so.

    Args:
        spec: the scenario's `compute`.
        num_nodes: n.
        seed: the run's seed; the draws of node i come from its own streams.
        base: seconds of a gradient on each node; by default the scenario's `time`.
        folder: where the scenario's files lie.
        east: the nodes' longitudes in degrees, for a time of day that depends on them.

    Returns:
        n iterators over seconds.

    Raises:
        ParameterError: if a file cannot be read, or says what cannot be.

    Example:
        >>> from simnet.scenario import Compute
        >>> next(compute_times(Compute(time="30 ms"), 2, seed=1)[0])
        0.03
    """
    recorded = recorded_times(spec.time, num_nodes, folder) if isinstance(spec.time, TimesFile) else None
    if recorded is not None:
        base = [1.0] * num_nodes
    elif base is None:
        assert isinstance(spec.time, float)
        base = [spec.time] * num_nodes
    work = even_times(spec, mean_times(spec, base, seed), seed)
    if recorded is not None:
        work = [map(mul, times, factors) for times, factors in zip(recorded, work, strict=True)]
    found = paces(spec, num_nodes, seed, traces(spec, num_nodes, folder), east)
    if found is None:
        return work
    return [UnevenTimes(times, pace) for times, pace in zip(work, found, strict=True)]


def even_times(spec: Compute, means: list[float], seed: int) -> list[Iterator[float]]:
    """Times around each node's mean, whenever they start.

    Args:
        spec: the scenario's `compute`.
        means: each node's mean time [s].
        seed: the run's seed; the jitter of node i comes from its own stream.

    Returns:
        For each node an endless iterator over seconds.
    """
    if spec.jitter is None:
        return [repeat(mean) for mean in means]
    draw = JITTERS[spec.jitter.kind]
    return [jittered(mean, spec.jitter.spread, draw, stream(seed, "compute", i)) for i, mean in enumerate(means)]


def mean_times(spec: Compute, base: Sequence[float], seed: int) -> list[float]:
    """Each node's mean compute time: the stragglers are drawn once per run.

    Args:
        spec: the scenario's `compute`.
        base: seconds of a gradient on each node before any factor.
        seed: the run's seed.

    Returns:
        Seconds for each node.
    """
    num_nodes = len(base)
    times = np.asarray(base) * (1.0 if spec.factors is None else np.asarray(spec.factors))
    if spec.stragglers is not None:
        count = round(spec.stragglers.fraction * num_nodes)
        slow = stream(seed, "stragglers").permutation(num_nodes)[:count]
        times[slow] *= spec.stragglers.slowdown
    return [float(t) for t in times]


def recorded_times(file: TimesFile, num_nodes: int, folder: Path) -> list[Iterator[float]]:
    """The times that a file has for each node's gradients, endless: at its end they hold or repeat.

    Args:
        file: the scenario's `time`.
        num_nodes: n.
        folder: where a relative path starts.

    Returns:
        For each node an iterator over seconds.

    Raises:
        ParameterError: if it cannot be read, or has negative times or nothing but zeros.
    """
    tables = [seconds.tolist() for seconds in read_times(file, num_nodes, folder)]
    if file.then == "repeat":
        return [cycle(seconds) for seconds in tables]
    return [chain(seconds, repeat(seconds[-1])) for seconds in tables]


def read_times(file: TimesFile, num_nodes: int, folder: Path) -> list[np.ndarray]:
    """The times in a file for each node.

    Args:
        file: the scenario's `time`.
        num_nodes: n.
        folder: where a relative path starts.

    Returns:
        For each node its times in s, one after the other.

    Raises:
        ParameterError: if it cannot be read, or has negative times or nothing but zeros.
    """
    found = []
    for table in read_columns("time.file", file.file, num_nodes, folder):
        if (table < 0).any() or not table.any():
            raise ParameterError(f"time.file: found {table.min():g} in {file.file}; times of at least 0, not all 0, are needed")
        found.append(table[:, 0] * float(SECONDS[file.unit]))
    return found


def mean_recorded_time(file: TimesFile, num_nodes: int, folder: Path) -> float:
    """Mean over the nodes of the mean of the times in a file; raises as `read_times` does.

    Args:
        file: the scenario's `time`.
        num_nodes: n.
        folder: where a relative path starts.

    Returns:
        Seconds.
    """
    return float(np.mean([seconds.mean() for seconds in read_times(file, num_nodes, folder)]))


def traces(spec: Compute, num_nodes: int, folder: Path) -> list[Iterator[Piece]] | None:
    """What the trace says of each node, if there is one.

    Args:
        spec: the scenario's `compute`.
        num_nodes: n.
        folder: where a relative path starts.

    Returns:
        For each node the pieces of its pace; None without a trace.

    Raises:
        ParameterError: if its file cannot be read, or says what cannot be.
    """
    if spec.trace is None:
        return None
    found: list[Iterator[Piece]] = []
    for table in read_columns("trace.file", spec.trace.file, num_nodes, folder, lead=1):
        times, factors = table.T
        check_times("trace.file", spec.trace.file, times)
        if (factors <= 0).any():
            file, least = spec.trace.file, factors.min()
            raise ParameterError(f"trace.file: found the factor {least:g} in {file}; positive ones are needed")
        series = Series.of(tuple(times.tolist()), tuple(factors.tolist()), spec.trace.then == "repeat")
        found.append(chain([(0.0, series.at(0.0))], series.changes(0.0)))
    return found


def jittered(mean: float, spread: float, draw: Draw, rng: np.random.Generator) -> Iterator[float]:
    """Endless times around a mean, drawn in blocks.

    Args:
        mean: in s.
        spread: of the factors, as `draw` understands it.
        draw: draws a block of factors of mean 1.
        rng: the stream to draw from.

    Returns:
        An iterator over seconds.
    """
    return chain.from_iterable((mean * draw(rng, spread)).tolist() for _ in repeat(None))


def lognormal(rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Factors ``exp(sigma Z - sigma^2 / 2)``: always positive, mean 1.

    Args:
        rng: the stream to draw from.
        sigma: standard deviation of their logarithm.

    Returns:
        A block of them.
    """
    return np.exp(sigma * rng.standard_normal(BLOCK) - sigma**2 / 2)


def normal(rng: np.random.Generator, std: float) -> np.ndarray:
    """Factors ``1 + std Z``, cut at 0 and scaled so that the mean is 1 all the same.

    Args:
        rng: the stream to draw from.
        std: their standard deviation before the cut.

    Returns:
        A block of them.
    """
    mean = ndtr(1 / std) + std * exp(-0.5 / std**2) / sqrt(2 * pi) if std else 1.0
    return np.maximum(1 + std * rng.standard_normal(BLOCK), 0.0) / mean


def exponential(rng: np.random.Generator, std: float) -> np.ndarray:
    """Factors ``1 - std + std E`` with E exponential; std = 1 is the plain exponential distribution.

    Args:
        rng: the stream to draw from.
        std: their standard deviation, at most 1.

    Returns:
        A block of them.
    """
    return 1 - std + std * rng.standard_exponential(BLOCK)


Draw = Callable[[np.random.Generator, float], np.ndarray]
JITTERS: dict[str, Draw] = {"lognormal": lognormal, "normal": normal, "exponential": exponential}
