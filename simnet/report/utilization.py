"""A picture of how much of each bandwidth is in use over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator

from simnet.errors import ParameterError
from simnet.report import style
from simnet.report.timeline import MOST_NAMES, shown_span
from simnet.result import Result
from simnet.result.trace import machine_name

NUM_BINS = 240
_WIDTH_INCHES = 7.4
_SHADES = LinearSegmentedColormap.from_list("use", ["white", style.COLORS[0]])
_LIMITS = {"uplink": "uplink of node", "bandwidth": "link", "downlink": "downlink of node"}


@dataclass(frozen=True)
class Use:
    """How much is used of all limits of one kind.

    Args:
        kind: what they are.
        names: of each of them.
        share_RB: for each limit (R) and time bin (B), the share of its bandwidth in use.
    """

    kind: str
    names: list[str]
    share_RB: np.ndarray


def plot_utilization(
    result: Result, label: str, seed: int | None = None, start: float | None = None, until: float | None = None
) -> Figure:
    """The share of bandwidth in use over time: a heat map with a row for each uplink, link or downlink, and their mean.

    Under ``queue`` these are the times in which each limit serves a transfer; under the other rules the bits of a transfer
    are spread evenly over the time from its first to its last one.

    Args:
        result: the result of a run with `trace`.
        label: the algorithm's label.
        seed: the run's seed; by default the first.
        start: from when [s]; by default where the timeline begins.
        until: to when [s]; by default where it ends.

    Returns:
        The figure.

    Raises:
        SimnetError: there is no such run, or it was not traced.
        ParameterError: nothing lies between `start` and `until`, or no bandwidth is limited.
    """
    table = result.timeline(label, seed)
    span = shown_span(table, start, until)
    used = uses(table, span, int(result.scenario["nodes"]), (result.scenario.get("network") or {}).get("sharing", "none"))
    if not used:
        raise ParameterError(f"utilization: nothing that {label} sent crossed a limited bandwidth; give one in network")
    heights = [1.0, *(min(0.35 + 0.16 * len(use.names), 3.4) for use in used)]
    size = (_WIDTH_INCHES, sum(heights) + 0.9)
    figure = style.PaperFigure(figsize=size, layout="constrained", facecolor="white")
    mean, *maps = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    unit = style.unit_for("s", span[1])
    edges = np.linspace(*span, NUM_BINS + 1) / unit.factor
    most = max(1.0, *(float(use.share_RB.max()) for use in used))
    _draw_means(mean, used, edges)
    for axes, use in zip(maps, used, strict=True):
        image = _draw_map(axes, use, edges, most)
    bar = figure.colorbar(image, ax=maps, pad=0.01, fraction=0.04, aspect=max(8, 7 * sum(heights[1:])))
    bar.ax.tick_params(labelsize=style.TICK_SIZE)
    bar.outline.set_linewidth(0.5)
    bar.ax.yaxis.set_major_formatter(_PER_CENT)
    bar.set_label("bandwidth in use", fontsize=style.LABEL_SIZE)
    style.linear(mean.xaxis)
    maps[-1].set_xlabel(f"simulated time [{unit.symbol}]", fontsize=style.LABEL_SIZE)
    style.headline(mean, label)
    return figure


def uses(table: pd.DataFrame, span: tuple[float, float], num_nodes: int, sharing: str) -> list[Use]:
    """How much of each limited bandwidth is in use.

    Args:
        table: a timeline.
        span: from when to when [s].
        num_nodes: n.
        sharing: the sharing rule.

    Returns:
        One entry for each kind of limit: uplinks, links, downlinks.
    """
    sent = table[table["kind"].isin(("transfer", "lost")) & np.isfinite(table["last_bit_s"])]
    limited = {kind: sent[np.isfinite(sent[kind])] for kind in _LIMITS}
    crossing = _served if sharing == "queue" else _flowing
    return [_use(kind, part, crossing(kind, part), span, num_nodes) for kind, part in limited.items() if len(part)]


def _use(
    kind: str, sent: pd.DataFrame, times: tuple[np.ndarray, np.ndarray], span: tuple[float, float], num_nodes: int
) -> Use:
    edges = np.linspace(*span, NUM_BINS + 1)
    keys = _keys(kind, sent)
    order = {key: row for row, key in enumerate(sorted(set(keys)))}
    bits_RB = np.zeros((len(order), NUM_BINS))
    capacity_R = np.zeros(len(order))
    for key, begin, end, bits, limit in zip(keys, *times, sent["bits"], sent[kind], strict=True):
        bits_RB[order[key]] += bits * np.diff(np.interp(edges, [begin, end], [0.0, 1.0]))
        capacity_R[order[key]] = limit
    names = [" → ".join(machine_name(part, num_nodes).removeprefix("node ") for part in key) for key in order]
    return Use(kind, names, bits_RB / (capacity_R[:, None] * np.diff(edges)))


def _flowing(kind: str, sent: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """When bits pass that nothing holds back: as they leave, or, at the receiver, as far apart when they arrive."""
    first, last = sent["first_bit_s"].to_numpy(), sent["last_bit_s"].to_numpy()
    if kind != "downlink":
        return first, last
    arrival = np.where(np.isfinite(sent["end_s"]), sent["end_s"], last + sent["latency_s"])
    return arrival - (last - first), arrival


def _served(kind: str, sent: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """When a limit serves them, first come, first served, as the rule `queue` has it."""
    at_link = sent["first_bit_s"]
    entry = {"uplink": sent["start_s"], "bandwidth": at_link, "downlink": at_link + sent["latency_s"]}[kind].to_numpy()
    seconds = (sent["bits"] / sent[kind]).to_numpy()
    keys = _keys(kind, sent)
    begin = np.zeros(len(sent))
    free_at: dict[tuple[int, ...], float] = {}
    for i in np.lexsort((sent["node"], entry)):
        begin[i] = max(entry[i], free_at.get(keys[i], 0.0))
        free_at[keys[i]] = begin[i] + seconds[i]
    return begin, begin + seconds


def _keys(kind: str, sent: pd.DataFrame) -> list[tuple[int, ...]]:
    """Whose limit each transfer crossed."""
    receivers = sent["peers"].astype(int)
    columns = {"uplink": [sent["node"]], "bandwidth": [sent["node"], receivers], "downlink": [receivers]}[kind]
    return [tuple(int(number) for number in key) for key in zip(*columns, strict=True)]


def _draw_means(axes: Axes, used: list[Use], edges: np.ndarray) -> None:
    style.prepare(axes)
    for index, use in enumerate(used):
        name = f"mean of all {_LIMITS[use.kind].removesuffix(' of node')}s"
        axes.stairs(use.share_RB.mean(axis=0), edges, color=style.color(index), linewidth=1.3, label=name)
    axes.set_ylim(0, max(1.0, *(1.05 * float(use.share_RB.mean(axis=0).max()) for use in used)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=2, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(_PER_CENT)


def _draw_map(axes: Axes, use: Use, edges: np.ndarray, most: float) -> AxesImage:
    style.prepare(axes)
    axes.grid(False)
    extent = (edges[0], edges[-1], len(use.names) - 0.5, -0.5)
    image = axes.imshow(use.share_RB, aspect="auto", extent=extent, cmap=_SHADES, vmin=0, vmax=most)
    every = max(1, -(-len(use.names) // MOST_NAMES))
    axes.set_yticks(range(0, len(use.names), every), use.names[::every])
    axes.set_ylabel(_LIMITS[use.kind], fontsize=style.LABEL_SIZE)
    return image


_PER_CENT = FuncFormatter(lambda value, _: f"{100 * value:g} %")
