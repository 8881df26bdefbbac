"""``simnet validate``, ``plot`` and ``schema``: what looks at files and results without running a scenario."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from simnet import simulation
from simnet.cli.terminal import Terminal
from simnet.errors import OutputError
from simnet.metrics import find_axis
from simnet.report import figures
from simnet.report.curves import headline
from simnet.report.style import count_text
from simnet.result import Result
from simnet.scenario.editor import json_schema
from simnet.setting import Setting
from simnet.units import format_seconds, format_size


def validate(args: argparse.Namespace, terminal: Terminal) -> int:
    """Check a scenario, and say what running it would mean.

    Args:
        args: scenario, overrides, device.
        terminal: where to speak.

    Returns:
        0.

    Raises:
        SimnetError: the scenario is bad; all complaints at once.
    """
    plan = simulation.prepare(args.scenario, overrides=dict(args.overrides), device=args.device)
    lines = description(plan)
    terminal.say(f"{args.scenario} is valid.")
    for note in plan.notes:
        terminal.say(f"note: {note}")
    grid = Table.grid(padding=(0, 2))
    for name, text in lines:
        grid.add_row(Text(name, style="bold"), Text(text))
    terminal.show(grid)
    return 0


def description(plan: simulation.Plan) -> list[tuple[str, str]]:
    """What a scenario consists of and what it will cost, line by line.

    Args:
        plan: the prepared scenario.

    Returns:
        Names and texts.
    """
    scenario, estimate = plan.scenario, plan.estimate()
    labels = [entry.label for entry in scenario.algorithms]
    runs = len(labels) * len(scenario.seeds)
    budgets = [(scenario.run.steps, "steps"), (scenario.run.epochs, "epochs")]
    budget = [f"{value:g} {name}" for value, name in budgets if value is not None]
    if scenario.run.simulated_time is not None:
        budget.append(f"{format_seconds(scenario.run.simulated_time)} simulated")
    cost = plan.setting.gradient_cost
    needs = {label: format_size(need.bits, 2) for label, need in plan.node_memory.items()}
    return [
        ("network", f"{_plural(scenario.nodes, 'node')}, {_links(plan.setting)}{_kind(scenario.topology)}"),
        ("algorithms", ", ".join(labels)),
        ("runs", f"{runs} ({_plural(len(labels), 'algorithm')}, {_plural(len(scenario.seeds), 'seed')})"),
        ("budget", " or ".join(budget)),
        *([("gradient", cost.describe())] if cost is not None else []),
        *([("node memory", _each(needs) + ", without data and activations")] if needs else []),
        ("messages", _each({label: count_text(float(f"{n:.3g}")) for label, n in estimate.messages.items()})),
        ("simulated time", _each({label: format_seconds(s) for label, s in estimate.simulated_s.items()})),
        ("wall time", f"about {format_seconds(estimate.wall_s, 2)}"),
        ("memory", f"about {format_size(8 * estimate.memory_bytes, 2)}"),
    ]


def plot(args: argparse.Namespace, terminal: Terminal) -> int:
    """Draw all figures of a result again, or one.

    Args:
        args: directory, metric, against, out.
        terminal: where to speak.

    Returns:
        0.

    Raises:
        SimnetError: no result there, nothing to draw, or the file cannot be written.
    """
    result = Result.load(args.directory)
    folder = Path(args.directory) / "figures"
    if args.metric is None and args.against is None and args.out is None:
        terminal.say(f"{redraw(result, Path(args.directory))} figures are in {folder}")
        return 0
    if args.metric is None and args.against is None:
        figure, name = figures.overview(result), "overview"
    else:
        axis = find_axis(args.against or "step")
        figure = figures.plot(result, args.metric, axis.name)
        chosen = args.metric or getattr(headline(result), "name", "")
        name = f"{chosen}_vs_{axis.name}"
    out = Path(args.out) if args.out else folder / f"{name}.png"
    terminal.say(str(figures.write_figure(figure, out)))
    return 0


def redraw(result: Result, directory: Path) -> int:
    """Replace a result's figures; the old ones stay until the new ones are complete.

    Args:
        result: the result.
        directory: its folder.

    Returns:
        How many there are now.

    Raises:
        OutputError: they cannot be written there.
    """
    try:
        holder = Path(tempfile.mkdtemp(prefix=".figures.", dir=directory))
        try:
            written = figures.write_figures(result, holder)
            if written:
                shutil.rmtree(directory / "figures", ignore_errors=True)
                (holder / "figures").rename(directory / "figures")
        finally:
            shutil.rmtree(holder, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{directory}: cannot be written ({error.strerror or error}); name --out FILE") from error
    return len(written)


def schema(args: argparse.Namespace, terminal: Terminal) -> int:
    """Write the JSON Schema of scenario files.

    Args:
        args: out.
        terminal: where to speak.

    Returns:
        0.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps(json_schema(simulation.schemas()), indent=2, ensure_ascii=False)
    if args.out is None:
        terminal.say(text)
        return 0
    try:
        Path(args.out).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{args.out}: cannot be written ({error.strerror or error}); name another file") from error
    terminal.say(args.out)
    return 0


def _links(setting: Setting) -> str:
    graph = setting.graph
    most = _plural(graph.number_of_edges() * (1 if graph.is_directed() else 2), "link")
    return most if setting.sequence is None else f"up to {most}"


def _each(texts: dict[str, str]) -> str:
    return ", ".join(f"{label} about {text}" for label, text in texts.items())


def _kind(topology: Any) -> str:
    return f" ({topology.kind})" if topology is not None else ""


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
