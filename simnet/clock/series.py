"""Values that change at known moments and stay the same in between: a trace, a schedule, a change of plan."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, fsum, gcd, inf, lcm

from simnet.errors import ParameterError

MOST_ROWS = 1_000_000
"""More than that many values in one series are refused."""

ROUNDING = 1e-12
"""A part of a transfer that is smaller than that has been moved: rounding must not make it wait for a bandwidth of 0 to end."""


@dataclass(frozen=True)
class Series:
    """A piecewise constant function of time: ``values[k]`` from ``times[k]`` until ``times[k + 1]``.

    Args:
        times: in s, ascending, the first one 0.
        values: as many, not negative.
        first: None: the last value holds for ever; else the number of the row from which the series repeats itself ...
        end: ... at this time [s], after the last row.

    Example:
        >>> square = Series((0.0, 1.0), (4.0, 0.0), first=0, end=2.0)
        >>> square.at(0.5), square.at(1.5), square.at(2.5)
        (4.0, 0.0, 4.0)
        >>> square.finish(0.5, bits=4.0)
        2.5
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    first: int | None = None
    end: float = inf

    @classmethod
    def constant(cls, value: float) -> Series:
        """The series that never changes.

        Args:
            value: of every moment.
        """
        return cls((0.0,), (value,))

    @classmethod
    def of(cls, times: tuple[float, ...], values: tuple[float, ...], repeats: bool) -> Series:
        """The series of a trace: after the last row it holds, or all of it repeats.

        When it repeats, the last value lasts as long as the one before it.

        Args:
            times: in s, ascending, the first one 0.
            values: as many.
            repeats: whether it does.
        """
        if not repeats or len(times) < 2:
            return cls(times, values)
        return cls._repeating(times, values, 0, 2 * times[-1] - times[-2])

    @classmethod
    def _repeating(cls, times: tuple[float, ...], values: tuple[float, ...], first: int, end: float) -> Series:
        """A series that repeats itself, unless nothing changes any more when it does."""
        if len(set(values[first:])) == 1:
            return cls(times[: first + 1], values[: first + 1])
        return cls(times, values, first, end)

    @cached_property
    def begin(self) -> float:
        """From when on it repeats itself, or only holds."""
        return self.times[-1 if self.first is None else self.first]

    @cached_property
    def period(self) -> float:
        """After how many seconds it repeats itself; infinite if it does not."""
        return self.end - self.begin

    def at(self, time: float) -> float:
        """The value at a moment.

        Args:
            time: in simulated seconds.
        """
        return self.values[self._row(time)[1]]

    def changes(self, time: float) -> Iterator[tuple[float, float]]:
        """All changes after a moment, in order.

        Args:
            time: in simulated seconds.

        Yields:
            Pairs of a moment and the value from then on; without end if the series repeats itself.

        Example:
            >>> list(Series((0.0, 1.0, 3.0), (5.0, 6.0, 7.0)).changes(1.0))
            [(3.0, 7.0)]
        """
        cycle, k = self._row(time)
        while (moment := self._until(cycle, k)) < inf:
            cycle, k = self._next(cycle, k)
            yield moment, self.values[k]

    def finish(self, start: float, bits: float) -> float:
        """When so many bits are through, if the values are bandwidths: the t with ``integral from start to t = bits``.

        With 0 bits it is the first moment at which anything can move.

        Args:
            start: in simulated seconds.
            bits: how many.

        Returns:
            The moment in s; infinite if it never comes.
        """
        if start == inf:
            return inf
        negligible = ROUNDING * bits
        cycle, k = self._row(start)
        while True:
            value, until = self.values[k], self._until(cycle, k)
            if value:
                finish = start + bits / value
                if finish <= until:
                    return finish
                bits -= value * (until - start)
                if bits <= negligible:
                    return until
            if until == inf:
                return inf
            cycle, k = self._next(cycle, k)
            if k == self.first:
                if not self._bits_of_period:
                    return inf
                # All but the last of the periods that it takes; that one is walked through, since it may be over early.
                skipped = max(0, ceil(bits / self._bits_of_period) - 1)
                bits -= skipped * self._bits_of_period
                cycle += skipped
                until = cycle * self.period + self.begin
            start = until

    def rows(self, until: float) -> Iterator[tuple[float, float]]:
        """All rows before a moment, repeated ones included.

        Args:
            until: in simulated seconds; finite if the series repeats itself.

        Yields:
            Pairs of time and value.

        Raises:
            ParameterError: if they are too many.
        """
        yield self.times[0], self.values[0]
        for count, (moment, value) in enumerate(self.changes(0.0)):
            if moment >= until:
                return
            if count > MOST_ROWS:
                raise ParameterError(
                    f"a series that repeats every {self.period:g} s needs more than {MOST_ROWS} rows in {until:g} s; "
                    "give a longer period, or let it hold"
                )
            yield moment, value

    def then(self, at: float, other: Series) -> Series:
        """This series until a moment, and another one, whose time 0 that is, afterwards.

        Args:
            at: in simulated seconds.
            other: what follows.

        Returns:
            One series.

        Example:
            >>> Series.constant(5.0).then(2.0, Series((0.0, 1.0), (1.0, 0.0))).times
            (0.0, 2.0, 3.0)
        """
        before = list(self.rows(at)) if at > 0 else []
        first = None if other.first is None else len(before) + other.first
        times = (*(time for time, _ in before), *(at + time for time in other.times))
        return Series(times, (*(value for _, value in before), *other.values), first, at + other.end)

    def minimum(self, other: Series) -> Series:
        """The smaller of the two values at each moment.

        Args:
            other: another series.

        Returns:
            One series; it repeats itself after the least common multiple of the periods.

        Raises:
            ParameterError: if it would have too many rows.

        Example:
            >>> Series((0.0, 1.0), (4.0, 2.0)).minimum(Series.constant(3.0)).values
            (3.0, 2.0)
        """
        for bound, narrow in ((self, other), (other, self)):
            if len(bound.values) == 1 and bound.values[0] >= max(narrow.values):
                return narrow
        begin = max(self.begin, other.begin)
        period = common_period([series.period for series in (self, other) if series.first is not None])
        end = begin + period
        mine, theirs = dict(self.rows(end)), dict(other.rows(end))
        times = sorted({*mine, *theirs, begin})
        values, a, b = [], inf, inf
        for time in times:
            a, b = mine.get(time, a), theirs.get(time, b)
            values.append(min(a, b))
        if period == inf:
            return Series(tuple(times), tuple(values))
        return self._repeating(tuple(times), tuple(values), times.index(begin), end)

    @cached_property
    def _bits_of_period(self) -> float:
        assert self.first is not None
        ends = (*self.times[self.first + 1 :], self.end)
        pieces = zip(self.values[self.first :], self.times[self.first :], ends, strict=True)
        return fsum(value * (end - time) for value, time, end in pieces)

    def _row(self, time: float) -> tuple[int, int]:
        """How often it has repeated itself, and the row that holds at a moment.

        Moments are computed in one way only, so that the row that begins at a moment holds at this very moment.
        """
        cycle = 0
        if self.first is not None and time >= self.end:
            cycle = int((time - self.begin) // self.period)
            cycle -= cycle * self.period + self.begin > time
        k = max(bisect_right(self.times, time - (cycle * self.period if cycle else 0.0)) - 2, 0)
        while self._until(cycle, k) <= time:
            cycle, k = self._next(cycle, k)
        return cycle, k

    def _until(self, cycle: int, k: int) -> float:
        if k + 1 < len(self.times):
            return self.times[k + 1] + (cycle * self.period if cycle else 0.0)
        return inf if self.first is None else (cycle + 1) * self.period + self.begin

    def _next(self, cycle: int, k: int) -> tuple[int, int]:
        if k + 1 < len(self.times):
            return cycle, k + 1
        assert self.first is not None
        return cycle + 1, self.first


def as_series(value: float | Series) -> Series:
    """A series, also of what never changes.

    Args:
        value: one, or a number.

    Returns:
        The series itself, or one that is always this number.
    """
    return value if isinstance(value, Series) else Series.constant(value)


def common_period(periods: list[float]) -> float:
    """The least common multiple of periods, as they are written in decimals.

    Args:
        periods: in s.

    Returns:
        Seconds; infinite without any period.

    Example:
        >>> common_period([0.2, 0.3]), common_period([])
        (0.6, inf)
    """
    if not periods:
        return inf
    exact = [Fraction(repr(period)) for period in periods]
    return lcm(*(f.numerator for f in exact)) / gcd(*(f.denominator for f in exact))
