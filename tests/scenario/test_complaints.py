from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from simnet.errors import ScenarioError
from simnet.scenario import Scenario

Read = Callable[..., Scenario]

VALID: dict[str, Any] = {
    "seed": 1,
    "nodes": 4,
    "topology": {"kind": "ring"},
    "mixing": {"kind": "metropolis"},
    "network": {"sharing": "queue", "latency": "50 ms", "bandwidth": "20 Mbit/s"},
    "compute": {"time": "30 ms", "jitter": {"lognormal": 0.1}, "stragglers": {"fraction": 0.1, "slowdown": 4}},
    "problem": {"dataset": "digits", "model": "mlp", "partition": {"kind": "iid"}},
    "algorithms": [{"name": "dpsgd", "lr": 0.1}, {"name": "moniqua", "lr": 0.1, "theta": 2}],
    "run": {"steps": 500},
    "targets": {"accuracy": 0.9},
}
REMOVE = object()
SHARED = {"name": "backbone", "bandwidth": "1 Gbit/s", "between": [[0, 1], [2, 3]]}
CRASH = {"kind": "crash", "nodes": [3], "at": "1 s", "until": "2 s"}
RANDOM = {"kind": "random_outages", "up": "1 s", "down": "1 s"}
QUADRATIC = {"kind": "quadratic", "curvature": [[1, 2]], "optimum": [[0, 1]]}
BUDGETS = "allowed: at least one of steps, epochs, simulated_time"


def changed(value: Any, path: str, new: Any) -> Any:
    """A copy of a scenario in which one key is something else."""
    key, _, rest = path.partition(".")
    inner = changed(value[int(key) if isinstance(value, list) else key], rest, new) if rest else new
    if isinstance(value, list):
        return [inner if i == int(key) else item for i, item in enumerate(value)]
    return {k: v for k, v in value.items() if k != key or rest or new is not REMOVE} | ({} if inner is REMOVE else {key: inner})


def complaints(read: Read, scenario: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        read(scenario)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("path", "new", "complaint"),
    [
        ("nodes", REMOVE, "nodes: missing; it is needed here"),
        ("nodes", 0, "nodes: found 0; allowed: a number >= 1"),
        ("nodes", "4", "nodes: found '4'; allowed: a whole number"),
        ("nodes", True, "nodes: found true; allowed: a whole number"),
        ("nodes", 4.0, "nodes: found 4.0; allowed: a whole number"),
        ("nodes", 10**30, "nodes: found a huge number; allowed: whole numbers of at most 64 bits"),
        ("node", 4, "node: unknown key; did you mean nodes?"),
        ("seeds", [1, 2], "seeds: found seed and seeds; allowed: one of the two"),
        ("dtype", "float16", "dtype: found 'float16'; allowed: float32, float64; did you mean float64?"),
        ("name", "a\nb", "name: found 'a\\nb'; allowed: text in one line, not empty"),
        ("topology.kind", "rnig", "did you mean ring?"),
        ("topology", {"kind": "edges", "edges": [[0, 4]]}, "topology.edges.0.1: found node 4; allowed: 0 to 3, since"),
        ("topology", {"kind": "edges", "edges": [[0]]}, "topology.edges.0.1: missing; it is needed here"),
        ("topology", "random_regular", "topology.degree: missing; it is needed here"),
        ("topology", REMOVE, "topology: missing; allowed: a kind such as {kind: ring}, or mixing: {matrix: [[...], ."),
        ("topolgy", "ring", "topolgy: unknown key; did you mean topology?"),
        ("mixing.slack", 0, "mixing.slack: found 0; allowed: a number > 0"),
        ("mixing.self_weight", 0.5, "mixing.self_weight: found self_weight with kind: 'metropolis'; allowed: with ki"),
        ("mixing.matrix", [[1]], "mixing.matrix: found matrix and kind: 'metropolis'; allowed: one of the two"),
        ("mixing", {"matrix": [[1, 0], [0, 1]]}, "mixing.matrix: found 2 x 2 numbers; allowed: 4 x 4, as many as nod"),
        ("mixing", {"matrix": [[1, 0], [1]]}, "mixing.matrix.1: found 1 numbers; allowed: 2, as in the first row"),
        ("mixing", {"matrix": [[1, "x"]]}, "mixing.matrix.0.1: found 'x'; allowed: a finite number"),
        ("mixing", "metropolise", "did you mean metropolis?"),
        ("faults", "crash", "faults: found 'crash'; allowed: a list"),
        ("faults", ["crash"], "faults.0.nodes: missing; it is needed here"),
        ("faults", [{"nodes": [3], "at": "1 s"}], "faults.0.kind: missing; allowed: crash, join, leave, link_down, part"),
        ("faults", [CRASH | {"kind": "crush"}], "faults.0.kind: found 'crush'; allowed: crash, join, leave, link_down, part"),
        ("faults", [CRASH | {"at": 1}], "faults.0.at: found 1 without a unit; allowed: a number and one of ns, us, ms, s, m"),
        ("faults", [CRASH | {"at": "1 bit/s"}], "faults.0.at: found '1 bit/s' with the unknown unit bit/s; allowed: a num"),
        ("faults", [CRASH | {"until": "500 ms"}], "faults.0.until: found 0.5 s, which is not after 1 s; allowed: a later t"),
        ("faults", [CRASH | {"nodes": [0, 4]}], "faults.0.nodes.1: found node 4; allowed: 0 to 3, since nodes is 4"),
        ("faults", [CRASH | {"nodes": 3}], "faults.0.nodes: found 3; allowed: a list"),
        ("faults", [CRASH | {"node": [3]}], "faults.0.node: unknown key; did you mean nodes?"),
        ("faults", [CRASH | {"state": "keep"}], "faults.0.state: found 'keep'; allowed: kept, neighbor, start; did you mean"),
        ("faults", [{"kind": "join", "nodes": [3]}], "faults.0.at: missing; it is needed here"),
        ("faults", [{"kind": "leave", "nodes": [], "at": "1 s"}], "faults.0.nodes: found []; allowed: a list of at least 1"),
        ("faults", [{"kind": "link_down", "links": [[0, 4]]}], "faults.0.links.0.1: found node 4; allowed: 0 to 3, since"),
        ("faults", [{"kind": "link_down", "links": [[0, 1, 2]]}], "faults.0.links.0: found [0, 1, 2]; allowed: a list of"),
        ("faults", [{"kind": "link_down", "links": [[0, 1], [2, 2]]}], "faults.0.links.1: found [2, 2]; allowed: two diff"),
        ("faults", [{"kind": "partition", "groups": [[0, 1]]}], "faults.0.groups: found [[0, 1]]; allowed: a list of at le"),
        ("faults", [{"kind": "partition", "groups": [[0], [1, 0]]}], "faults.0.groups: found node 0 twice; allowed: each n"),
        ("faults", [{"kind": "random_crashes", "up": "1 s"}], "faults.0.down: missing; it is needed here"),
        ("faults", [{"kind": "random_outages", "up": "1 s", "down": "0 s"}], "faults.0.down: found 0; allowed: more than"),
        ("faults", [RANDOM | {"links": []}], "faults.0.links: found []; allowed: a list of at least 1"),
        ("faults", [RANDOM | {"links": [[1, 1]]}], "faults.0.links.0: found [1, 1]; allowed: two different nodes"),
        ("faults", [{"kind": "trace"}], "faults.0.path: missing; it is needed here"),
        ("network.bandwith", "1 bit/s", "network.bandwith: unknown key; did you mean bandwidth?"),
        ("network.latency", 50, "network.latency: found 50 without a unit; allowed: a number and one of ns, us, ms,"),
        ("network.latency", "50 Mbit/s", "network.latency: found '50 Mbit/s' with the unknown unit Mbit/s; allowed:"),
        ("network.latency", {"normal": {"mean": "1 s"}}, "network.latency.normal.std: missing; it is needed here"),
        ("network.latency", {"normla": {"mean": "1 s"}}, "network.latency.normla: unknown key; did you mean normal?"),
        ("network.latency", {"normal": {"mean": 1, "std": "0 s"}}, "network.latency.normal.mean: found 1 without a u"),
        ("network.latency", ["1 s"] * 4, "network.latency: found a list of 4; allowed: text such as 50 ms, {normal|"),
        ("network.latency", {"file": "a.csv"}, "network.latency.unit: missing; it is needed here"),
        ("network.latency", {"file": "a.csv", "unit": "bit/s"}, "network.latency.unit: found 'bit/s'; allowed: ns, u"),
        ("network.latency", {"uniform": {"low": "2 s", "high": "1 s"}}, "network.latency.uniform.low: found more tha"),
        ("network.bandwidth", "0 bit/s", "network.bandwidth: found 0; allowed: more than 0"),
        ("network.uplink", ["1 bit/s"], "network.uplink: found 1 values; allowed: 4, as many as nodes"),
        ("network.downlink", ["1 bit/s", 2, "1 bit/s", "1 bit/s"], "network.downlink.1: found 2 without a unit"),
        ("network.latency", {"trace": "a.csv"}, "network.latency.unit: missing; it is needed here"),
        ("network.bandwidth", {"trace": "a.csv", "unit": "ms"}, "network.bandwidth.unit: found 'ms'; allowed: bit/s,"),
        ("network.uplink", {"trace": "a.csv", "unit": "B/s", "then": "end"}, "uplink.then: found 'end'; allowed: hold, repeat"),
        ("network.latency", {"schedule": []}, "network.latency.schedule: found []; allowed: a list of at least 1"),
        ("network.latency", {"schedule": [["1 s", "1 s"]]}, "network.latency.schedule.0.0: found 1 s; allowed: 0 s, the"),
        ("network.bandwidth", {"schedule": [["0 s", "1 B/s"]] * 2}, "bandwidth.schedule.1.0: found 0 s; allowed: more than 0"),
        ("network.bandwidth", {"schedule": [["0 s", "1 s"]]}, "network.bandwidth.schedule.0.1: found '1 s' with the unkn"),
        ("network.jitter", "5 ms", "network.jitter: found '5 ms'; allowed: one of the distributions normal, lognormal, ex"),
        ("network.jitter", {"exponential": 5}, "network.jitter.exponential: found 5; allowed: a mapping (key: value)"),
        ("network.changes", [{"at": "1 s"}], "network.changes.0: found nothing that changes; allowed: at least one of la"),
        ("network.changes", [{"links": [[0, 1]], "uplink": "0 bit/s"}], "network.changes.0.links: found links without lat"),
        ("network.changes", [{"nodes": [0], "latency": "1 s"}], "network.changes.0.nodes: found nodes without uplink or"),
        ("network.changes", [{"links": [[0, 4]], "latency": "1 s"}], "network.changes.0.links.0.1: found node 4; allowed"),
        ("network.changes", [{"uplink": ["0 bit/s"]}], "network.changes.0.uplink: found 1 values; allowed: 4, as many a"),
        ("network.changes", [{"bandwith": "1 bit/s"}], "network.changes.0.bandwith: unknown key; did you mean bandwidth?"),
        ("network.loss", 0.1, "network.loss: found 0.1; allowed: a mapping (key: value)"),
        ("network.loss", {"timeout": "1 s"}, "network.loss: found {timeout: ...}; allowed: exactly one of probability, gi"),
        ("network.loss", {"probability": 0.1}, "network.loss.timeout: missing; it is needed with then: retransmit, such"),
        ("network.loss", {"probability": 2, "then": "drop"}, "network.loss.probability: found 2; allowed: a number <= 1"),
        ("network.loss", {"probability": 1, "timeout": "1 s"}, "network.loss.then: found retransmit where every message"),
        ("network.loss", {"probability": 0, "then": "drop", "timeout": "1 s"}, "network.loss.timeout: found timeout with"),
        ("network.sharing", "fare", "network.sharing: found 'fare'; allowed: none, queue, fair; did you mean fair?"),
        ("network.routing", "hop", "network.routing: found 'hop'; allowed: direct, hops; did you mean hops?"),
        ("network.preset", "wrld", "network.preset: found 'wrld'; allowed: world, dtfm-0-datacenter, dtfm-1-spot, dtfm-"),
        ("network.preset", 4, "network.preset: found 4; allowed: world, dtfm-0-datacenter"),
        ("network.places", ["Ohio"] * 4, "network.places: found places without preset; allowed: with a preset that has"),
        ("network", {"preset": "mobile-4g", "places": [0] * 4}, "network.places: found places, but all machines of this"),
        ("network", {"preset": "world", "places": [0, 0, 0]}, "network.places: found 3 values; allowed: 4, as many as n"),
        ("network", {"preset": "world", "places": {"Ohio": 5}}, "network.places: found 5 values; allowed: 4, as many as"),
        ("network", {"preset": "world", "places": {"Ohio": "4"}}, "network.places.Ohio: found '4'; allowed: a number of"),
        ("network", {"preset": "world", "places": [0, 1, 2, 10]}, "network.places.3: found place 10; allowed: 0 to 9, or"),
        ("network", {"preset": "world", "places": [0, 1, 2, "Soul"]}, "network.places.3: found 'Soul'; allowed: Oregon,"),
        ("network", {"preset": "world", "places": [0, 1, 2, True]}, "network.places.3: found true; allowed: the name or n"),
        ("network", {"preset": "world", "places": "Ohio"}, "network.places: found 'Ohio'; allowed: a place for each node"),
        ("network", {"duplex": "half"}, "network.duplex: found half without uplink; allowed: with uplink, the bandwidth"),
        ("network", {"duplex": "half", "uplink": "1 B/s", "downlink": "1 B/s"}, "network.downlink: found downlink with d"),
        ("network.latency", {"positions": [[0, 0]] * 3}, "network.latency.positions: found 3 values; allowed: 4, as man"),
        ("network.latency", {"positions": [[0, 0], [91, 0]]}, "network.latency.positions.1: found [91.0, 0.0]; allowed: [l"),
        ("network.latency", {"positions": "a.csv", "speed": "2 m"}, "network.latency.speed: found '2 m' with the unknown"),
        ("network.latency", {"positions": "a.csv", "speed": 2}, "network.latency.speed: found 2 without a unit; allowed:"),
        ("network.latency", {"positions": "a.csv", "bse": "1 s"}, "network.latency.bse: unknown key; did you mean base?"),
        ("network.bandwidth", {"positions": "a.csv"}, "network.bandwidth.positions: unknown key; allowed: normal, logno"),
        ("network.shared", [SHARED, SHARED], "network.shared.1.name: found backbone twice; allowed: each name once"),
        ("network.shared", [SHARED | {"bandwidth": 0}], "network.shared.0.bandwidth: found 0; allowed: more than 0"),
        ("network.shared", [SHARED | {"between": [[0], []]}], "network.shared.0.between.1: found []; allowed: a list of"),
        ("network.shared", [SHARED | {"between": [[0, 1]]}], "network.shared.0.between: found [[0, 1]]; allowed: a list"),
        ("network.shared", [SHARED | {"between": [[0, 1], [2, 1]]}], "network.shared.0.between.1.1: found node 1 twice;"),
        ("network.shared", [SHARED | {"between": [[0], [4]]}], "network.shared.0.between.1.0: found node 4; allowed: 0 t"),
        ("network.shared", [{"name": "a", "bandwidth": "1 B/s"}], "network.shared.0.between: missing; it is needed here"),
        ("compute.time", "30 s/s", "compute.time: found '30 s/s' with the unknown unit s/s"),
        ("compute.jitter", {"lognormal": 1, "normal": 1}, "compute.jitter: found {lognormal: ..., normal: ...}; allo"),
        ("compute.jitter", {"exponential": 2}, "compute.jitter.exponential: found 2; allowed: a number <= 1"),
        ("compute.jitter", 0.1, "compute.jitter: found 0.1; allowed: a mapping (key: value)"),
        ("compute.factors", [1, 2], "compute.factors: found 2 values; allowed: 4, as many as nodes"),
        ("compute.stragglers.slowdown", 0.5, "compute.stragglers.slowdown: found 0.5; allowed: a number >= 1"),
        ("problem.dataset", "digit", "problem.dataset: found 'digit'; allowed: digits, gaussian_mixture, logistic, c"),
        ("problem", {}, "problem.dataset: missing; allowed: digits, gaussian_mixture, logistic, csv, npz, quadratic"),
        ("problem", {"kind": "digits"}, "problem.kind: found 'digits'; allowed: quadratic; did you mean dataset: dig"),
        ("problem", {"datset": "digits"}, "problem.datset: unknown key; did you mean dataset?"),
        ("problem", "quadratic", "problem.dimension: missing; allowed: curvature and optimum, or dimension for a ran"),
        ("problem", QUADRATIC | {"dimension": 2}, "problem.dimension: found dimension and curvature; allowed: explic"),
        ("problem", QUADRATIC | {"optimum": [[1]]}, "problem.optimum: found rows of 1 numbers; allowed: 2, as in cur"),
        ("problem", QUADRATIC | {"optimum": [[1, 2]] * 3}, "problem.optimum: found 3 values; allowed: 4, as many as"),
        ("problem.model", {"kind": "mlp", "hidden": []}, "problem.model.hidden: found []; allowed: a list of at leas"),
        ("problem.model", {"factory": "net"}, "problem.model.factory: found 'net'; allowed: module:function, such as"),
        ("problem.partition.kind", "label-sorted", "allowed: iid, label_sorted, dirichlet; did you mean label_sorted?"),
        ("problem.batch_size", "all", "problem.batch_size: found 'all'; allowed: a whole number, or full"),
        ("problem.test_fraction", 1, "problem.test_fraction: found 1; allowed: a number <= 0.9"),
        ("init", [[1]] * 3, "init: found 3 values; allowed: 4, as many as nodes"),
        ("algorithms", [], "algorithms: found []; allowed: a list of at least 1"),
        ("algorithms.0", "dpsgd", "algorithms.0.lr: missing; it is needed here"),
        ("algorithms.0.name", "dpsdg", "algorithms.0.name: found dpsdg; allowed: allreduce, dpsgd, detag, moniqua, o"),
        ("algorithms.0.name", 3, "algorithms.0.name: found 3; allowed: text"),
        ("algorithms.0.name", REMOVE, "algorithms.0.name: missing; it is needed here"),
        ("algorithms.0", {"nmae": "dpsgd", "lr": 1}, "algorithms.0.nmae: unknown key; did you mean name?"),
        ("algorithms.0.lable", "a", "algorithms.0.lable: unknown key; did you mean label?"),
        ("algorithms.1.bits", 1, "algorithms.1.bits: found 1; allowed: a number >= 2"),
        ("algorithms.0.wait", "any", "algorithms.0.wait: found 'any'; allowed: all, none, or {deadline: 200 ms}"),
        ("algorithms.0.wait", {"deadline": "0 s"}, "algorithms.0.wait.deadline: found 0; allowed: more than 0"),
        ("algorithms.1.label", "dpsgd", "algorithms.1.label: found dpsgd twice; allowed: each label once; give this"),
        ("run", {}, f"run: found no budget; {BUDGETS}"),
        ("run", {"step": 3}, "run.step: unknown key; did you mean steps?"),
        ("run.steps", 0, "run.steps: found 0; allowed: a number >= 1"),
        ("run.simulated_time", 100, "run.simulated_time: found 100 without a unit"),
        ("targets", {"acuracy": 0.9}, "targets.acuracy: unknown metric; did you mean accuracy?"),
        ("targets.accuracy", "x", "targets.accuracy: found 'x'; allowed: a number"),
        ("sweep", {"nodes": []}, "sweep.nodes: found []; allowed: a list of at least 1"),
        ("expect", "a < b", "expect: found 'a < b'; allowed: a list"),
    ],
)  # fmt: skip
def test_one_mistake_gives_one_complaint(read: Read, path: str, new: Any, complaint: str) -> None:
    scenario = changed(VALID, path, new)
    if path in {"node", "topolgy"}:
        scenario = {key: value for key, value in scenario.items() if key not in {"nodes", "topology"} or key[:4] != path[:4]}
    (found,) = complaints(read, scenario)
    assert found.startswith("scenario: ")
    assert complaint in found


def test_all_mistakes_are_reported_in_the_order_of_the_file(read: Read) -> None:
    text = """\
nodes: many
seeds: [1, 1]
topology: {kind: rnig}
network:
  latncy: 1 ms
  bandwidth: 20
problem: {dataset: digits, model: mpl}
algorithms:
  - {name: dpsgd, lr: fast}
  - {name: dpsgdd}
run: {steps: 0, wait: some}
targets: {acuracy: 1, accuracy: high}
"""
    with pytest.raises(ScenarioError) as error:
        read(text, file="bad.yaml")
    places = [line.split(": ")[:2] for line in str(error.value).splitlines()]
    assert places == [
        ["bad.yaml:1", "nodes"],
        ["bad.yaml:2", "seeds.1"],
        ["bad.yaml:3", "topology.kind"],
        ["bad.yaml:5", "network.latncy"],
        ["bad.yaml:6", "network.bandwidth"],
        ["bad.yaml:7", "problem.model"],
        ["bad.yaml:9", "algorithms.0.lr"],
        ["bad.yaml:10", "algorithms.1.name"],
        ["bad.yaml:11", "run.steps"],
        ["bad.yaml:11", "run.wait"],
        ["bad.yaml:12", "targets.acuracy"],
        ["bad.yaml:12", "targets.accuracy"],
    ]


def test_the_pattern_of_a_complaint(read: Read) -> None:
    text = "nodes: 4\ntopology: ring\nnetwork:\n  bandwith: 1 Mbit/s\nproblem: digits\nrun: {steps: 1}\n"
    text += "algorithms: [{name: dpsgd, lr: 1}]\n"
    with pytest.raises(ScenarioError) as error:
        read(text, file="scenarios/ring16.yaml")
    assert str(error.value) == "scenarios/ring16.yaml:4: network.bandwith: unknown key; did you mean bandwidth?"
