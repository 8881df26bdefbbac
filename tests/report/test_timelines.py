from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.quiver import Quiver
from matplotlib.text import Text

import simnet
from simnet.errors import ParameterError, SimnetError
from simnet.report.figures import write_figure, write_timelines
from simnet.report.style import headline
from simnet.report.timeline import MOST_ARROWS, MOST_NAMES, first_steps
from simnet.report.utilization import NUM_BINS, uses
from simnet.result import Result, RunRecord
from tests.clock.building import scenario

NETWORK = {"latency": "1 s", "bandwidth": "32 bit/s", "sharing": "queue"}


def traced(executor: Any = "off", **changes: Any) -> Result:
    plain = {"nodes": 2, "steps": 8, "network": NETWORK, "compute": {"time": "500 ms"}, "run": {"trace": True}}
    return simnet.run(scenario(**{**plain, **changes}), executor=executor)


@pytest.fixture(scope="module")
def result() -> Result:
    return traced()


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def bars(axes: Axes) -> list[list[tuple[float, float, float]]]:
    """For each collection of bars: start, end and row of each."""
    return [
        [(path.get_extents().x0, path.get_extents().x1, round(path.get_extents().y0 + 0.3)) for path in found.get_paths()]
        for found in axes.collections
        if isinstance(found, PolyCollection) and not isinstance(found, Quiver)
    ]


def arrows(axes: Axes) -> list[Quiver]:
    return [found for found in axes.collections if isinstance(found, Quiver)]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_the_first_three_steps_are_shown(result: Result) -> None:
    (axes,) = drawn(result.plot_timeline("dpsgd")).axes
    assert axes.get_xlim() == (0.0, 6.0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("simulated time [s]", "node")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1"]
    assert axes.get_title(loc="left") == "dpsgd"
    assert legend(axes) == ["compute", "wait (for node)", "transfer", "evaluation"]
    waits, computed = bars(axes)[:2], bars(axes)[2:]
    assert [[(0.5 + 2 * k, 2.0 + 2 * k, row) for k in range(3)] for row in (0, 1)] == waits
    assert [[(2.0 * k, 2 * k + 0.5, row) for k in range(3)] for row in (0, 1)] == computed
    named = sorted((text.get_position()[1], text.get_position()[0], text.get_text()) for text in axes.texts)
    assert named == [(row, 1.25 + 2 * k, str(1 - row)) for row in (0, 1) for k in range(3)]
    (transfers,) = arrows(axes)
    assert sorted(zip(transfers.X, transfers.Y, transfers.U, transfers.V, strict=True)) == sorted(
        (2.0 * k, i, 2.0, 1 - 2 * i) for k in range(3) for i in (0, 1)
    )


def test_another_part_can_be_chosen_but_none_that_is_not_there(result: Result) -> None:
    (axes,) = result.plot_timeline("dpsgd", start=3.0, until=5.0).axes
    assert axes.get_xlim() == (3.0, 5.0)
    (axes,) = result.plot_timeline("dpsgd", start=10.0).axes
    assert axes.get_xlim() == (10.0, 16.0)
    sentence = r"nothing is known from 20 s to 30 s; it reaches from 0 s to 16 s"
    for draw in (result.plot_timeline, result.plot_utilization):
        with pytest.raises(ParameterError, match=sentence):
            draw("dpsgd", start=20.0, until=30.0)
    with pytest.raises(SimnetError, match="there is: dpsgd"):
        result.plot_timeline("detag")


def test_what_an_untraced_run_did_cannot_be_drawn() -> None:
    with pytest.raises(SimnetError, match="was not traced"):
        traced(run={}).plot_timeline("dpsgd")


def test_fewer_steps_are_shown_where_that_saves_the_arrows() -> None:
    ring = traced(nodes=12, algorithm="allreduce", topology="ring")
    per_step = 12 * 22
    assert per_step < MOST_ARROWS < 2 * per_step
    (axes,) = ring.plot_timeline("allreduce").axes
    assert len(arrows(axes)[0].X) == per_step
    assert axes.get_xlim()[1] == pytest.approx(first_steps(ring.timeline("allreduce")))


def test_many_nodes_have_neither_names_nor_arrows() -> None:
    (axes,) = traced(nodes=MOST_NAMES + 1).plot_timeline("dpsgd").axes
    assert (len(axes.texts), arrows(axes)) == (0, [])
    assert [text.get_text() for text in axes.get_yticklabels()] == [str(i) for i in range(0, MOST_NAMES + 1, 2)]
    assert axes.get_xlim() == (0.0, 6.0)


def test_the_server_has_a_row_and_a_name() -> None:
    algorithm = {"name": "allreduce", "exchange": "parameter_server"}
    (axes,) = traced(algorithm=algorithm, steps=1).plot_timeline("allreduce").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1", "server"]
    assert {"server", "0", "1"} >= {text.get_text() for text in axes.texts} >= {"server"}


def test_failures_and_losses_have_looks_of_their_own(result: Result) -> None:
    columns = {name: column.copy() for name, column in (result.records[0].timeline or {}).items()}
    kinds = columns["kind"].astype("U8")
    kinds[np.flatnonzero(kinds == "wait")[0]] = "down"
    kinds[np.flatnonzero(kinds == "transfer")[0]] = "lost"
    changed = RunRecord("dpsgd", 0, "done", "", [], {}, timeline={**columns, "kind": kinds})
    (axes,) = drawn(Result([changed], result.scenario, "").plot_timeline("dpsgd")).axes
    assert legend(axes) == ["compute", "down", "wait (for node)", "transfer", "lost"]


def test_a_figure_that_begins_later_shows_three_steps_of_each_node() -> None:
    """Nodes that wait for nobody are at steps far apart: half a second per step, or two."""
    compute = {"time": "500 ms", "factors": [1, 4]}
    changes = {"run": {"trace": {"from": "10 s"}, "wait": "none"}, "steps": 40, "compute": compute}
    (axes,) = traced(**changes).plot_timeline("dpsgd").axes
    assert axes.get_xlim() == (10.0, pytest.approx(13.75))  # node 0 after 1.5 s, node 1 after 6 s: half of two


def test_a_long_name_has_its_place_beside_a_long_legend(result: Result) -> None:
    words = ["compute", "down", "wait (for node)", "transfer", "lost", "evaluation"]
    for title in ("dpsgd", "dpsgd-deadline", "a name that is as long as this one"):
        figure = result.plot_timeline("dpsgd")
        (axes,) = figure.axes
        headline(axes, title, [Patch(label=word) for word in words])
        (name,) = [text for text in drawn(figure).findobj(Text) if text.get_text() == title]
        assert not name.get_window_extent().overlaps(axes.get_legend().get_window_extent())


def test_links_are_in_use_while_bits_leave(result: Result) -> None:
    table = result.timeline("dpsgd")
    (use,) = uses(table, (0.0, 4.0), 2, "queue")
    assert (use.kind, use.names) == ("bandwidth", ["0 → 1", "1 → 0"])
    quarter = NUM_BINS // 4  # a second
    expected = np.tile(np.repeat([1.0, 0.0], quarter), 2)
    assert use.share_RB == pytest.approx(np.stack([expected, expected]), abs=1e-9)
    figure = drawn(result.plot_utilization("dpsgd", until=4.0))
    mean, links, bar = figure.axes
    assert legend(mean) == ["mean of all links"]
    assert [text.get_text() for text in links.get_yticklabels()] == ["0 → 1", "1 → 0"]
    assert (links.get_xlabel(), links.get_ylabel()) == ("simulated time [s]", "link")
    assert bar.get_ylabel() == "bandwidth in use"
    assert links.images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("sharing", ["none", "queue"])
@pytest.mark.parametrize("algorithm", ["dpsgd", {"name": "allreduce", "exchange": "parameter_server"}])
def test_all_bits_are_accounted_for_at_every_limit(sharing: str, algorithm: Any) -> None:
    network = {"sharing": sharing, "latency": "10 ms", "bandwidth": "900 bit/s", "uplink": "1 kbit/s", "downlink": "2 kbit/s"}
    table = traced(nodes=4, network=network, algorithm=algorithm, topology="ring").timeline(
        algorithm if isinstance(algorithm, str) else "allreduce"
    )
    sent = table[(table["kind"] == "transfer") & np.isfinite(table["last_bit_s"])]
    end = float(sent["last_bit_s"].max()) + 1.0
    used = uses(table, (0.0, end), 4, sharing)
    assert [use.kind for use in used] == ["uplink", "bandwidth", "downlink"]
    for use, limit in zip(used, (1000.0, 900.0, 2000.0), strict=True):
        assert use.share_RB.sum() * end / NUM_BINS * limit == pytest.approx(sent["bits"].sum())
        assert sharing == "none" or use.share_RB.max() <= 1 + 1e-9


def test_without_limits_there_is_nothing_to_use_up(tmp_path: Path) -> None:
    unlimited = traced(network={"latency": "1 s"})
    with pytest.raises(ParameterError, match="crossed a limited bandwidth; give one in network"):
        unlimited.plot_utilization("dpsgd")
    assert [path.name for path in write_timelines(unlimited, tmp_path / "figures")] == ["timeline_dpsgd.png"]


def test_figures_are_written_for_each_algorithm_and_are_the_same_again(tmp_path: Path) -> None:
    source = scenario(nodes=2, network=NETWORK, run={"trace": True})
    source["algorithms"] = [{"name": "dpsgd", "lr": 0.1, "label": "a/b $x$"}, {"name": "dpsgd", "lr": 0.1}]
    result = simnet.run({**source, "seeds": [3, 4]})
    names = {path.name: path.read_bytes() for path in write_timelines(result, tmp_path / "a")}
    assert set(names) == {f"{kind}_{label}.png" for kind in ("timeline", "utilization") for label in ("a%2Fb %24x%24", "dpsgd")}
    assert names == {path.name: path.read_bytes() for path in write_timelines(result, tmp_path / "b")}
    drawn(result.plot_timeline("a/b $x$", seed=4))
    write_figure(result.plot_timeline("dpsgd"), tmp_path / "t.svg")


def test_nothing_is_written_for_what_was_not_traced(tmp_path: Path) -> None:
    assert write_timelines(traced(run={}), tmp_path / "figures") == []
    assert not (tmp_path / "figures").exists()


def test_a_run_of_one_node_can_be_drawn() -> None:
    result = traced(nodes=1, algorithm="sgd", network=None)
    (axes,) = drawn(result.plot_timeline("sgd")).axes
    assert legend(axes) == ["compute", "evaluation"]
    assert isinstance(result.timeline("sgd"), pd.DataFrame)
