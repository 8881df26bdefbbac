"""Figures of a result: every metric against steps, simulated time and bits, and an overview of the headline metric."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from simnet.errors import OutputError, ParameterError
from simnet.metrics import AXES, METRICS, Axis, Metric, find_axis, find_metric
from simnet.report import style
from simnet.report.curves import Curve, curves, has_values, headline, is_log_axis, is_log_metric, is_rounding, limits
from simnet.report.timeline import plot_timeline
from simnet.report.utilization import plot_utilization
from simnet.result import Result

FIGURE_AXES = ("step", "time_s", "bits_sent")
FORMATS = (".png", ".pdf", ".svg")
Panel = tuple[Axis, Sequence[Curve]]

_TARGET_DASHES = (0, (4, 3))
_LETTER, _LINE = 0.075, 0.5  # inches that a letter and a line of the legend take, about


def plot(result: Result, metric: str | None = None, against: str = "step") -> Figure:
    """One figure: every algorithm's curve of one metric.

    Several seeds are a line (their mean) and a band (smallest to largest); targets are dashed; a run that diverged
    ends with a cross. The horizontal axis is logarithmic where the algorithms' ends lie more than a factor 10 apart,
    the vertical one where the metric spans decades.

    Args:
        result: the result.
        metric: a name of ``METRICS``; by default the scenario's headline metric.
        against: a name of ``AXES``, or ``time``, ``bits``, ``steps``.

    Returns:
        The figure.

    Raises:
        ParameterError: no metric or axis of that name, or nothing to draw.

    Example:
        >>> from simnet.result import RunRecord
        >>> rows = [{"time_s": 0.0, "accuracy": 0.1}, {"time_s": 30.0, "accuracy": 0.9}]
        >>> figure = plot(Result([RunRecord("dpsgd", 1, "done", "", rows, {})], {}, ""), against="time")
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
        ('simulated time [s]', 'test accuracy')
    """
    chosen = headline(result) if metric is None else find_metric(metric)
    axis = find_axis(against)
    if chosen is None:
        raise ParameterError("metric: nothing was measured, so there is nothing to draw")
    drawn = curves(result, chosen, axis)
    if not drawn:
        known = ", ".join(name for name, entry in METRICS.items() if has_values(result, entry))
        raise ParameterError(f"metric: {chosen.name} has no values against {axis.name}; measured: {known or 'nothing'}")
    figure = _figure(1)
    _draw(figure, result, chosen, [(axis, drawn)])
    return figure


def overview(result: Result, metric: str | None = None, against: Sequence[str] = FIGURE_AXES) -> Figure:
    """The headline metric against steps, simulated seconds and bits, side by side, with one legend.

    Args:
        result: the result.
        metric: a name of ``METRICS``; by default the scenario's headline metric.
        against: names of ``AXES``.

    Returns:
        The figure; an axis along which nothing moved is left out.

    Raises:
        ParameterError: no metric of that name, or nothing to draw.

    Example:
        >>> from simnet.result import RunRecord
        >>> rows = [{"step": 0, "time_s": 0.0, "accuracy": 0.1}, {"step": 9, "time_s": 30.0, "accuracy": 0.9}]
        >>> figure = overview(Result([RunRecord("dpsgd", 1, "done", "", rows, {})], {}, ""))
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['steps', 'simulated time [s]']
    """
    chosen = headline(result) if metric is None else find_metric(metric)
    panels = [] if chosen is None else [(AXES[name], curves(result, chosen, AXES[name])) for name in against]
    panels = [(axis, drawn) for axis, drawn in panels if drawn]
    if chosen is None or not panels:
        raise ParameterError(f"metric: {metric or 'nothing'} was measured, so there is nothing to draw")
    figure = _figure(len(panels))
    _draw(figure, result, chosen, panels)
    return figure


def write_figures(result: Result, directory: str | Path) -> list[Path]:
    """Write ``figures/overview.png`` and ``figures/<metric>_vs_<axis>.png`` for every metric that varies, and timelines.

    Args:
        result: the result.
        directory: the result's folder.

    Returns:
        The files; none if nothing was measured or traced.
    """
    folder = Path(directory) / "figures"
    if headline(result) is None:
        return write_timelines(result, folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = [write_figure(overview(result), folder / "overview.png")]
    for metric in METRICS.values():
        for name in FIGURE_AXES if has_values(result, metric) else ():
            if curves(result, metric, AXES[name]):
                path = folder / f"{metric.name}_vs_{name}.png"
                written.append(write_figure(plot(result, metric.name, name), path))
    return [*written, *write_timelines(result, folder)]


def write_timelines(result: Result, folder: Path) -> list[Path]:
    """Write ``timeline_<label>.png`` and ``utilization_<label>.png`` of each algorithm that was traced, of its first seed.

    Args:
        result: the result.
        folder: where; it is made if it is needed.

    Returns:
        The files; no utilization where no bandwidth is limited.
    """
    written = []
    first: dict[str, int] = {}
    for record in result.records:
        if record.timeline is not None:
            first.setdefault(record.algorithm, record.seed)
    for label, seed in first.items():
        for draw in (plot_timeline, plot_utilization):
            with suppress(ParameterError):
                figure = draw(result, label, seed)
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{draw.__name__.removeprefix('plot_')}_{quote(label, safe=' ')}.png"
                written.append(write_figure(figure, path))
    return written


def write_figure(figure: Figure, path: str | Path) -> Path:
    """Write one figure; the same figure gives the same bytes.

    Args:
        figure: the figure.
        path: a file whose ending is .png, .pdf or .svg.

    Returns:
        The file.

    Raises:
        OutputError: another ending, or the file cannot be written.

    Example:
        >>> write_figure(Figure(), "curve.gif")
        Traceback (most recent call last):
        simnet.errors.OutputError: curve.gif: found the ending '.gif'; allowed: .png, .pdf, .svg
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending not in FORMATS:
        raise OutputError(f"{path}: found the ending {ending or 'nothing'!r}; allowed: {', '.join(FORMATS)}")
    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    try:
        with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "simnet"}):
            figure.savefig(file, dpi=style.DPI, metadata=dates.get(ending))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); name another file") from error
    return file


def _figure(panels: int) -> Figure:
    width, height = style.PANEL_INCHES
    size = (width, height) if panels == 1 else (3.45 * panels + 0.5, height)
    figure = style.PaperFigure(figsize=size, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.04, wspace=0.03)  # type: ignore[union-attr, call-arg]
    return figure


def _targets(result: Result, metric: Metric) -> list[float]:
    targets = result.scenario.get("targets") or {}
    return [float(targets[metric.name])] if metric.name in targets else []


def _draw(figure: Figure, result: Result, metric: Metric, panels: Sequence[Panel]) -> None:
    """All panels, with the same vertical axis, and what belongs to all of them."""
    everything = [curve for _, drawn in panels for curve in drawn]
    targets = _targets(result, metric)
    is_log = is_log_metric(everything, metric)
    for axes, (axis, drawn) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        style.prepare(axes)
        axes.set_yscale("log" if is_log else "linear")
        axes.set_ylim(limits(everything, metric, targets, is_log))
        for target in targets:
            axes.axhline(target, color=style.GREY, linewidth=1.0, linestyle=_TARGET_DASHES, zorder=1.5)
        _draw_panel(axes, drawn, axis, is_log)
        if is_log:
            style.logarithmic(axes.yaxis)
        else:
            style.linear(axes.yaxis, is_share=metric.is_share)
        axes.tick_params(labelleft=axis is panels[0][0])
    figure.axes[0].set_ylabel(metric.label, fontsize=style.LABEL_SIZE)
    _legend(figure, everything, metric, targets)
    _notes_below(figure, everything, metric, panels)


def _draw_panel(axes: Axes, drawn: Sequence[Curve], axis: Axis, is_log: bool) -> None:
    """The curves of one panel and its horizontal axis; the vertical one is set already."""
    end, is_log_x = max(curve.end for curve in drawn), is_log_axis(drawn)
    unit = style.unit_for(axis.unit, end)
    axes.set_xscale("log" if is_log_x else "linear")
    for curve in drawn:
        _draw_curve(axes, _positive(curve, is_log_x, is_log), unit.factor)
    if is_log_x:
        style.logarithmic(axes.xaxis)
    else:
        axes.set_xlim(-0.02 * end / unit.factor, 1.02 * end / unit.factor)
        style.linear(axes.xaxis, is_count=not axis.unit and axis.name != "epoch")
    axes.set_xlabel(f"{axis.label} [{unit.symbol}]" if unit.symbol else axis.label, fontsize=style.LABEL_SIZE)


def _positive(curve: Curve, is_log_x: bool, is_log: bool) -> Curve:
    """Leave out what a logarithmic axis cannot show, lest a line drops out of the frame."""

    def shown(x: np.ndarray, *ys: np.ndarray) -> np.ndarray:
        keep = (x > 0) | (not is_log_x)
        return np.logical_and.reduce([keep, *(y > 0 for y in ys)]) if is_log else keep

    kept = shown(curve.x, curve.low)
    failed = tuple((x[keep], y[keep]) for x, y in curve.failed if (keep := shown(x, y)).any())
    mean, low, high = (values[kept] for values in (curve.mean, curve.low, curve.high))
    return replace(curve, x=curve.x[kept], mean=mean, low=low, high=high, failed=failed)


def _draw_curve(axes: Axes, curve: Curve, factor: float) -> None:
    color, dashes = style.color(curve.index), style.dashes(curve.index)
    axes.plot(curve.x / factor, curve.mean, color=color, linestyle=dashes, linewidth=1.8, zorder=3)
    axes.plot(curve.x[-1:] / factor, curve.mean[-1:], color=color, marker="o", markersize=4.5, zorder=3)
    if not np.array_equal(curve.low, curve.high):
        axes.fill_between(curve.x / factor, curve.low, curve.high, color=color, alpha=0.22, linewidth=0, zorder=2)
    for x, y in curve.failed:
        last = _last_visible(y, axes.get_ylim())
        axes.plot(x[: last + 2] / factor, y[: last + 2], color=color, linestyle=dashes, linewidth=1.1, zorder=3)
        axes.plot(x[last] / factor, y[last], color=color, marker="X", markersize=7, markeredgecolor="white", zorder=4)


def _last_visible(y: np.ndarray, visible: tuple[float, float]) -> int:
    outside = np.flatnonzero(~((y >= visible[0]) & (y <= visible[1])))
    return max(int(outside[0]) - 1, 0) if len(outside) else len(y) - 1


def _legend(figure: Figure, everything: Sequence[Curve], metric: Metric, targets: Sequence[float]) -> None:
    """One legend above all panels; the figure grows with its rows."""
    handles = [_handle(curve) for curve in _once(everything)]
    for target in targets:
        text = f"target {100 * target:g} %" if metric.is_share else f"target {target:g}"
        handles.append(Line2D([], [], color=style.GREY, linewidth=1.0, linestyle=_TARGET_DASHES, label=text))
    width, height = figure.get_size_inches()
    columns = _columns([len(str(handle.get_label())) for handle in handles], width)
    figure.set_size_inches(width, height + 0.18 * (math.ceil(len(handles) / columns) - 1))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        frameon=False,
        fontsize=style.TICK_SIZE,
        handlelength=1.8,
        columnspacing=1.4,
        borderaxespad=0.1,
    )


def _notes_below(figure: Figure, everything: Sequence[Curve], metric: Metric, panels: Sequence[Panel]) -> None:
    """What the lines do not say by themselves, below all panels."""
    text = "; ".join(_notes(_once(everything), metric, panels)).replace("$", r"\$")
    if text:
        text = textwrap.fill(text, width=int(figure.get_figwidth() * 18.5))
        figure.supxlabel(text, fontsize=style.NOTE_SIZE, color=style.GREY)


def _once(everything: Sequence[Curve]) -> list[Curve]:
    by_index = {curve.index: curve for curve in everything}
    return [by_index[index] for index in sorted(by_index)]


def _columns(lengths: Sequence[int], width: float) -> int:
    """As many legend entries side by side as fit, in rows of nearly the same number."""
    if sum(_LETTER * length + _LINE for length in lengths) <= width:
        return len(lengths)
    fitting = max(1, int(width / (_LETTER * max(lengths) + _LINE)))
    return math.ceil(len(lengths) / math.ceil(len(lengths) / fitting))


def _handle(curve: Curve) -> Line2D:
    color, dashes = style.color(curve.index), style.dashes(curve.index)
    return Line2D([], [], color=color, linestyle=dashes, linewidth=1.8, label=style.shortened(curve.label))


def _notes(shown: Sequence[Curve], metric: Metric, panels: Sequence[Panel]) -> Iterable[str]:
    seeds = {curve.num_seeds for curve in shown}
    if max(seeds) > 1:
        count = str(max(seeds)) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
        yield f"lines: mean of {count} seeds, bands: smallest to largest"
    yield from (f"\u00d7 {curve.label}: {curve.note}" for curve in shown if curve.note)
    for curve in shown:
        if is_log_metric(shown, metric) and is_rounding(curve, shown):
            yield f"{metric.label} of {curve.label}: at most {curve.high.max():.1g}"
    everyone = {curve.label for _, drawn in panels for curve in drawn}
    for axis, drawn in panels:
        absent = sorted(everyone - {curve.label for curve in drawn})  # what does not move along an axis has no curve
        if absent:
            yield f"{axis.label} of {', '.join(absent)}: none"
