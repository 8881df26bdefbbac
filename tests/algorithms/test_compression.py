"""Compressed gossip: means, fixed points, reductions to uncompressed algorithms, and what diverges or stalls.

Shapes: ``N`` nodes, ``D`` parameters, ``K`` steps.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

import simnet
from simnet.algorithms.replicas import Mismatch
from simnet.values.compressors import Qsgd, TopK
from tests.algorithms.cases import LR, NO_GRADIENTS, Case, arrays, attempt, each, execute, metropolis, run, scenario
from tests.algorithms.oracles.compression import FINE
from tests.algorithms.oracles.compressors import top_k
from tests.algorithms.oracles.world import quadratic
from tests.algorithms.test_theory import ATC, CTA, stochastic

TOP_1 = {"kind": "top_k", "k": 1}
COARSE = {"kind": "stochastic_rounding", "spacing": 0.5}
RING = metropolis(nx.cycle_graph(5))


def choco(compressor: Any, consensus_lr: float = 0.4, **others: Any) -> Case:
    return Case("choco", {"consensus_lr": consensus_lr, "compressor": compressor, **others})


def deepsqueeze(compressor: Any, consensus_lr: float = 0.2) -> Case:
    return Case("deepsqueeze", {"consensus_lr": consensus_lr, "compressor": compressor})


def cd_adam(compressor: Any, consensus_lr: float = 0.4) -> Case:
    return Case("cd_adam", {"consensus_lr": consensus_lr, "compressor": compressor, "period": 3})


def distances(case: Case, steps: int, **changes: Any) -> np.ndarray:
    return attempt(scenario(case, steps=steps, evaluate_every=steps, **changes)).column("consensus_distance")


@pytest.mark.parametrize("problem", ["quadratic", "mixture"])
@each(
    [
        choco(TOP_1),
        choco({**FINE, "biased": True}, order="average_first"),
        deepsqueeze({"kind": "random_k", "fraction": 0.5}),
        Case("moniqua_d2", {"theta": 20.0, "bits": 5}),
        Case("powergossip"),
        Case("powergossip", {"order": "atc", "iterations": 3}),
    ]
)
def test_mean_moves_along_the_mean_of_the_sampled_gradients(case: Case, problem: str) -> None:
    """However much is compressed away; the mixture's model is a matrix."""
    models, gradients = stochastic(case, problem)
    np.testing.assert_allclose(np.diff(models.mean(axis=1), axis=0), -LR * gradients.mean(axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("case", "plain", "same_start"),
    [
        (choco("identity", 1.0), ATC, False),
        (choco("identity", 1.0, order="average_first"), CTA, True),
        (deepsqueeze("identity", 1.0), ATC, False),
        (Case("dcd", {"compressor": "identity"}), CTA, False),
        (Case("ecd", {"compressor": "identity"}), CTA, False),
        (Case("naive_quantized", {"compressor": "identity"}), CTA, False),
        (Case("powergossip", {"order": "atc"}), ATC, False),
        (choco({"kind": "top_k", "k": 9}, 1.0), ATC, False),
        (cd_adam("identity", 1.0), Case("d_adam", {"period": 3}), False),
    ],
    ids=str,
)
def test_without_compression_they_are_the_uncompressed_algorithms(case: Case, plain: Case, same_start: bool) -> None:
    changes = {"noise": 0.3, "steps": 12} | ({"init": arrays(1)["init"]} if same_start else {})
    np.testing.assert_allclose(run(case, **changes).models, run(plain, **changes).models, rtol=0, atol=1e-12)


def test_average_first_is_cta_from_the_second_step_on_where_models_start_apart() -> None:
    models = run(choco("identity", 1.0, order="average_first")).models
    values = arrays(5)
    gradient = quadratic(values["curvature"], values["optimum"])
    np.testing.assert_allclose(models[1], values["init"] - LR * gradient(values["init"]), atol=1e-14)
    for X, X_next in pairwise(models[1:]):
        np.testing.assert_allclose(X_next, RING @ X - LR * gradient(X), atol=1e-13)


@each([choco(TOP_1), deepsqueeze("sign"), Case("moniqua_d2", {"theta": 8.0})])
def test_identity_matrix_means_independent_nodes(case: Case) -> None:
    models = run(case, 4, mixing={"matrix": np.eye(4).tolist()}, steps=12).models
    np.testing.assert_allclose(models, run(ATC, 4, mixing={"matrix": np.eye(4).tolist()}, steps=12).models, atol=1e-12)


def fixed_point(W: np.ndarray, lr: float, order: str) -> np.ndarray:
    """Of D-PSGD with unequal curvatures, for each coordinate."""
    values, eye = arrays(5), np.eye(5)
    columns = []
    for a, b in zip(values["curvature"].T, values["optimum"].T, strict=True):
        A = np.diag(a)
        left, right = (eye - W + lr * A, A) if order == "cta" else (eye - W @ (eye - lr * A), W @ A)
        columns.append(np.linalg.solve(left, lr * right @ b))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("order", "plain"), [("compress_first", "atc"), ("average_first", "cta")])
@pytest.mark.parametrize(("compressor", "c"), [("identity", 1.0), (TOP_1, 0.4), ({"kind": "random_k", "k": 1}, 0.3)])
def test_fixed_point_of_choco_is_that_of_dpsgd_with_slack(compressor: Any, c: float, order: str, plain: str) -> None:
    """Where nothing moves, nothing is lost: it is that of ``I + c (W - I)``, whatever the compressor."""
    models = run(choco(compressor, c, order=order), steps=2500, evaluate_every=2500, lr=0.1).models
    expected = fixed_point(np.eye(5) + c * (RING - np.eye(5)), 0.1, plain)
    np.testing.assert_allclose(models[-1], expected, atol=1e-11)


def test_fixed_point_of_moniqua_d2_is_the_optimum_to_within_its_rounding() -> None:
    values = arrays(5)
    optimum = (values["curvature"] * values["optimum"]).sum(axis=0) / values["curvature"].sum(axis=0)
    errors = {}
    for bits in (6, 10, 14):
        case = Case("moniqua_d2", {"theta": 8.0, "bits": bits})
        lazy = {"kind": "uniform", "self_weight": 0.5}
        errors[bits] = np.abs(run(case, steps=300, evaluate_every=300, lr=0.15, mixing=lazy).models[-1] - optimum).max()
        assert errors[bits] < 16 * 8.0 / 2**bits
    assert np.abs(fixed_point(RING, 0.15, "atc") - optimum).max() > 0.05


@pytest.mark.parametrize(("n", "d", "k"), [(5, 10, 1), (9, 12, 6), (4, 8, 4)])
def test_choco_gossip_contracts_as_its_theory_promises(n: int, d: int, k: int) -> None:
    """With the theory's c*, ``||X - Xbar||^2 + ||X - Xhat||^2`` shrinks by 1 - delta^2 omega / 82 in every step."""
    W, omega = metropolis(nx.cycle_graph(n)), k / d
    delta, beta = 1 - np.linalg.norm(W - 1 / n, 2), np.linalg.norm(np.eye(n) - W, 2)
    below = 16 * delta + delta**2 + 4 * beta**2 + 2 * delta * beta**2 - 8 * delta * omega
    case = choco({"kind": "top_k", "k": k}, delta**2 * omega / below)
    models = run(case, n, d=d, curvature=NO_GRADIENTS, steps=200).models
    Xhat, sizes = np.zeros((n, d)), []
    for X in models:
        Xhat = Xhat + np.stack([top_k(x, 0, k) for x in X - Xhat])
        sizes.append(((X - X.mean(axis=0)) ** 2).sum() + ((X - Xhat) ** 2).sum())
    assert (np.array(sizes[1:]) <= np.array(sizes[:-1]) * (1 - delta**2 * omega / 82)).all()


def test_choco_gossip_converges_linearly_with_a_tuned_c_and_diverges_with_too_large_a_one() -> None:
    shrunk = [distances(choco(TOP_1, c), 600, d=10, curvature=NO_GRADIENTS) for c in (0.1, 1.0)]
    assert shrunk[0][-1] < 1e-6 * shrunk[0][0]
    assert shrunk[1][-1] > 1e3 * shrunk[1][0]


@each(
    [
        *[choco(spec, verify=True) for spec in ("sign", TOP_1, "natural")],
        choco("sign", order="average_first", verify=True),
        Case("dcd", {"compressor": FINE, "verify": True}),
    ]
)
def test_replicas_are_equal_to_the_last_bit(case: Case) -> None:
    jittered: dict[str, Any] = {"compute": {"time": "1 s", "jitter": {"exponential": 1.0}}, "network": {"latency": "2 s"}}
    for dtype in ("float32", "float64"):
        outcome = run(case, noise=0.3, steps=20, dtype=dtype, **jittered)
        assert outcome.summary["counters"]["replica_mismatches"] == 0
    plain = Case(case.name, {**case.parameters, "verify": False})
    np.testing.assert_array_equal(run(plain, noise=0.3, steps=20, **jittered).models, outcome.models)


def test_a_replica_that_differs_would_be_counted() -> None:
    assert Mismatch()(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 2.5, -3.0]])).tolist() == [2]


def test_mean_of_dcd_moves_by_that_of_the_compressed_differences() -> None:
    models = run(Case("dcd", {"compressor": TOP_1}), steps=10).models
    values = arrays(5)
    gradient = quadratic(values["curvature"], values["optimum"])
    for X, X_next in pairwise(models):
        moves = np.stack([top_k(z, 0, 1) for z in RING @ X - LR * gradient(X) - X])
        np.testing.assert_allclose(X_next.mean(axis=0) - X.mean(axis=0), moves.mean(axis=0), atol=1e-14)


@each([Case("dcd", {"compressor": FINE}), Case("ecd", {"compressor": FINE})])
def test_exact_replicas_cost_a_model_only_where_models_start_apart(case: Case) -> None:
    bits = 2 * 5 * (32 + 3 * 8)
    apart, alike = [run(case, init=arrays(n)["init"]).column("bits_sent") for n in (5, 1)]
    np.testing.assert_array_equal(alike, bits * np.arange(7))
    np.testing.assert_array_equal(apart - alike, [0, *[2 * 5 * 96] * 6])


def test_strong_compression_is_too_much_for_dcd_and_misleads_ecd_but_not_choco() -> None:
    """One random number of ten, unbiased: its variance is nine times the square of what is sent."""
    spec = {"kind": "random_k", "k": 1, "unbiased": True}
    changes: dict[str, Any] = {"d": 10, "steps": 800, "evaluate_every": 800, "lr": 0.01}
    assert attempt(scenario(Case("dcd", {"compressor": spec}), **changes)).record.status == "diverged"
    exact = run(CTA, **changes).means[-1]
    assert np.linalg.norm(run(Case("ecd", {"compressor": spec}), **changes).means[-1] - exact) > 0.5
    assert np.linalg.norm(run(choco({"kind": "random_k", "k": 1}, 0.1), **changes).means[-1] - exact) < 0.1


def test_naive_quantization_stops_above_its_bound_and_choco_does_not() -> None:
    """``f = (x - h/2)^2 / 2`` on a ring of 8, h = 0.5: E |grad|^2 stays above phi^2 h^2 / (8 (1 + phi^2)), phi = 1/3."""
    spacing, phi = COARSE["spacing"], 1 / 3
    assert isinstance(spacing, float)
    changes: dict[str, Any] = {"n": 8, "d": 50, "curvature": 1.0, "optimum": spacing / 2, "init": 0.0, "lr": 0.05, "steps": 600}
    squares = (run(Case("naive_quantized", {"compressor": COARSE}), **changes).models[300:] - spacing / 2) ** 2
    assert squares.mean() >= phi**2 * spacing**2 / (8 * (1 + phi**2))
    assert 0.02 < squares.mean() < 0.05
    choco_errors = (run(choco({"kind": "qsgd", "levels": 2, "biased": True}, 0.2), **changes).models[-1] - spacing / 2) ** 2
    assert choco_errors.mean() < 1e-8 * squares.mean()


def directed(n: int = 5) -> tuple[dict[str, Any], np.ndarray]:
    """A ring with a chord, in one direction; W's columns sum to one, its rows do not."""
    links = [(i, (i + 1) % n) for i in range(n)] + [(0, 2), (1, 4)]
    W = np.eye(n)
    for j, i in links:
        W[i, j] = 1
    W = W / W.sum(axis=0)
    topology = {"kind": "edges", "edges": [list(link) for link in links], "directed": True}
    return {"topology": topology, "mixing": {"matrix": W.tolist()}}, W


@pytest.mark.parametrize("levels", [64, 4096])
def test_quantized_push_sum_keeps_mass_and_finds_the_mean_on_directed_graphs(levels: int) -> None:
    place, W = directed()
    case = Case("quantized_push_sum", {"compressor": {"kind": "qsgd", "levels": levels}})
    models = run(case, curvature=NO_GRADIENTS, steps=300, **place).models
    y, start = np.ones((5, 1)), models[0].sum(axis=0)
    for Z in models:
        np.testing.assert_allclose((y * Z).sum(axis=0), start, atol=1e-13)
        assert y.sum() == pytest.approx(5, abs=1e-13)
        y = W @ y
    np.testing.assert_allclose(models[-1] - start / 5, 0, atol=1e-13)
    assert np.abs(W.sum(axis=1) - 1).max() > 0.3


def test_quantized_push_sum_moves_its_mass_by_the_gradients_at_z() -> None:
    place, W = directed()
    models = run(Case("quantized_push_sum", {"compressor": "identity"}), steps=8, **place).models
    gradient = quadratic(*[arrays(5)[key] for key in ("curvature", "optimum")])
    X, y = models[0], np.ones((5, 1))
    for Z in models[1:]:
        X, y = W @ X, W @ y
        X = X - LR * gradient(X / y)
        np.testing.assert_allclose(Z, X / y, atol=1e-13)


@pytest.mark.parametrize("eta", [0.01, 0.5, 3.0])
def test_top_1_of_gradients_without_error_feedback_diverges_exactly(eta: float) -> None:
    """``f_i = <a_i, x>^2 + ||x||^2 / 4``: x^k = (1 + 11 eta / 6)^k x^0 for every step; error feedback repairs it."""
    a = torch.tensor([[-3.0, 2, 2], [2, -3, 2], [2, 2, -3]], dtype=torch.float64)
    x = torch.ones(3, dtype=torch.float64)
    for k in range(1, 20):
        gradients = 2 * a * (a @ x)[:, None] + x / 2
        x = x - eta * TopK(k=1)(gradients).mean(dim=0)
        np.testing.assert_allclose(x, (1 + 11 * eta / 6) ** k, rtol=1e-10)
    x, errors = torch.ones(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for _ in range(4000):
        steps = 0.01 * (2 * a * (a @ x)[:, None] + x / 2) + errors
        sent = TopK(k=1)(steps)
        x, errors = x - sent.mean(dim=0), steps - sent
    assert float(x.norm()) < 1e-3


def test_top_1_of_gradients_that_cancel_stalls_for_ever() -> None:
    v = torch.tensor([[1.0, 4.0], [-1.0, -2.0], [1.0, -2.0]])
    assert TopK(k=1)(v).sum(dim=0).tolist() == [0.0, 0.0]
    assert v.sum(dim=0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("randomness", ["own", "shared"])
def test_shared_randomness_is_one_draw_for_all_nodes_of_a_step(randomness: str) -> None:
    """Equal models that are compressed with the same random numbers stay equal."""
    spec = {"kind": "qsgd", "levels": 1, "randomness": randomness}
    start = {"init": arrays(1)["init"], "curvature": NO_GRADIENTS, "steps": 10}
    models = run(Case("naive_quantized", {"compressor": spec}), **start).models
    is_equal = np.abs(models - models[:, :1]).max() < 1e-14
    assert is_equal == (randomness == "shared")
    assert np.abs(np.diff(models[:, 0], axis=0)).max() > 1e-3


def test_compressed_gossip_learns_digits_in_few_bits() -> None:
    """Softmax regression on a ring of 8: as good as D-PSGD with 8 bits and less; naive quantization is not."""
    problem = {"dataset": "digits", "model": "linear", "partition": "iid", "batch_size": 16}
    entries = [
        {"name": "dpsgd"},
        {"name": "moniqua", "theta": 1.0, "bits": 8},
        {"name": "choco", "consensus_lr": 0.3, "compressor": {"kind": "top_k", "fraction": 0.1}},
        {"name": "naive_quantized", "compressor": {"kind": "qsgd", "levels": 1}},
    ]
    result = simnet.run(
        {
            "nodes": 8, "topology": "ring", "problem": problem, "run": {"steps": 200, "evaluate_every": 200},
            "algorithms": [{"lr": 0.3, **entry} for entry in entries],
        },
        device="cpu",
    )  # fmt: skip
    last = result.metrics[result.metrics["step"] == 200].set_index("algorithm")
    losses, bits = last["train_loss"], last["bits_sent"]
    assert losses["moniqua"] == pytest.approx(losses["dpsgd"], rel=0.01)
    assert losses["choco"] == pytest.approx(losses["dpsgd"], rel=0.05)
    assert losses["naive_quantized"] > 1.5 * losses["dpsgd"]
    assert bits["moniqua"] == bits["dpsgd"] / 4
    assert bits["choco"] < bits["dpsgd"] / 7


def test_a_node_compresses_with_the_sizes_of_its_model() -> None:
    mixture = {"dataset": "gaussian_mixture", "features": 6, "classes": 5, "samples_per_node": 9, "batch_size": 2}
    for scope, blocks in (("whole", 1), ("layer", 2)):
        case = choco({"kind": "qsgd", "levels": 3, "scope": scope})
        source = scenario(case, 4, steps=1) | {"problem": mixture, "message": {"bits_per_number": 16}}
        del source["init"]
        assert execute(source).column("bits_sent")[-1] == 8 * (blocks * 16 + 35 * 3)
    assert Qsgd(levels=3).message_bits(((5, 6), (5,)), 16.0) == 16 + 35 * 3
