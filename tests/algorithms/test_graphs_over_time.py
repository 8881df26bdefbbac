"""Neighbors that change with the step: runs are the product of the steps' matrices, whatever the clock does."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.algorithms import ALGORITHMS
from simnet.cli import main
from simnet.errors import ScenarioError
from simnet.schedule import Schedule
from simnet.simulation import prepare
from tests.algorithms.cases import DEFAULTS, NO_GRADIENTS, Case, arrays, each, execute, mixing_over_time, run, scenario
from tests.algorithms.oracles import ORACLES
from tests.algorithms.oracles.world import World, quadratic

UNDIRECTED = [
    {"kind": "random_matching"},
    {"kind": "equi_dynamic", "directed": False},
    {"kind": "base_graph"},
    {"kind": "base_graph", "degree": 2, "simple": True},
    {"kind": "ring_lattice", "reach": 1, "final": 2, "pace": 0.5, "unit": "step"},
    {"kind": "matcha", "graph": "ring", "budget": 0.5},
    {"kind": "matcha", "graph": {"kind": "erdos_renyi", "probability": 0.7}, "budget": 0.8},
]
DIRECTED = [
    {"kind": "one_peer_exponential"},
    {"kind": "one_peer_exponential", "order": "shuffled"},
    {"kind": "equi_dynamic", "shifts": 2},
    {"kind": "equi_static", "shifts": 3},
    {"kind": "equi_static", "shifts": 3, "directed": False},
]
EPIDEMIC = {"kind": "epidemic", "fanout": 2}
GOSSIP = [
    Case("dpsgd"),
    Case("dpsgd", {"order": "atc"}),
    Case("sgp"),
    Case("osgp", {"delay": 2}),
    Case("delayed_gradient", {"delay": 2}),
]
PUSHES = [case for case in GOSSIP if case.name in {"sgp", "osgp"}]
NETWORK = {"latency": {"exponential": {"mean": "2 s"}}, "jitter": {"exponential": "1 s"}}


def worlds(case: Case, source: dict[str, Any], n: int, seed: int, steps: int) -> list[np.ndarray]:
    """What the matrices of the steps, one after the other, make of the models."""
    values = arrays(n, 2, seed)
    over_time = mixing_over_time(source)
    world = World(over_time(0), quadratic(values["curvature"], values["optimum"]), over_time=over_time)
    form = ORACLES["ada" if case.name == "dpsgd" else case.name]  # ada is dpsgd, with the matrix of each step
    oracle = form(values["init"], world, Schedule.of(0.1), **case.parameters)
    return list(islice(oracle, steps))


def fits(case: Case, topology: dict[str, Any]) -> bool:
    """Some weights of MATCHA are negative, and no shares."""
    return topology["kind"] != "matcha" or case.entry.sums != "shares"


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(case, kind) for case in GOSSIP for kind in [*UNDIRECTED, *DIRECTED] if fits(case, kind)])
    | st.sampled_from([(case, EPIDEMIC) for case in PUSHES]),
    st.integers(4, 9),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_a_run_is_the_product_of_the_matrices_of_its_steps(
    chosen: tuple[Case, dict[str, Any]], n: int, seed: int, is_slow: bool
) -> None:
    case, topology = chosen
    facts = {"network": NETWORK, "compute": {"time": "1 s", "jitter": {"exponential": 1.0}}} if is_slow else {}
    source = scenario(case, n, steps=9, lr=0.1, topology=topology, seed=seed, **arrays(n, 2, seed), **facts)
    expected = worlds(case, source, n, seed, 9)
    np.testing.assert_allclose(execute(source).models[1:], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("topology", [*UNDIRECTED, *DIRECTED], ids=lambda spec: "-".join(map(str, spec.values())))
def test_the_mean_does_what_sgd_does(topology: dict[str, Any]) -> None:
    """For equal curvatures the mean model goes the way of SGD, exactly, whatever the matrices."""
    for case in (Case("dpsgd"), Case("dpsgd", {"order": "atc"}), Case("sgp")):
        means = run(case, 6, steps=12, curvature=1.0, lr=0.2, topology=topology).means
        sgd = run(Case("sgd"), 6, steps=12, curvature=1.0, lr=0.2).means
        np.testing.assert_allclose(means, sgd, rtol=0, atol=1e-14)


def test_finite_time_consensus_is_exact_after_its_steps() -> None:
    for n, topology, length in [
        (8, "one_peer_exponential", 3),
        (12, {"kind": "hyper_hypercube", "degree": 2}, 3),
        (7, "base_graph", 5),
        (25, {"kind": "base_graph", "degree": 2}, 6),
    ]:
        outcome = run(Case("dpsgd"), n, steps=length, curvature=NO_GRADIENTS, topology=topology)
        distances = outcome.column("consensus_distance")
        assert distances[-1] < 1e-15
        assert distances[-2] > 1e-3
        assert outcome.summary["spectrum"] == {"rho": 0.0, "gap": 1.0, "how": f"exact consensus every {length} steps"}


def test_only_links_of_the_step_carry_messages() -> None:
    bits = run(Case("dpsgd"), 7, steps=10, d=3, topology="base_graph").column("bits_sent")
    over_time = mixing_over_time(scenario(Case("dpsgd"), 7, topology="base_graph"))
    links = [np.count_nonzero(over_time(k)) - np.count_nonzero(over_time(k).diagonal()) for k in range(10)]
    np.testing.assert_array_equal(bits, 96 * np.cumsum([0, *links]))


def test_a_step_without_neighbors_takes_no_time_to_talk() -> None:
    """Of three nodes, one is alone in each step, and may be a step ahead."""
    facts = {"compute": {"time": "1 s"}, "network": {"latency": "5 s"}}
    pairs = [np.eye(3).tolist(), [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], [[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]]
    times = run(Case("dpsgd"), 3, steps=3, topology={"kind": "sequence", "matrices": pairs}, **facts).times
    assert times.tolist() == [0.0, 1.0, 6.0, 11.0]


WAITS = [{"wait": "none"}, {"wait": {"deadline": "1200 ms"}}]


@pytest.mark.parametrize("wait", WAITS, ids=["none", "deadline"])
@pytest.mark.parametrize("topology", [*UNDIRECTED, "one_peer_exponential"], ids=str)
def test_missing_neighbors_leave_their_weight_at_home(topology: Any, wait: dict[str, Any]) -> None:
    """So every model stays between the first ones; and the nodes agree in the end, on something else than the mean."""
    facts = {"network": NETWORK, "compute": {"time": "1 s", "jitter": {"lognormal": 0.5}}}
    n, steps = 6, 150
    source = scenario(Case("dpsgd"), n, steps=steps, curvature=NO_GRADIENTS, topology=topology, **facts)
    source["run"] |= wait
    models = execute(source).models
    is_convex = not (isinstance(topology, dict) and topology["kind"] == "matcha")  # whose own weights may be negative
    if is_convex:
        assert (models.max(axis=(1,)) <= models[0].max(axis=0) + 1e-12).all()
        assert (models.min(axis=(1,)) >= models[0].min(axis=0) - 1e-12).all()
    spread = np.ptp(models, axis=1)
    assert spread[-1].max() < 0.1 * spread[0].max()
    again = execute(source).models
    assert again.tobytes() == models.tobytes()


@each(DEFAULTS)
def test_every_algorithm_says_whether_its_neighbors_may_change(case: Case) -> None:
    """Who can bear it runs, whoever cannot is refused with the reason of its row."""
    if case.entry.topologies or not case.entry.uses_topology:
        return
    source = scenario(case, 6, steps=6, topology="base_graph", lr=0.01)
    if not case.entry.fixed_topology:
        assert np.isfinite(execute(source).models).all()
        return
    with pytest.raises(ScenarioError) as error:
        prepare(source)
    assert f"it needs the same neighbors in every step ({case.entry.fixed_topology}), but" in str(error.value)


def test_some_algorithms_are_for_one_kind_of_graph() -> None:
    for name, kind in (("ada", "ring_lattice"), ("matcha", "matcha")):
        source = {**scenario(Case("dpsgd"), 4), "algorithms": [{"name": name, "lr": 0.1}]}
        with pytest.raises(ScenarioError, match=f"{name} needs topology {kind}, but this scenario says ring; change it"):
            prepare(source)
    assert ALGORITHMS["ada"].topologies == ("ring_lattice",)


def test_shares_that_only_sum_to_one_by_columns_are_for_push_sum() -> None:
    with pytest.raises(ScenarioError, match="needs a doubly stochastic mixing matrix"):
        prepare(scenario(Case("dpsgd"), 5, topology="epidemic"))
    prepare(scenario(Case("sgp"), 5, topology="epidemic"))
    for name in ("osgp", "gradient_push"):
        with pytest.raises(ScenarioError, match="needs shares: no weight of the mixing matrix below 0, and more than 0"):
            prepare(scenario(Case(name), 8, topology="star", mixing="best_constant"))
    rows = [[[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0.5, 0]]]
    with pytest.raises(ScenarioError, match="it needs a column stochastic mixing matrix"):
        prepare(scenario(Case("sgp"), 3, topology={"kind": "sequence", "matrices": rows * 2}))


def test_hops_go_over_the_links_of_all_steps() -> None:
    network = {"routing": "hops", "latency": "1 s"}
    outcome = run(Case("dpsgd"), 8, steps=6, topology="one_peer_exponential", network=network)
    assert outcome.times.tolist() == [float(k) for k in range(7)]
    assert outcome.summary["counters"]["forwarded_bits"] == 0


def test_random_outages_concern_the_links_of_all_steps() -> None:
    faults = [{"kind": "random_outages", "up": "2 s", "down": "2 s"}]
    facts = {"network": {"latency": "100 ms"}, "faults": faults}
    source = scenario(Case("dpsgd"), 6, steps=20, topology="random_matching", **facts)
    quiet = execute({**source, "faults": []})
    shaken = execute(source)
    assert shaken.models.tobytes() == quiet.models.tobytes()
    assert shaken.times[-1] > quiet.times[-1]


def test_who_comes_back_asks_the_neighbors_of_all_steps() -> None:
    """When node 1 crashes it is alone in its pairless step; the model that it comes back with is a neighbor's."""
    alone, pairs = np.eye(4).tolist(), np.kron(np.eye(2), np.full((2, 2), 0.5)).tolist()
    ring = [[0.5, 0, 0, 0.5], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5]]
    topology = {"kind": "sequence", "matrices": [pairs, alone, ring]}
    faults = [{"kind": "crash", "nodes": [1], "at": "1500 ms", "until": "1800 ms", "state": "neighbor"}]
    source = scenario(Case("dpsgd"), 4, steps=4, topology=topology, faults=faults, lr=0.0)
    source["run"] |= {"wait": {"deadline": "500 ms"}}
    outcome = execute({**source, "network": {"latency": "1 ms"}})
    assert outcome.summary["messages"] > 2 * 2  # among them a question and its answer
    np.testing.assert_allclose(outcome.models[1][1], outcome.models[1][0])


def test_the_values_do_not_depend_on_the_executor() -> None:
    source = scenario(Case("dpsgd"), 6, steps=10, noise=0.5, topology="random_matching")
    deferred, eager = execute(source), execute(source, "eager")
    np.testing.assert_allclose(deferred.models, eager.models, rtol=0, atol=1e-12)
    assert deferred.summary["hash"] == eager.summary["hash"]
    assert execute(source, "off").record.status == "done"


def test_other_kinds_of_nodes_move_too() -> None:
    """Uneven speed, costs of mixing, and crashes: the models are those of the plain nodes."""
    source = scenario(Case("dpsgd"), 6, steps=10, topology="base_graph", network={"latency": "10 ms"})
    plain = execute(source).models
    uneven = {"time": "1 s", "diurnal": {"period": "9 s", "amplitude": 0.5}, "per_number": {"mix": "10 ms"}}
    faults = [{"kind": "crash", "nodes": [2], "at": "2500 ms", "until": "4 s"}]
    assert execute({**source, "compute": uneven, "faults": faults}).models.tobytes() == plain.tobytes()


def test_an_epoch_of_the_lattice_is_that_of_the_problem() -> None:
    """Twelve samples a node in mini-batches of four: an epoch has three steps."""
    data = {"dataset": "gaussian_mixture", "samples_per_node": 12, "features": 2, "classes": 2}
    source = scenario(Case("ada"), 6, steps=9, topology={"kind": "ring_lattice", "reach": 3, "final": 1})
    del source["init"]
    source |= {"problem": {**data, "model": "linear", "batch_size": 4, "partition": "iid"}, "record": {}}
    sequence = prepare(source).setting.sequence
    assert sequence is not None
    assert [sequence.at(step).nnz // 6 for step in range(9)] == [6, 6, 6, 5, 5, 5, 3, 3, 3]


def test_a_static_kind_with_weights_of_its_own_changes_nothing_else() -> None:
    setting = prepare(scenario(Case("adpsgd"), 6, topology={"kind": "equi_static", "shifts": 3})).setting
    assert setting.sequence is None
    assert setting.spectrum.rho == pytest.approx(float(np.linalg.norm(setting.weights.toarray() - 1 / 6, 2)))


def test_the_command_line_shows_and_traces_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "moving.yaml"
    file.write_text(
        "nodes: 4\ntopology: {kind: matcha, graph: ring, budget: 0.5}\nproblem: {kind: quadratic, dimension: 2}\n"
        "compute: {time: 1 s}\nalgorithms: [{name: matcha, lr: 0.1}]\nrun: {steps: 4, trace: true}\n"
    )
    assert main(["validate", str(file)]) == 0
    assert "4 nodes, up to 8 links (matcha)" in capsys.readouterr().out
    assert main(["run", str(file), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    told = simnet.load(tmp_path / "out").scenario["topology"]
    assert told == {"kind": "matcha", "graph": {"kind": "ring"}, "budget": 0.5}
