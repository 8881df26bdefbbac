"""Moniqua's own facts: modulo, quantizers, recovery, violations, shared randomness."""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import SimnetError
from simnet.values.compressors import ModuloQuantizer, ModuloRecovery, WrapCount, centered_modulo
from tests.algorithms.cases import LR, NO_GRADIENTS, Case, arrays, execute, metropolis, run, scenario
from tests.algorithms.oracles.compression import moniqua_adpsgd, recovered
from tests.algorithms.oracles.world import World, quadratic

Rounding = Literal["nearest", "stochastic"]
thetas = st.floats(1e-3, 1e3)
QUANTIZERS: list[tuple[Rounding, int]] = [
    ("nearest", 1),
    ("nearest", 3),
    ("nearest", 8),
    ("stochastic", 2),
    ("stochastic", 6),
]


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(thetas, st.floats(2, 10), st.floats(-100, 100), st.floats(-0.999, 0.999))
def test_lemma_the_modulo_loses_nothing_between_close_numbers(theta: float, ratio: float, y: float, gap: float) -> None:
    """If ``|x - y| < theta <= B / 2``, then ``((x mod B) - y) mod B + y = x``."""
    B, x = ratio * theta, y + gap * theta
    result = centered_modulo(centered_modulo(row(x), B) - y, B) + y
    assert float(result) == pytest.approx(x, rel=1e-12, abs=1e-12 * (abs(y) + B))


@pytest.mark.parametrize(("rounding", "bits"), QUANTIZERS)
def test_recovery_is_within_delta_times_period_and_no_better(rounding: Rounding, bits: int) -> None:
    @settings(max_examples=10, deadline=None)
    @given(thetas, st.integers(0, 10**6))
    def check(theta: float, seed: int) -> None:
        quantize = ModuloQuantizer(theta, bits, rounding)
        rng = np.random.default_rng(seed)
        y = rng.normal(scale=10 * theta, size=(1, 4000))
        x = torch.from_numpy(y + rng.uniform(-theta, theta, y.shape))
        keys = [torch.tensor([[seed]])] if rounding == "stochastic" else []
        xhat = ModuloRecovery(quantize.period)(quantize(x, *keys), torch.from_numpy(y))
        own = ModuloRecovery(quantize.period)(quantize(x, *keys), x)
        share = (xhat - x).abs() / (quantize.delta * quantize.period)
        assert 0.9 < float(share.max()) <= 1 + 1e-9
        np.testing.assert_allclose(own, xhat, atol=1e-9 * theta)
        assert int(WrapCount(quantize.period)(xhat, own)) == 0

    check()


@pytest.mark.parametrize(
    ("rounding", "bits", "period", "bound"),
    [
        ("nearest", 1, 4.0, 1.0),
        ("nearest", 2, 2.67, 0.333),
        ("nearest", 4, 2.13, 0.0667),
        ("nearest", 8, 2.008, 0.0039),
        ("stochastic", 2, 6.0, 2.0),
        ("stochastic", 4, 2.31, 0.154),
        ("stochastic", 8, 2.016, 0.0079),
    ],
)
def test_table_of_periods_and_error_bounds(rounding: Rounding, bits: int, period: float, bound: float) -> None:
    quantize = ModuloQuantizer(1.0, bits, rounding)
    assert quantize.period == pytest.approx(period, rel=2e-3)
    assert quantize.delta * quantize.period == pytest.approx(bound, rel=1e-2)


@pytest.mark.parametrize(("rounding", "bits"), QUANTIZERS)
def test_messages_have_as_many_values_as_the_bits_allow(rounding: Rounding, bits: int) -> None:
    x = torch.linspace(-5, 5, 20001, dtype=torch.float64)[None]
    keys = [torch.tensor([[7]])] if rounding == "stochastic" else []
    values = ModuloQuantizer(1.0, bits, rounding)(x, *keys).unique()
    assert len(values) == 2**bits
    assert float(values.abs().max()) <= 0.5


def test_stochastic_rounding_is_unbiased() -> None:
    quantize = ModuloQuantizer(1.0, 2, "stochastic")
    x = row(-2.9, -1.0, -0.1, 0.0, 0.7, 2.4).expand(20_000, -1)
    mean = quantize(x, torch.arange(20_000)[:, None]).mean(dim=0) * quantize.period
    np.testing.assert_allclose(mean, x[0], atol=4 * quantize.period / 3 / 2 / np.sqrt(20_000))


def test_one_bit_and_stochastic_rounding_exclude_each_other() -> None:
    case = Case("moniqua", {"theta": 1.0, "bits": 1, "quantizer": "stochastic"})
    with pytest.raises(SimnetError, match="bits: found 1 with quantizer stochastic; at least 2"):
        run(case)


def count_in_numpy(models: np.ndarray, theta: float, bits: int) -> int:
    """Numbers that a neighbor on the ring recovers wrongly by a multiple of B, over all steps."""
    wrong, n = 0, models.shape[1]
    for X in models[:-1]:
        Xhat, B = recovered(X, theta, bits)
        off = np.abs(Xhat - Xhat[range(n), range(n)]) > B / 2
        wrong += sum(int(off[i, j].sum()) for i in range(n) for j in ((i - 1) % n, (i + 1) % n))
    return wrong


@pytest.mark.parametrize(
    ("theta", "is_violated", "moves"), [(8.0, False, False), (0.3, True, False), (0.02, True, True)]
)
@pytest.mark.parametrize("executor", ["deferred", "eager"])
def test_violations_are_counted_and_only_they_move_the_mean(
    theta: float, is_violated: bool, moves: bool, executor: Literal["deferred", "eager"]
) -> None:
    """Most violations come in pairs of opposite sign, which leave the mean alone; one at the edge of a period moves it."""
    case = Case("moniqua", {"theta": theta, "bits": 4})
    outcome = execute(scenario(case, curvature=NO_GRADIENTS, steps=9), executor)
    drift = np.abs(outcome.means - outcome.means[0]).max()
    assert drift > 1e-3 if moves else drift < 1e-14
    counted = outcome.summary["counters"]["wrap_violations"]
    assert counted == count_in_numpy(outcome.models, theta, 4)
    assert (counted > 0) == is_violated


def test_violations_are_counted_whenever_models_are_evaluated() -> None:
    case = Case("moniqua", {"theta": 0.05, "bits": 4})
    counts = [run(case, steps=9, evaluate_every=every).summary["counters"]["wrap_violations"] for every in (1, 4, 9)]
    assert counts[0] == counts[1] == counts[2] > 0


def test_shared_randomness_equal_models_send_equal_messages() -> None:
    case = Case("moniqua", {"theta": 1.0, "bits": 2, "quantizer": "stochastic"})
    start = arrays(5)["init"][:1]
    models = run(case, curvature=NO_GRADIENTS, init=start, steps=8).models
    assert np.abs(models - start).max() < 1e-14  # each message is off by up to 2 theta, but all by the same


def test_random_numbers_change_from_step_to_step() -> None:
    case = Case("moniqua", {"theta": 5.0, "bits": 2, "quantizer": "stochastic"})
    moves = np.diff(run(case, 2, d=20, curvature=NO_GRADIENTS, steps=30).models[:, 0], axis=0)
    assert len(np.unique(moves.round(9), axis=0)) > 5


@pytest.mark.parametrize("quantizer", ["nearest", "stochastic"])
@pytest.mark.parametrize("half", [2, 3])
def test_moniqua_on_adpsgd_is_reproduced_event_by_event(half: int, quantizer: str) -> None:
    n, parameters = 2 * half, {"theta": 8.0, "bits": 5, "quantizer": quantizer}
    factors, values = np.random.default_rng(half).uniform(0.5, 2, n).tolist(), arrays(n)
    world = World(np.eye(n), quadratic(values["curvature"], values["optimum"]), times=tuple(factors))
    it = Case("moniqua_adpsgd", parameters)
    models = run(it, n, steps=7, compute={"time": "1 s", "factors": factors}, **values).models
    expected = list(islice(moniqua_adpsgd(values["init"], world, lambda _: LR, **parameters), 7))
    np.testing.assert_allclose(models[1:], expected, rtol=0, atol=1e-12)


def test_with_many_bits_moniqua_on_adpsgd_is_adpsgd() -> None:
    fine = Case("moniqua_adpsgd", {"theta": 8.0, "bits": 16})
    changes: dict[str, Any] = {"n": 6, "noise": 0.3, "steps": 12}
    assert 0 < np.abs(run(fine, **changes).models - run(Case("adpsgd"), **changes).models).max() < 12 * 16 / 2**16


def test_with_many_bits_moniqua_on_d2_is_d2() -> None:
    """``X <- W (2 X - X' - lr G + lr G')``, and ``W (X - lr G)`` in the first step."""
    models = run(Case("moniqua_d2", {"theta": 8.0, "bits": 16}), steps=12).models
    values, W = arrays(5), metropolis(nx.cycle_graph(5))
    gradient = quadratic(values["curvature"], values["optimum"])
    moved = [X - LR * gradient(X) for X in models]
    errors = [models[1] - W @ moved[0]]
    errors += [models[k + 1] - W @ (moved[k] - moved[k - 1] + models[k]) for k in range(1, 12)]
    assert 0 < np.abs(errors).max() < 2 * 16 / 2**16


@pytest.mark.parametrize(("name", "theta", "is_violated"), [("moniqua_d2", 8.0, False), ("moniqua_d2", 0.1, True)])
def test_violations_on_d2_are_counted(name: str, theta: float, is_violated: bool) -> None:
    outcome = run(Case(name, {"theta": theta, "bits": 8}), curvature=NO_GRADIENTS, steps=9)
    assert (outcome.summary["counters"]["wrap_violations"] > 0) == is_violated
    if not is_violated:
        assert np.abs(outcome.means - outcome.means[0]).max() < 1e-14


@pytest.mark.parametrize(("theta", "is_violated"), [(8.0, False), (0.2, True)])
def test_averages_on_adpsgd_leave_the_mean_alone_while_theta_holds(theta: float, is_violated: bool) -> None:
    late = {"latency": {"uniform": {"low": "0 s", "high": "3 s"}}}
    case = Case("moniqua_adpsgd", {"theta": theta, "bits": 8})
    outcome = run(case, curvature=NO_GRADIENTS, steps=200, evaluate_every=200, network=late, compute={"time": "1 s"})
    assert (outcome.summary["counters"]["wrap_violations"] > 0) == is_violated
    if not is_violated:
        assert np.abs(outcome.models[-1] - outcome.models[0].mean(axis=0)).max() < 4 * 8.0 / 2**8


@pytest.mark.parametrize(("quantizer", "extra"), [("nearest", 0), ("stochastic", 32)])
def test_each_average_on_adpsgd_takes_its_bits_each_way(quantizer: str, extra: int) -> None:
    """On an even ring n / 2 nodes ask once a step; with stochastic rounding they tell which random numbers they use."""
    case = Case("moniqua_adpsgd", {"theta": 8.0, "bits": 5, "quantizer": quantizer})
    bits = run(case, 4, steps=10, network={"latency": "1 ms"}).column("bits_sent") / (2 * 3 * 5 + extra)
    assert (bits >= 2 * np.arange(11)).all()
    assert (bits <= 2 * np.arange(1, 12)).all()
