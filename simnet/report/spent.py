"""Where the nodes' time went: shares, whom they waited for, and the critical path; as tables and as a figure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from simnet.errors import ParameterError
from simnet.report import style
from simnet.report.sheets import Cell, Column, Sheet
from simnet.report.texts import ALGORITHM, NOTHING, by_label, mean_cell, share_text
from simnet.report.timeline import STYLES
from simnet.result import Result, RunRecord
from simnet.result.trace import machine_name

KINDS = ("computing", "waiting", "sending", "down")
_LOOKS = {"computing": STYLES["compute"], "waiting": STYLES["wait"], "down": STYLES["down"], "sending": {"facecolor": "black"}}
_MOST_NAMED = 3
_MOST_TICKS = 40
_PANELS_IN_A_ROW = 3


def time_sheet(result: Result) -> Sheet | None:
    """Where each algorithm's time went: its nodes' mean shares, and what the run as a whole had to wait for.

    Args:
        result: the result.

    Returns:
        A row for each algorithm, mean over the seeds (the bottleneck is that of the first); None if no run kept account.

    Example:
        >>> from rich.console import Console
        >>> nodes = {"computing_s": [3.0, 1.0], "waiting_s": [1.0, 3.0], "sending_s": [0.4, 0.4], "down_s": [0.0, 0.0]}
        >>> path = {"time_s": 4.0, "bottleneck": "link 0 -> 1", "share": 0.5}
        >>> summary = {"nodes": nodes, "critical_path": path}
        >>> sheet = time_sheet(Result([RunRecord("dpsgd", 1, "done", "", [], summary)], {}, ""))
        >>> Console(width=70).print(sheet.to_rich())
        where the nodes' time went, and what the run waited for most
        <BLANKLINE>
         algorithm   computing   waiting   sending   down   bottleneck
         ────────────────────────────────────────────────────────────────────
         dpsgd            50 %      50 %      10 %    0 %   link 0 -> 1, 50 %
        <BLANKLINE>
    """
    accounts = _accounts(result)
    rows = []
    for label, records in accounts:
        cells = [mean_cell([_share_of_time(r, kind) for r in records], share_text) for kind in KINDS]
        path = records[0].summary["critical_path"] if records else {}
        rows.append([Cell(label), *cells, Cell(_shares({path.get("bottleneck"): path.get("share")}))])
    columns = [ALGORITHM, *(Column(kind, kind) for kind in KINDS), Column("bottleneck", "bottleneck", is_text=True)]
    title = "where the nodes' time went, and what the run waited for most"
    return Sheet("time", title, columns, rows) if accounts else None


def path_sheet(result: Result) -> Sheet | None:
    """What was on each algorithm's critical path: the chain of gradients and messages that the last node waited for.

    Args:
        result: the result.

    Returns:
        A row for each algorithm, of its first seed: the shares of the path, its largest nodes and links, and who was waited
        for by how many nodes; None if no run kept account.
    """
    rows = []
    for label, records in _accounts(result):
        record = records[0]
        path = record.summary["critical_path"]
        shares = [Cell(share_text(path[key]), path[key]) for key in ("computing", "on_links")]
        largest = [Cell(_shares(dict(list(path[key].items())[:_MOST_NAMED]))) for key in ("nodes", "links")]
        rows.append([Cell(label), *shares, *largest, Cell(_waited_for(record, int(result.scenario["nodes"])))])
    titles = (("its nodes", "nodes"), ("its links", "links"), ("waited for longest", "waited_for"))
    columns = [ALGORITHM, Column("computing", "computing"), Column("on links", "on_links")]
    columns += [Column(title, name, is_text=True) for title, name in titles]
    note = "of the first seed; shares of the chain of gradients and messages that ended last"
    return Sheet("critical_path", "what was on the critical path", columns, rows, note) if rows else None


def nodes_sheet(result: Result) -> Sheet | None:
    """Where the time of every node went.

    Args:
        result: the result.

    Returns:
        A row for each run and node, in seconds; None if no run kept account.
    """
    n = int(result.scenario.get("nodes", 0))
    rows = []
    for label, records in _accounts(result):
        for record in records:
            nodes = record.summary["nodes"]
            for i, j in enumerate(nodes["waited_for"]):
                seconds = [Cell(f"{nodes[f'{kind}_s'][i]:.6g}", nodes[f"{kind}_s"][i]) for kind in KINDS]
                waited_for = Cell(NOTHING if j is None else machine_name(j, n))
                rows.append([Cell(label), Cell(f"{record.seed}", record.seed), Cell(f"{i}", i), *seconds, waited_for])
    columns = [ALGORITHM, Column("seed", "seed"), Column("node", "node")]
    columns += [Column(f"{kind} [s]", f"{kind}_s") for kind in KINDS]
    columns += [Column("waited for longest", "waited_for", is_text=True)]
    return Sheet("nodes", "where the time of every node went", columns, rows) if rows else None


def plot_spent(result: Result) -> Figure:
    """Where the time of every node went, as shares of the run's time: a panel for each algorithm, of its first seed.

    Args:
        result: the result.

    Returns:
        The figure: a bar for each node, a black tick where its share of sending lies, and on the right whom it waited for
        longest.

    Raises:
        ParameterError: no run kept account.
    """
    accounts = [(label, records[0]) for label, records in _accounts(result)]
    if not accounts:
        raise ParameterError("nodes: no run kept account of its nodes' time, so there is nothing to draw")
    rows = math.ceil(len(accounts) / _PANELS_IN_A_ROW)
    columns = math.ceil(len(accounts) / rows)
    most = max(len(record.summary["nodes"]["waited_for"]) for _, record in accounts)
    height = min(1.1 + 0.17 * most, 6.5)
    figure = style.PaperFigure(figsize=(max(3.1 * columns, 5.2), height * rows + 0.3), layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (label, record) in zip(grid, accounts, strict=False):
        _draw_nodes(axes, label, record, int(result.scenario.get("nodes", 0)))
    for axes in grid[len(accounts) :]:
        axes.set_axis_off()
    kinds = [kind for kind in _LOOKS if kind != "down" or any(any(r.summary["nodes"]["down_s"]) for _, r in accounts)]
    handles = [Patch(label=kind, **_LOOKS[kind]) for kind in kinds]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=style.TICK_SIZE)
    figure.supxlabel("share of the run's time", fontsize=style.LABEL_SIZE)
    return figure


def _draw_nodes(axes: Axes, label: str, record: RunRecord, num_nodes: int) -> None:
    nodes, end_s = record.summary["nodes"], record.summary["critical_path"]["time_s"] or 1.0
    count = len(nodes["waited_for"])
    places, left = np.arange(count), np.zeros(count)
    for kind in ("computing", "waiting", "down"):
        shares = np.array(nodes[f"{kind}_s"]) / end_s
        look = _LOOKS[kind] if count <= _MOST_TICKS else _LOOKS[kind] | {"linewidth": 0}
        axes.barh(places, shares, left=left, height=0.8 if count <= _MOST_TICKS else 1.0, **look)
        left += shares
    sending = np.array(nodes["sending_s"]) / end_s
    axes.vlines(sending, places - 0.4, places + 0.4, color="black", linewidth=1.4)
    style.prepare(axes)
    axes.grid(False)
    axes.set(xlim=(0, 1), ylim=(count - 0.5, -0.5))
    axes.set_title(style.shortened(label), loc="left", fontsize=style.LABEL_SIZE)
    axes.set_ylabel("node", fontsize=style.LABEL_SIZE)
    style.linear(axes.xaxis, is_share=True)
    if count <= _MOST_TICKS:
        axes.set_yticks(places)
        _name_the_awaited(axes, nodes["waited_for"], num_nodes)
    else:
        style.linear(axes.yaxis, is_count=True)


def _name_the_awaited(axes: Axes, waited_for: Sequence[int | None], num_nodes: int) -> None:
    look: dict[str, Any] = {"fontsize": style.NOTE_SIZE, "color": style.GREY, "va": "center", "clip_on": False}
    axes.text(1.02, -0.9, "waited for", **(look | {"va": "bottom", "ha": "left"}))
    for i, j in enumerate(waited_for):
        if j is not None:
            axes.text(1.02, i, machine_name(j, num_nodes).removeprefix("node "), **look)


def _accounts(result: Result) -> list[tuple[str, list[RunRecord]]]:
    groups = [(label, [r for r in records if r.summary.get("nodes")]) for label, records in by_label(result)]
    return [(label, records) for label, records in groups if records]


def _share_of_time(record: RunRecord, kind: str) -> float | None:
    seconds, end_s = record.summary["nodes"][f"{kind}_s"], record.summary["critical_path"]["time_s"]
    return fmean(seconds) / end_s if end_s else None


def _shares(shares: Mapping[str | None, float | None]) -> str:
    return "; ".join(f"{name}, {share_text(share)}" for name, share in shares.items() if name and share) or NOTHING


def _waited_for(record: RunRecord, num_nodes: int) -> str:
    """Who was waited for longest by how many nodes, the most awaited first."""
    counts = Counter(j for j in record.summary["nodes"]["waited_for"] if j is not None)
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMED]
    return "; ".join(f"{machine_name(j, num_nodes)} (by {count})" for j, count in most) or NOTHING
