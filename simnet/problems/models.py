"""Models whose parameters are the rows of one matrix: the interface, and any ``torch.nn.Module`` behind it.

Shapes: ``B`` models, ``D`` parameters, ``C`` outputs, ``b`` samples.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from simnet.errors import ParameterError
from simnet.streams import stream_key

Derivative = Callable[[Tensor], Tensor]


class BatchedModel(ABC):
    """A parametric function evaluated for many parameter vectors at once.

    Args:
        shapes: names and shapes of the parameters, in the order in which they lie in the flat model.
        input_shape: of one sample.
        activations: numbers that a forward pass keeps per sample, for memory bounds.

    Attributes:
        num_parameters: D.
        cpu_bytes: working set at which a batched call is cut into chunks on a CPU (its caches decide).
        notes: sentences a user should see.
    """

    cpu_bytes = 4 << 20

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], input_shape: tuple[int, ...], activations: int) -> None:
        self.shapes = dict(shapes)
        self.input_shape = input_shape
        self.activations = activations
        self.notes: list[str] = []
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        self._spans = [(end - size, end, shape) for end, size, shape in zip(ends, sizes, shapes.values(), strict=True)]
        self.num_parameters = sum(sizes)

    def views(self, flat_BD: Tensor) -> list[Tensor]:
        """The parameters as views [B, *shape] of the rows, one for each name in ``shapes``.

        Args:
            flat_BD: models or gradients; rows may be strided or expanded.
        """
        rows = len(flat_BD)
        return [flat_BD[:, start:end].view(rows, *shape) for start, end, shape in self._spans]

    def state_dict(self, model_D: Tensor) -> dict[str, Tensor]:
        """The flat model as named views.

        Args:
            model_D: one model.
        """
        return {name: view[0] for name, view in zip(self.shapes, self.views(model_D[None]), strict=True)}

    def is_shared(self, inputs: Tensor) -> bool:
        """Whether inputs are [b, ...], the same for all models, and not [B, b, ...].

        Args:
            inputs: of either shape.
        """
        return inputs.dim() == len(self.input_shape) + 1

    @abstractmethod
    def initial(self, seed: int) -> Tensor:
        """The start of a run, float64 [D].

        Args:
            seed: the run's seed.
        """

    @abstractmethod
    def outputs(self, models_BD: Tensor, inputs: Tensor) -> Tensor:
        """The outputs z_BCb.

        Args:
            models_BD: one model per row; not changed.
            inputs: [B, b, ...], or [b, ...] shared by all models.
        """

    @abstractmethod
    def backward(self, models_BD: Tensor, inputs: Tensor, derivative: Derivative, out_BD: Tensor) -> None:
        """Writes each model's gradient over its own inputs.

        Args:
            models_BD: the models; not changed.
            inputs: the samples, [B, b, ...].
            derivative: maps the outputs z_BCb to the derivative of the loss with respect to them, [B, C, b].
            out_BD: receives the gradients; must not overlap ``models_BD``.
        """


class ModuleModel(BatchedModel):
    """Any ``torch.nn.Module``, batched over its parameters by ``vmap``: one forward, one backward for all models.

    The backward pass goes to per-parameter views of the rows: as slices of one flat leaf, each parameter's gradient
    would be padded with zeros to the length of the row. Modules that ``vmap`` cannot handle run in a loop, with a note.

    Args:
        make: builds the module; random initial values come from torch's generator, seeded by the run's seed.
        input_shape: of one sample.
        num_outputs: C.
        dtype: of the parameters.
        device: of the parameters.

    Raises:
        ParameterError: when the module cannot be built or does not map [b, *input_shape] to [b, C].

    Example:
        >>> model = ModuleModel(lambda: nn.Linear(4, 3), (4,), 3, torch.float32, torch.device("cpu"))
        >>> model.outputs(torch.zeros(2, model.num_parameters), torch.ones(5, 4)).shape  # 2 models, 3 outputs, 5 samples
        torch.Size([2, 3, 5])
    """

    cpu_bytes = 64 << 20

    def __init__(
        self,
        make: Callable[[], nn.Module],
        input_shape: tuple[int, ...],
        num_outputs: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._make = make
        self._module = self._build(seed=0).to(device=device, dtype=dtype).eval()
        shapes = {name: tuple(p.shape) for name, p in self._module.named_parameters()}
        if not shapes:
            raise ParameterError("model: the module has no parameters; at least one is needed to train")
        notes = _tame(self._module)
        trial_bx = torch.linspace(0.0, 1.0, 4 * math.prod(input_shape), dtype=dtype, device=device)
        trial_bx = trial_bx.view(4, *input_shape)
        super().__init__(shapes, input_shape, _count_activations(self._module, trial_bx, num_outputs))
        self.notes += notes
        self._is_batched = True
        self._is_batched = self._vmap_works(trial_bx)

    def initial(self, seed: int) -> Tensor:
        """The start of a run, float64 [D]."""
        return torch.cat([p.detach().double().flatten() for p in self._build(seed).parameters()])

    def outputs(self, models_BD: Tensor, inputs: Tensor) -> Tensor:
        """The outputs z_BCb for inputs [B, b, ...], or for inputs [b, ...] shared by all models."""
        with torch.no_grad():
            return self._forward(self.views(models_BD), inputs).mT

    def backward(self, models_BD: Tensor, inputs: Tensor, derivative: Derivative, out_BD: Tensor) -> None:
        """Writes the gradients; ``derivative`` maps the outputs z_BCb to the loss's derivative by them."""
        leaves = [view.detach().requires_grad_() for view in self.views(models_BD)]
        with torch.enable_grad():
            outputs_BbC = self._forward(leaves, inputs)
        delta_BCb = derivative(outputs_BbC.detach().mT)
        gradients = torch.autograd.grad(outputs_BbC, leaves, delta_BCb.mT, materialize_grads=True)
        for target, gradient in zip(self.views(out_BD), gradients, strict=True):
            target.copy_(gradient)

    def _forward(self, parameters: list[Tensor], inputs: Tensor) -> Tensor:
        named = dict(zip(self.shapes, parameters, strict=True))
        shared = self.is_shared(inputs)
        if self._is_batched:
            return torch.vmap(self._call, in_dims=(0, None if shared else 0))(named, inputs)
        calls = [
            self._call({name: p[i] for name, p in named.items()}, inputs if shared else inputs[i])
            for i in range(len(parameters[0]))
        ]
        return torch.stack(calls)

    def _call(self, parameters: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return cast("Tensor", torch.func.functional_call(self._module, parameters, (inputs,)))

    def _build(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):  # the caller's random state is as it was afterwards
            torch.manual_seed(stream_key(seed, "init"))
            try:
                module = self._make()
            except Exception as error:
                raise ParameterError(f"model: building the module failed: {type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise ParameterError(f"model: the factory gave a {type(module).__name__}; it must give a torch.nn.Module")
        return module

    def _vmap_works(self, trial_bx: Tensor) -> bool:
        """Compares a batched call with the loop, forward and backward."""
        flat_D = torch.cat([p.detach().flatten() for p in self._module.parameters()])
        models_BD = torch.stack((flat_D, 0.5 * flat_D))
        results = []
        for batched in (False, True):
            self._is_batched = batched
            out_BD = torch.empty_like(models_BD)
            try:
                self.backward(models_BD, trial_bx.expand(2, *trial_bx.shape), torch.tanh, out_BD)
            except (RuntimeError, NotImplementedError, ValueError) as error:
                reason = str(error).strip().split("\n", maxsplit=1)[0][:120]
                break
            results.append(out_BD)
        else:
            if torch.allclose(results[0], results[1], rtol=1e-3, atol=1e-5, equal_nan=True):
                return True
            reason = "batched and single gradients differ"
        self.notes.append(f"model: the module cannot be batched over nodes and runs in a loop, slowly ({reason})")
        return False


def _tame(module: nn.Module) -> list[str]:
    """Makes a module a pure function of parameters and inputs; returns what a user should know about it."""
    notes = []
    parts = list(module.modules())
    norms = [p for p in parts if isinstance(p, nn.modules.batchnorm._NormBase) and p.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
        norm.running_mean = norm.running_var = norm.num_batches_tracked = None
    if norms:
        notes.append("model: BatchNorm uses each batch's own statistics; GroupNorm does not depend on the batch")
    if any(isinstance(p, nn.modules.dropout._DropoutNd) and p.p > 0 for p in parts):
        notes.append("model: dropout is off")
    return notes


def _count_activations(module: nn.Module, trial_bx: Tensor, num_outputs: int) -> int:
    """Numbers per sample that the module's parts put out in a trial call, whose output shape is checked."""
    count = 0

    def add(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal count
        count += output.numel() if isinstance(output, Tensor) else 0

    hooks = [part.register_forward_hook(add) for part in module.modules()]
    found = f"samples of shape {tuple(trial_bx.shape[1:])}"
    try:
        with torch.no_grad():
            outputs = module(trial_bx)
    except Exception as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ParameterError(f"model: the module fails on {found}: {type(error).__name__}: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()
    wanted = (len(trial_bx), num_outputs)
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != wanted:
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ParameterError(f"model: for {wanted[0]} {found} the module gave {shape}; it must give {wanted}")
    return max(1, count // len(trial_bx))
