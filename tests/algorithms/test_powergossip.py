"""PowerGossip: power iterations on the differences of neighbors, in NumPy once more, and what follows from them."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

import simnet
from simnet.errors import AlgorithmError
from simnet.streams import stream_key
from simnet.values.compressors.power import Basis
from tests.algorithms.cases import Case, edges, execute, metropolis, scenario

CLASSES, FEATURES = 5, 6
D = CLASSES * FEATURES + CLASSES
LAYERS = ((CLASSES, FEATURES), (CLASSES,))
PROBLEM = {"dataset": "gaussian_mixture", "features": FEATURES, "classes": CLASSES, "samples_per_node": 9, "batch_size": 2}


def source(rank: int, init: np.ndarray, graph: nx.Graph, steps: int, iterations: int = 1, **changes: Any) -> dict[str, Any]:
    """Without gradients; a model is a matrix [5, 6] and a vector [5]."""
    case = Case("powergossip", {"rank": rank, "iterations": iterations})
    given = scenario(case, len(graph), steps=steps, lr=0.0, topology=edges(graph))
    return given | {"problem": PROBLEM, "init": init.tolist(), **changes}


def starts(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, D))


def gram_schmidt(thin: np.ndarray) -> np.ndarray:
    q, r = np.linalg.qr(thin)
    return q * np.sign(np.diag(r))


def first_basis(i: int, j: int, rank: int) -> np.ndarray:
    key = stream_key(1, "powergossip", i, j, 0) >> 1
    row = Basis(LAYERS, rank, turned=False)(torch.zeros(1, D, dtype=torch.float64), torch.tensor([[key]]))
    return row[0, : FEATURES * rank].numpy().reshape(FEATURES, rank)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("iterations", [1, 3])
def test_power_iterations_in_numpy_give_the_same_models(rank: int, iterations: int) -> None:
    graph, steps = nx.cycle_graph(4), 4
    graph.add_edge(0, 2)
    X, W = starts(4), metropolis(graph)
    models = execute(source(rank, X, graph, steps, iterations)).models
    pairs = [(min(edge), max(edge)) for edge in graph.edges]
    bases = {pair: first_basis(*pair, rank) for pair in pairs}
    for r in range(steps * iterations):
        M, moves = X[:, : CLASSES * FEATURES].reshape(4, CLASSES, FEATURES), np.zeros_like(X)
        for i, j in pairs:
            difference = M[j] - M[i] if r % 2 == 0 else (M[j] - M[i]).T
            thin = difference @ bases[i, j]
            projected = thin @ bases[i, j].T
            bases[i, j] = gram_schmidt(thin)
            move = W[i, j] * np.concatenate([(projected if r % 2 == 0 else projected.T).ravel(), (X[j] - X[i])[-CLASSES:]])
            moves[i] += move
            moves[j] -= move
        X = X + moves
        if (r + 1) % iterations == 0:
            np.testing.assert_allclose(models[(r + 1) // iterations], X, atol=1e-12)


def test_a_difference_of_rank_one_is_gone_after_two_iterations() -> None:
    """The first one projects it on a random vector and finds its column; the second one takes all of it."""
    rng, X = np.random.default_rng(2), starts(1).repeat(2, axis=0)
    X[1, : CLASSES * FEATURES] += np.outer(rng.standard_normal(CLASSES), rng.standard_normal(FEATURES)).ravel()
    distances = execute(source(1, X, nx.path_graph(2), 3)).column("consensus_distance")
    assert distances[1] > 1e-2 * distances[0]
    assert distances[2] < 1e-13 * distances[0]


@pytest.mark.parametrize("rank", [1, 2])
def test_nodes_agree_on_the_mean_in_the_end(rank: int) -> None:
    X = starts(5)
    models = execute(source(rank, X, nx.cycle_graph(5), 300)).models
    np.testing.assert_allclose(models.mean(axis=1) - X.mean(axis=0), 0, atol=1e-13)
    assert np.abs(models[-1] - X.mean(axis=0)).max() < 1e-6


def test_equal_models_stay_equal_and_are_no_dead_end() -> None:
    """Nothing is left to iterate on, so the basis begins anew at random."""
    graph = nx.path_graph(2)
    given = source(1, starts(1).repeat(2, axis=0), graph, 40)
    given["algorithms"][0]["lr"] = 0.05
    models = execute(given).models
    assert (models[0, 0] == models[0, 1]).all()
    apart = np.abs(models[:, 0] - models[:, 1]).max(axis=1)
    assert 0 < apart[-1] < 0.5
    given["algorithms"][0]["lr"] = 0.0
    assert np.abs(np.diff(execute(given).models, axis=0)).max() == 0


@pytest.mark.parametrize("rank", [1, 2])
def test_bits_are_columns_in_one_step_and_rows_in_the_next(rank: int) -> None:
    bits = execute(source(rank, starts(4), nx.cycle_graph(4), 4)).column("bits_sent")
    sizes = np.array([rank * CLASSES, rank * FEATURES] * 2) + CLASSES
    np.testing.assert_array_equal(bits, [0, *np.cumsum(8 * 32 * sizes)])


def test_matrices_that_would_not_shrink_are_sent_whole() -> None:
    X = starts(4)
    models = execute(source(3, X, nx.cycle_graph(4), 3)).models
    W = metropolis(nx.cycle_graph(4))
    for k in range(4):
        np.testing.assert_allclose(models[k], np.linalg.matrix_power(W, k) @ X, atol=1e-13)


def test_links_in_one_direction_are_refused() -> None:
    given = source(1, starts(3), nx.cycle_graph(3), 2)
    given["topology"] = {"kind": "edges", "edges": [[0, 1], [1, 2], [2, 0]], "directed": True}
    given["mixing"] = {"kind": "uniform"}
    with pytest.raises(AlgorithmError, match="powergossip needs links in both directions"):
        simnet.run(given)
