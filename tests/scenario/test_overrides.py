from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simnet.errors import ScenarioError
from simnet.scenario import Constant, Scenario

Read = Callable[..., Scenario]

TEXT = """\
seeds: [1, 2]
nodes: 4
topology: ring
problem: {dataset: digits, model: mlp}
algorithms:
  - dpsgd
  - {name: dpsgd, lr: 0.1, label: a.b}
  - {name: detag, lr: 0.1}
run: {steps: 100}
"""


def overridden(read: Read, **overrides: Any) -> Scenario:
    given = {"algorithms.0.lr": "0.3"} | {key.replace("__", "."): value for key, value in overrides.items()}
    return read(TEXT, overrides=given)


def test_values_are_set_by_path_index_and_label(read: Read) -> None:
    scenario = read(
        TEXT,
        overrides={
            "algorithms.dpsgd.lr": "0.5",
            "algorithms.a.b.order": "atc",
            "algorithms.2.lr": "{cosine: {start: 1, steps: 10}}",
            "network.latency": "1 ms",
            "topology.kind": "torus",
            "topology.rows": "2",
            "problem.model.hidden": "[3, 4]",
            "sweep.network.latency": "[1 ms, 2 ms]",
            "run.steps": 50,
        },
    )
    assert [entry.parameters["lr"](0) for entry in scenario.algorithms] == [0.5, 0.1, 1.0]
    assert scenario.algorithms[1].parameters["order"] == "atc"
    assert scenario.network is not None
    assert scenario.network.latency == Constant(value=0.001)
    assert scenario.topology is not None
    assert scenario.topology.model_dump() == {"kind": "torus", "rows": 2}
    assert scenario.problem.model.hidden == (3, 4)
    assert scenario.sweep.grid == {"network.latency": ["1 ms", "2 ms"]}
    assert (scenario.run.steps, scenario.run.evaluate_every) == (50, 1)


def test_a_seed_takes_the_place_of_seeds(read: Read) -> None:
    assert overridden(read, seed="7").seeds == (7,)
    assert overridden(read, seeds="[7, 8]").seeds == (7, 8)


def test_an_override_of_a_scenario_in_memory(read: Read) -> None:
    scenario = overridden(read)
    assert read(scenario, overrides={"nodes": 8}) == overridden(read, nodes="8")


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("network.bandwith", "20 Mbit/s", "--set network.bandwith=20 Mbit/s: unknown key; did you mean bandwidth?"),
        ("netwrk.latency", "1 ms", "--set netwrk.latency=1 ms: netwrk: unknown key; did you mean network?"),
        ("network", "{latncy: 1 ms}", "network.latncy: unknown key; did you mean latency?"),
        ("nodes", "many", "--set nodes=many: found 'many'; allowed: a whole number"),
        ("nodes", 2.5, "--set nodes=2.5: found 2.5; allowed: a whole number"),
        ("nodes.x", "1", "found 4; allowed: a path into mappings and lists"),
        ("algorithms.dtag.lr", "1", "found dtag; allowed: an index from 0 to 2 or one of dpsgd, a.b, detag; did you mean"),
        ("algorithms.9.lr", "1", "--set algorithms.9.lr=1: found 9; allowed: an index from 0 to 2"),
        ("algorithms.detag.gosip_rounds", "1", "unknown key; did you mean gossip_rounds?"),
        ("run.steps", "[1", "--set run.steps=[1:1: expected ',' or ']'"),
        ("run.steps", "2020-01-01", "--set run.steps=2020-01-01: found a date"),
        ("", "1", "--set =1: unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_override_says_so(read: Read, path: str, value: Any, complaint: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(TEXT, overrides={"algorithms.0.lr": "0.3", path: value})
    (line,) = str(error.value).splitlines()
    assert line.startswith("--set ")
    assert complaint in line


def test_mistakes_of_the_file_keep_their_lines(read: Read) -> None:
    with pytest.raises(ScenarioError) as error:
        read(TEXT.replace("steps: 100", "stps: 100"), file="a.yaml", overrides={"nodes": "0"})
    assert [line.split(": ")[0] for line in str(error.value).splitlines()] == ["a.yaml:6", "a.yaml:9", "--set nodes=0"]
