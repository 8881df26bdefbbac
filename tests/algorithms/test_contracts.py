"""What every algorithm of the table keeps, about values: one table, one test for each promise.

An algorithm's row may declare exceptions, with the reason; `promise` shows that they are real.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet
from simnet.algorithms import ALGORITHMS
from simnet.schedule import Schedule
from tests.algorithms.cases import (
    ALL,
    CONTRACTS,
    DEFAULTS,
    LR,
    NO_GRADIENTS,
    PARAMETERS,
    Case,
    arrays,
    each,
    edges,
    execute,
    metropolis,
    mixing_over_time,
    promise,
    random_graph,
    run,
    scenario,
)
from tests.algorithms.oracles import ORACLES
from tests.algorithms.oracles.world import World, quadratic

SYNCHRONOUS = [case for case in ALL if case.entry.synchronous]
PHASED = {"detag", "exact_diffusion", "defacto"}
"""Their models stand still for some steps, and move in others."""

SCHEDULES = [
    {"cosine": {"start": 0.1, "steps": 7}, "warmup": 3},
    {"inverse_sqrt": {"start": 0.1, "scale": 2}},
    {"step_decay": {"start": 0.1, "every": 2, "factor": 0.5}},
]


def test_every_algorithm_has_parameters_and_a_matrix_form() -> None:
    assert list(PARAMETERS) == list(ALGORITHMS)
    assert list(ORACLES) == list(ALGORITHMS)


@each(DEFAULTS)
def test_exceptions_are_contracts_with_a_reason(case: Case) -> None:
    assert set(case.entry.exceptions) <= set(CONTRACTS)
    assert all(len(reason.split()) > 4 for reason in case.entry.exceptions.values())


@each(ALL)
def test_mean_is_preserved_without_gradients(case: Case) -> None:
    def check() -> None:
        means = run(case, curvature=NO_GRADIENTS, steps=20).means
        np.testing.assert_allclose(means - means[0], 0, atol=1e-14)

    promise(case, "mean", check)


def compare_with_matrix_form(case: Case, graph: nx.Graph, lr: object, seed: int, steps: int = 7) -> None:
    n = len(graph)
    source = scenario(case, n, steps=steps, lr=lr, topology=edges(graph), **arrays(n, 2, seed))
    over_time = mixing_over_time(source) if case.entry.topologies else None
    gradient = quadratic(*[arrays(n, 2, seed)[key] for key in ("curvature", "optimum")])
    world = World(metropolis(graph), gradient, over_time=over_time)
    models = execute(source).models
    expected = list(
        islice(ORACLES[case.name](arrays(n, 2, seed)["init"], world, Schedule.of(lr), **case.parameters), steps)
    )
    np.testing.assert_allclose(models[1:], expected, rtol=0, atol=1e-12)


@each(SYNCHRONOUS)
def test_matrix_form_is_reproduced(case: Case) -> None:
    @settings(max_examples=6, deadline=None)
    @given(st.integers(2, 8), st.integers(0, 8), st.integers(0, 10**6), st.floats(0.0, 0.2))
    def check(n: int, extra: int, seed: int, lr: float) -> None:
        compare_with_matrix_form(case, random_graph(n, extra, seed), lr, seed)

    promise(case, "matrix", check)


@pytest.mark.parametrize("lr", SCHEDULES, ids=lambda lr: next(iter(lr)))
@each(SYNCHRONOUS)
def test_learning_rate_schedules_enter_the_matrix_form(case: Case, lr: dict[str, object]) -> None:
    compare_with_matrix_form(case, nx.cycle_graph(4), lr, seed=1)


@each(ALL)
def test_complete_graph_and_one_start_is_sgd(case: Case) -> None:
    """The nodes' gradients differ; on average they are those of the average objective."""

    def check() -> None:
        values = arrays(4) | {"init": arrays(1)["init"]}
        models = run(case, 4, topology="complete", **values).models
        reference = run(Case("sgd"), 4, **values).models
        np.testing.assert_allclose(models - reference, 0, atol=1e-12)

    if case.is_default or "sgd" not in case.entry.exceptions:
        promise(case, "sgd", check)


@each(ALL)
def test_one_node_works(case: Case) -> None:
    """Alone, everything is gradient descent; with phases, an algorithm is its own matrix form of one node."""

    def check() -> None:
        outcome = run(case, 1, steps=7)
        values = arrays(1)
        world = World(np.ones((1, 1)), quadratic(values["curvature"], values["optimum"]))
        oracle = ORACLES[case.name if case.name in PHASED else "sgd"]
        parameters = case.parameters if case.name in PHASED else {}
        expected = list(islice(oracle(values["init"], world, lambda _: LR, **parameters), 7))
        np.testing.assert_allclose(outcome.models[1:], expected, rtol=0, atol=1e-13)

    promise(case, "single", check)


@each(DEFAULTS)
def test_nodes_agree_in_the_end_without_gradients(case: Case) -> None:
    def check() -> None:
        distances = run(case, curvature=NO_GRADIENTS, steps=60, evaluate_every=60).column("consensus_distance")
        assert distances[-1] <= 0.05 * distances[0]

    promise(case, "consensus", check)


@each(ALL)
def test_eager_equals_deferred(case: Case) -> None:
    def check() -> None:
        source = scenario(case, noise=0.3, steps=10, evaluate_every=5)
        deferred, eager = execute(source), execute(source, "eager")
        np.testing.assert_allclose(deferred.models, eager.models, rtol=0, atol=1e-12)
        assert deferred.summary["hash"] == eager.summary["hash"]
        assert deferred.summary["counters"] == eager.summary["counters"]

    promise(case, "eager", check)


@each(ALL)
def test_same_seed_gives_the_same_bytes(case: Case, tmp_path: Path) -> None:
    def check() -> None:
        source = scenario(case, noise=0.3, dtype="float32", compute={"time": "1 ms", "jitter": {"lognormal": 0.5}})
        texts = []
        for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
            simnet.run(source, seed=seed, device="cpu").save(tmp_path / folder)
            texts.append((tmp_path / folder / "metrics.csv").read_bytes())
        assert texts[0] == texts[1] != texts[2]

    promise(case, "bytes", check)
