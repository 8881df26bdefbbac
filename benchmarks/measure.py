"""What the benchmarks share: one thread, repeats in turn, minima and their ratios, a table on screen and in JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

Row = Mapping[str, Any]


def one_thread() -> None:
    """Let torch and every BLAS of this process use one thread from here on."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def seconds(action: Callable[[], object]) -> float:
    """The wall time of one call [s]."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved(actions: Mapping[str, Callable[[], float]], repeats: int = 7) -> dict[str, list[float]]:
    """Measure several things in turn, so that a slow moment of the machine meets all of them.

    Args:
        actions: name -> function that measures once and returns its figure.
        repeats: rounds after a first one that only warms up.

    Returns:
        name -> one figure per round; figures of the same round are neighbours in time.
    """
    for action in actions.values():
        action()
    figures: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            figures[name].append(action())
    return figures


def best(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The smallest figure of each name: what is left when nothing else disturbs."""
    return {name: min(values) for name, values in figures.items()}


def ratio(figures: Mapping[str, Sequence[float]], over: str, under: str) -> float:
    """The minimum of `over` divided by the minimum of `under`, of one interleaved run."""
    return min(figures[over]) / min(figures[under])


def machine() -> dict[str, str]:
    """What the figures depend on: processor, versions, revision of the code."""
    return {
        "machine": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "revision": _revision(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def report(title: str, rows: Sequence[Row], json_file: Path | None = None) -> None:
    """Print the rows as a Markdown table under the machine's line, and write both as JSON where that is asked for.

    Args:
        title: what was measured, with its unit.
        rows: one mapping for each line; all have the keys of the first.
        json_file: where the same goes as JSON.
    """
    facts = machine()
    print(f"\n{title}\n{', '.join(f'{key} {value}' for key, value in facts.items())}\n")
    print(table(rows))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        content = {"title": title, **facts, "rows": [dict(row) for row in rows]}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, numbers with three figures."""
    head = list(rows[0])
    cells = [head, *([_text(row[key]) for key in head] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    padded = [[cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in cells]
    lines = ["| " + " | ".join(line) + " |" for line in padded]
    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
