"""``simnet trace``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from simnet import simulation
from simnet.cli.running import folder_name, interruption, void
from simnet.cli.terminal import INTERRUPTED, Terminal
from simnet.errors import ParameterError
from simnet.report.display import choose_progress
from simnet.report.figures import write_timelines
from simnet.report.tables import remarks
from simnet.result import Result, check_output
from simnet.scenario import Trace
from simnet.sentences import unknown_word
from simnet.units import format_seconds


def trace(args: argparse.Namespace, terminal: Terminal) -> int:
    """Record the timeline of a scenario, and write it with its figures.

    Args:
        args: scenario, overrides, device, out, seed, algorithm, start, until.
        terminal: where to speak.

    Returns:
        0, 2 if an algorithm's own code failed, 3 if a run diverged or stalled, 130 if it was interrupted.

    Raises:
        SimnetError: the scenario or the output is bad; nothing was written.
    """
    window = {"from": args.start, "until": args.until}
    overrides = dict(args.overrides) | {f"run.trace.{key}": value for key, value in window.items() if value is not None}
    overrides |= {} if args.seed is None else {"seed": args.seed}
    plan = traced(simulation.prepare(args.scenario, overrides=overrides, device=args.device), args.algorithm)
    out = Path(args.out) if args.out else Path("runs") / f"{folder_name(plan.scenario.name)}-trace"
    check_output(out)
    result = execute(plan, terminal)
    if not result.records:
        raise KeyboardInterrupt
    result.save(out, extra=lambda folder: void(write_timelines(result, folder / "figures")))
    report(result, out, terminal)
    if result.complete:
        return result.exit_status
    terminal.complain(interruption(result, out))
    return INTERRUPTED


def traced(plan: simulation.Plan, label: str | None) -> simulation.Plan:
    """The same plan with a timeline, no longer than that needs.

    Args:
        plan: the prepared scenario.
        label: of the one algorithm to run; None: all.

    Returns:
        A plan that can be executed.

    Raises:
        ParameterError: there is no such algorithm.
    """
    scenario = plan.scenario
    labels = [named.label for named in scenario.algorithms]
    if label is not None and label not in labels:
        raise ParameterError(f"--algorithm: {unknown_word(label, labels)}")
    chosen = [index for index, known in enumerate(labels) if label in (None, known)]
    window = scenario.run.trace or Trace()
    ends = [end for end in (scenario.run.simulated_time, window.until) if end is not None]
    run = scenario.run.model_copy(update={"trace": window, "simulated_time": min(ends, default=None)})
    algorithms = tuple(scenario.algorithms[index] for index in chosen)
    expect = scenario.expect if label is None else ()  # they may be about others
    scenario = scenario.model_copy(update={"run": run, "algorithms": algorithms, "expect": expect})
    setting = replace(plan.setting, scenario=scenario)
    return replace(plan, scenario=scenario, entries=[plan.entries[index] for index in chosen], setting=setting)


def execute(plan: simulation.Plan, terminal: Terminal) -> Result:
    """The clock alone; with values where an algorithm's decisions need them.

    Args:
        plan: what to run.
        terminal: where to tell how far it has come.

    Returns:
        The result; its metrics have no values if the clock ran alone.
    """
    result = plan.execute("off", choose_progress(terminal.err, quiet=False))
    failed = [record.algorithm for record in result.records if record.status == "failed"]
    if not failed:
        return result
    terminal.tell(f"{', '.join(dict.fromkeys(failed))}: once more, with values")
    return plan.execute("deferred", choose_progress(terminal.err, quiet=False))


def report(result: Result, out: Path, terminal: Terminal) -> None:
    """Say what was recorded and where it is.

    Args:
        result: the result.
        out: its folder.
        terminal: where to speak.
    """
    for record in result.records:
        table = result.timeline(record.algorithm, record.seed)
        window = table.iloc[0]
        span = f"{format_seconds(window['start_s'])} to {format_seconds(window['end_s'])}"
        early = f"; the timeline {window['what']}, as run.trace.most_events says" if window["what"] else ""
        terminal.say(f"{record.algorithm} (seed {record.seed}): {len(table) - 1} events from {span}{early}")
    for line in remarks(result):
        terminal.say(line)
    terminal.say(f"trace:   {out / 'trace.json'}, to be opened at ui.perfetto.dev or in chrome://tracing")
    figures = sorted((out / "figures").glob("*.png"))
    if figures:
        terminal.say(f"figures: {figures[0]}" + (f" and {len(figures) - 1} more" if len(figures) > 1 else ""))
