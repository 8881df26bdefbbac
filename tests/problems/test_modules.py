"""Modules of the user's own: vmap where it works, a loop with a note where not, and readable refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from simnet.errors import ParameterError
from simnet.problems.losses import SoftmaxLoss
from simnet.problems.models import ModuleModel

Make = Callable[..., Any]


class Unbatchable(nn.Module):
    """Asks for a number, which no batched call can answer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * (2.0 if float(self.linear.weight.detach()[0, 0]) > 100 else 1.0)


def model(make_module: Callable[[], nn.Module], outputs: int = 3) -> ModuleModel:
    return ModuleModel(make_module, (6,), outputs, torch.float64, torch.device("cpu"))


def test_a_module_that_vmap_refuses_runs_in_a_loop_with_a_note() -> None:
    looped = model(Unbatchable)
    assert "runs in a loop" in looped.notes[0]
    batched = model(lambda: nn.Linear(6, 3))
    assert batched.notes == []
    models_BD = torch.randn(4, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs, labels = torch.linspace(-1, 1, 4 * 5 * 6).double().view(4, 5, 6), torch.arange(20).view(4, 5) % 3
    outs = [torch.empty_like(models_BD) for _ in range(2)]
    for tried, out in zip((looped, batched), outs, strict=True):
        tried.backward(models_BD, inputs, lambda z: SoftmaxLoss().derivative(z, labels, 0.2), out)
    torch.testing.assert_close(outs[0], outs[1])
    torch.testing.assert_close(looped.outputs(models_BD, inputs[0]), batched.outputs(models_BD, inputs[0]))


def test_batch_norm_uses_batch_statistics_and_says_so() -> None:
    normed = model(lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)))
    assert any("BatchNorm" in note for note in normed.notes)
    assert not any("loop" in note for note in normed.notes)
    model_1D = normed.initial(1)[None]
    inputs = torch.rand(10, 6, dtype=torch.float64)
    assert torch.equal(normed.outputs(model_1D, inputs), normed.outputs(model_1D, inputs))  # nothing is remembered


def test_dropout_is_off_and_says_so() -> None:
    dropped = model(lambda: nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5)))
    assert dropped.notes == ["model: dropout is off"]


def test_initial_values_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    linear = model(lambda: nn.Linear(6, 3))
    state = torch.get_rng_state()
    assert torch.equal(linear.initial(1), linear.initial(1))
    assert not torch.equal(linear.initial(1), linear.initial(2))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("make_module", "message"),
    [
        (lambda: nn.Linear(5, 3), r"fails on samples of shape \(6,\)"),
        (lambda: nn.Linear(6, 4), r"the module gave \(4, 4\); it must give \(4, 3\)"),
        (nn.ReLU, "no parameters"),
        (lambda: 3, "gave a int; it must give a torch.nn.Module"),
        (lambda: 1 / 0, "building the module failed: ZeroDivisionError"),
    ],
)
def test_impossible_modules_are_refused(make_module: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        model(make_module)


def test_a_factory_beside_the_scenario_is_found(make: Make, tmp_path: Path) -> None:
    (tmp_path / "my_model_for_simnet.py").write_text(
        "from torch import nn\n"
        "def net(hidden):\n"
        "    return nn.Sequential(nn.Linear(6, hidden), nn.Tanh(), nn.Linear(hidden, 3))\n"
    )
    problem = make(model=SimpleNamespace(factory="my_model_for_simnet:net", keywords={"hidden": 4}), base=tmp_path)
    assert list(problem.state_dict(problem.initial_model(1))) == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize("path", ["nowhere_at_all:net", "torch.nn:Nothing", "torch.nn", ":"])
def test_a_wrong_import_path_is_refused(make: Make, path: str) -> None:
    with pytest.raises(ParameterError, match=r"model\.factory"):
        make(model=SimpleNamespace(factory=path, keywords={}))


def test_cnn_refuses_data_that_are_no_images(make: Make) -> None:
    with pytest.raises(ParameterError, match="cnn needs images"):
        make(model=SimpleNamespace(kind="cnn", channels=[2, 4]))
