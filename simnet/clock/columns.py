"""Files with numbers for the nodes: traces over time, and sequences of compute times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from simnet.errors import ParameterError

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def read_columns(key: str, file: str, num_nodes: int, folder: Path, lead: int = 0) -> list[Floats]:
    """Each node's table out of one CSV file, or out of a file for each.

    Lines that are empty or begin with # are left out; a first line of words is a heading.

    Args:
        key: where the file is named, for complaints.
        file: its path; with ``{node}`` in it, one file for each node, named by its number.
        num_nodes: n.
        folder: where a relative path starts.
        lead: columns before the values, common to all nodes: 1 for times.

    Returns:
        n arrays ``[lines, lead + 1]``.

    Raises:
        ParameterError: if a file cannot be read, or has another number of columns than `lead` and one, or one for each node.
    """
    if "{node}" in file:
        tables = [read_table(key, file.replace("{node}", str(i)), folder) for i in range(num_nodes)]
        allowed = {lead + 1}
    else:
        tables = [read_table(key, file, folder)]
        allowed = {lead + 1, lead + num_nodes}
    for table in tables:
        if table.shape[1] not in allowed:
            wanted = " or ".join(map(str, sorted(allowed)))
            raise ParameterError(f"{key}: found {table.shape[1]} columns in {file}; {wanted} are needed")
    if len(tables) == num_nodes:
        return tables
    (table,) = tables
    columns = [lead + (i if table.shape[1] > lead + 1 else 0) for i in range(num_nodes)]
    return [table[:, [*range(lead), column]] for column in columns]


def read_table(key: str, file: str, folder: Path) -> Floats:
    """The numbers of one CSV file.

    Args:
        key: where the file is named, for complaints.
        file: its path.
        folder: where a relative path starts.

    Returns:
        An array ``[lines, columns]``.

    Raises:
        ParameterError: if it cannot be read, or holds no numbers.
    """
    try:
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        rows = rows[1:] if rows and _is_heading(rows[0]) else rows
        table = np.array([[float(cell) for cell in row.split(",")] for row in rows], dtype=np.float64)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{key}: cannot read {file}: {error}") from error
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ParameterError(f"{key}: found no numbers, or some that are not finite, in {file}; lines of numbers are needed")
    return table


def _is_heading(line: str) -> bool:
    return not any(re.match(r"\s*[+-]?\.?\d", cell) for cell in line.split(","))


def check_trace(key: str, file: str, table: Floats) -> None:
    """Refuses a trace of factors that is none.

    Args:
        key: where the file is named, for complaints.
        file: its path.
        table: lines of time and factor.

    Raises:
        ParameterError: if times do not ascend from 0, or a factor is not positive.
    """
    times, factors = table.T
    if times[0] != 0 or (np.diff(times) <= 0).any():
        raise ParameterError(f"{key}: the times in {file} must ascend from 0; found {times[0]:g} first")
    if (factors <= 0).any():
        raise ParameterError(f"{key}: found the factor {factors.min():g} in {file}; positive ones are needed")


def trace(table: Floats, then: str) -> Iterator[tuple[float, float]]:
    """The pieces of a trace.

    Args:
        table: lines of time [s] and factor.
        then: ``hold`` the last factor, or ``repeat`` all; the last factor then lasts as long as the one before it.

    Yields:
        Pairs: from when on [s], and the factor from then on.

    Example:
        >>> square = np.array([[0.0, 1.0], [2.0, 3.0]])
        >>> pieces = trace(square, "repeat")
        >>> [next(pieces) for _ in range(4)]
        [(0.0, 1.0), (2.0, 3.0), (4.0, 1.0), (6.0, 3.0)]
    """
    rows: list[tuple[float, float]] = [(time, factor) for time, factor in table.tolist()]
    if then == "hold" or len(rows) == 1:
        yield from rows
        return
    period = 2 * rows[-1][0] - rows[-2][0]
    for cycle in count():
        yield from ((time + cycle * period, factor) for time, factor in rows)
