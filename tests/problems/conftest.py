"""Problem entries as a scenario holds them, and small problems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from simnet.problems import build_problem
from simnet.problems.problem import Problem

DEFAULTS = {
    "dataset": "gaussian_mixture",
    "features": 6,
    "classes": 3,
    "samples_per_node": 20,
    "test_samples": 31,
    "separation": 3.0,
    "test_fraction": 0.2,
    "heterogeneity": 0.2,
    "model": SimpleNamespace(kind="linear"),
    "partition": SimpleNamespace(kind="iid"),
    "batch_size": 5,
    "order": SimpleNamespace(kind="with_replacement"),
    "l2": 0.0,
}


@pytest.fixture
def make() -> Callable[..., Problem]:
    """A function that builds a small problem; keyword arguments change the entry."""

    def build(
        nodes: int = 4, seed: int = 1, dtype: torch.dtype = torch.float64, base: Path = Path(), **changes: Any
    ) -> Problem:
        spec = SimpleNamespace(**{**DEFAULTS, **changes})
        return build_problem(spec, nodes, seed, dtype, torch.device("cpu"), base)

    return build


@pytest.fixture
def random_models() -> Callable[..., torch.Tensor]:
    """A function that gives one random model per row."""

    def draw(problem: Problem, rows: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(rows)
        return torch.randn(rows, problem.num_parameters, generator=generator, dtype=torch.float64).to(problem.dtype)

    return draw
