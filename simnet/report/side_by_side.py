"""Results side by side, as tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from string import ascii_uppercase

import pandas as pd

from simnet.experiment.comparison import RATIO, compare, distinct
from simnet.metrics import METRICS
from simnet.report.sheets import Cell, Column, Sheet
from simnet.report.tables import shown_metrics
from simnet.report.texts import NOTHING, bits_text, number_text, share_text, steps_text
from simnet.result import Result
from simnet.scenario.expectations import FIRST_REACHED
from simnet.units import format_seconds

_TOTALS = ("steps", "time_s", "bits_sent", "idle_share")
_TEXTS: dict[str, Callable[[float], str]] = {
    "steps": steps_text,
    "step": steps_text,
    "time_s": format_seconds,
    "bits_sent": bits_text,
    "idle_share": share_text,
}
_MOST_LETTERS = 60


def letters(count: int) -> list[str]:
    """What the columns of a comparison are called.

    Args:
        count: of results.

    Returns:
        ``A``, ``B``, ...

    Example:
        >>> letters(3)
        ['A', 'B', 'C']
    """
    return distinct([ascii_uppercase[i % len(ascii_uppercase)] for i in range(count)])


def comparison_sheets(results: Sequence[Result]) -> list[Sheet]:
    """What differs in the scenarios of results, and what came of it.

    Args:
        results: at least two.

    Returns:
        Two tables; the second one has the metrics that a run's own table shows, and ratios to the first result.

    Raises:
        ParameterError: there is only one.
    """
    names = letters(len(results))
    table = compare(*results, names=names)
    return [differences_sheet(table.attrs["differences"], names), numbers_sheet(results, table)]


def differences_sheet(differences: dict[str, list[str]], names: Sequence[str]) -> Sheet:
    """The keys in which scenarios differ.

    Args:
        differences: what each result has, by dotted key.
        names: of the results.

    Returns:
        A row for each key.

    Example:
        >>> [[cell.text for cell in row] for row in differences_sheet({"nodes": ["4", "8"]}, "AB").rows]
        [['nodes', '4', '8']]
    """
    columns = [Column("key", "key", is_text=True), *(Column(name, name, is_text=True) for name in names)]
    rows = [[Cell(key), *(Cell(_shortened(value)) for value in values)] for key, values in differences.items()]
    return Sheet("differences", "what differs", columns, rows)


def numbers_sheet(results: Sequence[Result], table: pd.DataFrame) -> Sheet:
    """The numbers of results side by side.

    Args:
        results: the results.
        table: as `compare` makes it.

    Returns:
        A row for each algorithm and quantity that a run's own table shows; a label stands before the first of its rows.
    """
    metrics = dict.fromkeys(metric.name for result in results for metric in shown_metrics(result))
    columns = [Column("algorithm", "algorithm", is_text=True), Column("quantity", "quantity", is_text=True)]
    columns += [Column(name.replace(RATIO, "/"), name) for name in map(str, table.columns)]
    rows: list[list[Cell]] = []
    shown = ""
    for (label, quantity), numbers in zip(table.index, table.to_numpy().tolist(), strict=True):
        if quantity in metrics or quantity in _TOTALS or quantity.partition(".")[0] in FIRST_REACHED:
            named = zip(map(str, table.columns), numbers, strict=True)
            cells = [Cell(_text("" if RATIO in name else quantity, number), number) for name, number in named]
            rows.append([Cell("" if label == shown else label), Cell(quantity), *cells])
            shown = label
    return Sheet("comparison", "means over the finished seeds, and ratios", columns, rows)


def _text(quantity: str, number: float) -> str:
    """A number as a person reads it; a ratio where there is no quantity."""
    first = quantity.partition(".")[0]
    if math.isnan(number):
        return NOTHING
    if math.isinf(number):
        return "not reached" if first in FIRST_REACHED else "inf"
    if quantity in METRICS and quantity not in _TEXTS:
        return number_text(METRICS[quantity], number)
    text = _TEXTS.get(FIRST_REACHED.get(first, first))
    return f"{number:.3g}" if text is None else text(number)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"
