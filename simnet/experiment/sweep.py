"""What a sweep leaves: two tables with a column for each key that varies, the best of what was tuned, and maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from simnet.errors import OutputError, ParameterError
from simnet.experiment.parts import METRICS_FOLDER, SUMMARY_FOLDER, TUNED, finished_in, read_parts
from simnet.metrics import METRICS
from simnet.scenario.expectations import FIRST_REACHED, TOTALS
from simnet.sentences import unknown_word

HEAD = "sweep.json"
NOBODY = ""


class Sweep:
    """The finished runs of a sweep.

    Args:
        folder: where its tables are.
        head: what `sweep.json` says: keys, labels, points, runs.
        scenario: what all points have in common, as plain values.

    Attributes:
        failures: the runs that failed, and why, where this process has done the sweep.
        interrupted: whether it was ended before all was done.
        how: how many runs this process had computed, retimed, or reused as they were.
    """

    def __init__(self, folder: Path, head: Mapping[str, Any], scenario: Mapping[str, Any]) -> None:
        self.folder = folder
        self.head = head
        self.scenario = scenario
        self.failures: dict[str, str] = {}
        self.interrupted = False
        self.how: dict[str, int] = {}
        done = finished_in(folder)
        self.finished = [name for name in head["runs"] if name in done]

    @property
    def planned(self) -> int:
        """How many runs it consists of."""
        return len(self.head["runs"])

    @property
    def complete(self) -> bool:
        """Whether all of them are finished."""
        return len(self.finished) == self.planned

    @property
    def keys(self) -> list[str]:
        """What varies from point to point: a column each."""
        return [key for key in self.head["keys"] if not key.startswith(TUNED)]

    @property
    def tuned(self) -> list[str]:
        """What is tuned: a column each, whose name begins with ``best_of.``."""
        return [key for key in self.head["keys"] if key.startswith(TUNED)]

    @cached_property
    def points(self) -> pd.DataFrame:
        """The points in their order: a column for each key."""
        points = [{key: point[key] for key in self.keys} for point in self.head["points"]]
        return pd.DataFrame(points, columns=self.keys, index=pd.RangeIndex(len(points), name="point"))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row for each run and evaluation, with a column for each key, point by point."""
        return self._ordered(read_parts(self.folder, METRICS_FOLDER, self.finished), ["step"])

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row for each run, with a column for each key, point by point; as `Result.summary`."""
        return self._ordered(read_parts(self.folder, SUMMARY_FOLDER, self.finished), [])

    @property
    def best(self) -> pd.DataFrame:
        """For each point and algorithm what was best of what was tuned: a row each.

        ``score`` is the mean over the seeds of what it was tuned by, and ``edges`` names the parameters whose best value
        is the smallest or the largest that was tried: there may be a better one beyond.

        Raises:
            ParameterError: if nothing was tuned.
        """
        if not self.tuned:
            raise ParameterError("best: nothing was tuned in this sweep; allowed: one with best_of: {lr: [...], by: accuracy}")
        by = str(self.scenario["sweep"]["best_of"]["by"])
        first, scores = self.scores(by), self._scores(by)
        first["edges"] = [self._edges(row, scores) for _, row in first.iterrows()]
        return first

    def scores(self, value: str) -> pd.DataFrame:
        """One number for each point and algorithm: the mean over the seeds, with the best of what was tuned.

        Args:
            value: as of `table`.

        Returns:
            A row each, with the keys, the algorithm, what was tuned, and ``score``.

        Raises:
            ParameterError: if there is no such number.
        """
        return self._best(self._scores(value)).drop(columns="rank").reset_index(drop=True)

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know of what was tuned: where the best value lies on the edge of those that were tried."""
        if not self.tuned or self.summary.empty:
            return []
        best, found = self.best, []
        for key in self.tuned:
            for label in self.head["labels"]:
                own = best[best["algorithm"] == label]
                edge = own[[key.removeprefix(TUNED) in edges.split(", ") for edges in own["edges"]]]
                if len(edge):
                    values = ", ".join(dict.fromkeys(f"{value:g}" for value in edge[key]))
                    where = "" if len(own) == 1 else f" at {len(edge)} of {len(own)} points"
                    found.append(
                        f"{label}: the best {key.removeprefix(TUNED)}, {values}, lies on the edge of its grid{where}; "
                        "there may be a better one beyond"
                    )
        return found

    def table(
        self, rows: str, columns: str, value: str, algorithm: str, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """One number over two keys: the mean over the seeds, with the best of what was tuned.

        Args:
            rows: the key whose values are the rows.
            columns: the key whose values are the columns.
            value: a metric at the end, or ``time_to.accuracy`` and the like, or a total such as ``bits_sent``.
            algorithm: its label.
            where: values of all other keys that vary.

        Returns:
            A table in the order of the points.

        Raises:
            ParameterError: if there is no such key, value or algorithm, or another key varies, too.
        """
        self._check("algorithm", algorithm, self.head["labels"])
        scores = self._cells(rows, columns, value, where)
        return self._pivot(scores[scores["algorithm"] == algorithm], rows, columns, "score")

    def winners(self, rows: str, columns: str, by: str, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """A map: which algorithm is best, over two keys.

        Args:
            rows: the key whose values are the rows.
            columns: the key whose values are the columns.
            by: as `value` of `table`.
            where: values of all other keys that vary.

        Returns:
            A table of labels in the order of the points; empty text where none has got there.

        Raises:
            ParameterError: if there is no such key or number, or another key varies, too.
        """
        scores = self._cells(rows, columns, by, where).sort_values("rank", kind="stable")
        first = scores.groupby(["point"], sort=False).head(1).copy()
        first.loc[first["rank"] == inf, "algorithm"] = NOBODY
        return self._pivot(first, rows, columns, "algorithm")

    def _cells(self, rows: str, columns: str, value: str, where: Mapping[str, Any] | None) -> pd.DataFrame:
        given = dict(where or {})
        for name, key in (("rows", rows), ("columns", columns), *(("where", key) for key in given)):
            self._check(name, key, self.keys)
        others = [key for key in self.keys if key not in {rows, columns, *given} and self.points[key].nunique() > 1]
        if others:
            names = ", ".join(others)
            raise ParameterError(f"where: found no value for {names}, which vary too; write where={{{others[0]!r}: ...}}")
        scores = self._scores(value)
        for key, wanted in given.items():
            self._check(f"where[{key!r}]", wanted, self.points[key].unique().tolist())
            scores = scores[scores[key] == wanted]
        return self._best(scores)

    def _best(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Of each point and algorithm the row that is best by what was tuned by; the first of equals."""
        if not self.tuned:
            return scores
        choice = self._scores(str(self.scenario["sweep"]["best_of"]["by"]))["rank"].loc[scores.index]
        order = choice.sort_values(kind="stable").index
        return self._sorted(scores.loc[order].groupby(["point", "algorithm"], sort=False).head(1), [])

    def _pivot(self, scores: pd.DataFrame, rows: str, columns: str, value: str) -> pd.DataFrame:
        table = scores.pivot_table(index=rows, columns=columns, values=value, aggfunc="first", sort=False, dropna=False)
        order = [list(dict.fromkeys(self.points[key])) for key in (rows, columns)]
        return table.reindex(
            index=pd.Index([key for key in order[0] if key in table.index], name=rows),
            columns=pd.Index([key for key in order[1] if key in table.columns], name=columns),
        )

    def _scores(self, value: str) -> pd.DataFrame:
        """Means over the seeds: ``score``, and ``rank``, which is smaller where that is better."""
        column, more_is_better = column_of(value)
        summary = self.summary
        self._check("value", column, [*summary.columns, column] if column.startswith("final.") else list(summary.columns))
        numbers = summary[column] if column in summary else pd.Series(np.nan, index=summary.index)
        keys = ["point", *self.head["keys"], "algorithm"]
        table = summary[keys].copy()
        table["score"] = numbers
        table["rank"] = np.where(summary["status"] == "done", -numbers if more_is_better else numbers, inf)
        table["rank"] = table["rank"].fillna(inf)
        return table.groupby(keys, sort=False, dropna=False)[["score", "rank"]].mean().reset_index()

    def _edges(self, row: pd.Series[Any], scores: pd.DataFrame) -> str:
        mine = scores[(scores["point"] == row["point"]) & (scores["algorithm"] == row["algorithm"])]
        names = []
        for key in self.tuned:
            tried = mine[key].dropna() if key in mine else pd.Series(dtype=float)
            if pd.api.types.is_numeric_dtype(tried) and tried.nunique() > 1 and row[key] in (tried.min(), tried.max()):
                names.append(key.removeprefix(TUNED))
        return ", ".join(names)

    def _ordered(self, table: pd.DataFrame, more: list[str]) -> pd.DataFrame:
        """The rows point by point, algorithm by algorithm, with the number of the point in front."""
        for key in self.head["keys"]:  # one that stands in no row was left out
            if key not in table:
                table[key] = np.nan
        if self.keys and not table.empty:
            table = table.merge(self.points.reset_index(), on=self.keys, how="left", validate="many_to_one")
        else:
            table["point"] = 0
        table = self._sorted(table, [*self.tuned, "seed", *more])
        front = ["point", *self.head["keys"], "algorithm", "seed"]
        return table[[*front, *(name for name in table.columns if name not in front)]].reset_index(drop=True)

    def _sorted(self, table: pd.DataFrame, more: list[str]) -> pd.DataFrame:
        rank = {label: index for index, label in enumerate(self.head["labels"])}
        if table.empty:
            return table
        return table.sort_values(
            ["point", "algorithm", *more],
            key=lambda column: column.map(rank) if column.name == "algorithm" else column,
            kind="stable",
        )

    def _check(self, name: str, found: Any, allowed: list[Any]) -> None:
        if found not in allowed:
            raise ParameterError(f"{name}: {unknown_word(found, [str(word) for word in allowed])}")

    def __repr__(self) -> str:
        """How large it is, in one line."""
        name = self.scenario.get("name", "scenario")
        varied = ", ".join([*self.keys, *self.tuned]) or "nothing varies"
        return f"<simnet.Sweep {name}: {len(self.points)} points ({varied}), {len(self.finished)} of {self.planned} runs>"


def column_of(value: str) -> tuple[str, bool]:
    """The column of the summary that a quantity stands in.

    Args:
        value: a metric, ``time_to.accuracy`` and the like, or a total.

    Returns:
        Its name, and whether more is better.

    Raises:
        ParameterError: if it is none of these.

    Example:
        >>> column_of("time_to.accuracy"), column_of("accuracy"), column_of("bits_sent")
        (('targets.accuracy.time_s', False), ('final.accuracy', True), ('bits_sent', False))
    """
    first, _, metric = value.partition(".")
    if first in FIRST_REACHED and metric in METRICS:
        return f"targets.{metric}.{FIRST_REACHED[first]}", False
    if value in TOTALS:
        return value, False
    if value in METRICS:
        return f"final.{value}", METRICS[value].better == "max"
    words = [*TOTALS, *METRICS, *(f"{word}.METRIC" for word in FIRST_REACHED)]
    raise ParameterError(f"value: {unknown_word(value, words)}")


def load_sweep(folder: str | Path) -> Sweep:
    """Reads what `sweep` has written, also while it goes on.

    Args:
        folder: of its tables.

    Returns:
        The tables of what is finished.

    Raises:
        OutputError: if there is no sweep, or one that cannot be read.

    Example:
        >>> load_sweep("nowhere")
        Traceback (most recent call last):
        simnet.errors.OutputError: nowhere: no sweep there (sweep.json is missing); name the --out of simnet sweep
    """
    path = Path(folder)
    try:
        head = json.loads((path / HEAD).read_text(encoding="utf-8"))
        scenario = dict(YAML(typ="safe").load((path / "scenario.yaml").read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise OutputError(f"{folder}: no sweep there ({HEAD} is missing); name the --out of simnet sweep") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder}: damaged sweep ({error}); run simnet sweep again") from error
    return Sweep(path, head, scenario)
