"""A table whatever it is shown in: a terminal, a page, a paper, a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

_COLORS = {"good": "green", "bad": "red"}
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&])")


@dataclass(frozen=True)
class Cell:
    """One entry.

    Args:
        text: for a person.
        value: the number behind it in base units (s, bit, shares of 1), in full; None where it is a text, or nothing.
        deviation: the standard deviation over the seeds behind it, if several finished.
        mood: ``good`` or ``bad`` where it is a judgment.
    """

    text: str
    value: float | None = None
    deviation: float | None = None
    mood: str = ""


@dataclass(frozen=True)
class Column:
    """What a column is called.

    Args:
        title: for a person.
        name: in a file, unit included.
        is_text: whether it holds words; numbers stand on the right.
    """

    title: str
    name: str
    is_text: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table.

    Args:
        name: of its file, without ending.
        title: what it shows.
        columns: from left to right; the first one says whom a row is about.
        rows: a cell for each column.
        note: what a reader of it has to know.

    Example:
        >>> columns = [Column("algorithm", "algorithm", is_text=True), Column("simulated time", "time_s")]
        >>> sheet = Sheet("final", "", columns, [[Cell("dpsgd"), Cell("1.5 min", 90.0)]])
        >>> print(sheet.to_csv(), end="")
        algorithm,time_s
        dpsgd,90.0
        >>> print(sheet.to_markdown())
        | algorithm | simulated time |
        |:---|---:|
        | dpsgd | 1.5 min |
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = field(default="")

    def to_csv(self) -> str:
        """The file: numbers in full, in base units; a column ``NAME_sd`` where several seeds have a standard deviation."""
        spread = [any(row[i].deviation is not None for row in self.rows) for i in range(len(self.columns))]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        for_each = zip(self.columns, spread, strict=True)
        writer.writerow([name for c, has in for_each for name in ([c.name, f"{c.name}_sd"] if has else [c.name])])
        for row in self.rows:
            cells = zip(self.columns, row, spread, strict=True)
            writer.writerow([entry for column, cell, has in cells for entry in _entries(column, cell, has)])
        return file.getvalue()

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown."""
        lines = [
            [markdown(column.title) for column in self.columns],
            [":---" if column.is_text else "---:" for column in self.columns],
            *([markdown(cell.text) for cell in row] for row in self.rows),
        ]
        head, rule, *body = ("| " + " | ".join(line) + " |" for line in lines)
        return "\n".join([head, rule.replace(" ", ""), *body])

    def to_latex(self) -> str:
        r"""A ``tabular`` with the rules of the package booktabs, for UTF-8."""
        texts = pd.DataFrame([[cell.text for cell in row] for row in self.rows], columns=[c.title for c in self.columns])
        alignment = "".join("l" if column.is_text else "r" for column in self.columns)
        body = texts.to_latex(index=False, escape=True, column_format=alignment)
        title = " ".join((self.title or self.name).splitlines())
        return f"% {title}; needs \\usepackage{{booktabs}}\n{body}"

    def to_rich(self) -> Table:
        """A table for a terminal."""
        table = Table(title=self.title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        first, *others = self.columns
        table.add_column(first.title, style="bold", overflow="fold")
        for column in others:
            justify = "left" if column.is_text else "right"
            title = column.title.replace(" ", "\n", 1)
            table.add_column(title, justify=justify, no_wrap=not column.is_text, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*(Text(cell.text, style=_COLORS.get(cell.mood, "")) for cell in row))
        return table


def markdown(text: str) -> str:
    r"""A text that Markdown shows as it is.

    Args:
        text: any.

    Returns:
        One line, with a backslash before every sign that means something.

    Example:
        >>> print(markdown("a|b <i> 2_3"))
        a\|b \<i\> 2\_3
    """
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _entries(column: Column, cell: Cell, has_deviation: bool) -> list[str]:
    """What a file says of a cell."""
    own = cell.text if column.is_text else "" if cell.value is None else repr(cell.value)
    return [own, "" if cell.deviation is None else repr(cell.deviation)] if has_deviation else [own]
