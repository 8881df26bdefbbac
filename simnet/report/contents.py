"""What a report says of a result, before it is put into words for a browser or for Markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from simnet.errors import ParameterError, SimnetError
from simnet.metrics import AXES, METRICS
from simnet.report.drawing import MOST_EDGES, MOST_NODES, draw_graph
from simnet.report.figures import write_figure, write_figures
from simnet.report.sheets import Cell, Column, Sheet
from simnet.report.spent import nodes_sheet, path_sheet, plot_spent
from simnet.report.tables import remarks, sheets
from simnet.result import Result, describe_runs
from simnet.scenario import load_text
from simnet.simulation import Plan, prepare, schemas

SECTIONS = {
    "result": "Result",
    "network": "Network",
    "time": "Where the time went",
    "figures": "Every figure",
    "scenario": "Scenario",
    "environment": "Environment",
    "notes": "Notes",
}
_MOST_CLASS_ROWS = 64


@dataclass(frozen=True)
class Picture:
    """A figure that has been drawn.

    Args:
        path: its PNG file.
        caption: what it shows.
    """

    path: Path
    caption: str

    @property
    def uri(self) -> str:
        """The picture itself, as an address."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"

    @property
    def link(self) -> str:
        """Where a report in Markdown finds it."""
        return quote(f"figures/{self.path.name}")


def contents(result: Result, folder: Path) -> dict[str, Any]:
    """All that a report says, its figures drawn.

    Args:
        result: the result.
        folder: where its figures are put, in ``figures``.

    Returns:
        What the templates name.
    """
    plan, reason = plan_of(result)
    (folder / "figures").mkdir()
    overview, figures, timelines = _pictures(result, folder)
    found = sheets(result)
    graph = draw_topology(result, plan, folder)
    return {
        "name": result.name,
        "question": result.question,
        "facts": facts(result, plan),
        "sections": list(SECTIONS.items()),
        "overview": overview,
        "sheets": [sheet for sheet in found if sheet.name != "time"],
        "has_seeds": len({record.seed for record in result.records}) > 1,
        "topology": graph,
        "no_topology": reason or f"Not drawn: found more than {MOST_NODES} nodes or {MOST_EDGES} edges.",
        "classes": _classes(result),
        "time_sheets": [s for s in (*(s for s in found if s.name == "time"), path_sheet(result)) if s is not None],
        "nodes": nodes_sheet(result),
        "spent": _draw_spent(result, folder),
        "timelines": timelines,
        "figures": figures,
        "scenario": result.scenario_yaml.rstrip("\n"),
        "environment": environment_sheet(result),
        "notes": notes(result, plan),
    }


def plan_of(result: Result) -> tuple[Plan | None, str]:
    """What a result was made of, without its device: what it remembers, or its scenario read anew.

    Args:
        result: any.

    Returns:
        The plan; or None, and why the scenario cannot be read any more (a file that it names is gone, say).
    """
    if result.plan is not None:
        return result.plan, ""
    try:
        return prepare(load_text(result.scenario_yaml, algorithms=schemas()), device="cpu"), ""
    except SimnetError as error:
        return None, f"Not drawn, since the scenario cannot be read any more: {error}"


def facts(result: Result, plan: Plan | None) -> list[str]:
    """A result in a few words.

    Args:
        result: the result.
        plan: what it was made of, if that is known.

    Returns:
        Nodes, topology and its spectral gap; the runs; whether some are missing.
    """
    kind = (result.scenario.get("topology") or {}).get("kind")
    nodes = f"{result.scenario.get('nodes', '?')} nodes" + (f" ({kind.replace('_', ' ')})" if kind else "")
    gap = plan.setting.spectrum.gap if plan is not None else None
    found = [nodes, *([f"spectral gap {gap:.3g}"] if gap is not None else []), describe_runs(result.records) or "no run"]
    return found + ([] if result.complete else [f"{len(result.records)} of {result.planned} runs"])


def notes(result: Result, plan: Plan | None) -> list[str]:
    """What a reader of the results has to know.

    Args:
        result: the result.
        plan: what it was made of, if that is known.

    Returns:
        One sentence each.
    """
    found = [] if result.complete else [f"interrupted: {len(result.records)} of {result.planned} runs are finished"]
    found += [*(plan.notes if plan is not None else []), *remarks(result)]
    return found + [f"computed anew under the changed clock: {run}" for run in result.recomputed]


def environment_sheet(result: Result) -> Sheet:
    """Versions, device, seeds, hashes.

    Args:
        result: the result.

    Returns:
        A row for each entry.
    """
    rows = [[Cell(key), Cell(text)] for key, text in _entries(result.environment)]
    return Sheet("environment", "", [Column("what", "what", is_text=True), Column("found", "found", is_text=True)], rows)


def draw_topology(result: Result, plan: Plan | None, folder: Path) -> Picture | None:
    """The graph of the first seed.

    Args:
        result: the result.
        plan: what it was made of, if that is known.
        folder: where to put it, in ``figures``.

    Returns:
        None if it is not known, or too large to be drawn.
    """
    topology = result.scenario.get("topology") or {}
    figure = None if plan is None else draw_graph(plan.setting.graph, topology.get("kind", ""), topology.get("rows"))
    if plan is None or figure is None:
        return None
    graph = plan.setting.graph
    links = graph.number_of_edges() * (1 if graph.is_directed() else 2)
    named = f"{topology.get('kind', 'from the mixing matrix')}, {len(graph)} nodes, {links} links".replace("_", " ")
    named += f", seed {plan.setting.seed}" if len(result.scenario.get("seeds") or ()) > 1 else ""
    named += "; the links of all steps together" if plan.setting.sequence is not None else ""
    return Picture(write_figure(figure, folder / "figures" / "topology.png"), f"who talks to whom: {named}")


def _draw_spent(result: Result, folder: Path) -> Picture | None:
    with suppress(ParameterError):
        path = write_figure(plot_spent(result), folder / "figures" / "time_of_nodes.png")
        return Picture(path, "where the time of each node went (blank: it was done); first seed of each algorithm")
    return None


def _pictures(result: Result, folder: Path) -> tuple[Picture | None, list[tuple[str, list[Picture]]], list[Picture]]:
    """The overview, the curves of each metric, and the timelines."""
    overview, timelines = None, []
    curves: dict[str, list[Picture]] = {}
    for path in write_figures(result, folder):
        metric, _, axis = path.stem.partition("_vs_")
        if path.stem == "overview":
            overview = Picture(path, "the headline metric against steps, simulated time and data sent")
        elif metric in METRICS and axis in AXES:
            label = METRICS[metric].label
            curves.setdefault(label, []).append(Picture(path, f"{label} against {AXES[axis].label}"))
        else:
            kind, _, label = path.stem.partition("_")
            timelines.append(Picture(path, f"{kind} of {unquote(label)}, first seed"))
    return overview, list(curves.items()), timelines


def _classes(result: Result) -> Sheet | None:
    table = result.class_table
    if table is None or len(table) > _MOST_CLASS_ROWS:
        return None
    columns = [Column("node", "node"), *(Column(str(name), str(name)) for name in table.columns)]
    rows = [[Cell(f"{number:g}", number) for number in (node, *row)] for node, *row in table.itertuples()]
    return Sheet("classes", "samples of each class on each node", columns, rows, "of the first seed")


def _entries(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested values, line by line."""
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _entries(value, f"{prefix}{key}: ")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((f"{prefix}{key}", text))
    return found
