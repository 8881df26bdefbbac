"""Kernels of clipped and adaptive steps: pure row by row to the last bit, and equal to torch's own formulas.

B: rows in one batched call. D: numbers in a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from simnet.values.adaptive import (
    AdaptiveDirection,
    ClipNorm,
    Constant,
    Normalize,
    RunningMaximum,
    SecondMoment,
    row_norms,
    row_sums,
)

KERNELS = {  # with how many rows they take, and how many numbers of the call
    ClipNorm(0.7): (1, 0),
    Normalize(1e-8): (1, 0),
    SecondMoment(0.999): (2, 0),
    RunningMaximum(0.9): (2, 1),
    AdaptiveDirection(eps=1e-8): (2, 1),
    AdaptiveDirection(floor=1e-6): (2, 1),
    Constant(0.3): (1, 0),
}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def inputs(kernel: Any, B: int, D: int, dtype: torch.dtype) -> list[torch.Tensor]:
    rows, numbers = KERNELS[kernel]
    generator = torch.Generator().manual_seed(B * D)
    scale_B1 = 10.0 ** torch.randint(-4, 5, (B, 1), generator=generator)
    rows_BD = [(torch.randn((B, D), generator=generator, dtype=torch.float64) * scale_B1).to(dtype) for _ in range(rows)]
    if rows == 2:
        rows_BD[isinstance(kernel, AdaptiveDirection)].abs_()  # a second moment
    return rows_BD + [torch.rand((B, 1), generator=generator, dtype=torch.float64).to(dtype) for _ in range(numbers)]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("D", [1, 17, 70_001])
@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_a_row_of_the_result_depends_on_that_row_alone(kernel: Any, D: int, dtype: torch.dtype, device: str) -> None:
    """To the last bit, whatever the batch and where in it the row lies; a transposed batch lies otherwise in memory."""
    given = [value.to(device) for value in inputs(kernel, 7, D, dtype)]
    result_BD = kernel(*given)
    assert result_BD.shape == (7, D)
    assert result_BD.dtype == dtype
    assert result_BD.isfinite().all()
    for b in (0, 3, 6):
        assert torch.equal(kernel(*[value[b : b + 1] for value in given])[0], result_BD[b])
        assert torch.equal(kernel(*[value[b:].clone() for value in given])[0], result_BD[b])
    scattered = [value.t().contiguous().t() for value in given]
    assert torch.equal(kernel(*scattered), result_BD)


@pytest.mark.parametrize("D", [1, 2, 3, 4, 5, 31, 32, 33, 1000])
def test_sums_and_norms_of_rows_are_those_of_torch(D: int) -> None:
    x_BD = torch.randn((5, D), generator=torch.Generator().manual_seed(D), dtype=torch.float64)
    untouched_BD = x_BD.clone()
    torch.testing.assert_close(row_sums(x_BD)[:, 0], x_BD.sum(dim=1), rtol=0, atol=1e-12)
    torch.testing.assert_close(row_norms(x_BD)[:, 0], x_BD.norm(dim=1), rtol=1e-14, atol=0)
    assert torch.equal(x_BD, untouched_BD)


def test_clipping_leaves_short_vectors_as_they_are_and_makes_long_ones_as_long_as_the_bound() -> None:
    g_BD = torch.randn((50, 9), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    clipped_BD = ClipNorm(3.0)(g_BD)
    is_short_B = g_BD.norm(dim=1) <= 3.0
    assert 0 < is_short_B.sum() < 50
    assert torch.equal(clipped_BD[is_short_B], g_BD[is_short_B])
    torch.testing.assert_close(clipped_BD[~is_short_B].norm(dim=1), torch.tensor(3.0).double().expand(int((~is_short_B).sum())))
    cosines_B = torch.nn.functional.cosine_similarity(g_BD, clipped_BD, dim=1)
    torch.testing.assert_close(cosines_B, torch.ones_like(cosines_B))


def test_clipping_is_that_of_torch() -> None:
    g_BD = torch.randn((20, 9), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for g_D, clipped_D in zip(g_BD, ClipNorm(2.5)(g_BD), strict=True):
        parameter = torch.zeros(9, dtype=torch.float64, requires_grad=True)
        parameter.grad = g_D.clone()
        torch.nn.utils.clip_grad_norm_([parameter], 2.5)
        torch.testing.assert_close(clipped_D, parameter.grad, rtol=1e-6, atol=0)  # torch adds 1e-6 to the norm


@pytest.mark.parametrize("kernel", [ClipNorm(1.0), Normalize(1e-8)], ids=repr)
def test_zero_stays_zero(kernel: Any) -> None:
    zeros_BD = torch.zeros(2, 3)
    assert torch.equal(kernel(zeros_BD), zeros_BD)


def test_a_maximum_never_falls_and_is_reached_at_once_without_smoothing() -> None:
    generator = torch.Generator().manual_seed(3)
    ones_B1 = torch.ones(2, 1)
    for beta3 in (0.0, 0.5, 0.9):
        p_BD, seen_BD = torch.zeros(2, 4), torch.zeros(2, 4)
        for _ in range(20):
            v_BD = torch.rand((2, 4), generator=generator)
            seen_BD = torch.maximum(seen_BD, v_BD)
            before_BD, p_BD = p_BD, RunningMaximum(beta3)(p_BD, v_BD, ones_B1)
            assert (p_BD >= before_BD - 1e-7).all()  # rounded
            assert (p_BD <= seen_BD + 1e-7).all()
        if beta3 == 0.0:
            assert torch.equal(p_BD, seen_BD)
