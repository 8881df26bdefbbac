"""``simnet sweep``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from simnet.cli.running import folder_name
from simnet.cli.terminal import INTERRUPTED, Terminal
from simnet.errors import ScenarioError
from simnet.experiment.sweep import Sweep
from simnet.experiment.sweeping import check_folder, execute, prepared
from simnet.report.sweeps import choose_sweep_progress, sweep_tables
from simnet.scenario.source import Plain, read_yaml


def sweep(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run a scenario at many points, or what an earlier call has left of them.

    Args:
        args: scenario, overrides, grid, zip, out, workers, scheduler, retries, device, quiet.
        terminal: where to speak.

    Returns:
        0, 2 if runs failed, 3 if some diverged or stalled, 130 if it was interrupted.

    Raises:
        SimnetError: the scenario, a point or the output is bad; nothing was run.
    """
    varied = {**dict(args.grid), "zip": dict(args.zip)}
    plan = prepared(args.scenario, varied, dict(args.overrides), args.device)
    out = Path(args.out) if args.out else Path("runs") / f"{folder_name(plan.scenario.name)}-sweep"
    check_folder(out)
    found = execute(
        plan,
        out,
        workers=args.workers,
        scheduler=args.scheduler,
        retries=args.retries,
        progress=choose_sweep_progress(terminal.err, args.quiet),
    )
    if not args.quiet:
        report(found, out, terminal)
    for run, reason in found.failures.items():
        terminal.complain(f"{run} failed: {reason}")
    return status_of(found, out, terminal)


def status_of(found: Sweep, out: Path, terminal: Terminal) -> int:
    """How the command ends; says what is missing.

    Args:
        found: what is finished.
        out: where it is.
        terminal: where to speak.

    Returns:
        The exit status.
    """
    if not found.complete:
        reason = "interrupted" if found.interrupted else "not complete"
        terminal.complain(f"{reason}: {len(found.finished)} of {found.planned} runs are in {out}; the same command goes on")
        return INTERRUPTED if found.interrupted else 2
    return 0 if found.summary.empty or (found.summary["status"] == "done").all() else 3


def report(found: Sweep, out: Path, terminal: Terminal) -> None:
    """Say what was found and where it is.

    Args:
        found: what is finished.
        out: where it is.
        terminal: where to speak.
    """
    for table in sweep_tables(found):
        terminal.show(table)
    for line in found.warnings:
        terminal.say(f"warning: {line}")
    statuses = found.summary["status"].value_counts().to_dict() if found.finished else {}
    bad = ", ".join(f"{number} {status}" for status, number in statuses.items() if status != "done")
    how = ", ".join(f"{number} {word}" for word, number in sorted(found.how.items())) or "nothing to do"
    terminal.say(f"runs:    {len(found.finished)} of {found.planned} finished" + (f" ({bad})" if bad else "") + f"; now {how}")
    terminal.say(f"tables:  {out / 'metrics'} and {out / 'summary'} (Parquet); in Python: simnet.load_sweep({str(out)!r})")


def listed(text: str) -> tuple[str, list[Any]]:
    """Read ``key.path=value,value``.

    Args:
        text: the word after ``--grid`` or ``--zip``.

    Returns:
        Key path and values, as a scenario would have them.

    Raises:
        argparse.ArgumentTypeError: it has another form.

    Example:
        >>> listed("network.latency=1 ms,10 ms"), listed("topology=ring,{kind: torus, rows: 4}")
        (('network.latency', ['1 ms', '10 ms']), ('topology', ['ring', {'kind': 'torus', 'rows': 4}]))
    """
    key, equals, values = text.partition("=")
    allowed = "allowed: key.path=value,value, such as network.latency='1 ms,10 ms'"
    try:
        found = Plain().convert(read_yaml(f"[{values}]", "")) if equals and key.strip() and values.strip() else None
    except ScenarioError:
        found = None
    if not isinstance(found, list):
        raise argparse.ArgumentTypeError(f"found {text!r}; {allowed}")
    return key.strip(), found
