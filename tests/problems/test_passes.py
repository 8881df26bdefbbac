"""Orders of examples at the problem: passes, keepers of gradients, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from simnet.errors import ParameterError
from simnet.problems import build
from simnet.problems.keepers import KEEPERS
from simnet.problems.orders import Order, herding, mean_balance, pair_balance
from simnet.problems.problem import Problem
from simnet.streams import stream

Make = Callable[..., Problem]
RandomModels = Callable[..., torch.Tensor]


def order(kind: str, **more: str) -> SimpleNamespace:
    return SimpleNamespace(kind=kind, **more)


def epochs(problem: Problem, node: int, count: int, seed: int = 1) -> list[list[np.ndarray]]:
    """The mini-batches of the first epochs."""
    length = int(problem.epoch_length(node))
    batches = islice(chain.from_iterable(problem.draws(node, seed)), count * length)
    rows = list(batches)
    return [rows[start : start + length] for start in range(0, len(rows), length)]


def visits(problem: Problem, node: int, count: int) -> list[list[int]]:
    return [np.concatenate(batches).tolist() for batches in epochs(problem, node, count)]


@pytest.mark.parametrize("kind", ["random_reshuffling", "shuffle_once", "fixed"])
@pytest.mark.parametrize("batch_size", [1, 5, 6, 20, 33])
def test_an_epoch_visits_every_example_of_the_node_once(make: Make, kind: str, batch_size: int) -> None:
    problem = make(order=order(kind), batch_size=batch_size)  # 20 examples on each node
    for node in range(4):
        assert problem.epoch_length(node) == -(-20 // batch_size)
        for batches in epochs(problem, node, 3):
            sizes = [len(batch) for batch in batches]
            assert sizes == [batch_size] * (20 // batch_size) + [20 % batch_size] * (20 % batch_size > 0)
            assert sorted(np.concatenate(batches).tolist()) == list(range(20 * node, 20 * node + 20))


def test_orders_differ_as_their_names_say(make: Make) -> None:
    reshuffled, once, fixed = [make(order=order(kind)) for kind in ("random_reshuffling", "shuffle_once", "fixed")]
    first, second, third = visits(reshuffled, 1, 3)
    assert first != second != third != first
    assert visits(once, 1, 2) == [first, first]
    assert visits(fixed, 1, 2) == [list(range(20, 40))] * 2
    assert [i - 20 for i in visits(once, 1, 1)[0]] != visits(once, 0, 1)[0]
    assert [i - 20 for i in second] == stream(1, "order", 1, 1).permutation(20).tolist()


def test_the_pooled_problem_keeps_the_order(make: Make) -> None:
    pooled = make(order=order("random_reshuffling")).pooled(4)
    assert pooled.epoch_length(0) == 4
    (visited,) = visits(pooled, 0, 1)
    assert sorted(visited) == list(range(80))


def test_another_order_is_another_problem(make: Make) -> None:
    kinds = [order("with_replacement"), order("fixed"), order("grab", balance="mean"), order("grab", balance="pair")]
    assert len({make(order=kind).fingerprint() for kind in kinds}) == 4
    assert make(order=order("fixed")).describe().endswith("batch size 5 in the order fixed")
    assert make().describe().endswith("batch size 5")


@pytest.mark.parametrize("model", ["linear", "mlp", "own"])
@pytest.mark.parametrize("dataset", ["gaussian_mixture", "logistic"])
def test_gradients_of_single_examples(make: Make, random_models: RandomModels, model: str, dataset: str) -> None:
    outputs = 1 if dataset == "logistic" else 3
    own = SimpleNamespace(factory="torch.nn:Linear", keywords={"in_features": 6, "out_features": outputs}, kind="factory")
    spec = own if model == "own" else SimpleNamespace(kind=model, hidden=(7,))
    problem = make(model=spec, dataset=dataset, l2=0.1)
    models, samples = random_models(problem, 3), torch.tensor([[0, 1, 2, 3], [20, 25, 29, 21], [44, 44, 45, 46]])
    out_BbD, mean_BD = torch.empty(3, 4, problem.num_parameters, dtype=torch.float64), torch.empty_like(models)
    problem.example_gradients(models, samples, out_BbD)
    problem.gradient(models, samples, mean_BD)
    torch.testing.assert_close(out_BbD.mean(1), mean_BD)
    alone_1D = torch.empty_like(models[:1])
    for row in range(3):
        for place in range(4):
            problem.gradient(models[row : row + 1], samples[row : row + 1, place : place + 1], alone_1D)
            torch.testing.assert_close(out_BbD[row, place], alone_1D[0])


def test_gradients_of_single_images(make: Make, random_models: RandomModels) -> None:
    problem = make(dataset="digits", model=SimpleNamespace(kind="cnn", channels=(4,)))
    models, samples = random_models(problem, 2), torch.tensor([[0, 1, 2], [600, 601, 602]])
    out_BbD, mean_BD = torch.empty(2, 3, problem.num_parameters, dtype=torch.float64), torch.empty_like(models)
    problem.example_gradients(models, samples, out_BbD)
    problem.gradient(models, samples, mean_BD)
    torch.testing.assert_close(out_BbD.mean(1), mean_BD)


def next_order(kind: str, present: Order, vectors_ND: torch.Tensor, mean_D: torch.Tensor) -> Order:
    if kind == "herding":
        return present[herding(vectors_ND)]
    return mean_balance(present, vectors_ND, mean_D) if kind == "mean_balance" else pair_balance(present, vectors_ND)


@pytest.mark.parametrize("kind", KEEPERS)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 10**6))
def test_keepers_do_what_the_pure_functions_do(kind: str, sizes: list[int], batch: int, seed: int) -> None:
    """Whatever the mini-batches, and whichever nodes are fed together; three epochs of each node."""
    rng = np.random.default_rng(seed)
    expected = [rng.permutation(size) for size in sizes]
    keeper = KEEPERS[kind](expected, 3, torch.float64, torch.device("cpu"))
    means = [torch.zeros(3, dtype=torch.float64) for _ in sizes]
    for _ in range(3):
        vectors = [torch.from_numpy(rng.normal(size=(size, 3))) for size in sizes]  # in the order of the visits
        fed = [0] * len(sizes)
        while any(done < size for done, size in zip(fed, sizes, strict=True)):
            num = {i: min(batch, size - fed[i]) for i, size in enumerate(sizes) if fed[i] < size and rng.random() < 0.7}
            for size in set(num.values()):
                nodes = [i for i in num if num[i] == size]
                keeper.feed(nodes, torch.stack([vectors[i][fed[i] : fed[i] + size] for i in nodes]))
            fed = [done + num.get(i, 0) for i, done in enumerate(fed)]
        for i in range(len(sizes)):
            expected[i], means[i] = next_order(kind, expected[i], vectors[i], means[i]), vectors[i].mean(0)
            assert keeper.turn(i).tolist() == expected[i].tolist()


class Normed(nn.Module):
    """A model whose outputs for an example depend on the others of its mini-batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_models_that_mix_examples_are_refused(make: Make) -> None:
    own = SimpleNamespace(factory="tests.problems.test_passes:Normed", keywords={}, kind="factory")
    make(model=own, order=order("random_reshuffling"))
    with pytest.raises(ParameterError, match="order: mean_balance needs the gradients of single examples, but this model"):
        make(model=own, order=order("grab", balance="mean"))


def test_full_batches_have_no_order(make: Make) -> None:
    with pytest.raises(ParameterError, match="order: found fixed, but a full batch has no order; give batch_size, or leave"):
        make(batch_size="full", order=order("fixed"))


def test_herding_needs_memory_for_all_gradients(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(order=order("herding"))
    monkeypatch.setattr(build, "HERDING_BYTES", 1000)
    with pytest.raises(ParameterError, match=r"order: herding keeps .* 1.34e-05 GB here; 1e-06 GB are allowed; use grab"):
        make(order=order("herding"))
