"""How much slower than usual a node is, as simulated time goes on; and how long work takes on it.

A pace is a piecewise constant function f(t), the factor by which everything takes longer: work of w seconds that starts at s
ends at the e with ``integral from s to e of dt / f(t) = w``, exactly, whichever changes lie between. What slows a node at the
same time (a trace, slowdowns, the time of day) is multiplied.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import count, groupby
from math import cos, floor, inf, pi, prod
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from simnet.clock.parameters import draw
from simnet.clock.positions import read_positions
from simnet.errors import ParameterError
from simnet.scenario import Compute, Constant, Diurnal, Network, PerNode, Positions, Slowdown
from simnet.streams import stream

Piece = tuple[float, float]
"""From when on [s], and the factor from then on. The first piece begins at 0; the last one, if there is one, never ends."""

STEPS_OF_A_PERIOD = 96
"""Pieces in which the sine of a diurnal pattern is cut: a quarter of an hour each, if the period is a day."""


class Pace:
    """Computes how long work takes; pure, whatever is asked in whatever order.

    Args:
        pieces: in ascending order; perhaps endless, they are taken as far as they are needed.

    Example:
        >>> twice_as_slow_from_10_to_20_s = Pace(iter([(0.0, 1.0), (10.0, 2.0), (20.0, 1.0)]))
        >>> twice_as_slow_from_10_to_20_s.duration(8.0, 3.0), twice_as_slow_from_10_to_20_s.duration(8.0, 9.0)
        (4.0, 14.0)
    """

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self.pieces = pieces
        begin, factor = next(pieces)
        self.begins = [begin]
        self.factors = [factor]

    def duration(self, start: float, work: float) -> float:
        """Seconds that some work takes.

        Args:
            start: when it starts, in simulated seconds.
            work: seconds that it takes where the factor is 1.

        Returns:
            Seconds.
        """
        while self.begins[-1] <= start:
            self._extend()
        now, k = start, bisect_right(self.begins, start) - 1
        while True:
            if k + 1 == len(self.begins):
                self._extend()
            factor, end = self.factors[k], self.begins[k + 1]
            if work * factor <= end - now:
                return now - start + work * factor
            work -= (end - now) / factor
            now, k = end, k + 1

    def _extend(self) -> None:
        begin, factor = next(self.pieces, (inf, 1.0))
        self.begins.append(begin)
        self.factors.append(factor)


class UnevenTimes:
    """Compute times that depend on when a computation starts.

    Args:
        work: seconds that each gradient takes where the factor is 1.
        pace: the node's.

    Attributes:
        start: when the next computation starts; whoever takes the next time says so before.
    """

    def __init__(self, work: Iterator[float], pace: Pace) -> None:
        self.work = work
        self.pace = pace
        self.start = 0.0

    def __iter__(self) -> UnevenTimes:
        """Itself: an iterator."""
        return self

    def __next__(self) -> float:
        """Seconds that the next gradient takes."""
        return self.pace.duration(self.start, next(self.work))


def paces(
    spec: Compute, num_nodes: int, seed: int, traces: Sequence[Iterator[Piece]] | None, east: Sequence[float]
) -> list[Pace] | None:
    """Each node's pace.

    Args:
        spec: the scenario's `compute`.
        num_nodes: n.
        seed: the run's seed; the slowdowns of node i come from its own stream.
        traces: what the trace says of each node, if there is one.
        east: the nodes' longitudes in degrees, if they are needed.

    Returns:
        n paces; None if all nodes are equally fast all the time.
    """
    if not spec.is_uneven:
        return None
    phases = phases_of(spec.diurnal, num_nodes, seed, east) if spec.diurnal else ()
    found = []
    for i in range(num_nodes):
        parts = [spell(slowdown, i, seed, k) for k, slowdown in enumerate(spec.slowdowns or ()) if concerns(slowdown, i)]
        parts += [waves(spec.diurnal, phases[i])] if spec.diurnal else []
        parts += [traces[i]] if traces else []
        found.append(Pace(product(parts)))
    return found


def product(parts: Sequence[Iterator[Piece]]) -> Iterator[Piece]:
    """The product of paces.

    Args:
        parts: the pieces of each; none of them: a factor of 1 for ever.

    Yields:
        Pieces in order; one at each moment at which any part has one.

    Example:
        >>> list(product([iter([(0.0, 2.0), (5.0, 1.0)]), iter([(0.0, 1.0), (5.0, 3.0), (7.0, 1.0)])]))
        [(0.0, 2.0), (5.0, 3.0), (7.0, 1.0)]
    """
    if not parts:
        yield 0.0, 1.0
    factors = [1.0] * len(parts)
    numbered = [map(partial(_numbered, k), part) for k, part in enumerate(parts)]
    for begin, changes in groupby(merge(*numbered), key=itemgetter(0)):
        for _, k, factor in changes:
            factors[k] = factor
        yield begin, prod(factors)


def _numbered(k: int, piece: Piece) -> tuple[float, int, float]:
    return piece[0], k, piece[1]


def concerns(slowdown: Slowdown, node: int) -> bool:
    """Whether a slowdown is one of this node's.

    Args:
        slowdown: what the scenario says.
        node: whose number is looked for.

    Returns:
        True if it is, or is everybody's.
    """
    return slowdown.nodes is None or node in slowdown.nodes


def spell(slowdown: Slowdown, node: int, seed: int, number: int) -> Iterator[Piece]:
    """A slowdown on a schedule, or all those that random times bring.

    Random ones take turns with times at full speed, which come first: exponentially distributed, of mean `every`. The factor
    so holds for ``duration / (every + duration)`` of all time in the long run.

    Args:
        slowdown: what the scenario says.
        node: whose.
        seed: the run's seed.
        number: of the slowdown in the scenario: each has streams of its own.

    Yields:
        Pieces in order; without end if the times are random.
    """
    yield 0.0, 1.0
    if slowdown.start is not None and slowdown.until is not None:
        yield slowdown.start, slowdown.factor
        yield slowdown.until, 1.0
        return
    assert slowdown.every is not None
    assert slowdown.duration is not None
    rng, time = stream(seed, "slowdowns", node, number), 0.0
    durations = sampler(slowdown.duration, node, rng)
    while True:
        time += float(rng.exponential(slowdown.every))
        yield time, slowdown.factor
        time += durations()
        yield time, 1.0


def sampler(quantity: Any, node: int, rng: np.random.Generator) -> Callable[[], float]:
    """What draws a quantity again and again.

    Args:
        quantity: a number, one for each node, or a distribution.
        node: whose.
        rng: the stream to draw from.

    Returns:
        A function whose every call gives a value [s].
    """
    if isinstance(quantity, Constant):
        return lambda: quantity.value
    if isinstance(quantity, PerNode):
        return lambda: quantity.values[node]
    return lambda: draw(quantity, rng)


def longitudes(compute: Compute, network: Network, num_nodes: int, folder: Path) -> list[float]:
    """Degrees east of Greenwich of each node, if its time of day depends on them.

    Args:
        compute: the scenario's `compute`.
        network: the scenario's `network`.
        num_nodes: n.
        folder: where the scenario's files lie.

    Returns:
        n numbers; none if they are not asked for, or the network has no positions.

    Raises:
        ParameterError: if the file of positions cannot be read.
    """
    if compute.diurnal is None or compute.diurnal.phase != "longitude" or not isinstance(network.latency, Positions):
        return []
    return [longitude for _, longitude in read_positions(network.latency, num_nodes, folder)]


def phases_of(diurnal: Diurnal, num_nodes: int, seed: int, east: Sequence[float]) -> list[float]:
    """The phase of each node's time of day, as a share of the period.

    Args:
        diurnal: what the scenario says.
        num_nodes: n.
        seed: the run's seed; a random phase comes from the node's own stream.
        east: the nodes' longitudes in degrees.

    Returns:
        n numbers.

    Raises:
        ParameterError: if longitudes are needed and there are none.
    """
    if diurnal.phase == "random":
        return [float(stream(seed, "diurnal", i).uniform()) for i in range(num_nodes)]
    if diurnal.phase == "longitude":
        if not east:
            raise ParameterError("diurnal.phase: found longitude; it needs network: {latency: {positions: ...}}")
        return [longitude / 360 % 1 for longitude in east]
    return list(diurnal.phase) if isinstance(diurnal.phase, tuple) else [float(diurnal.phase)] * num_nodes


def waves(diurnal: Diurnal, phase: float) -> Iterator[Piece]:
    """The pieces of a diurnal pattern: the speed of each is the mean of ``1 + a sin(2 pi (t / period + phase))`` over it.

    So the work done in a whole period is as much as without the pattern, and by the end of each piece what the sine itself
    gives.

    Args:
        diurnal: what the scenario says.
        phase: of the node.

    Yields:
        Pieces in order, without end.
    """
    steps = STEPS_OF_A_PERIOD
    risen = [steps / (2 * pi) * (1 - cos(2 * pi * k / steps)) for k in range(steps + 1)]
    factors = [1 / (1 + diurnal.amplitude * (risen[k + 1] - risen[k])) for k in range(steps)]
    first = floor(phase * steps)
    yield 0.0, factors[first % steps]
    for k in count(first + 1):
        yield diurnal.period * max(0.0, k / steps - phase), factors[k % steps]
