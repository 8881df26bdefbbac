"""Points of every kind, and what is refused before anything runs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.errors import ScenarioError
from simnet.experiment.planning import asked, planned
from simnet.experiment.points import draws_of, points_of
from simnet.problems.quadratic import Quadratic
from simnet.scenario import RandomSearch, Sweep
from simnet.units import parse_seconds
from tests.experiment.sweeping import SMALL

KEYS = ("nodes", "run.steps", "network.latency", "algorithms.dpsgd.lr", "topology", "compute.time")
values = st.lists(st.integers(1, 9) | st.floats(0.1, 9) | st.sampled_from(["1 ms", "ring"]), min_size=1, max_size=3)


@given(st.data())
def test_points_are_all_combinations_each_once(data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=5))
    split = data.draw(st.integers(0, len(keys)))
    grid = {key: data.draw(values) for key in keys[:split]}
    length = data.draw(st.integers(1, 3))
    zipped = {key: data.draw(st.lists(st.integers(), min_size=length, max_size=length)) for key in keys[split:]}
    found = points_of(Sweep.model_validate({**grid, "zip": zipped}))
    rows = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)] if zipped else [{}]
    expected = [dict(zip(grid, row, strict=True)) | more for row in itertools.product(*grid.values()) for more in rows]
    assert [str(point) for point in found] == list(dict.fromkeys(map(str, expected)))


@given(st.sampled_from(["uniform", "log_uniform"]), st.floats(1e-6, 1e3), st.floats(1, 1e4), st.integers(0, 9))
def test_draws_lie_in_their_range(kind: str, low: float, factor: float, seed: int) -> None:
    search = RandomSearch.model_validate({"count": 20, "seed": seed, "lr": {kind: [low, low * factor]}})
    found = [draw["lr"] for draw in draws_of(search)]
    assert all(low <= value <= low * factor for value in found)
    more = RandomSearch.model_validate({"count": 25, "seed": seed, "lr": {kind: [low, low * factor]}})
    assert [draw["lr"] for draw in draws_of(more)][:20] == found


@pytest.mark.parametrize("kind", ["uniform", "log_uniform"])
def test_every_whole_number_of_a_range_is_drawn(kind: str) -> None:
    search = RandomSearch.model_validate({"count": 400, "nodes": {kind: [2, 5]}})
    assert {draw["nodes"] for draw in draws_of(search)} == {2, 3, 4, 5}


def test_a_log_uniform_draw_favors_no_power_of_ten() -> None:
    search = RandomSearch.model_validate({"count": 2000, "network.latency": {"log_uniform": ["1 ms", "1 s"]}})
    texts = [draw["network.latency"] for draw in draws_of(search)]
    below = sum(parse_seconds(text) < 0.01 for text in texts)
    assert abs(below / 2000 - 1 / 3) < 0.04


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_every_run_has_a_name_of_its_own_and_shares_its_values_where_it_may(data: st.DataObject) -> None:
    latencies = data.draw(st.lists(st.integers(0, 50).map("{} ms".format), min_size=1, max_size=3, unique=True))
    lrs = data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=2, unique=True))
    sweep = {"network.latency": latencies, "algorithms.moniqua.lr": lrs}
    plan = planned(asked({**SMALL, "seeds": [1, 2]}, {}, sweep), "cpu")
    assert len({unit.name for unit in plan.units}) == len(plan.units) == 6 * len(latencies) * len(lrs)
    values = {label: len({unit.key for unit in plan.units if unit.label == label}) for label in plan.labels}
    assert values == {"dpsgd": 2, "moniqua": 2 * len(lrs), "adpsgd": 2 * len(latencies)}


@pytest.mark.parametrize(
    ("sweep", "complaint"),
    [
        ({"network.latncy": ["1 ms"]}, "sweep: network.latncy=1 ms: unknown key; did you mean latency?"),
        ({"network.latency": ["1 ms", "2"]}, "sweep: network.latency=\"2\": found '2' without a unit"),
        ({"nodes": [4, 0]}, "sweep: nodes=0: found 0; allowed: a number >= 1"),
        ({"topology": [{"kind": "torus", "rows": 3}]}, "sweep: topology={kind: ..., rows: ...}: topology.rows: found 3"),
        ({"algorithms.dpsgg.lr": [1.0]}, "did you mean dpsgd?"),
        ({"seed": [1, 2]}, "seed: found in sweep; allowed: keys that change one run; seeds: [1, 2, 3]"),
        ({"zip": {"nodes": [4, 5], "run.steps": [1]}}, "found lists of different lengths (nodes 2, run.steps 1)"),
        ({"nodes": [4], "zip": {"nodes": [4]}}, "found twice in the sweep"),
        ({"random": {"count": 0, "nodes": {"uniform": [1, 2]}}}, "count: found 0; allowed: a number >= 1"),
        ({"random": {"count": 1, "nodes": {"uniform": [2, 1]}}}, "allowed: two ends, the lower one first"),
        ({"random": {"count": 1, "nodes": {"log_uniform": [0, 1]}}}, "allowed: two ends, above 0, the lower one first"),
        ({"random": {"count": 1, "network.latency": {"uniform": ["1 ms", "1 Mbit/s"]}}}, "two quantities of one kind"),
        ({"random": {"count": 1, "nodes": {"normal": [1, 2]}}}, "normal: unknown key"),
        ({"random": {"count": 1, "nodes": {}}}, "allowed: one of uniform and log_uniform"),
        ({"best_of": {"lr": [0.1]}}, "by: missing"),
        ({"best_of": {"lr": [0.1], "by": "accurac"}}, "did you mean accuracy?"),
        ({"best_of": {"by": "train_loss"}}, "allowed: a list of at least 1"),
        ({"best_of": {"lrr": [0.1], "by": "train_loss"}}, "no algorithm has a parameter of this name"),
        ({"best_of": {"lr": [-0.1], "by": "train_loss"}}, "lr=-0.1"),
        ({"best_of": {"lr": [0.1], "by": "time_to.accuracy"}}, "targets has no accuracy"),
        ({"compute.time": ["measured"]}, "found measured; allowed in a sweep"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_runs(
    sweep: dict[str, Any], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a gradient")

    monkeypatch.setattr(Quadratic, "gradient", refuse)
    with pytest.raises(ScenarioError) as caught:
        simnet.sweep({**SMALL, "sweep": sweep}, out=tmp_path / "out", workers=0, device="cpu")
    assert complaint in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_complaint_says_which_point_it_is_about_and_is_made_once() -> None:
    sweep = {"network.latency": ["1 ms", "2 ms"], "nodes": [4, 5], "topology": ["ring", "hypercube"]}
    with pytest.raises(ScenarioError) as caught:
        planned(asked(SMALL, {}, sweep), "cpu")
    lines = str(caught.value).splitlines()
    assert len(lines) == 1
    assert "topology=hypercube" in lines[0]
