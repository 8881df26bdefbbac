"""Tables of what a result was expected to be, and of what has moved since its baseline was recorded."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from simnet.experiment.drift import Change
from simnet.experiment.verdicts import Verdict


def verdict_table(verdicts: Sequence[Verdict], title: str = "what is expected") -> Table:
    """Every expectation, whether it holds, both its numbers and the margin.

    Args:
        verdicts: any.
        title: above the table.

    Returns:
        A table with one row for each.

    Example:
        >>> from rich.console import Console
        >>> Console(width=70).print(verdict_table([Verdict("a.steps < b.steps", "<", False, 5, 4, "seed 2")], ""))
        <BLANKLINE>
                 expectation         left   right   margin   where
         ──────────────────────────────────────────────────────────
         FAILS   a.steps < b.steps      5       4    -25 %   seed 2
        <BLANKLINE>
    """
    table = _table(title)
    table.add_column("")
    table.add_column("expectation", overflow="fold")
    for name in ("left", "right", "margin"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for verdict in verdicts:
        word = Text("holds", style="green") if verdict.holds else Text("FAILS", style="bold red")
        numbers = (f"{verdict.left:.4g}", f"{verdict.right:.4g}", verdict.margin_text)
        table.add_row(word, Text(verdict.text), *numbers, Text(verdict.case))
    return table


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
