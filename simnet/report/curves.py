"""From a result to what a figure shows: a curve per algorithm, the band of its seeds, fitting scales and limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from simnet.metrics import HEADLINES, METRICS, Axis, Metric
from simnet.result import Result, RunRecord

Points = tuple[np.ndarray, np.ndarray]

LOG_AXIS_RATIO = 10.0
"""Where the algorithms' ends lie further apart than this, a linear axis would squeeze the fastest into a tenth."""

ROUNDING = 1e-5
"""What stays below this part of the largest value throughout is taken for rounding, and does not stretch a log axis."""

_MARGIN = 0.05


@dataclass(frozen=True)
class Curve:
    """One algorithm's runs in one figure.

    Args:
        label: the algorithm.
        index: its place in the scenario.
        x: where the mean is known, in the axis's base unit.
        mean: mean over the finished seeds.
        low: smallest of the finished seeds.
        high: largest of the finished seeds.
        failed: the points of each run that diverged, stalled or failed.
        note: how many failed, and how; empty if none.
        num_seeds: how many seeds ran.
    """

    label: str
    index: int
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    failed: tuple[Points, ...]
    note: str
    num_seeds: int

    @property
    def end(self) -> float:
        """Where its last run ends on the axis."""
        return max([x[-1] for x in (self.x, *(points[0] for points in self.failed)) if len(x)], default=0.0)


def has_values(result: Result, metric: Metric) -> bool:
    """Whether a metric is worth a figure: it has at least two different finite values.

    Args:
        result: the result.
        metric: the metric.

    Returns:
        False for one that was never measured, is NaN throughout, or is the same number throughout.

    Example:
        >>> records = [RunRecord("dpsgd", 1, "done", "", [{"accuracy": 0.1}, {"accuracy": 0.9}], {})]
        >>> has_values(Result(records, {}, ""), METRICS["accuracy"])
        True
    """
    values = {row.get(metric.name, math.nan) for record in result.records for row in record.metrics}
    return len({value for value in values if math.isfinite(value)}) > 1


def headline(result: Result) -> Metric | None:
    """The metric that a scenario is about: its first target, else accuracy, distance to the optimum, loss.

    Args:
        result: the result.

    Returns:
        The metric, ``None`` if nothing was measured.

    Example:
        >>> rows = [{"accuracy": 0.1, "gradient_norm": 5.0}, {"accuracy": 0.9, "gradient_norm": 0.5}]
        >>> result = Result([RunRecord("dpsgd", 1, "done", "", rows, {})], {"targets": {"gradient_norm": 1.0}}, "")
        >>> headline(result).name
        'gradient_norm'
    """
    wanted = [*(result.scenario.get("targets") or {}), *HEADLINES, *METRICS]
    return next((METRICS[name] for name in wanted if name in METRICS and has_values(result, METRICS[name])), None)


def curves(result: Result, metric: Metric, axis: Axis) -> list[Curve]:
    """One curve for each algorithm that measured this metric and moved along this axis.

    Args:
        result: the result.
        metric: what to draw.
        axis: against what.

    Returns:
        The curves in the order of the scenario.

    Example:
        >>> from simnet.metrics import AXES
        >>> records = [
        ...     RunRecord("dpsgd", seed, "done", "", [{"step": k, "accuracy": k * seed / 10} for k in (0, 1)], {})
        ...     for seed in (2, 4)
        ... ]
        >>> (curve,) = curves(Result(records, {}, ""), METRICS["accuracy"], AXES["step"])
        >>> [round(float(curve_end[-1]), 6) for curve_end in (curve.low, curve.mean, curve.high)]
        [0.2, 0.3, 0.4]
    """
    found = []
    for index, label in enumerate(result.labels):
        records = [record for record in result.records if record.algorithm == label]
        runs = [(record, points) for record in records if len((points := _points(record, metric, axis))[0])]
        if any(x[-1] > x[0] or len(x) == 1 for _, (x, _) in runs):
            done = [points for record, points in runs if record.status == "done"]
            failed = tuple(points for record, points in runs if record.status != "done")
            found.append(Curve(label, index, *_over_seeds(done), failed, _failures(records), len(records)))
    return found


def is_log_axis(drawn: Sequence[Curve]) -> bool:
    """Whether the horizontal axis is logarithmic: the last algorithm ends more than 10 times as far as the first.

    Args:
        drawn: the curves.

    Returns:
        True where a linear axis would hide the fastest algorithm.
    """
    ends = [curve.end for curve in drawn if curve.end > 0]
    return len(ends) > 1 and bool(max(ends) > LOG_AXIS_RATIO * min(ends))


def is_log_metric(drawn: Sequence[Curve], metric: Metric) -> bool:
    """Whether the vertical axis is logarithmic: the metric wants it, nothing is negative, and something is positive.

    Args:
        drawn: the curves.
        metric: what they show.

    Returns:
        The answer; zeros are then not drawn.
    """
    values = _deciding_values(drawn)
    return metric.log and bool(len(values)) and bool((values >= 0).all()) and bool((values > 0).any())


def limits(drawn: Sequence[Curve], metric: Metric, targets: Iterable[float], is_log: bool) -> tuple[float, float]:
    """The vertical limits: all finished runs and the targets; a run that diverged leaves the frame.

    Args:
        drawn: the curves.
        metric: what they show.
        targets: numbers that have to be visible.
        is_log: whether the axis is logarithmic.

    Returns:
        The lower and the upper limit.
    """
    kept = [curve for curve in drawn if not (is_log and is_rounding(curve, drawn))]
    values = np.concatenate([_deciding_values(kept), np.array(list(targets), dtype=float)])
    values = np.log10(values[values > 0]) if is_log else values
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = _MARGIN * (high - low) or (0.5 if is_log else abs(high) * _MARGIN or 0.5)
    low, high = low - margin, high + margin
    if is_log:
        return float(10.0**low), float(10.0**high)
    return (max(low, -_MARGIN / 2), min(high, 1 + _MARGIN / 2)) if metric.is_share else (low, high)


def is_rounding(curve: Curve, drawn: Sequence[Curve]) -> bool:
    """Whether a curve is nothing but rounding errors, compared with the others.

    Args:
        curve: one of them.
        drawn: all curves of the figure.

    Returns:
        True if it lies below 1e-5 of their largest value throughout.
    """
    largest = _deciding_values(drawn).max(initial=0.0)
    return bool(len(curve.high)) and bool(curve.high.max() < ROUNDING * largest)


def _deciding_values(drawn: Sequence[Curve]) -> np.ndarray:
    """What decides about limits: the finished runs; where there is none, how the others began."""
    parts = [part for curve in drawn for part in (curve.low, curve.high)]
    if not any(len(part) for part in parts):
        parts = [y[: max(1, len(y) // 4)] for curve in drawn for _, y in curve.failed]
    values = np.concatenate(parts) if parts else np.empty(0)
    return values[np.isfinite(values)]


def _points(record: RunRecord, metric: Metric, axis: Axis) -> Points:
    rows = [(row[axis.name], row[metric.name]) for row in record.metrics if axis.name in row and metric.name in row]
    x, y = np.array(rows, dtype=float).reshape(-1, 2).T
    kept = np.isfinite(x) & ~np.isnan(y)
    return x[kept], y[kept]


def _over_seeds(runs: Sequence[Points]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, smallest and largest; where the seeds' clocks differ, between their evaluations along straight lines."""
    if not runs:
        return np.empty(0), np.empty(0), np.empty(0), np.empty(0)
    first = runs[0][0]
    if all(np.array_equal(x, first) for x, _ in runs):
        grid, ys = first, np.stack([y for _, y in runs])
    else:
        start, end = max(x[0] for x, _ in runs), min(x[-1] for x, _ in runs)
        grid = np.unique(np.concatenate([x for x, _ in runs]))
        grid = grid[(grid >= start) & (grid <= end)]
        ys = np.stack([np.interp(grid, x, y) for x, y in runs])
    return grid, ys.mean(axis=0), ys.min(axis=0), ys.max(axis=0)


def _failures(records: Sequence[RunRecord]) -> str:
    notes = []
    for status in ("diverged", "stalled", "failed"):
        count = sum(record.status == status for record in records)
        if count:
            notes.append(status if count == len(records) else f"{count} of {len(records)} seeds {status}")
    return ", ".join(notes)
