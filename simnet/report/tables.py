"""Tables of a result: where each algorithm ended, what reaching each target cost, and whether it is as expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from simnet.experiment.verdicts import verdicts
from simnet.metrics import METRICS, Metric
from simnet.report.curves import headline
from simnet.report.judgements import verdict_sheet
from simnet.report.sheets import Cell, Column, Sheet
from simnet.report.spent import time_sheet
from simnet.report.texts import (
    ALGORITHM,
    bits_text,
    by_label,
    finite,
    mean_cell,
    number_text,
    share_text,
    steps_text,
)
from simnet.result import Result, RunRecord
from simnet.units import format_seconds

_SHOWN = ("accuracy", "optimum_distance", "test_loss", "train_loss", "consensus_distance")
_MOST_METRICS = 3
_UNWELCOME = ("wrap_violations", "dropped_messages", "lost_messages")
_TOTALS = (
    Column("simulated time", "time_s"),
    Column("data sent", "bits_sent"),
    Column("idle", "idle_share"),
    Column("status", "status", is_text=True),
)


def final_sheet(result: Result, metrics: Sequence[Metric] | None = None) -> Sheet:
    """Where each algorithm ended: the metrics that matter, simulated time, data, idle share, how it ended.

    Args:
        result: the result.
        metrics: which; by default the scenario's targets, its headline and a few more, three in all.

    Returns:
        A row for each algorithm; several seeds are mean and standard deviation of those that finished.
    """
    chosen = shown_metrics(result) if metrics is None else metrics
    columns = [*(Column(metric.label, metric.name) for metric in chosen), *_TOTALS]
    rows = []
    for label, records in by_label(result):
        done = [record for record in records if record.status == "done"]
        cells = [_spread([_final(record, metric) for record in done], metric) for metric in chosen]
        for name, text in (("time_s", format_seconds), ("bits_sent", bits_text), ("idle_share", share_text)):
            cells.append(mean_cell([record.summary.get(name) for record in done], text))
        rows.append([Cell(label), *cells, _status(records)])
    return Sheet("final", "", [ALGORITHM, *columns], rows)


def final_table(result: Result, width: int = 120) -> Table:
    """The sheet `final_sheet` for a terminal.

    Args:
        result: the result.
        width: characters that there is room for; a narrow table shows fewer metrics.

    Returns:
        A table with one row for each algorithm.

    Example:
        >>> summary = {"final": {"accuracy": 0.93}, "time_s": 90.0, "bits_sent": 3.1e9, "idle_share": 0.25}
        >>> result = Result([RunRecord("dpsgd", 1, "done", "", [], summary)], {}, "")
        >>> Console(width=70).print(final_table(result))
                        test  simulated      data
        algorithm   accuracy       time      sent   idle   status
        ───────────────────────────────────────────────────────────
        dpsgd         93.0 %       90 s  3.1 Gbit   25 %   done
    """
    metrics = shown_metrics(result)
    widths = Console(width=10_000)
    table = final_sheet(result, metrics).to_rich()
    while len(metrics) > 1 and widths.measure(table).maximum > width:
        metrics = metrics[:-1]
        table = final_sheet(result, metrics).to_rich()
    return table


def target_sheet(result: Result, metric: Metric) -> Sheet | None:
    """What it cost each algorithm to reach a target.

    Args:
        result: the result.
        metric: the target's metric.

    Returns:
        A row for each algorithm: mean over the seeds that reached it, and how many did if not all;
        ``None`` if the scenario has no target for this metric.

    Example:
        >>> target_sheet(Result([], {"targets": {"accuracy": 0.9}}, ""), METRICS["accuracy"]).title
        'to reach test accuracy 90 %'
    """
    targets = result.scenario.get("targets") or {}
    if metric.name not in targets:
        return None
    goal = f"{100 * targets[metric.name]:g} %" if metric.is_share else f"{targets[metric.name]:g}"
    texts = (("step", steps_text), ("time_s", format_seconds), ("bits_sent", bits_text))
    rows = []
    for label, records in by_label(result):
        hits = [record.summary.get("targets", {}).get(metric.name, {}) for record in records]
        cells = [mean_cell([hit.get(name) for hit in hits], text) for name, text in texts]
        count = sum(math.isfinite(hit.get("step", math.inf)) for hit in hits)
        reached = ("yes" if count else "no") if len(hits) == 1 else f"{count} of {len(hits)} seeds"
        rows.append([Cell(label), *cells, Cell(reached, mood="good" if count == len(hits) else "bad")])
    columns = [ALGORITHM, Column("steps", "step"), *_TOTALS[:2], Column("reached", "reached", is_text=True)]
    return Sheet(f"target_{metric.name}", f"to reach {metric.label} {goal}", columns, rows)


def expected_sheet(result: Result) -> Sheet | None:
    """What the scenario expects, and whether the result is so, with both numbers.

    Args:
        result: the result.

    Returns:
        A row for each expectation; ``None`` if there is none, or if runs are missing that it may be about.

    Example:
        >>> records = [RunRecord(name, 1, "done", "", [], {"steps": steps}) for name, steps in (("a", 3), ("b", 4))]
        >>> scenario = {"algorithms": [{"name": "a"}, {"name": "b"}], "expect": ["a.steps < b.steps"]}
        >>> sheet = expected_sheet(Result(records, scenario, ""))
        >>> [cell.text for cell in sheet.rows[0]]
        ['holds', 'a.steps < b.steps', '3', '4', '25 %', '']
    """
    if not result.scenario.get("expect") or not result.complete:
        return None
    return verdict_sheet(verdicts(result))


def sheets(result: Result) -> list[Sheet]:
    """All that a run ends with, as tables.

    Args:
        result: the result.

    Returns:
        Where it ended, what each target cost, what the scenario expects, where the time went.
    """
    targets = [target_sheet(result, METRICS[name]) for name in result.scenario.get("targets") or {} if name in METRICS]
    found = [final_sheet(result), *targets, expected_sheet(result), time_sheet(result)]
    return [sheet for sheet in found if sheet is not None]


def tables(result: Result, width: int = 120) -> list[Table]:
    """All tables that a run ends with, for a terminal.

    Args:
        result: the result.
        width: characters that there is room for.

    Returns:
        Those of `sheets`, in their order.
    """
    return [final_table(result, width), *(sheet.to_rich() for sheet in sheets(result)[1:])]


def remarks(result: Result) -> list[str]:
    """What a table has no room for: why runs failed, and what went wrong without stopping them.

    Args:
        result: the result.

    Returns:
        One line for each.

    Example:
        >>> remarks(Result([RunRecord("moniqua", 1, "done", "", [], {"counters": {"wrap_violations": 2}})], {}, ""))
        ['moniqua (seed 1): 2 wrap violations']
    """
    lines = []
    for record in result.records:
        who = f"{record.algorithm} (seed {record.seed})"
        if record.status != "done":
            lines.append(f"{who}: {record.status}{': ' if record.message else ''}{record.message}")
        for name in _UNWELCOME:
            if count := record.summary.get("counters", {}).get(name, 0):
                words = name.replace("_", " ")
                lines.append(f"{who}: {count} {words.removesuffix('s') if count == 1 else words}")
    if result.scenario.get("expect") and not result.complete:
        lines.append("what the scenario expects was not judged, since runs are missing")
    return lines


def shown_metrics(result: Result) -> list[Metric]:
    """The metrics that a table of one row for each algorithm has room for, the most important first.

    Args:
        result: the result.

    Returns:
        The targets', the headline, and what else was measured; three at most.
    """
    first = headline(result)
    targets = [name for name in result.scenario.get("targets") or {} if name in METRICS]
    wanted = dict.fromkeys([*targets, *([first.name] if first else []), *_SHOWN])
    measured = {name for record in result.records for name in record.summary.get("final", {})}
    if "test_loss" in measured and "train_loss" not in targets:
        measured -= {"train_loss"}
    return [METRICS[name] for name in wanted if name in measured][:_MOST_METRICS]


def _final(record: RunRecord, metric: Metric) -> Any:
    return record.summary.get("final", {}).get(metric.name)


def _spread(values: Sequence[Any], metric: Metric) -> Cell:
    known = finite(values)
    mean = mean_cell(known, lambda value: number_text(metric, value))
    if len(known) < 2:
        return mean
    deviation = stdev(known)
    text = f"{mean.text} ± {f'{100 * deviation:.1f}' if metric.is_share else f'{deviation:.1g}'}"
    return Cell(text, mean.value, deviation)


def _status(records: Sequence[RunRecord]) -> Cell:
    counts = {status: sum(r.status == status for r in records) for status in dict.fromkeys(r.status for r in records)}
    if len(counts) == 1:
        status = next(iter(counts))
        return Cell(status, mood="good" if status == "done" else "bad")
    return Cell(", ".join(f"{count} {status}" for status, count in counts.items()), mood="bad")
