"""The tables of a sweep on disk: one Parquet file for each finished run, all with the same columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from simnet.experiment.cache import write_whole
from simnet.metrics import AXES, METRICS
from simnet.result import RunRecord

if TYPE_CHECKING:
    import pyarrow as pa

METRICS_FOLDER, SUMMARY_FOLDER = "metrics", "summary"
TUNED = "best_of."
"""What the column of a tuned parameter begins with."""

NUMBERS = (
    *("steps", "epochs", "time_s", "bits_sent", "gradients", "messages", "idle_share"),
    "mean_gradient_batch",
)
"""Numbers of a summary that do not depend on which point's run computed the values, as wall seconds and memory do."""

TEXTS = ("status", "message", "hash")
REACHED = ("value", "step", "time_s", "bits_sent")


@dataclass(frozen=True)
class Columns:
    """The columns of both tables.

    Args:
        keys: what varies, and whether it is a ``whole`` number, a ``number`` or a ``text``.
        targets: metrics that have a target at some point.
    """

    keys: Mapping[str, str]
    targets: Sequence[str]

    def key_cells(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What stands in the columns of the keys.

        Args:
            values: by key; one that a run does not have is empty.

        Returns:
            Numbers and texts.

        Example:
            >>> Columns({"nodes": "whole", "topology": "text"}, ()).key_cells({"nodes": 4, "topology": {"kind": "ring"}})
            {'nodes': 4, 'topology': '{"kind": "ring"}'}
        """
        return {key: cell(values[key], kind) if key in values else None for key, kind in self.keys.items()}

    @property
    def metrics(self) -> pa.Schema:
        """Of the first table: one row for each evaluation."""
        return self._schema({**dict.fromkeys([*AXES, *METRICS], "number")})

    @property
    def summary(self) -> pa.Schema:
        """Of the second table: one row for each run."""
        reached = [f"targets.{target}.{name}" for target in self.targets for name in REACHED]
        numbers = [*NUMBERS, *(f"final.{name}" for name in METRICS), *reached, "spectrum.rho", "spectrum.gap"]
        return self._schema(dict.fromkeys(TEXTS, "text") | dict.fromkeys(numbers, "number") | {"counters": "text"})

    def _schema(self, more: Mapping[str, str]) -> pa.Schema:
        import pyarrow as pa  # noqa: PLC0415  only who sweeps needs it

        types = {"whole": pa.int64(), "number": pa.float64(), "text": pa.string()}
        names = {**self.keys, "algorithm": "text", "seed": "whole", **more}
        return pa.schema([(name, types[kind]) for name, kind in names.items()])


def kind_of(values: Iterable[Any]) -> str:
    """What the column of a key holds.

    Args:
        values: of the key.

    Returns:
        ``whole``, ``number`` or ``text``.

    Example:
        >>> kind_of([1, 2]), kind_of([1, 0.5]), kind_of(["1 ms", 0])
        ('whole', 'number', 'text')
    """
    kinds = {type(value) for value in values}
    if kinds <= {int}:
        return "whole"
    return "number" if kinds <= {int, float} else "text"


def cell(value: Any, kind: str) -> Any:
    """A value in the column of its key.

    Args:
        value: as the scenario has it.
        kind: of the column.

    Returns:
        A number, or text: JSON where it is something else.
    """
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return float(value) if kind == "number" else value


def write_part(folder: Path, name: str, columns: Columns, values: Mapping[str, Any], record: RunRecord) -> None:
    """Writes what a finished run leaves: its rows of both tables; that of the summary last, which says that it is done.

    Args:
        folder: of the sweep.
        name: of the run, its hash.
        columns: of the tables.
        values: by key.
        record: of the run.

    Raises:
        OutputError: if it cannot be written.
    """
    who = {**columns.key_cells(values), "algorithm": record.algorithm, "seed": record.seed}
    _write(part_of(folder / METRICS_FOLDER, name), columns.metrics, [{**who, **row} for row in record.metrics])
    summary = record.summary
    reached = {f"targets.{t}.{key}": v for t, facts in summary["targets"].items() for key, v in facts.items()}
    row = {
        **who,
        **{key: summary[key] for key in (*TEXTS, *NUMBERS)},
        **{f"final.{key}": value for key, value in summary["final"].items()},
        **reached,
        **{f"spectrum.{key}": summary["spectrum"][key] for key in ("rho", "gap")},
        "counters": json.dumps(summary["counters"], sort_keys=True),
    }
    _write(part_of(folder / SUMMARY_FOLDER, name), columns.summary, [row])


def _write(path: Path, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    table = pa.Table.from_pylist(rows, schema=schema)
    write_whole(path, lambda new: parquet.write_table(table, new, use_dictionary=False, write_statistics=False))


def part_of(folder: Path, name: str) -> Path:
    """The file of one run.

    Args:
        folder: of one table.
        name: of the run.

    Returns:
        Its path.
    """
    return folder / f"{name}.parquet"


def finished_in(folder: Path) -> set[str]:
    """The runs whose rows are in both tables.

    Args:
        folder: of the sweep.

    Returns:
        Their names.
    """
    tables = [{path.stem for path in (folder / name).glob("*.parquet")} for name in (METRICS_FOLDER, SUMMARY_FOLDER)]
    return tables[0] & tables[1]


def remove_others(folder: Path, names: Collection[str]) -> None:
    """Removes what does not belong to a sweep: runs of an earlier one, and files that were never finished.

    Args:
        folder: of the sweep.
        names: of its runs.
    """
    for table in (METRICS_FOLDER, SUMMARY_FOLDER):
        for path in (folder / table).glob("*.parquet"):
            if path.stem not in names:
                path.unlink()


def join(folder: Path, names: Sequence[str]) -> None:
    """Puts the rows of a complete sweep into one file for each table, since thousands of small ones are slow to read.

    Args:
        folder: of the sweep.
        names: of all its runs.
    """
    from pyarrow import parquet  # noqa: PLC0415

    for table in (METRICS_FOLDER, SUMMARY_FOLDER):
        rows = parquet.read_table([str(part_of(folder / table, name)) for name in names])
        write_whole(folder / f"{table}.parquet", partial(parquet.write_table, rows))


def separate(folder: Path) -> None:
    """Removes what `join` wrote: the sweep is not complete any more.

    Args:
        folder: of the sweep.
    """
    for table in (METRICS_FOLDER, SUMMARY_FOLDER):
        (folder / f"{table}.parquet").unlink(missing_ok=True)


def read_parts(folder: Path, table: str, names: Iterable[str]) -> pd.DataFrame:
    """The rows of some runs.

    Args:
        folder: of the sweep.
        table: which one.
        names: of the runs; where all are joined, they are all.

    Returns:
        One table; columns in which nothing stands are left out.
    """
    from pyarrow import parquet  # noqa: PLC0415

    joined = folder / f"{table}.parquet"
    paths = [joined] if joined.exists() else [part_of(folder / table, name) for name in names]
    if not paths:
        return pd.DataFrame()
    found: pd.DataFrame = parquet.read_table([str(path) for path in paths]).to_pandas()
    return found.dropna(axis="columns", how="all")
