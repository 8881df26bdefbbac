"""Tables of what a result was expected to be, and of what has moved since its baseline was recorded."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from simnet.experiment.drift import Change
from simnet.experiment.verdicts import Verdict
from simnet.report.sheets import Cell, Column, Sheet

_NUMBERS = ("left", "right", "margin")


def verdict_sheet(verdicts: Sequence[Verdict], title: str = "what is expected") -> Sheet:
    """Every expectation, whether it holds, both its numbers and the margin.

    Args:
        verdicts: any.
        title: above the table.

    Returns:
        A table with one row for each.

    Example:
        >>> from rich.console import Console
        >>> sheet = verdict_sheet([Verdict("a.steps < b.steps", "<", False, 5, 4, "seed 2")], "")
        >>> Console(width=70).print(sheet.to_rich())
        <BLANKLINE>
         verdict   expectation         left   right   margin   where
         ────────────────────────────────────────────────────────────
         FAILS     a.steps < b.steps      5       4    -25 %   seed 2
        <BLANKLINE>
    """
    rows = []
    for verdict in verdicts:
        word = Cell("holds", mood="good") if verdict.holds else Cell("FAILS", mood="bad")
        numbers = [Cell(f"{value:.4g}", value) for value in (verdict.left, verdict.right)]
        margin = Cell(verdict.margin_text, verdict.margin if verdict.margin_text else None)
        rows.append([word, Cell(verdict.text), *numbers, margin, Cell(verdict.case)])
    columns = [Column(name, name, is_text=name not in _NUMBERS) for name in ("verdict", "expectation", *_NUMBERS, "where")]
    return Sheet("expectations", title, columns, rows)


def change_table(changes: Sequence[Change], title: str = "what has moved, in the order in which it did") -> Table:
    """Where each run left its golden trajectory.

    Args:
        changes: the first one first.
        title: above the table.

    Returns:
        A table with one row for each run that has moved.

    Example:
        >>> from rich.console import Console
        >>> Console(width=70).print(change_table([Change("dpsgd", 1, 40, "accuracy", "0.9", "0.85", "0.01")], ""))
        <BLANKLINE>
         algorithm   seed   step   metric     baseline    now   allowed
         ──────────────────────────────────────────────────────────────
         dpsgd          1     40   accuracy        0.9   0.85    ± 0.01
        <BLANKLINE>
    """
    table = _table(title)
    for name in ("algorithm", "seed", "step", "metric", "baseline", "now", "allowed"):
        table.add_column(name, justify="left" if name in {"algorithm", "metric"} else "right", overflow="fold")
    for one in changes:
        allowed = f"± {one.allowed}" if one.allowed else ""
        step = f"{one.step:g}" if one.metric else ""
        table.add_row(Text(one.algorithm), str(one.seed), step, one.metric, one.then, one.now, allowed)
    return table


def _table(title: str) -> Table:
    return Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
