"""Golden trajectories: what a scenario gave once, as a short text that people review."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from simnet.errors import OutputError, ScenarioError
from simnet.metrics import AXES, METRICS
from simnet.part import Part
from simnet.result import Result, RunRecord
from simnet.scenario.origin import Origin
from simnet.scenario.source import Plain, read_text, read_yaml
from simnet.sentences import complaints_of, refusal

FORMAT = 1
MOST_ROWS = 9
"""Evaluations of each run that are recorded: the first, the last, and others evenly between them."""

DIGITS = 5
ABSENT = "-"

HEAD = """\
# Golden trajectories of {name}, recorded by simnet test --update; a later simnet test compares with them.
# A number n then may be up to abs + rel * |n| away from it. Edit the tolerances: an update keeps them.
"""


class Tolerance(Part):
    """How far a number may move.

    Args:
        rel: as a share of the recorded number.
        abs: in the number's own unit, added to that.
    """

    rel: Annotated[float, Field(ge=0)] = 0.0
    abs: Annotated[float, Field(ge=0)] = 0.0

    def around(self, recorded: float) -> float:
        """The largest distance from a number that is allowed.

        Args:
            recorded: the number.
        """
        return self.abs + self.rel * abs(recorded)


CLOCK = Tolerance(rel=1e-3)
SHARE = Tolerance(abs=0.01)
VALUE = Tolerance(rel=0.02, abs=1e-6)


class Trajectory(Part):
    """One run's numbers.

    Args:
        algorithm: its label.
        seed: the run's seed.
        table: names of columns in the first line, one line for each recorded evaluation.
    """

    algorithm: str
    seed: int
    table: str

    @field_validator("table")
    @classmethod
    def _check_table(cls, table: str) -> str:
        names, *lines = [line.split() for line in table.splitlines() if line.strip()] or [[]]
        if names[:1] != ["step"] or len(set(names)) < len(names):
            raise refusal(((), f"found a table of {' '.join(names)[:60]!r}; allowed: step, then other columns, each once"))
        for line in lines:
            if len(line) != len(names) or ABSENT in line[:1] or not all(cell == ABSENT or _is_number(cell) for cell in line):
                row, allowed = " ".join(line)[:60], f"{len(names)} numbers, or {ABSENT} where there is none"
                raise refusal(((), f"found the row {row!r}; allowed: {allowed}"))
        return table

    def rows(self) -> list[dict[str, float]]:
        """The recorded evaluations, each with what was measured then."""
        names, *lines = [line.split() for line in self.table.splitlines() if line.strip()]
        return [
            {name: float(cell) for name, cell in zip(names, line, strict=True) if cell != ABSENT} for line in lines
        ]


class Baseline(Part):
    """A file of golden trajectories.

    Args:
        format: of the file.
        tolerances: by column of the tables.
        runs: one for each algorithm and seed.
    """

    format: Literal[1]
    tolerances: dict[str, Tolerance]
    runs: tuple[Trajectory, ...]

    def tolerance(self, name: str) -> Tolerance:
        """How far a column may move.

        Args:
            name: of the column.
        """
        return self.tolerances.get(name) or tolerance_of(name)


def tolerance_of(name: str) -> Tolerance:
    """How far a column may move, where nobody says something else.

    Args:
        name: of the column.

    Returns:
        A thousandth for what the clock decides, a hundredth for shares, two hundredths for other values.

    Example:
        >>> tolerance_of("time_s").around(50.0), tolerance_of("accuracy").around(0.9)
        (0.05, 0.01)
    """
    if name in METRICS:
        return SHARE if METRICS[name].is_share else VALUE
    return CLOCK if name in AXES else VALUE


def record(result: Result, path: Path, name: str) -> bool:
    """Writes the golden trajectories of a result; tolerances that stand there already stay.

    Args:
        result: complete, every run done.
        path: of the file.
        name: of what gave the result, for the file's first line.

    Returns:
        Whether the file is another one now.

    Raises:
        OutputError: it cannot be written, or what stands there is no baseline.
        ScenarioError: what stands there cannot be read.
    """
    old = read(path) if path.exists() else None
    text = HEAD.format(name=name) + to_text(result, old.tolerances if old else {})
    if old and path.read_text(encoding="utf-8") == text:
        return False
    write(path, text)
    return True


def to_text(result: Result, tolerances: Mapping[str, Tolerance]) -> str:
    """A result as a baseline.

    Args:
        result: any.
        tolerances: that are to stand in it, by column; the usual ones for other columns.

    Returns:
        YAML, with one table of numbers for each run.

    Example:
        >>> rows = [{"step": 0, "accuracy": 0.1}, {"step": 10, "accuracy": 0.93124999}]
        >>> print(to_text(Result([RunRecord("dpsgd", 1, "done", "", rows, {})], {}, ""), {}))
        format: 1
        tolerances:
          accuracy: {rel: 0, abs: 0.01}
        runs:
        - algorithm: "dpsgd"
          seed: 1
          table: |
            step  accuracy
               0       0.1
              10   0.93125
        <BLANKLINE>
    """
    columns = [name for name in result.metrics.columns if name not in {"algorithm", "seed", "step"}]
    known = {name: tolerances.get(name) or tolerance_of(name) for name in columns}
    lines = [f"format: {FORMAT}", "tolerances:" if columns else "tolerances: {}"]
    lines += [f"  {name}: {{rel: {one.rel:g}, abs: {one.abs:g}}}" for name, one in known.items()]
    lines += ["runs:" if result.records else "runs: []"]
    for run in result.records:
        lines += [f"- algorithm: {json.dumps(run.algorithm, ensure_ascii=False)}", f"  seed: {run.seed}", "  table: |"]
        lines += [f"    {line}" for line in table(run)]
    return "\n".join(lines) + "\n"


def table(run: RunRecord) -> list[str]:
    """Some evaluations of one run, in columns.

    Args:
        run: the run.

    Returns:
        The lines.
    """
    names = ["step", *dict.fromkeys(name for row in run.metrics for name in row if name != "step")]
    cells = [names, *([text_of(row.get(name)) for name in names] for row in chosen(run.metrics))]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]


def chosen(rows: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The evaluations that are recorded.

    Args:
        rows: all of them.

    Returns:
        At most `MOST_ROWS`.

    Example:
        >>> [row["step"] for row in chosen([{"step": 10 * k} for k in range(17)])]
        [0, 20, 40, 60, 80, 100, 120, 140, 160]
    """
    if len(rows) <= MOST_ROWS:
        return list(rows)
    return [rows[round(k * (len(rows) - 1) / (MOST_ROWS - 1))] for k in range(MOST_ROWS)]


def text_of(value: float | None) -> str:
    """A number as a baseline has it.

    Args:
        value: None: it was not measured.

    Returns:
        A few significant digits; all of a whole number.

    Example:
        >>> text_of(0.123456789), text_of(12_345_678), text_of(None), text_of(float("inf"))
        ('0.12346', '12345678', '-', 'inf')
    """
    if value is None:
        return ABSENT
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else f"{value:.{DIGITS}g}"


def read(path: Path) -> Baseline:
    """Reads golden trajectories.

    Args:
        path: of the file.

    Returns:
        What stands there.

    Raises:
        ScenarioError: with all that is wrong with it, each with its line.
    """
    plain = Plain()
    data = plain.convert(read_yaml(read_text(path), str(path)))
    found = list(plain.complaints)
    try:
        baseline = Baseline.model_validate(data)
    except ValidationError as error:
        found += complaints_of(error)
    if found:
        told = Origin(str(path), plain.lines).complaints(found)
        raise ScenarioError(f"{told}\n{path}: is no baseline that can be read; mend it, or remove it and record it again")
    return baseline


def write(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Args:
        path: of the file; its folder is made.
        text: what is to stand there.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); name another folder") from error


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
