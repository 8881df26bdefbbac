"""Numbers as a person reads them, alone and as cells of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from simnet.metrics import Metric
from simnet.report.sheets import Cell, Column
from simnet.report.style import count_text, unit_for
from simnet.result import Result, RunRecord

NOTHING = "-"
ALGORITHM = Column("algorithm", "algorithm", is_text=True)
"""The first column of a table with a row for each algorithm."""


def number_text(metric: Metric, value: float) -> str:
    """A metric's value as a person reads it.

    Args:
        metric: what it is.
        value: the value.

    Returns:
        Per cent for shares, otherwise three digits.

    Example:
        >>> from simnet.metrics import METRICS
        >>> number_text(METRICS["accuracy"], 0.9312), number_text(METRICS["test_loss"], 0.12345)
        ('93.1 %', '0.123')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{100 * value:.1f} %" if metric.is_share else f"{value:.3g}"


def bits_text(value: float) -> str:
    """An amount of data as a person reads it, with an SI prefix.

    Args:
        value: bits.

    Returns:
        Three digits and a unit.

    Example:
        >>> bits_text(3.1e9), bits_text(0)
        ('3.1 Gbit', '0 bit')
    """
    unit = unit_for("bit", value)
    return f"{value / unit.factor:.3g} {unit.symbol}"


def steps_text(value: float) -> str:
    """A number of steps as a person reads it.

    Args:
        value: steps, a mean perhaps.

    Returns:
        A whole number, from ten thousand on with a prefix.

    Example:
        >>> steps_text(123.4), steps_text(25_000)
        ('123', '25k')
    """
    return f"{value:.0f}" if value < 10_000 else count_text(float(f"{value:.3g}"))


def share_text(value: float) -> str:
    """A share as a person reads it.

    Args:
        value: of 1.

    Returns:
        Whole per cent.

    Example:
        >>> share_text(0.254)
        '25 %'
    """
    return f"{100 * value:.0f} %"


def finite(values: Sequence[Any]) -> list[float]:
    """Those of some values that are numbers.

    Args:
        values: None and infinite ones among them.

    Returns:
        The finite ones.
    """
    return [value for value in values if value is not None and math.isfinite(value)]


def mean_cell(values: Sequence[Any], text: Callable[[float], str]) -> Cell:
    """The mean of what is known.

    Args:
        values: of several seeds; None and infinite ones are left out.
        text: how a number reads.

    Returns:
        A dash if nothing is known.

    Example:
        >>> mean_cell([1.0, None, 2.0], str)
        Cell(text='1.5', value=1.5, deviation=None, mood='')
    """
    known = finite(values)
    return Cell(text(fmean(known)), fmean(known)) if known else Cell(NOTHING)


def by_label(result: Result) -> list[tuple[str, list[RunRecord]]]:
    """The runs of each algorithm that has any, in the order of the scenario.

    Args:
        result: the result.

    Returns:
        Pairs of label and runs.
    """
    groups = [(label, [r for r in result.records if r.algorithm == label]) for label in result.labels]
    return [(label, records) for label, records in groups if records]
