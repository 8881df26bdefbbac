"""Runs whose gradients decide which samples come next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import simnet
from simnet.errors import ScenarioError
from simnet.execution import ExecutorName
from simnet.problems.orders import herding, mean_balance, pair_balance
from simnet.simulation import prepare
from simnet.values.gradients import KeptGradient
from tests.algorithms.cases import Outcome, attempt, execute

GRAB, PAIR = {"kind": "grab", "balance": "mean"}, {"kind": "grab", "balance": "pair"}
ORDERS = [GRAB, PAIR, "herding"]
LR = 0.3


def source(order: Any, algorithm: Any = "dpsgd", n: int = 3, **changes: Any) -> dict[str, Any]:
    """A small mixture: 11 examples on each node, so 4 mini-batches, the last of 2."""
    data = {"dataset": "gaussian_mixture", "features": 3, "classes": 3, "samples_per_node": 11, "batch_size": 3}
    named = {"name": algorithm} if isinstance(algorithm, str) else algorithm
    return {
        "nodes": n,
        "seed": 3,
        "dtype": "float64",
        "threads": 1,
        "topology": "ring" if n > 2 else "complete",
        "compute": {"time": "1 s"},
        "problem": {**data, "order": order},
        "record": {"models": True},
        "algorithms": [{"label": "it", "lr": LR, **named}],
        "run": {"epochs": 4, "evaluate_every": 1},
        **changes,
    }


def run(order: Any, algorithm: Any = "dpsgd", executor: ExecutorName = "deferred", **changes: Any) -> Outcome:
    return execute(source(order, algorithm, **changes), executor)


def next_order(order: Any, indices: np.ndarray, vectors_ND: torch.Tensor, mean_D: torch.Tensor) -> np.ndarray:
    if order == "herding":
        return indices[herding(vectors_ND)]
    return mean_balance(indices, vectors_ND, mean_D) if order == GRAB else pair_balance(indices, vectors_ND)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_all_reduce_follows_the_orders_of_the_pure_functions(order: Any) -> None:
    n, size, batch, epochs = 3, 11, 3, 4
    models = run(order, "allreduce").models
    setting = prepare(source(order, "allreduce"), device="cpu").setting
    problem = setting.problem
    x_D = problem.initial_model(3)
    keeper = problem.order_keeper(3)
    assert keeper is not None
    indices = list(keeper.orders)
    means = [torch.zeros_like(x_D) for _ in range(n)]
    expected = [x_D]
    for _ in range(epochs):
        seen: list[list[torch.Tensor]] = [[] for _ in range(n)]
        for start in range(0, size, batch):
            gradients = []
            for i in range(n):
                ids = torch.from_numpy(size * i + indices[i][start : start + batch])
                out_bD = x_D.new_empty((len(ids), len(x_D)))
                problem.gradient(x_D.expand(len(ids), -1), ids[:, None], out_bD)
                seen[i].append(out_bD)
                gradients.append(out_bD.mean(0))
            x_D = x_D - LR * torch.stack(gradients).mean(0)
            expected.append(x_D)
        for i in range(n):
            vectors = torch.cat(seen[i])
            indices[i], means[i] = next_order(order, indices[i], vectors, means[i]), vectors.mean(0)
    np.testing.assert_allclose(models[:, 0], torch.stack(expected).numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_deferred_equals_eager_and_the_same_seed_gives_the_same_bytes(order: Any) -> None:
    deferred, again, eager = run(order), run(order), run(order, executor="eager")
    assert deferred.models.tobytes() == again.models.tobytes()
    np.testing.assert_allclose(deferred.models, eager.models, rtol=0, atol=1e-12)
    assert deferred.summary["hash"] == again.summary["hash"] == eager.summary["hash"]
    assert run(order, seed=4).summary["hash"] != deferred.summary["hash"]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_samples_do_not_depend_on_the_clock(order: Any) -> None:
    slow = {"compute": {"time": "1 s", "jitter": {"lognormal": 1.0}}, "network": {"latency": {"exponential": {"mean": "2 s"}}}}
    reference, other = run(order, n=5), run(order, n=5, **slow)
    np.testing.assert_allclose(other.models, reference.models, rtol=0, atol=1e-12)
    assert other.summary["hash"] == reference.summary["hash"]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """Node and sample ids of every mini-batch, in the order in which they are computed."""
    found: list[tuple[int, list[int]]] = []
    write = KeptGradient.write

    def spy(self: KeptGradient, nodes: Any, models: torch.Tensor, samples: torch.Tensor, out: torch.Tensor) -> None:
        found.extend(zip(nodes, samples.tolist(), strict=True))
        write(self, nodes, models, samples, out)

    monkeypatch.setattr(KeptGradient, "write", spy)
    return found


@pytest.mark.parametrize(
    "algorithm",
    ["dpsgd", {"name": "detag", "gossip_rounds": 2, "eta": 0.2}, "adpsgd", "sgd", {"name": "moniqua", "theta": 2.0}],
    ids=str,
)
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_every_epoch_of_every_node_is_a_pass(order: Any, algorithm: Any, recorded: list[tuple[int, list[int]]]) -> None:
    jitter = {"time": "1 s", "jitter": {"lognormal": 0.5}}
    run(order, algorithm, n=4, compute=jitter)
    num_examples = 44 if algorithm == "sgd" else 11
    for node in {node for node, _ in recorded}:
        ids = [i for other, batch in recorded if other == node for i in batch]
        epochs = [ids[start : start + num_examples] for start in range(0, len(ids) - num_examples + 1, num_examples)]
        assert len(epochs) >= 2
        for epoch in epochs:
            assert sorted(epoch) == list(range(num_examples * node, num_examples * (node + 1)))
        assert epochs[0] != epochs[1]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_run_may_end_before_its_first_epoch(order: Any) -> None:
    short, whole = run(order, run={"steps": 2, "evaluate_every": 1}), run(order)
    assert short.models.tobytes() == whole.models[:3].tobytes()


def test_the_first_epoch_is_that_of_shuffle_once() -> None:
    once = run("shuffle_once").models[:5]
    for order in ORDERS:
        np.testing.assert_allclose(run(order).models[:5], once, rtol=0, atol=1e-12)


def test_memory_does_not_grow_with_the_length_of_an_epoch() -> None:
    rows = [
        run(order, problem={**source(order)["problem"], "samples_per_node": 60}).summary["peak_arena_rows"]
        for order in ("random_reshuffling", GRAB, PAIR)
    ]
    assert max(rows) <= rows[0] + 2 * 3  # of each node the newest gradient, on which the next one waits


def test_without_values_the_clock_runs_alone() -> None:
    record = attempt(source(GRAB), "off").record
    assert record.status == "done"
    assert [row["time_s"] for row in record.metrics] == run(GRAB).times.tolist()


def test_epochs_count_passes() -> None:
    """Four mini-batches of 3, 3, 3 and 2 examples; drawn with replacement an epoch is 11 / 3 of them."""
    assert run("random_reshuffling").column("epoch")[-1] == 4
    assert len(run("random_reshuffling").times) == 17
    assert len(run("with_replacement").times) == 16


def test_orders_train_on_digits() -> None:
    digits = {"dataset": "digits", "model": "mlp", "batch_size": 32}
    for order in ("random_reshuffling", GRAB, PAIR):
        outcome = run(order, problem={**digits, "order": order}, dtype="float32", run={"epochs": 6, "evaluate_every": 90})
        assert outcome.column("accuracy")[-1] > 0.85


def test_under_another_clock_orders_are_decided_again() -> None:
    result = simnet.run(source(GRAB, network={"latency": "1 s"}), device="cpu")
    slower = result.retime(network={"latency": "2 s"})
    assert slower.recomputed == ["it (seed 3)"]
    assert slower.metrics["train_loss"].tolist() == pytest.approx(result.metrics["train_loss"].tolist(), rel=1e-12)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_nodes_that_crash_and_come_back_go_on_with_their_orders(order: Any, recorded: list[tuple[int, list[int]]]) -> None:
    faults = [{"kind": "crash", "nodes": [1], "at": "2500 ms", "until": "7 s", "state": "start"}]
    changed = source(order, n=4, faults=faults)
    changed["run"]["wait"] = {"deadline": "2 s"}
    execute(changed)
    ids = [i for node, batch in recorded if node == 1 for i in batch]
    assert sorted(ids[:11]) == list(range(11, 22))


def test_decisions_that_no_checkpoint_keeps_are_refused() -> None:
    changed = source(GRAB)
    changed["run"]["checkpoint_every"] = 2
    with pytest.raises(ScenarioError, match=r"run\.checkpoint_every: found problem\.order: grab, whose decisions"):
        prepare(changed, device="cpu")
