"""A sweep for a person: how far it has come, and what came out."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from simnet.experiment.planning import Unit
from simnet.experiment.sweep import Sweep
from simnet.experiment.sweeping import SweepProgress, Unwatched
from simnet.experiment.work import Done
from simnet.metrics import HEADLINES
from simnet.units import format_seconds

MOST_COLUMNS = 12
_BETWEEN_LINES_S = 10.0


class LiveSweep:
    """One line at the bottom of a terminal: bar, runs, how they were come by, time left.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        """Show nothing yet; see the class."""
        texts = [TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[detail]")]
        self._bar = Progress(texts[0], BarColumn(24), texts[1], console=console, transient=True)
        self._task = self._bar.add_task("sweep", total=1, detail="")
        self._state = _State()

    def begin(self, runs: int, finished: int) -> None:
        """Show the bar."""
        self._state.begin(runs, finished)
        self._bar.update(self._task, total=runs, completed=finished, detail=self._state.text(None))
        self._bar.start()

    def advance(self, unit: Unit, done: Done | None, remaining_s: float | None) -> None:
        """Move the bar; a run that failed or diverged leaves a line."""
        self._state.advance(done)
        line = unwelcome(unit, done)
        if line:
            self._bar.console.print(line, markup=False, highlight=False)
        self._bar.update(self._task, completed=self._state.ended, detail=self._state.text(remaining_s))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()


class PlainSweep:
    """A plain line now and then, for logs.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        """Show nothing yet; see the class."""
        self._console = console
        self._state = _State()
        self._said = time.monotonic()

    def begin(self, runs: int, finished: int) -> None:
        """Say how much there is to do."""
        self._state.begin(runs, finished)
        self._say(f"sweep: {self._state.text(None)}")

    def advance(self, unit: Unit, done: Done | None, remaining_s: float | None) -> None:
        """Write a line, if the last one is some seconds old, or it is the last one."""
        self._state.advance(done)
        line = unwelcome(unit, done)
        if line:
            self._say(line)
        if time.monotonic() - self._said > _BETWEEN_LINES_S or self._state.ended == self._state.runs:
            self._said = time.monotonic()
            self._say(f"sweep: {self._state.text(remaining_s)}")

    def close(self) -> None:
        """Nothing to tidy up."""

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _State:
    """How far a sweep has come."""

    def __init__(self) -> None:
        self.runs = self.ended = 0
        self.counts: Counter[str] = Counter()

    def begin(self, runs: int, finished: int) -> None:
        self.runs, self.ended = runs, finished
        self.counts.update({"before": finished} if finished else {})

    def advance(self, done: Done | None) -> None:
        self.ended += 1
        self.counts["failed" if done is None else done.how] += 1

    def text(self, remaining_s: float | None) -> str:
        how = ", ".join(f"{number} {word}" for word, number in self.counts.items())
        left = f" · {format_seconds(remaining_s, 2)} left" if remaining_s is not None and self.ended < self.runs else ""
        return f"{self.ended} of {self.runs} runs" + (f" ({how})" if how else "") + left


def unwelcome(unit: Unit, done: Done | None) -> str:
    """The sentence about a run that did not end well.

    Args:
        unit: which one.
        done: how it ended; None if it failed.

    Returns:
        Empty text if it did.
    """
    status = "failed" if done is None else done.status
    return "" if status == "done" else f"{unit}: {status}"


def choose_sweep_progress(console: Console, quiet: bool = False) -> SweepProgress:
    """The display that fits: none, a live bar on a terminal, plain lines elsewhere.

    Args:
        console: where it is to be shown.
        quiet: whether nothing is wanted.

    Returns:
        Something that implements ``SweepProgress``.
    """
    if quiet:
        return Unwatched()
    return LiveSweep(console) if console.is_terminal and not console.is_dumb_terminal else PlainSweep(console)


def headline_of(sweep: Sweep) -> str:
    """The one number that a sweep is told by: what it was tuned by, the time to its first target, or its headline metric.

    Args:
        sweep: with finished runs.

    Returns:
        A name for `Sweep.table`.
    """
    best_of = sweep.scenario.get("sweep", {}).get("best_of")
    if best_of:
        return str(best_of["by"])
    targets = [f"time_to.{target}" for target in sweep.scenario.get("targets") or {}]
    final = [name for name in HEADLINES if f"final.{name}" in sweep.summary]
    return [*targets, *final, "time_s"][0]


def sweep_tables(sweep: Sweep) -> list[Table]:
    """What came out: over two keys who wins, over one key each algorithm's number, and what was best of what was tuned.

    Args:
        sweep: perhaps not complete.

    Returns:
        Tables for a terminal.
    """
    if not sweep.finished:
        return []
    varying = [key for key in sweep.keys if sweep.points[key].nunique() > 1]
    by = headline_of(sweep)
    tables = [best_table(sweep, by)] if sweep.tuned and len(sweep.points) == 1 else []
    if len(varying) == 2 and sweep.points[varying[1]].nunique() <= MOST_COLUMNS:
        rows, columns = varying
        tables.append(table_of(sweep.winners(rows, columns, by), f"first by {by}; columns: {columns}"))
    elif len(varying) == 1:
        tables.append(table_of(over_one_key(sweep, varying[0], by), f"{by}, mean of the seeds"))
    return tables


def over_one_key(sweep: Sweep, key: str, by: str) -> Any:
    """Each algorithm's number over one key.

    Args:
        sweep: where nothing else varies.
        key: whose values are the rows.
        by: which number.

    Returns:
        A table with a column for each algorithm; with the best of what was tuned.
    """
    scores = sweep.scores(by)
    return scores.pivot_table(index=key, columns="algorithm", values="score", aggfunc="first", sort=False, dropna=False)


def best_table(sweep: Sweep, by: str) -> Table:
    """What was best of what was tuned, at the only point.

    Args:
        sweep: with something tuned.
        by: which number decided.

    Returns:
        A row for each algorithm.
    """
    best = sweep.best.set_index("algorithm")[[*sweep.tuned, "score", "edges"]]
    renamed = {key: key.removeprefix("best_of.") for key in sweep.tuned}
    return table_of(best.rename(columns={**renamed, "score": by, "edges": "on the edge"}), "best of what was tried")


def table_of(frame: Any, title: str) -> Table:
    """A data frame for a terminal.

    Args:
        frame: with one index.
        title: above it.

    Returns:
        The table.
    """
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column(str(frame.index.name))
    for name in frame.columns:
        table.add_column(str(name), justify="right")
    for index, row in frame.iterrows():
        table.add_row(*(Text(cell_text(cell)) for cell in (index, *row)))
    return table


def cell_text(value: Any) -> str:
    """A cell as a person reads it.

    Args:
        value: a number or text.

    Returns:
        Four digits; ``-`` for nothing.

    Example:
        >>> cell_text(0.123456), cell_text("ring"), cell_text(float("inf")), cell_text("")
        ('0.1235', 'ring', 'never', '-')
    """
    if isinstance(value, float):
        return "-" if value != value else "never" if value == float("inf") else f"{value:.4g}"  # noqa: PLR0124  NaN
    return str(value) if value is not None and value != "" else "-"
