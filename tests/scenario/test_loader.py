from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simnet.errors import ScenarioError
from simnet.scenario import (
    AlgorithmSchemas,
    Constant,
    Deadline,
    Distribution,
    Factory,
    MatrixFile,
    PerNode,
    Scenario,
    load,
)
from simnet.schedule import Schedule

Read = Callable[..., Scenario]
DATA = Path(__file__).parents[1] / "data"

MINIMAL: dict[str, Any] = {
    "nodes": 2,
    "topology": "ring",
    "problem": {"kind": "quadratic", "dimension": 3},
    "algorithms": [{"name": "dpsgd", "lr": 0.1}],
    "run": {"steps": 5},
}
DESIGN = """\
# Which algorithm reaches 90 % accuracy first on a slow ring with label-sorted data?
name: slow-ring
seed: 1                      # or seeds: [1, 2, 3]
nodes: 16
dtype: float32               # or float64
topology: {kind: ring}
mixing: {kind: metropolis}   # or uniform, max_degree, lazy..., matrix: [[...]]; slack: kappa
network:
  sharing: queue
  latency: 50 ms             # a value, a distribution {normal: ..., ...}, or a matrix file
  bandwidth: 20 Mbit/s
compute: {time: 30 ms, jitter: {lognormal: 0.1}, stragglers: {fraction: 0.1, slowdown: 4}}
problem: {dataset: digits, model: mlp, partition: {kind: label_sorted, shuffled: 0.25}, batch_size: 16}
algorithms:
  - {name: allreduce, lr: 0.1}
  - {name: dpsgd, lr: 0.1}
  - {name: detag, lr: 0.1, gossip_rounds: 2, eta: 0.2}
  - {name: moniqua, lr: 0.1, bits: 8, theta: 2.0, label: moniqua-8bit}
run: {steps: 500, evaluate_every: 10, wait: all}      # or epochs, simulated_time
targets: {accuracy: 0.9}
expect:                      # what must hold; checked by `simnet test` and by the pytest plug-in
  - detag.time_to.accuracy < dpsgd.time_to.accuracy
sweep: {network.latency: [1 ms, 10 ms, 100 ms]}
"""


def test_the_example_of_the_design_is_read(read: Read) -> None:
    scenario = read(DESIGN, file="scenarios/a.yaml")
    assert (scenario.name, scenario.seeds, scenario.nodes) == ("slow-ring", (1,), 16)
    assert scenario.topology is not None
    assert scenario.topology.kind == "ring"
    assert scenario.network is not None
    assert scenario.network.latency == Constant(value=0.05)
    assert scenario.network.bandwidth == Constant(value=20e6)
    assert scenario.compute is not None
    assert scenario.compute.jitter is not None
    assert (scenario.compute.jitter.kind, scenario.compute.jitter.spread) == ("lognormal", 0.1)
    assert [entry.label for entry in scenario.algorithms] == ["allreduce", "dpsgd", "detag", "moniqua-8bit"]
    assert scenario.algorithms[2].parameters == {"lr": Schedule.of(0.1), "gossip_rounds": 2, "eta": 0.2}
    assert scenario.sweep.grid == {"network.latency": ["1 ms", "10 ms", "100 ms"]}
    assert scenario.base == Path("scenarios")
    assert read(scenario.to_yaml()) == scenario


def test_defaults(read: Read) -> None:
    scenario = read(MINIMAL)
    assert (scenario.name, scenario.seeds, scenario.dtype, scenario.threads) == ("scenario", (0,), "float32", 1)
    assert scenario.network is None
    assert scenario.compute is None
    assert scenario.mixing.kind is None
    assert scenario.message.bits_per_number == 32
    assert scenario.run.wait == "all"
    assert scenario.algorithms[0].wait is None
    assert scenario.algorithms[0].parameters["order"] == "cta"


@pytest.mark.parametrize(
    ("run", "every"),
    [({"steps": 500}, 10), ({"steps": 20}, 1), ({"epochs": 2}, 10), ({"steps": 500, "evaluate_every": 7}, 7)],
)
def test_how_often_to_evaluate_follows_from_the_steps(read: Read, run: dict[str, Any], every: int) -> None:
    assert read(MINIMAL | {"run": run}).run.evaluate_every == every


def test_words_that_other_yaml_versions_read_as_truth_values_stay_words(read: Read) -> None:
    scenario = read(
        "nodes: 4\ntopology: ring\nnetwork: {sharing: none}\nproblem: {dataset: digits, l2: 1e-3}\n"
        "algorithms: [{name: dpsgd, lr: 1e-1, label: off}]\nrun: {steps: 1_000, wait: none}\n"
    )
    assert scenario.network is not None
    assert (scenario.network.sharing, scenario.run.wait, scenario.algorithms[0].label) == ("none", "none", "off")
    assert (scenario.run.steps, scenario.problem.l2) == (1000, 0.001)


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        ("50 ms", Constant(value=0.05)),
        (0, Constant(value=0.0)),
        ({"normal": {"mean": "50 ms", "std": "10 ms"}}, Distribution(kind="normal", mean=0.05, std=0.01)),
        ({"lognormal": {"median": "1 s", "sigma": 0.5}}, Distribution(kind="lognormal", median=1.0, sigma=0.5)),
        ({"exponential": {"mean": "1 s"}}, Distribution(kind="exponential", mean=1.0)),
        ({"uniform": {"low": 0, "high": "1 s"}}, Distribution(kind="uniform", low=0.0, high=1.0)),
        ({"file": "latency.csv", "unit": "ms"}, MatrixFile(path="latency.csv", unit="ms")),
    ],
)
def test_forms_of_a_latency(read: Read, latency: Any, expected: Any) -> None:
    scenario = read(MINIMAL | {"network": {"latency": latency}})
    assert scenario.network is not None
    assert scenario.network.latency == expected
    assert read(scenario.to_yaml()) == scenario


def test_quantities_give_their_numbers(read: Read) -> None:
    limits = {"uplink": ["1 Mbit/s", "2 Mbit/s"], "downlink": {"uniform": {"low": "1 bit/s", "high": "1 kbit/s"}}}
    network = read(MINIMAL | {"network": limits}).network
    assert network is not None
    assert network.uplink == PerNode(values=(1e6, 2e6))
    assert isinstance(network.downlink, Distribution)
    assert network.downlink.parameters == {"low": 1.0, "high": 1000.0}
    assert MatrixFile(path="a", unit="ms").scale == 0.001
    assert MatrixFile(path="a", unit="kB/s").scale == 8000.0


def test_a_mapping_may_hold_arrays_tuples_and_schedules(read: Read) -> None:
    scenario = read(
        MINIMAL
        | {
            "nodes": np.int64(3),
            "mixing": {"matrix": np.full((3, 3), 1 / 3)},
            "problem": {
                "kind": "quadratic",
                "curvature": np.ones((3, 2)),
                "optimum": [(1, 2)] * 3,
                "noise": np.float32(0),
            },
            "init": np.zeros(2),
            "algorithms": ({"name": "dpsgd", "lr": Schedule.of({"constant": 0.5, "warmup": 3})}, "allreduce"),
        },
        overrides={"algorithms.allreduce.lr": np.float64(0.25)},
    )
    assert scenario.mixing.matrix == ((1 / 3,) * 3,) * 3
    assert scenario.problem.optimum == ((1.0, 2.0),) * 3
    assert scenario.init == ((0.0, 0.0),)
    assert scenario.algorithms[0].parameters["lr"].warmup == 3
    assert scenario.algorithms[1].parameters["lr"](0) == 0.25


def test_forms_of_models_partitions_and_waits(read: Read) -> None:
    problem = {
        "dataset": "digits",
        "model": {"factory": "pkg.nets:net", "width": 3},
        "partition": "iid",
        "batch_size": "full",
    }
    algorithms = [{"name": "dpsgd", "lr": 0.1, "wait": {"deadline": "200 ms"}}, {"name": "my.module:algo", "lr": 1}]
    scenario = read(MINIMAL | {"problem": problem, "algorithms": algorithms})
    assert scenario.problem.model == Factory(factory="pkg.nets:net", width=3)
    assert scenario.problem.model.keywords == {"width": 3}
    assert scenario.algorithms[0].wait == Deadline(deadline="200 ms")
    assert scenario.algorithms[1].label == "my.module:algo"
    assert read(scenario.to_yaml()) == scenario


@pytest.mark.parametrize(("given", "absent", "fill"), [("curvature", "optimum", 0.0), ("optimum", "curvature", 1.0)])
def test_one_array_of_a_quadratic_may_be_left_out(read: Read, given: str, absent: str, fill: float) -> None:
    problem = read(MINIMAL | {"problem": {"kind": "quadratic", given: [[2, 3], [4, 5]]}}).problem
    assert getattr(problem, absent) == ((fill, fill),)
    assert not problem.is_random


def test_the_topology_may_be_left_to_the_matrix(read: Read) -> None:
    rest = {key: value for key, value in MINIMAL.items() if key != "topology"}
    assert read(rest | {"mixing": {"matrix": [[0.5, 0.5], [0.5, 0.5]]}}).topology is None
    assert read(rest | {"mixing": {"matrix": "weights.csv"}}).mixing.matrix == "weights.csv"
    assert read(rest | {"nodes": 1}).topology is None


def test_a_large_matrix_is_written_and_read_back(read: Read) -> None:
    matrix = np.random.default_rng(0).dirichlet(np.ones(20), size=20)
    scenario = read(MINIMAL | {"nodes": 20, "mixing": {"matrix": matrix}, "init": np.linspace(0, 1e-7, 60).reshape(20, 3)})
    assert read(scenario.to_yaml()) == scenario
    assert np.array_equal(scenario.mixing.matrix, matrix)


def test_a_file_names_the_scenario_and_is_the_base_of_its_paths(tmp_path: Path, schemas: AlgorithmSchemas) -> None:
    file = tmp_path / "my ring.yaml"
    file.write_text("nodes: 2\ntopology: ring\nproblem: digits\nalgorithms: [{name: dpsgd, lr: 1}]\nrun: {steps: 1}\n")
    scenario = load(file, algorithms=schemas)
    assert (scenario.name, scenario.base) == ("my ring", tmp_path)
    assert scenario.complain("run.epochs", "x") == f"{file}:5: run.epochs: x"
    assert scenario.complain("algorithms.0.lr", "x") == f"{file}:4: algorithms.0.lr: x"
    assert scenario.complain("", "x") == f"{file}:1: x"
    assert load(scenario, algorithms=schemas) is scenario
    changed = load(scenario, algorithms=schemas, overrides={"nodes": "3"})
    assert (changed.nodes, changed.base) == (3, tmp_path)
    assert changed.complain("nodes", "x") == "--set nodes=3: x"


def test_what_cannot_be_read_is_one_line(tmp_path: Path, schemas: AlgorithmSchemas) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"nodes: \xff")
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "bytes.yaml", "nul\0byte.yaml"):
        with pytest.raises(ScenarioError) as error:
            load(path, algorithms=schemas)
        assert str(error.value).startswith(str(path))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodes: 1\nnodes: 2\n", 'a.yaml:2: found duplicate key "nodes"'),
        ("nodes: [1\n", "a.yaml:2: expected ',' or ']'"),
        ("a: *b", "a.yaml:1: found undefined alias"),
        ("- 1\n", "a.yaml:1: found [1]; allowed: a mapping"),
        ("", "a.yaml:1: found nothing; allowed: a mapping"),
        ("&a [*a]", "a.yaml:1: found lists or mappings nested too deeply"),
        ("nodes: " + "[" * 600, "a.yaml:1: found lists or mappings nested too deeply"),
        ("\n\nnodes: 2020-01-01", "a.yaml:3: nodes: found a date (2020-01-01)"),
        ("nodes: 2020-13-45", "a.yaml:1: found something that cannot be read as YAML"),
        ("nodes: !!int x", "a.yaml:1: found something that cannot be read as YAML"),
        ("nodes: !odd x", "a.yaml:1: nodes: found a value with a tag"),
        ("nodes: " + "9" * 5000, "a.yaml:1: found something that cannot be read"),
        ("nodes: 0x" + "f" * 5000, "a.yaml:1: nodes: found a huge number"),
        ("1: 2", "a.yaml:1: found the key 1; allowed: keys that are text"),
        ("\0", "a.yaml:1: "),
    ],
)
def test_what_is_no_scenario_at_all_is_explained(read: Read, text: str, words: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(text, file="a.yaml")
    assert any(line.startswith(words) for line in str(error.value).splitlines()), str(error.value)
