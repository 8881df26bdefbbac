from __future__ import annotations

import dataclasses
import hashlib
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from simnet.errors import OutputError, ParameterError
from simnet.metrics import METRICS
from simnet.report import style
from simnet.report.figures import overview, plot, write_figure, write_figures
from simnet.result import Result


def changed(result: Result, **columns: float) -> Result:
    records = [
        dataclasses.replace(record, metrics=[{**row, **columns} for row in record.metrics]) for record in result.records
    ]
    return Result(records, result.scenario, result.scenario_yaml)


def split(result: Result, label: str) -> tuple[Result, Result]:
    groups = [[r for r in result.records if (r.algorithm == label) is own] for own in (True, False)]
    return Result(groups[0], result.scenario, ""), Result(groups[1], result.scenario, "")


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def notes(figure: Figure) -> str:
    return figure.get_supxlabel()


def test_every_metric_that_varies_gets_a_figure_against_three_axes(result: Result, tmp_path: Path) -> None:
    kept = {"accuracy", "test_loss"}
    flat = {name: 0.0 for name in METRICS if name not in kept} | {"gradient_norm": float("nan")}
    written = write_figures(changed(result, **flat), tmp_path)
    names = {path.name for path in written}
    assert names == {"overview.png", *(f"{m}_vs_{a}.png" for m in kept for a in ("step", "time_s", "bits_sent"))}
    assert all(path.parent == tmp_path / "figures" for path in written)
    with Image.open(written[1]) as image:
        assert image.info["dpi"][0] == pytest.approx(style.DPI, abs=1)


def test_an_axis_along_which_nothing_moves_is_left_out(result: Result) -> None:
    still = changed(result, bits_sent=0.0)
    assert len(overview(still).axes) == 2
    with pytest.raises(ParameterError, match="accuracy has no values against bits_sent"):
        plot(still, "accuracy", "bits")


def test_nothing_measured_means_no_figure(tmp_path: Path) -> None:
    nothing = Result([], {}, "")
    assert write_figures(nothing, tmp_path) == []
    with pytest.raises(ParameterError, match="nothing was measured"):
        plot(nothing)
    with pytest.raises(ParameterError, match="nothing to draw"):
        overview(nothing)


def test_labels_carry_units_and_the_legend_the_target(result: Result) -> None:
    figure = plot(result, "accuracy", "time")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("simulated time [s]", "test accuracy")
    assert legend_texts(figure) == ["allreduce", "dpsgd", "detag", "moniqua-8bit", "target 85 %"]
    assert "mean of 3 seeds" in notes(figure)
    assert " moniqua-8bit: 1 of 3 seeds diverged" in notes(figure)
    assert plot(result, "accuracy", "bits_sent").axes[0].get_xlabel() == "data sent [Gbit]"


def test_an_algorithm_keeps_its_colour_whatever_is_missing(result: Result) -> None:
    partial = Result([record for record in result.records if record.algorithm != "dpsgd"], result.scenario, "")
    for some in (result, partial):
        handles = dict(zip(legend_texts(plot(some)), plot(some).legends[0].get_lines(), strict=True))
        assert handles["detag"].get_color() == style.COLORS[2]


def test_no_two_tick_labels_overlap_and_the_legend_covers_no_axes(result: Result) -> None:
    for metric in ("accuracy", "test_loss", "consensus_distance", "gradient_norm", "idle_share"):
        for figure in (drawn(overview(result, metric)), drawn(plot(result, metric, "time"))):
            legend = figure.legends[0].get_window_extent()
            for axes in figure.axes:
                assert not legend.overlaps(axes.get_window_extent())
                for axis in (axes.xaxis, axes.yaxis):
                    low, high = axis.get_view_interval()
                    labels = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                    boxes = [label.get_window_extent() for label in labels if label.get_visible()]
                    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_panels_share_their_vertical_axis_even_if_a_curve_is_missing_in_one(result: Result) -> None:
    silent, others = split(result, "allreduce")
    figure = overview(Result([*changed(silent, bits_sent=0.0).records, *others.records], result.scenario, ""))
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "data sent of allreduce: none" in notes(figure)


def test_one_algorithm_a_hundred_times_faster_makes_time_logarithmic(result: Result) -> None:
    one, others = split(result, "detag")
    hurried = [
        dataclasses.replace(record, metrics=[{**row, "time_s": row["time_s"] / 500} for row in record.metrics])
        for record in one.records
    ]
    fast = Result([*hurried, *others.records], result.scenario, "")
    assert plot(fast, "accuracy", "time").axes[0].get_xscale() == "log"
    assert plot(result, "accuracy", "step").axes[0].get_xscale() == "linear"


def test_the_same_result_gives_the_same_bytes(result: Result, tmp_path: Path) -> None:
    for ending in (".png", ".pdf", ".svg"):
        digests = {
            hashlib.sha256(write_figure(plot(result, "accuracy"), tmp_path / f"{k}{ending}").read_bytes()).digest()
            for k in (1, 2)
        }
        assert len(digests) == 1


def test_unknown_endings_and_bad_places_are_refused(result: Result, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"found the ending '.gif'; allowed: .png, .pdf, .svg"):
        write_figure(plot(result), tmp_path / "x.gif")
    with pytest.raises(OutputError, match="cannot be written"):
        write_figure(plot(result), tmp_path / "nowhere" / "x.png")


def test_the_result_plots_itself_and_shows_in_a_notebook(result: Result) -> None:
    figure = result.plot("accuracy", against="time")
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_odd_labels_and_single_points_are_drawn(result: Result) -> None:
    odd = ["$x_i$ {", "a" * 90, "_hidden", "日本"]
    records = [
        dataclasses.replace(record, algorithm=odd[k % 4], seed=k, metrics=record.metrics[: 1 if k % 2 else None])
        for k, record in enumerate(result.records)
    ]
    with pytest.warns(UserWarning, match="missing from font"):
        figure = drawn(plot(Result(records, {}, ""), "test_loss"))
    assert [len(text) <= 50 for text in legend_texts(figure)] == [True] * 4


def test_no_global_setting_of_matplotlib_changes(result: Result, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    write_figure(overview(result), tmp_path / "x.pdf")
    assert dict(mpl.rcParams) == before
