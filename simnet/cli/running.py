"""``simnet run``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from simnet import simulation
from simnet.checkpoint import Checkpoints
from simnet.cli.terminal import INTERRUPTED, Terminal
from simnet.errors import OutputError
from simnet.report.display import choose_progress
from simnet.report.figures import write_figures
from simnet.report.tables import remarks, tables
from simnet.result import Result, check_output, describe_runs


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run a scenario and write its result.

    Args:
        args: scenario, overrides, device, out, resume, seed, quiet.
        terminal: where to speak.

    Returns:
        0, 2 if an algorithm's own code failed, 3 if a run diverged or stalled, 130 if it was interrupted.

    Raises:
        SimnetError: the scenario or the output is bad; nothing was written.
    """
    plan, out, checkpoints = planned(args)
    if not args.quiet:
        for note in plan.notes:
            terminal.tell(f"note: {note}")
    progress = choose_progress(terminal.err, args.quiet)
    try:
        result = plan.execute("deferred", progress, checkpoints)
    finally:
        progress.close()
    if not result.complete and checkpoints.folder.exists():
        terminal.complain(f"go on with: simnet run --resume {out}")
    if not result.records:
        raise KeyboardInterrupt
    save(result, out)
    if result.complete:
        checkpoints.remove()
    if args.quiet:
        for line in remarks(result):
            terminal.complain(line)
    else:
        report(result, out, terminal)
    if result.complete:
        return result.exit_status
    terminal.complain(interruption(result, out))
    return INTERRUPTED


def planned(args: argparse.Namespace) -> tuple[simulation.Plan, Path, Checkpoints]:
    """What is to be run, and where its result goes.

    Args:
        args: as of `run`.

    Returns:
        The plan, the folder, and the checkpoints there.

    Raises:
        SimnetError: the scenario, the output or the checkpoint is bad.
    """
    if args.resume is not None:
        if args.scenario or args.overrides or args.out or args.seed is not None:
            raise OutputError("--resume: found a scenario or other options beside it; allowed: --device and --quiet")
        plan, checkpoints = simulation.resume(args.resume, device=args.device)
        return plan, Path(args.resume), checkpoints
    if args.scenario is None:
        raise OutputError("run: found no scenario; give a scenario file, or --resume DIR; see simnet run --help")
    overrides = dict(args.overrides) | ({} if args.seed is None else {"seed": args.seed})
    plan = simulation.prepare(args.scenario, overrides=overrides, device=args.device)
    out = Path(args.out) if args.out else Path("runs") / folder_name(plan.scenario.name)
    check_output(out)
    return plan, out, Checkpoints(out, resumes=False)


def save(result: Result, out: Path) -> None:
    """Write a result with its figures; without them if they cannot be drawn, since runs may have taken hours.

    Args:
        result: the result.
        out: its folder.

    Raises:
        OutputError: it cannot be written there.
    """
    try:
        result.save(out, extra=lambda folder: void(write_figures(result, folder)))
    except OutputError:
        raise
    except Exception:
        result.save(out)
        raise


def report(result: Result, out: Path, terminal: Terminal) -> None:
    """Say how it went and where everything is.

    Args:
        result: the result.
        out: its folder.
        terminal: where to speak.
    """
    for table in tables(result, terminal.out.width):
        terminal.show(table)
    seeds = {record.seed for record in result.records}
    if len(seeds) > 1:
        terminal.say(f"mean ± standard deviation of {len(seeds)} seeds, where finished")
    for line in remarks(result):
        terminal.say(line)
    terminal.say(f"result:  {out}")
    if any(record.timeline is not None for record in result.records):
        terminal.say(f"trace:   {out / 'trace.json'}, to be opened at ui.perfetto.dev or in chrome://tracing")
    overview = out / "figures" / "overview.png"
    if overview.exists():
        terminal.say(f"figures: {overview} and {len(list(overview.parent.iterdir())) - 1} more in {overview.parent}")


def interruption(result: Result, out: Path) -> str:
    """Say what an interrupted run left behind.

    Args:
        result: the finished runs.
        out: where they are.

    Returns:
        One sentence.

    Example:
        >>> from simnet.result import RunRecord
        >>> scenario = {"algorithms": ["dpsgd", "detag"], "seeds": [1]}
        >>> interruption(Result([RunRecord("dpsgd", 1, "done", "", [], {})], scenario, ""), Path("runs/short"))
        'interrupted: finished runs dpsgd (seed 1) are in runs/short; detag was not finished'
    """
    finished = {(record.algorithm, record.seed) for record in result.records}
    seeds = list(dict.fromkeys([*(result.scenario.get("seeds") or []), *(seed for _, seed in finished)]))
    missing = []
    for label in result.labels:
        lacking = [str(seed) for seed in seeds if (label, seed) not in finished]
        if lacking:
            which = f" ({'seed' if len(lacking) == 1 else 'seeds'} {', '.join(lacking)})"
            missing.append(label + (which if len(lacking) < len(seeds) else ""))
    rest = f"; {', '.join(missing)} {'was' if len(missing) == 1 else 'were'} not finished" if missing else ""
    return f"interrupted: finished runs {describe_runs(result.records)} are in {out}{rest}"


def folder_name(name: str) -> str:
    """A scenario's name as the name of one folder.

    Args:
        name: any text.

    Returns:
        The same with everything but letters, digits, dots, dashes and underscores replaced.

    Example:
        >>> folder_name("slow-ring"), folder_name("../a b/c")
        ('slow-ring', 'a-b-c')
    """
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "scenario"


def void(_: object) -> None:
    """Forget a return value, where a callback must return nothing."""
