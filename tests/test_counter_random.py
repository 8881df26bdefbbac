"""Counter-based random numbers: known bits, independence of the batch, distribution."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet import counter_random

KEYS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def test_bits_are_splitmix64_with_the_published_values() -> None:
    words = counter_random.bits(torch.tensor([1234567]), 5)[0].tolist()
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [word % 2**64 for word in words] == expected


@settings(max_examples=30, deadline=None)
@given(keys=KEYS, width=st.integers(1, 70))
def test_bits_equal_arithmetic_with_unbounded_integers(keys: list[int], width: int) -> None:
    words = counter_random.bits(torch.tensor(keys), width)
    for key, row in zip(keys, words.tolist(), strict=True):
        assert [word % 2**64 for word in row] == [_splitmix(key + (k + 1) * 0x9E3779B97F4A7C15) for k in range(width)]


@DTYPES
@pytest.mark.parametrize("function", [counter_random.uniform, counter_random.normal])
@settings(max_examples=20, deadline=None)
@given(keys=KEYS, width=st.integers(1, 70))
def test_a_row_does_not_depend_on_the_other_rows(
    function: Callable[..., torch.Tensor], dtype: torch.dtype, keys: list[int], width: int
) -> None:
    together = function(torch.tensor(keys), width, dtype)
    for key, row in zip(keys, together, strict=True):
        assert torch.equal(row, function(torch.tensor([key]), width, dtype)[0])


def test_many_rows_are_cut_into_blocks_without_a_trace() -> None:
    keys = torch.arange(1000)
    together = counter_random.uniform(keys, 333, torch.float32)
    assert torch.equal(together[789], counter_random.uniform(keys[789:790], 333, torch.float32)[0])


@DTYPES
def test_uniform_numbers_fill_the_half_open_unit_interval_evenly(dtype: torch.dtype) -> None:
    numbers = counter_random.uniform(torch.arange(100), 10_000, dtype)
    assert numbers.dtype == dtype
    assert 0 <= float(numbers.min()) < 1e-5
    assert 1 - 1e-5 < float(numbers.max()) < 1
    counts = torch.histc(numbers, 100, 0, 1)
    assert float(((counts - 10_000) ** 2 / 10_000).sum()) < 160  # chi-square with 99 degrees of freedom: p = 1e-4


def test_normal_numbers_have_the_moments_of_a_standard_normal() -> None:
    z = counter_random.normal(torch.arange(1000), 1000, torch.float64)
    assert abs(float(z.mean())) < 0.005
    assert abs(float(z.var()) - 1) < 0.01
    assert abs(float((z**4).mean()) - 3) < 0.05
    assert abs(float((z[:, :500] * z[:, 500:]).mean())) < 0.01  # the two halves of a Box-Muller pair


def _splitmix(state: int) -> int:
    z = state % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)
