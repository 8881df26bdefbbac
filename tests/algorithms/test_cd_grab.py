"""CD-GraB: the published orders, what they cost, and what they are good for."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from math import ceil, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import simnet
from simnet.execution import ExecutorName
from simnet.node import Node
from simnet.problems import Problem
from simnet.problems.orders import Order, parallel_pair_balance
from simnet.simulation import prepare
from tests.algorithms.cases import Outcome, attempt, execute

LR, N, M = 0.3, 3, 6
"""Three nodes of 17 examples each in mini-batches of at most 3: six of 3, 3, 3, 3, 3 and 2."""

Orders = dict[int, list[list[int]]]


def source(algorithm: str = "cd_grab", lr: float = LR, problem: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    data = {"dataset": "gaussian_mixture", "features": 3, "classes": 3, "samples_per_node": 17, "batch_size": 3}
    return {
        "nodes": N,
        "seed": 3,
        "dtype": "float64",
        "threads": 1,
        "topology": "ring",
        "compute": {"time": "1 s"},
        "problem": data | (problem or {}),
        "record": {"models": True},
        "algorithms": [{"name": algorithm, "label": "it", "lr": lr}],
        "run": {"steps": 3 * M + 1, "evaluate_every": 1},
        **changes,
    }


def run(executor: ExecutorName = "deferred", **changes: Any) -> Outcome:
    return execute(source(**changes), executor)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Orders:
    """The orders of each node's epochs."""
    orders: Orders = defaultdict(list)
    take = Node.take

    def spy(node: Node, order: Order) -> None:
        orders[node.id].append(list(order))
        take(node, order)

    monkeypatch.setattr(Node, "take", spy)
    return orders


def problem_of(given: dict[str, Any]) -> Problem:
    return prepare(given, device="cpu").setting.problem


def gradient(problem: Problem, x_D: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
    out_1D = torch.empty_like(x_D[None])
    problem.gradient(x_D[None], torch.from_numpy(ids)[None], out_1D)
    return out_1D[0]


@pytest.mark.parametrize("exchange", ["ring", "halving_doubling"])
def test_it_is_all_reduce_in_the_orders_of_the_pure_function(exchange: str) -> None:
    given = source()
    given["algorithms"][0]["exchange"] = exchange
    problem = problem_of(given)
    batches = [problem.fixed_mini_batches(i, 3) for i in range(N)]
    x_D, orders, expected = problem.initial_model(3), [np.arange(M)] * N, []
    for _ in range(3):
        steps = []
        for t in range(M):
            expected.append(x_D)
            steps.append(torch.stack([gradient(problem, x_D, batches[i][orders[i][t]]) for i in range(N)]))
            x_D = x_D - LR * steps[-1].mean(0)
        orders = parallel_pair_balance(orders, torch.stack(steps, dim=1))
    np.testing.assert_allclose(execute(given).models[: 3 * M, 0], torch.stack(expected).numpy(), rtol=0, atol=1e-12)


def test_every_epoch_visits_each_mini_batch_once_and_in_another_order(taken: Orders) -> None:
    run()
    assert sorted(taken) == [0, 1, 2]
    for orders in taken.values():
        assert len(orders) == 4
        assert all(sorted(order) == list(range(M)) for order in orders)
        assert orders[0] != orders[1] != orders[2]
    cut = problem_of(source()).fixed_mini_batches(1, 3)
    assert [len(ids) for ids in cut] == [3, 3, 3, 3, 3, 2]
    assert sorted(np.concatenate(cut).tolist()) == list(range(17, 34))


def test_the_herding_objective_of_all_nodes_falls(taken: Orders) -> None:
    """Where the model rests, gradients are fixed vectors: at first each epoch about halves the longest prefix sum."""
    facts = {"nodes": 8, "lr": 0.0, "problem": {"features": 6, "samples_per_node": 200, "batch_size": 1}}
    given = source(**facts, run={"steps": 200 * 7, "evaluate_every": 1400})
    problem = problem_of(given)
    execute(given)
    x_D, found = problem.initial_model(3), []
    vectors = [[gradient(problem, x_D, ids) for ids in problem.fixed_mini_batches(i, 3)] for i in range(8)]
    mean = torch.stack([torch.stack(node) for node in vectors]).mean((0, 1))
    for epoch in range(7):
        total = sum(torch.stack([vectors[i][t] for t in taken[i][epoch]]) - mean for i in range(8))
        found.append(float(torch.linalg.vector_norm(total.cumsum(0), dim=1).max()))  # type: ignore[union-attr]
    assert found[1] < 0.75 * found[0]
    assert found[2] < 0.75 * found[1]
    assert found[6] < 0.2 * found[0]


def test_differences_and_orders_are_charged() -> None:
    outcome = run(network={"latency": "1 s"})
    vector, reduce = 32.0 * 12, 2 * (N - 1) * 32.0 * 12
    steps = np.arange(1, 3 * M + 1)
    orders = N * M * ceil(log2(M)) * (steps % M == 0)
    expected = reduce + N * vector * (steps % 2 == 0) + orders + N * 32 * (steps == 1)
    assert np.diff(outcome.column("bits_sent"))[: 3 * M].tolist() == expected.tolist()


def test_an_epoch_begins_when_its_order_is_there(tmp_path: Path) -> None:
    """A server that is far away is waited for once in an epoch: the last difference goes there, and the order comes back."""
    rows = [[0.5 * (N in (i, j) and i != j) for j in range(N + 1)] for i in range(N + 1)]
    (tmp_path / "latency.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    times = run(network={"latency": {"file": str(tmp_path / "latency.csv"), "unit": "s"}}).times
    assert times[M] == M
    assert times[M + 1] == M + 1 + 1.0
    assert times[2 * M + 1] == 2 * M + 1 + 2.0


def test_values_do_not_depend_on_clock_or_executor() -> None:
    slow = {"compute": {"time": "1 s", "jitter": {"lognormal": 1.0}}, "network": {"latency": {"exponential": {"mean": "2 s"}}}}
    equal = {"problem": {"samples_per_node": 18}, "dtype": "float32"}
    reference = run(**equal)
    for other in (run(**equal), run(**equal, **slow)):
        assert other.models.tobytes() == reference.models.tobytes()
        assert other.summary["hash"] == reference.summary["hash"]
        assert other.summary["mean_gradient_batch"] == N
    deferred, eager = run(), run("eager")
    np.testing.assert_allclose(deferred.models, eager.models, rtol=0, atol=1e-12)
    assert deferred.summary["hash"] == eager.summary["hash"]
    assert attempt(source(), "off").record.metrics[-1]["time_s"] == deferred.times[-1]


def test_the_clock_alone_can_be_changed_afterwards() -> None:
    """The signs are numbers that the run has kept, so nothing is computed again."""
    result = simnet.run(source(network={"latency": "1 s"}), device="cpu")
    slower = result.retime(network={"latency": "2 s"})
    assert slower.recomputed == []
    assert slower.metrics["train_loss"].tolist() == result.metrics["train_loss"].tolist()
    assert slower.metrics["time_s"].iloc[-1] > result.metrics["time_s"].iloc[-1]


def test_the_server_keeps_one_vector() -> None:
    rows = [run(algorithm=name).summary["peak_arena_rows"] for name in ("allreduce", "cd_grab")]
    assert rows[1] <= rows[0] + 4 * N


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ({"order": "grab"}, "orders mini-batches itself, but so does problem.order; leave problem.order out"),
        (
            {"dataset": "digits", "partition": {"kind": "dirichlet", "concentration": 0.05}, "batch_size": 3},
            "an order of mini-batches needs as many on all nodes: found .* use a larger batch_size, or partition: iid",
        ),
    ],
    ids=["order", "partition"],
)
def test_what_it_cannot_order_is_explained(problem: dict[str, Any], message: str) -> None:
    given = source(nodes=8)
    given["problem"] = problem if "dataset" in problem else given["problem"] | problem
    record = attempt(given).record
    assert record.status == "failed"
    assert re.search(message, record.message)


def test_full_batches_leave_nothing_to_order() -> None:
    full = {"batch_size": "full"}
    assert run(problem=full).models.tobytes() == run(algorithm="allreduce", problem=full).models.tobytes()


def test_the_better_the_order_the_smaller_the_gradient_in_the_end() -> None:
    """Eight nodes with passes over 128 examples of their own and a constant learning rate, as the papers claim."""
    data = {"dataset": "logistic", "features": 20, "samples_per_node": 128, "heterogeneity": 1.0, "batch_size": 4, "l2": 0.01}
    norms = []
    for name, order in [
        ("allreduce", "with_replacement"),
        ("allreduce", "random_reshuffling"),
        ("allreduce", "grab"),
        ("cd_grab", "with_replacement"),
    ]:
        schedule = {"epochs": 16, "evaluate_every": 32}
        given = source(name, 0.5, nodes=8, record={}, run=schedule) | {"problem": data | {"order": order}}
        outcome = execute(given)
        norms.append(outcome.column("gradient_norm")[-6:].mean())
    assert all(better < 0.8 * worse for worse, better in pairwise(norms)), norms
