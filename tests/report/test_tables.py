from __future__ import annotations

import dataclasses
import io
import math

from rich.console import Console

from simnet.report.tables import remarks, tables
from simnet.result import Result, RunRecord


def shown(result: Result, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    for table in tables(result, width):
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_each_algorithm_has_a_row_with_mean_and_deviation(result: Result) -> None:
    text = shown(result)
    (row,) = [line for line in text.splitlines() if line.strip().startswith("dpsgd") and "±" in line]
    assert row.split()[1:5][1] == "%"
    assert row.rstrip().endswith("done")
    assert "2 done, 1 diverged" in text
    assert "to reach test accuracy 85 %" in text
    assert "2 of 3 seeds" in text


def test_every_table_fits_into_eighty_columns_without_cutting_anything(result: Result) -> None:
    text = shown(result, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "moniqua-8bit" in text


def test_an_unreached_target_says_so() -> None:
    unreached = {"value": 0.9, "step": math.inf, "time_s": math.inf, "bits_sent": math.inf}
    summary = {"final": {"accuracy": math.nan}, "targets": {"accuracy": unreached}, "time_s": 3.0}
    text = shown(Result([RunRecord("a", 1, "done", "", [], summary)], {"targets": {"accuracy": 0.9}}, ""))
    assert "inf" not in text
    assert "nan" not in text
    assert text.rstrip().endswith("no")


def test_labels_are_not_read_as_markup() -> None:
    text = shown(Result([RunRecord("[red]x[/red]", 1, "done", "", [], {})], {}, ""))
    assert "[red]x[/red]" in text


def test_remarks_name_failures_and_violations(result: Result) -> None:
    failed = dataclasses.replace(result.records[0], status="stalled", message="node 1 waits")
    lines = remarks(Result([failed, *result.records[-1:]], {}, ""))
    assert lines == [
        "allreduce (seed 1): stalled: node 1 waits",
        "moniqua-8bit (seed 3): diverged",
        "moniqua-8bit (seed 3): 3 wrap violations",
    ]
