"""Tables of a result for a terminal: where each algorithm ended, and what reaching each target cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simnet.metrics import METRICS, Metric
from simnet.report.curves import headline
from simnet.report.style import count_text, unit_for
from simnet.result import Result, RunRecord
from simnet.units import format_seconds

_STATUS_STYLES = {"done": "green", "diverged": "red", "stalled": "red", "failed": "red"}
_SHOWN = ("accuracy", "optimum_distance", "test_loss", "train_loss", "consensus_distance")
_MOST_METRICS = 3
NOTHING = "-"
_UNWELCOME = ("wrap_violations", "dropped_messages", "lost_messages")


def number_text(metric: Metric, value: float) -> str:
    """A metric's value as a person reads it.

    Args:
        metric: what it is.
        value: the value.

    Returns:
        Per cent for shares, otherwise three digits.

    Example:
        >>> number_text(METRICS["accuracy"], 0.9312), number_text(METRICS["test_loss"], 0.12345)
        ('93.1 %', '0.123')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{100 * value:.1f} %" if metric.is_share else f"{value:.3g}"


def bits_text(value: float) -> str:
    """An amount of data as a person reads it, with an SI prefix.

    Args:
        value: bits.

    Returns:
        Three digits and a unit.

    Example:
        >>> bits_text(3.1e9), bits_text(0)
        ('3.1 Gbit', '0 bit')
    """
    unit = unit_for("bit", value)
    return f"{value / unit.factor:.3g} {unit.symbol}"


def steps_text(value: float) -> str:
    """A number of steps as a person reads it.

    Args:
        value: steps, a mean perhaps.

    Returns:
        A whole number, from ten thousand on with a prefix.

    Example:
        >>> steps_text(123.4), steps_text(25_000)
        ('123', '25k')
    """
    return f"{value:.0f}" if value < 10_000 else count_text(float(f"{value:.3g}"))


def final_table(result: Result, width: int = 120) -> Table:
    """Where each algorithm ended: the metrics that matter, simulated time, data, idle share, how it ended.

    Args:
        result: the result.
        width: characters that there is room for; a narrow table shows fewer metrics.

    Returns:
        A table with one row for each algorithm; several seeds are mean and standard deviation of those that finished.

    Example:
        >>> summary = {"final": {"accuracy": 0.93}, "time_s": 90.0, "bits_sent": 3.1e9, "idle_share": 0.25}
        >>> result = Result([RunRecord("dpsgd", 1, "done", "", [], summary)], {}, "")
        >>> Console(width=70).print(final_table(result))
                        test  simulated      data
        algorithm   accuracy       time      sent   idle   status
        ───────────────────────────────────────────────────────────
        dpsgd         93.0 %       90 s  3.1 Gbit   25 %   done
    """
    metrics = _shown_metrics(result)
    widths = Console(width=10_000)
    table = _final_table(result, metrics)
    while len(metrics) > 1 and widths.measure(table).maximum > width:
        metrics = metrics[:-1]
        table = _final_table(result, metrics)
    return table


def _final_table(result: Result, metrics: Sequence[Metric]) -> Table:
    columns = [metric.label for metric in metrics]
    table = _table("", [*columns, "simulated time", "data sent", "idle", "status"])
    for label, records in _by_label(result):
        done = [record for record in records if record.status == "done"]
        cells = [_spread([_final(record, metric) for record in done], metric) for metric in metrics]
        for name, text in (("time_s", format_seconds), ("bits_sent", bits_text)):
            cells.append(_mean([r.summary.get(name) for r in done], text))
        cells.append(_mean([r.summary.get("idle_share") for r in done], lambda value: f"{100 * value:.0f} %"))
        table.add_row(Text(label), *cells, _status(records))
    return table


def target_table(result: Result, metric: Metric) -> Table | None:
    """What it cost each algorithm to reach a target.

    Args:
        result: the result.
        metric: the target's metric.

    Returns:
        A table with one row for each algorithm: mean over the seeds that reached it, and how many did if not all;
        ``None`` if the scenario has no target for this metric.

    Example:
        >>> target_table(Result([], {"targets": {"accuracy": 0.9}}, ""), METRICS["accuracy"]).title
        'to reach test accuracy 90 %'
    """
    targets = result.scenario.get("targets") or {}
    if metric.name not in targets:
        return None
    goal = f"{100 * targets[metric.name]:g} %" if metric.is_share else f"{targets[metric.name]:g}"
    table = _table(f"to reach {metric.label} {goal}", ["steps", "simulated time", "data sent", "reached"])
    for label, records in _by_label(result):
        hits = [record.summary.get("targets", {}).get(metric.name, {}) for record in records]
        cells = [
            _mean([hit.get(name) for hit in hits], text)
            for name, text in (("step", steps_text), ("time_s", format_seconds), ("bits_sent", bits_text))
        ]
        count = sum(math.isfinite(hit.get("step", math.inf)) for hit in hits)
        reached = ("yes" if count else "no") if len(hits) == 1 else f"{count} of {len(hits)} seeds"
        table.add_row(Text(label), *cells, Text(reached, style="green" if count == len(hits) else "red"))
    return table


def time_table(result: Result) -> Table | None:
    """Where each algorithm's time went: its nodes' mean shares, and what the run as a whole had to wait for.

    Args:
        result: the result.

    Returns:
        A table with one row for each algorithm, mean over the seeds (the bottleneck is that of the first); None if no run
        kept account.

    Example:
        >>> nodes = {"computing_s": [3.0, 1.0], "waiting_s": [1.0, 3.0], "sending_s": [0.4, 0.4], "down_s": [0.0, 0.0]}
        >>> path = {"time_s": 4.0, "bottleneck": "link 0 -> 1", "share": 0.5}
        >>> summary = {"nodes": nodes, "critical_path": path}
        >>> Console(width=70).print(time_table(Result([RunRecord("dpsgd", 1, "done", "", [], summary)], {}, "")))
        where the nodes' time went, and what the run waited for most
        <BLANKLINE>
         algorithm   computing   waiting   sending   down   bottleneck
         ────────────────────────────────────────────────────────────────────
         dpsgd            50 %      50 %      10 %    0 %   link 0 -> 1, 50 %
        <BLANKLINE>
    """
    accounts = [(label, [r for r in records if r.summary.get("nodes")]) for label, records in _by_label(result)]
    if not any(records for _, records in accounts):
        return None
    kinds = ("computing", "waiting", "sending", "down")
    table = _table("where the nodes' time went, and what the run waited for most", [*kinds, "bottleneck"])
    for label, records in accounts:
        cells = [_mean([_share_of_time(r, kind) for r in records], lambda share: f"{100 * share:.0f} %") for kind in kinds]
        path = records[0].summary["critical_path"] if records else {}
        bottleneck = f"{path['bottleneck']}, {100 * path['share']:.0f} %" if path.get("bottleneck") else NOTHING
        table.add_row(Text(label), *cells, bottleneck)
    return table


def _share_of_time(record: RunRecord, kind: str) -> float | None:
    seconds, end_s = record.summary["nodes"][f"{kind}_s"], record.summary["critical_path"]["time_s"]
    return fmean(seconds) / end_s if end_s else None


def tables(result: Result, width: int = 120) -> list[Table]:
    """All tables that a run ends with.

    Args:
        result: the result.
        width: characters that there is room for.

    Returns:
        The final table, then one for each target, then where the time went.
    """
    targets = [target_table(result, METRICS[name]) for name in result.scenario.get("targets") or {} if name in METRICS]
    return [table for table in (final_table(result, width), *targets, time_table(result)) if table is not None]


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
    return lines


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("algorithm", style="bold", overflow="fold")
    for column in columns:
        is_text = column in {"status", "reached", "bottleneck"}
        header = column.replace(" ", "\n", 1)
        table.add_column(header, justify="left" if is_text else "right", no_wrap=not is_text)
    return table


def _shown_metrics(result: Result) -> list[Metric]:
    first = headline(result)
    targets = [name for name in result.scenario.get("targets") or {} if name in METRICS]
    wanted = dict.fromkeys([*targets, *([first.name] if first else []), *_SHOWN])
    measured = {name for record in result.records for name in record.summary.get("final", {})}
    if "test_loss" in measured and "train_loss" not in targets:
        measured -= {"train_loss"}
    return [METRICS[name] for name in wanted if name in measured][:_MOST_METRICS]


def _by_label(result: Result) -> list[tuple[str, list[RunRecord]]]:
    groups = [(label, [r for r in result.records if r.algorithm == label]) for label in result.labels]
    return [(label, records) for label, records in groups if records]


def _final(record: RunRecord, metric: Metric) -> Any:
    return record.summary.get("final", {}).get(metric.name)


def _finite(values: Sequence[Any]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _mean(values: Sequence[Any], text: Callable[[float], str]) -> str:
    known = _finite(values)
    return text(fmean(known)) if known else NOTHING


def _spread(values: Sequence[Any], metric: Metric) -> str:
    known = _finite(values)
    mean = _mean(known, lambda value: number_text(metric, value))
    if len(known) < 2:
        return mean
    deviation = stdev(known)
    return f"{mean} ± {f'{100 * deviation:.1f}' if metric.is_share else f'{deviation:.1g}'}"


def _status(records: Sequence[RunRecord]) -> Text:
    counts = {status: sum(r.status == status for r in records) for status in dict.fromkeys(r.status for r in records)}
    if len(counts) == 1:
        status = next(iter(counts))
        return Text(status, style=_STATUS_STYLES.get(status, ""))
    return Text(", ".join(f"{count} {status}" for status, count in counts.items()), style="red")
