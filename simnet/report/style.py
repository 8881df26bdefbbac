"""How figures look: colours, units, axes. All of it is set on the figure, never in matplotlib's global state."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

# Okabe and Ito's palette, which colour-blind readers can tell apart, without its yellow (too pale for a line).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
Dashes = Literal["-"] | tuple[float, Sequence[float]]
DASHES: tuple[Dashes, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1, 1, 1)))
GREY = "#6B6B6B"
LABEL_SIZE, TICK_SIZE, NOTE_SIZE = 9.5, 8.5, 7.5
PANEL_INCHES = (5.2, 3.7)
DPI = 180

_SECONDS = ((1e-6, "µs", 1e-3), (1e-3, "ms", 1.0), (1.0, "s", 600.0), (60.0, "min", 7200.0), (3600.0, "h", 259_200.0))
_DAY = (86_400.0, "d")
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_FEW_DECADES = 3.0
_MANY = 10_000
_LONGEST_LABEL = 48
_MOST_LETTERS = 85  # of a headline in one row
_HANDLE_LETTERS = 6  # as wide as these is what a legend shows beside a name


@dataclass(frozen=True)
class Unit:
    """The unit in which an axis is drawn.

    Args:
        factor: how many base units (seconds, bits) one of it is.
        symbol: what the label says, empty for a count.
    """

    factor: float
    symbol: str


class PaperFigure(Figure):
    """A figure that shows itself in a notebook, whatever its plotting set-up."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self).print_figure(buffer, dpi=110, format="png")
        return buffer.getvalue()


def color(index: int) -> str:
    """The colour of the algorithm with this place in the scenario.

    Args:
        index: its place, from 0.

    Returns:
        A colour; after seven they start again (the dashes then differ).

    Example:
        >>> color(0) == color(7), color(0) == color(1)
        (True, False)
    """
    return COLORS[index % len(COLORS)]


def dashes(index: int) -> Dashes:
    """The line style of the algorithm with this place in the scenario: solid for the first seven.

    Args:
        index: its place, from 0.

    Returns:
        A matplotlib line style.

    Example:
        >>> dashes(0), dashes(7)
        ('-', (0, (5, 1.5)))
    """
    return DASHES[index // len(COLORS) % len(DASHES)]


def unit_for(base: str, largest: float) -> Unit:
    """The unit in which numbers up to this one read best.

    Seconds become us, ms, s (below 10 min), min (below 2 h), h (below 3 d) or d; bits take SI prefixes.

    Args:
        base: ``s``, ``bit``, or empty for a count.
        largest: the largest number of the axis, in that unit.

    Returns:
        The unit.

    Example:
        >>> unit_for("s", 0.2), unit_for("bit", 3.2e7)
        (Unit(factor=0.001, symbol='ms'), Unit(factor=1000000.0, symbol='Mbit'))
    """
    if base == "s":
        return next((Unit(factor, symbol) for factor, symbol, below in _SECONDS if largest < below), Unit(*_DAY))
    if base == "bit":
        power = min(max(int(math.log10(largest) // 3), 0), len(_PREFIXES) - 1) if largest > 0 else 0
        return Unit(10.0 ** (3 * power), f"{_PREFIXES[power]}bit")
    return Unit(1.0, "")


def count_text(value: float) -> str:
    """A count as a tick says it: thousands and millions as k and M.

    Args:
        value: the count.

    Returns:
        Its text.

    Example:
        >>> count_text(25_000), count_text(500), count_text(1.5e6)
        ('25k', '500', '1.5M')
    """
    if abs(value) < 1000:
        return f"{value:g}"
    power = min(int(math.log10(abs(value)) // 3), len(_PREFIXES) - 1)
    return f"{value / 10.0 ** (3 * power):g}{_PREFIXES[power]}"


def prepare(axes: Axes) -> None:
    """Give axes their frame, grid and letter sizes.

    Args:
        axes: the axes.
    """
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(which="both", labelsize=TICK_SIZE, color=GREY, direction="out", width=0.8)
    axes.tick_params(which="major", length=3.5)
    axes.tick_params(which="minor", length=2)
    axes.grid(True, which="major", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)


def shortened(label: str) -> str:
    r"""A label that fits into a figure, and that matplotlib does not take for a formula.

    Args:
        label: an algorithm's.

    Returns:
        At most 48 letters.

    Example:
        >>> shortened("a$b"), len(shortened("a" * 60))
        ('a\\$b', 48)
    """
    text = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}\u2026"
    return text.replace("$", r"\$")  # matplotlib reads what stands between dollars as a formula


def headline(axes: Axes, title: str, handles: Sequence[Artist] | None = None) -> None:
    """Name a figure on the left above its axes, and place the legend on the right, in two rows if it is long.

    Args:
        axes: the axes.
        title: what is shown.
        handles: of the legend; by default all that has a label.
    """
    axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=LABEL_SIZE)
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    look: dict[str, Any] = {"frameon": False, "fontsize": TICK_SIZE, "columnspacing": 1.2, "borderaxespad": 0.2}
    letters = len(title) + sum(len(str(handle.get_label())) + _HANDLE_LETTERS for handle in shown)
    rows = 1 if letters <= _MOST_LETTERS else 2
    axes.legend(handles=shown, loc="lower right", bbox_to_anchor=(1, 1), ncols=max(1, -(-len(shown) // rows)), **look)


def linear(axis: MatplotlibAxis, *, is_share: bool = False, is_count: bool = False) -> None:
    """Place at most seven ticks on a linear axis.

    Args:
        axis: the axis.
        is_share: whether its numbers read in per cent.
        is_count: whether its numbers are counts, whole ones, with k and M for thousands and millions.

    Example:
        >>> axes = Figure().subplots()
        >>> axes.set_xlim(0, 50_000)
        (0.0, 50000.0)
        >>> linear(axes.xaxis, is_count=True)
        >>> axes.xaxis.get_major_formatter()(25_000)
        '25k'
    """
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10], integer=is_count))
    if is_share:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g} %"))
    elif is_count:
        large = max(map(abs, axis.get_view_interval())) >= _MANY
        axis.set_major_formatter(FuncFormatter(lambda value, _: count_text(value) if large else f"{value:g}"))


def logarithmic(axis: MatplotlibAxis) -> None:
    """Place the ticks of a logarithmic axis: 1, 2, 5 below three decades, otherwise decades.

    Args:
        axis: the axis, its scale and limits already set.

    Example:
        >>> axes = Figure().subplots()
        >>> axes.set(yscale="log", ylim=(1, 50))
        [...]
        >>> logarithmic(axes.yaxis)
        >>> [float(tick) for tick in axes.get_yticks() if 1 <= tick <= 50]
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    """
    low, high = axis.get_view_interval()
    if math.log10(high / low) < _FEW_DECADES:
        axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=20))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    axis.set_major_locator(LogLocator(base=10, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _decade(value)))
    axis.set_minor_formatter(NullFormatter())


def _decade(value: float) -> str:
    return f"{value:g}" if 1e-2 <= value <= 1e3 else f"$10^{{{round(math.log10(value))}}}$"
