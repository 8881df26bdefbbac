"""Compressors: what arrives, how many bits it takes, and how much is lost at most or on average.

Shapes: ``B`` rows, each with its own key; ``D`` numbers.
"""

from __future__ import annotations

from math import ceil, log2, pi, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from simnet.values.compressors import COMPRESSORS, Compressor, CompressorPart, TopK, prepared

READ = TypeAdapter(Compressor)
KEYS = 1000

SPECS: list[dict[str, Any]] = [
    {"kind": "identity"},
    {"kind": "qsgd", "levels": 2},
    {"kind": "qsgd", "levels": 15, "randomness": "shared"},
    {"kind": "qsgd", "levels": 3, "biased": True},
    {"kind": "terngrad"},
    {"kind": "sign"},
    {"kind": "sign", "scope": "layer"},
    {"kind": "sign_unscaled"},
    {"kind": "top_k", "k": 2},
    {"kind": "top_k", "fraction": 0.3, "scope": "layer"},
    {"kind": "random_k", "k": 2},
    {"kind": "random_k", "fraction": 0.4, "unbiased": True},
    {"kind": "random_k", "k": 1, "unbiased": True, "scope": "layer"},
    {"kind": "natural"},
    {"kind": "stochastic_rounding", "spacing": 0.25},
    {"kind": "fixed_point", "range": 2.0, "bits": 4},
    {"kind": "fixed_point", "range": 100.0, "bits": 10, "rounding": "stochastic"},
    {"kind": "low_rank", "rank": 1},
    {"kind": "low_rank", "rank": 2},
]


def read(spec: dict[str, Any]) -> CompressorPart:
    return READ.validate_python(spec)


def each(specs: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spec", specs, ids=lambda spec: "-".join(f"{value}" for value in spec.values()))


def compressed(spec: dict[str, Any], x: np.ndarray, keys: int = 1, layers: Any = None) -> np.ndarray:
    """What the receivers make of x, once for each of so many keys: ``[keys, D]``."""
    part = read(spec)
    kernel, _ = prepared(part, layers or ((len(x),),), 32.0)
    x_BD = torch.from_numpy(np.asarray(x, dtype=np.float64)).expand(keys, -1)
    keys_B1 = [torch.arange(keys)[:, None] * 7919] if part.is_random else []
    return kernel(x_BD, *keys_B1).numpy()


vectors = st.integers(0, 10**6).flatmap(
    lambda seed: st.tuples(st.just(seed), st.integers(1, 40), st.sampled_from([0.0, 1.0, 3.0]), st.floats(1e-3, 1e3))
)


def vector(given: tuple[int, int, float, float], least: int = 1) -> np.ndarray:
    """Numbers of one size, or of very different ones; some of them zero."""
    seed, d, spread, scale = given
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(max(d, least)) * np.exp(spread * rng.standard_normal(max(d, least))) * scale
    return np.where(rng.random(len(x)) < 0.1, 0.0, x)


def relative_errors(spec: dict[str, Any], x: np.ndarray, layers: Any = None) -> tuple[float, float]:
    """Mean of ``||C(x) - x||^2 / ||x||^2`` over many keys, and the standard error of this mean."""
    errors = ((compressed(spec, x, KEYS, layers) - x) ** 2).sum(axis=1) / (x**2).sum()
    return float(errors.mean()), float(errors.std() / sqrt(KEYS))


def shapes_of(x: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """A matrix of 4 rows, and a vector of what is left."""
    columns = (len(x) - 1) // 4
    return ((4, columns), (len(x) - 4 * columns,))


@each([spec for spec in SPECS if read(spec).omega(((4, 5), (3,))) is not None])
def test_omega_bounds_what_is_lost(spec: dict[str, Any]) -> None:
    @settings(max_examples=6, deadline=None)
    @given(vectors)
    def check(given: tuple[int, int, float, float]) -> None:
        x = vector(given, least=9)
        if x.any():
            omega = read(spec).omega(shapes_of(x))
            mean, error = relative_errors(spec, x, shapes_of(x))
            assert omega is None or mean <= 1 - omega + 5 * error + 1e-12

    check()


@each([spec for spec in SPECS if read(spec).variance(((4, 5), (3,))) is not None])
def test_unbiased_compressors_are_and_their_variance_is_bounded(spec: dict[str, Any]) -> None:
    @settings(max_examples=6, deadline=None)
    @given(vectors)
    def check(given: tuple[int, int, float, float]) -> None:
        x = vector(given, least=9)
        if x.any():
            variance = read(spec).variance(shapes_of(x))
            mean, error = relative_errors(spec, x, shapes_of(x))
            assert variance is not None
            assert mean <= variance * (1 + 1e-9) + 5 * error + 1e-12

    check()
    x = np.random.default_rng(6).uniform(-2, 2, 15)
    values = compressed(spec, x, 20_000, shapes_of(x))
    assert (np.abs(values.mean(axis=0) - x) <= 5 * values.std(axis=0) / sqrt(20_000) + 1e-12).all()


@pytest.mark.parametrize(
    ("spec", "x"),
    [
        ({"kind": "sign"}, [0.0, 0.0, -3.0, 0.0]),
        ({"kind": "top_k", "k": 1}, [2.0, -2.0, 2.0, 2.0]),
        ({"kind": "random_k", "k": 3}, [2.0, -2.0, 2.0, 2.0]),
    ],
    ids=str,
)
def test_omega_is_attained(spec: dict[str, Any], x: list[float]) -> None:
    mean, _ = relative_errors(spec, np.array(x))
    assert mean == pytest.approx(1 - (read(spec).omega(((4,),)) or 0), rel=1e-12)


@pytest.mark.parametrize(
    ("spec", "x"),
    [
        ({"kind": "terngrad"}, [4.0, *[1.0] * 8]),
        ({"kind": "natural"}, [4 / 3] * 9),
        ({"kind": "random_k", "k": 3, "unbiased": True}, [2.0] * 9),
    ],
    ids=str,
)
def test_variance_is_attained(spec: dict[str, Any], x: list[float]) -> None:
    mean, error = relative_errors(spec, np.array(x))
    assert mean == pytest.approx(read(spec).variance(((9,),)), abs=5 * error + 1e-12)


def test_error_of_scaled_signs_is_that_of_the_literature() -> None:
    """``1 - ||x||_1^2 / (d ||x||_2^2)``, which is 1 - 2 / pi = 0.363 for normal numbers."""
    x = np.random.default_rng(1).standard_normal(100_000)
    x[:5] = 0
    mean, _ = relative_errors({"kind": "sign"}, x[:200])
    y = x[:200]
    assert mean == pytest.approx(1 - np.abs(y).sum() ** 2 / (len(y) * (y**2).sum()), rel=1e-12)
    values = compressed({"kind": "sign"}, x)
    assert ((values - x) ** 2).sum() / (x**2).sum() == pytest.approx(1 - 2 / pi, abs=0.005)


def test_error_of_top_k_on_normal_numbers_is_that_of_the_literature() -> None:
    X = np.random.default_rng(2).standard_normal((300, 1000))
    errors = [((compressed({"kind": "top_k", "k": 10}, x) - x) ** 2).sum() / (x**2).sum() for x in X]
    assert np.mean(errors) == pytest.approx(0.918, abs=0.003)


def test_variance_of_terngrad_is_exact() -> None:
    """``max|x| ||x||_1 - ||x||_2^2``; it is that of one level of the largest magnitude."""
    x = np.random.default_rng(3).standard_normal(12)
    errors = ((compressed({"kind": "terngrad"}, x, 20_000) - x) ** 2).sum(axis=1)
    expected = np.abs(x).max() * np.abs(x).sum() - (x**2).sum()
    assert errors.mean() == pytest.approx(expected, abs=5 * errors.std() / sqrt(20_000))


@pytest.mark.parametrize(("bits", "spacing"), [(16, 0.25), (3, 0.25)])
def test_stochastic_rounding_stays_within_its_spacing_until_it_is_cut_off(bits: int, spacing: float) -> None:
    spec = {"kind": "stochastic_rounding", "spacing": spacing, "bits": bits}
    x = np.array([0.1, -0.6, 0.5, 0.0, -0.99])
    values = compressed(spec, x, KEYS)
    assert (np.abs(values - x) < spacing).all()
    assert (((values - x) ** 2).mean(axis=0) <= spacing**2 / 4 * 1.1).all()
    np.testing.assert_allclose(values.mean(axis=0), x, atol=5 * spacing / 2 / sqrt(KEYS))
    most = spacing * 2 ** (bits - 1)
    np.testing.assert_array_equal(compressed(spec, np.array([1e9, -1e9]))[0], [most - spacing, -most])
    assert len(np.unique(compressed(spec, np.linspace(-2, 2, 50_000)))) <= 2**bits


def test_fixed_point_has_its_end_points_and_no_more_values_than_bits_allow() -> None:
    values = compressed({"kind": "fixed_point", "range": 2.0, "bits": 4}, np.linspace(-3, 3, 10_001))[0]
    assert len(np.unique(values)) == 16
    assert (values.min(), values.max()) == (-2.0, 2.0)
    inside = np.abs(np.linspace(-3, 3, 10_001)) <= 2
    assert np.abs(values - np.linspace(-3, 3, 10_001))[inside].max() <= 2 / 15 * (1 + 1e-9)


def test_low_rank_finds_matrices_of_low_rank_exactly_and_much_of_others() -> None:
    rng = np.random.default_rng(4)
    thin = rng.standard_normal((12, 2)) @ rng.standard_normal((2, 20))
    x = np.concatenate([thin.ravel(), rng.standard_normal(5)])
    layers = ((12, 20), (5,))
    np.testing.assert_allclose(compressed({"kind": "low_rank", "rank": 2}, x, layers=layers)[0], x, atol=1e-12)
    full = rng.standard_normal((12, 20)) + 10 * thin
    best = (np.linalg.svd(full, compute_uv=False)[2:] ** 2).sum()
    errors = ((compressed({"kind": "low_rank", "rank": 2}, full.ravel(), 50, ((12, 20),)) - full.ravel()) ** 2).sum(axis=1)
    assert (errors >= best * (1 - 1e-9)).all()
    assert np.median(errors) < 0.05 * (full**2).sum()


D, V, LAYERS = 1000, 32.0, ((30, 30), (100,))
INDEX = ceil(log2(D))


@pytest.mark.parametrize(
    ("spec", "bits"),
    [
        ({"kind": "identity"}, 32 * D),
        ({"kind": "qsgd", "levels": 16}, 32 + D * (1 + 5)),
        ({"kind": "qsgd", "levels": 15, "scope": "layer"}, 2 * 32 + D * (1 + 4)),
        ({"kind": "qsgd", "levels": 1}, 32 + D * 2),
        ({"kind": "terngrad"}, 32 + 2 * D),
        ({"kind": "sign"}, 32 + D),
        ({"kind": "sign", "scope": "layer"}, 2 * 32 + D),
        ({"kind": "sign_unscaled"}, D),
        ({"kind": "top_k", "k": 10}, 10 * (32 + INDEX)),
        ({"kind": "top_k", "fraction": 0.01}, 10 * (32 + INDEX)),
        ({"kind": "top_k", "fraction": 0.01, "scope": "layer"}, 9 * (32 + 10) + 1 * (32 + 7)),
        ({"kind": "random_k", "k": 10}, 10 * 32 + 64),
        ({"kind": "random_k", "k": 10, "scope": "layer"}, 20 * 32 + 64),
        ({"kind": "random_k", "k": 10, "randomness": "shared"}, 10 * 32),
        ({"kind": "random_k", "k": 10, "positions": "indices"}, 10 * (32 + INDEX)),
        ({"kind": "natural"}, 9 * D),
        ({"kind": "stochastic_rounding", "spacing": 0.1, "bits": 6}, 6 * D),
        ({"kind": "fixed_point", "range": 1.0, "bits": 5}, 5 * D),
        ({"kind": "low_rank", "rank": 2}, 32 * (2 * (30 + 30) + 100)),
        ({"kind": "low_rank", "rank": 15}, 32 * D),
    ],
    ids=str,
)
def test_bits_are_exact(spec: dict[str, Any], bits: float) -> None:
    assert read(spec).message_bits(LAYERS, V) == bits


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
@each(SPECS)
def test_rows_do_not_depend_on_the_batch(spec: dict[str, Any], device: str) -> None:
    """To the last bit, whatever else is computed in the same call; also large rows, which libraries like to split."""
    part, layers = read(spec), ((300, 200), (70,))
    kernel, _ = prepared(part, layers, V)
    x_BD = torch.from_numpy(np.random.default_rng(5).standard_normal((9, 60_070))).to(device, torch.float32)
    keys = [torch.arange(9, device=device)[:, None] * 104_729] if part.is_random else []
    together = kernel(x_BD, *keys)
    for b in (0, 4, 8):
        alone = kernel(x_BD[b : b + 1].clone(), *[key[b : b + 1] for key in keys])
        assert torch.equal(alone[0], together[b])
    assert together.dtype == torch.float32


@each(SPECS)
def test_zero_and_large_vectors_stay_finite(spec: dict[str, Any]) -> None:
    layers = ((4, 5), (3,))
    assert np.isfinite(compressed(spec, np.zeros(23), layers=layers)).all()
    assert np.isfinite(compressed(spec, np.full(23, 1e30), layers=layers)).all()


def test_layers_are_scaled_and_chosen_on_their_own() -> None:
    x = np.array([1.0, 3.0, 100.0, -300.0])
    layers = ((2,), (2,))
    signs = compressed({"kind": "sign", "scope": "layer"}, x, layers=layers)[0]
    np.testing.assert_array_equal(signs, [2.0, 2.0, 200.0, -200.0])
    top = compressed({"kind": "top_k", "k": 1, "scope": "layer"}, x, layers=layers)[0]
    np.testing.assert_array_equal(top, [0.0, 3.0, 0.0, -300.0])


def test_every_kind_is_listed_tried_and_read_from_a_word_or_a_mapping() -> None:
    assert {spec["kind"] for spec in SPECS} == set(COMPRESSORS)
    assert read("sign") == read({"kind": "sign"})  # type: ignore[arg-type]  # a word is allowed
    schema = READ.json_schema()
    assert {"enum": list(COMPRESSORS)} in schema["anyOf"]
    for spec in SPECS:
        assert READ.validate_python(READ.dump_python(read(spec))) == read(spec)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("singn", "did you mean sign"),
        ({"kind": "top_k"}, "found neither k nor fraction; allowed: either k"),
        ({"kind": "top_k", "k": 1, "fraction": 0.5}, "found k and fraction"),
        ({"kind": "top_k", "k": 0}, "k"),
        ({"kind": "qsgd"}, "levels"),
        ({"kind": "qsgd", "level": 4}, "did you mean levels"),
        ({"kind": "sign", "randomness": "shared"}, "unknown key"),
        ("qsgd", "levels"),
    ],
    ids=str,
)
def test_what_is_no_compressor_is_told_in_a_sentence(spec: Any, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        read(spec)


def test_among_equal_magnitudes_the_first_are_kept() -> None:
    x = np.array([1.0, -2.0, 2.0, -2.0])
    np.testing.assert_array_equal(TopK(k=2)(torch.from_numpy(x)[None])[0], [0.0, -2.0, 2.0, 0.0])
