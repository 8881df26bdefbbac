"""A picture of a timeline: what every node did in the first steps, and what they sent each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from simnet.errors import ParameterError
from simnet.report import style
from simnet.result import Result
from simnet.result.trace import machine_name

NUM_STEPS = 3
"""How many steps are shown where nobody asks for more; fewer where that saves the arrows."""

MOST_ARROWS = 500
MOST_NAMES = 32  # of rows; more than that have neither names nor arrows
_MOST_WAITS = 250
_ROW_INCHES = (0.24, 1.35, 7.5)  # of a row, of everything else, at most
_WIDTH_INCHES = 7.4
_LETTER_INCHES = 0.07
_HEIGHTS = {"wait": 0.4, "compute": 0.64, "down": 0.64}  # of a row
STYLES: dict[str, dict[str, Any]] = {  # pale, dark, hatched: told apart in grey as well
    "wait": {"facecolor": "#F5D08A", "edgecolor": "white", "linewidth": 0.4},
    "compute": {"facecolor": style.COLORS[0], "edgecolor": "white", "linewidth": 0.5},
    "down": {"facecolor": "white", "edgecolor": "#8A8A8A", "hatch": "/////", "linewidth": 0.5},
}
"""How what a node does looks."""

_ARROWS = {"transfer": "#3C3C3C", "lost": style.COLORS[1]}
_EVALUATION: dict[str, Any] = {"color": style.COLORS[3], "linewidth": 1.0, "linestyle": (0, (1, 1.5))}


def plot_timeline(
    result: Result, label: str, seed: int | None = None, start: float | None = None, until: float | None = None
) -> Figure:
    """A row for every node: when it computed, waited (for whom) and was down, and an arrow for every transfer.

    Args:
        result: the result of a run with `trace`.
        label: the algorithm's label.
        seed: the run's seed; by default the first.
        start: from when [s]; by default where the timeline begins.
        until: to when [s]; by default until half of the nodes have done three steps, or one if these send very much.

    Returns:
        The figure.

    Raises:
        SimnetError: there is no such run, or it was not traced.
        ParameterError: nothing lies between `start` and `until`.
    """
    table = result.timeline(label, seed)
    span = shown_span(table, start, first_steps(table) if until is None and start is None else until)
    table = table[(table["end_s"] > span[0]) & (table["start_s"] < span[1]) & (table["kind"] != "window")]
    machines = sorted({*table["node"], *(int(peer) for peer in table["peers"][table["bits"].notna()])})
    rows = {machine: row for row, machine in enumerate(machines)}
    num_nodes = int(result.scenario["nodes"])
    names = {machine: machine_name(machine, num_nodes).removeprefix("node ") for machine in [*machines, num_nodes]}
    row_inches, rest, most = _ROW_INCHES
    size = (_WIDTH_INCHES, min(rest + row_inches * len(rows), most))
    figure = style.PaperFigure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.subplots()
    unit = style.unit_for("s", span[1])
    handles = _draw_bars(axes, table, rows, unit.factor)
    axes.set_xlim(span[0] / unit.factor, span[1] / unit.factor)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    _name_waits(axes, table, rows, names, unit.factor)
    handles += _draw_arrows(axes, table, rows, unit.factor)
    handles += _draw_evaluations(axes, _evaluations(result, label, seed, span), unit.factor)
    _finish(axes, [names[machine] for machine in machines], unit.symbol)
    style.headline(axes, label, handles)
    return figure


def first_steps(table: pd.DataFrame) -> float:
    """When half of the nodes have done three steps, counted from the first one that the timeline has.

    Args:
        table: a timeline.

    Returns:
        A time [s]; of fewer steps where three have too many transfers for arrows; the timeline's end if it ends before.
    """
    sent = np.sort(table["start_s"][table["kind"] == "transfer"])
    times = [_half_done(table, steps) for steps in range(NUM_STEPS, 0, -1)]
    has_arrows = table["node"].nunique() <= MOST_NAMES + 1
    fitting = [time for time in times if has_arrows and np.searchsorted(sent, time) <= MOST_ARROWS]
    return fitting[0] if fitting else times[0]


def _half_done(table: pd.DataFrame, steps: int) -> float:
    """When half of the nodes begin to compute for the step after so many, each from its own first one in the timeline."""
    computed = table[table["kind"] == "compute"]
    (end,) = table["end_s"][table["kind"] == "window"]
    later = computed[computed["step"] >= computed.groupby("node")["step"].transform("min") + steps]
    starts = [float(of_node["start_s"].min()) for _, of_node in later.groupby("node")]
    missing = computed["node"].nunique() - len(starts)
    return float(np.median([*starts, *[end] * missing])) if starts else float(end)


def shown_span(table: pd.DataFrame, start: float | None, until: float | None) -> tuple[float, float]:
    """The part of a timeline that is shown.

    Args:
        table: a timeline.
        start: from when [s], if somebody says it.
        until: to when [s], if somebody says it.

    Returns:
        Start and end, inside the timeline.

    Raises:
        ParameterError: nothing lies between them.
    """
    (first,), (last,) = (table[key][table["kind"] == "window"] for key in ("start_s", "end_s"))
    low, high = max(first, first if start is None else start), min(last, last if until is None else until)
    if low >= high:
        raise ParameterError(
            f"timeline: nothing is known from {first if start is None else start:g} s to "
            f"{last if until is None else until:g} s; it reaches from {first:g} s to {last:g} s"
        )
    return float(low), float(high)


def _draw_bars(axes: Axes, table: pd.DataFrame, rows: dict[int, int], unit: float) -> list[Any]:
    """Bars of everything that nodes did; returns what the legend says of them."""
    handles = []
    is_close = len(rows) > MOST_NAMES
    for kind, usual in STYLES.items():
        done = table[table["kind"] == kind]
        height = 1.0 if is_close else _HEIGHTS[kind]
        look = usual | ({"linewidth": 0, "antialiased": False} if is_close else {})
        for node, bars in done.groupby("node"):
            spans = zip(bars["start_s"] / unit, (bars["end_s"] - bars["start_s"]) / unit, strict=True)
            axes.broken_barh(list(spans), (rows[int(str(node))] - height / 2, height), zorder=2, **look)
        if len(done):
            handles.append(Patch(label={"wait": "wait (for node)"}.get(kind, kind), **look))
    return sorted(handles, key=lambda handle: str(handle.get_label()))


def _name_waits(axes: Axes, table: pd.DataFrame, rows: dict[int, int], names: dict[int, str], unit: float) -> None:
    """For whom a node waits, where there is room for it."""
    waits = table[table["kind"] == "wait"]
    if len(rows) > MOST_NAMES or len(waits) > _MOST_WAITS:
        return
    low, high = axes.get_xlim()
    for node, start, end, peers in zip(*(waits[key] for key in ("node", "start_s", "end_s", "peers")), strict=True):
        left, right = max(low, start / unit), min(high, end / unit)
        text = ", ".join(names[int(peer)] for peer in peers.split())
        if (right - left) / (high - low) * (_WIDTH_INCHES - 1) > _LETTER_INCHES * (len(text) + 1):
            place = ((left + right) / 2, rows[node])
            behind = {"facecolor": STYLES["wait"]["facecolor"], "edgecolor": "none", "pad": 0.3}
            axes.text(*place, text, fontsize=6, ha="center", va="center_baseline", zorder=4, clip_on=True, bbox=behind)


def _draw_arrows(axes: Axes, table: pd.DataFrame, rows: dict[int, int], unit: float) -> list[Any]:
    """Transfers, from where the first bit left to where the last one arrived, unless they would hide everything."""
    handles = []
    num_arrows = int(np.isfinite(table["bits"] + table["end_s"]).sum())
    for kind, color in _ARROWS.items() if len(rows) <= MOST_NAMES and num_arrows <= MOST_ARROWS else ():
        sent = table[(table["kind"] == kind) & np.isfinite(table["end_s"])]
        x, end = sent["first_bit_s"] / unit, sent["end_s"] / unit
        y = np.array([rows[node] for node in sent["node"]], dtype=float)
        down = np.array([rows[int(peer)] for peer in sent["peers"]]) - y
        width = 0.006 if num_arrows < MOST_ARROWS / 4 else 0.004
        head: dict[str, Any] = {"width": width, "headwidth": 7, "headlength": 9, "headaxislength": 8, "minlength": 0}
        look: dict[str, Any] = {"units": "inches", "angles": "xy", "scale_units": "xy", "scale": 1, "color": color}
        if len(sent):
            axes.quiver(x, y, end - x, down, zorder=3, **look, **head)
            handles.append(Line2D([], [], color=color, linewidth=0.8, marker=">", markersize=3.5, label=kind))
    return handles


def _evaluations(result: Result, label: str, seed: int | None, span: tuple[float, float]) -> list[float]:
    record = next(record for record in result.records if record.algorithm == label and seed in (None, record.seed))
    return [row["time_s"] for row in record.metrics if span[0] < row["time_s"] < span[1]]


def _draw_evaluations(axes: Axes, times: Sequence[float], unit: float) -> list[Any]:
    for time in times:
        axes.axvline(time / unit, zorder=1.5, **_EVALUATION)
    return [Line2D([], [], label="evaluation", **_EVALUATION)] if times else []


def _finish(axes: Axes, names: Sequence[str], unit: str) -> None:
    style.prepare(axes)
    axes.grid(False, axis="y")
    style.linear(axes.xaxis)
    axes.set_xlabel(f"simulated time [{unit}]", fontsize=style.LABEL_SIZE)
    every = max(1, 2 ** math.ceil(math.log2(len(names) / MOST_NAMES)))
    axes.set_yticks(range(0, len(names), every), names[::every])
    axes.set_ylabel("node", fontsize=style.LABEL_SIZE)
