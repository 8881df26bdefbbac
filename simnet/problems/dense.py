"""Fully connected networks, many models at once, with forward and backward pass written out.

Shapes: ``B`` models, ``D`` parameters, ``F`` features, ``C`` outputs, ``b`` samples, ``o`` and ``i`` a layer's outputs
and inputs. Activations are feature-major, h_Bib: matrix products of these shapes and softmax run several times faster
than sample-major, and a layer's gradient delta_Bob h_Bib^T comes out in the layout of its weights.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from simnet.problems.models import BatchedModel
from simnet.streams import stream

Layer = tuple[Tensor, Tensor | None]


class DenseModel(BatchedModel):
    """z = W_L relu(... relu(W_1 x + c_1) ...) + c_L; one layer is (softmax) regression.

    The flat model holds, layer by layer, the weights [o, i] and the biases [o], as ``torch.nn.Sequential`` of
    ``torch.nn.Linear`` and ``torch.nn.ReLU`` does. A single layer starts at zero (its problem is convex), several start
    as ``torch.nn.Linear`` does: uniform in +-1 / sqrt(i).

    Args:
        sizes: numbers of features, of hidden units, ..., of outputs.
        bias: whether the layers have biases.

    Example:
        >>> DenseModel([64, 128, 10]).num_parameters
        9610
        >>> list(DenseModel([64, 10]).shapes)
        ['weight', 'bias']
    """

    def __init__(self, sizes: Sequence[int], *, bias: bool = True) -> None:
        self.sizes = tuple(sizes)
        self.bias = bias
        super().__init__(self._named_shapes(), input_shape=self.sizes[:1], activations=sum(self.sizes[1:]))

    def _named_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (num_in, num_out) in enumerate(itertools.pairwise(self.sizes)):
            prefix = "" if len(self.sizes) == 2 else f"{2 * layer}."  # a Sequential counts the ReLUs too
            shapes[f"{prefix}weight"] = (num_out, num_in)
            if self.bias:
                shapes[f"{prefix}bias"] = (num_out,)
        return shapes

    def initial(self, seed: int) -> Tensor:
        """The start of a run, float64 [D]."""
        if len(self.sizes) == 2:
            return torch.zeros(self.num_parameters, dtype=torch.float64)
        rng = stream(seed, "init")
        parts = [
            torch.from_numpy(rng.uniform(-1.0, 1.0, num_out * (num_in + self.bias)) / math.sqrt(num_in))
            for num_in, num_out in itertools.pairwise(self.sizes)
        ]
        return torch.cat(parts)

    def outputs(self, models_BD: Tensor, inputs: Tensor) -> Tensor:
        """The outputs z_BCb for inputs [B, b, F], or for inputs [b, F] shared by all models."""
        *hidden, last = self._layers(models_BD)
        h = inputs.mT
        for layer in hidden:
            h = _affine(layer, h).relu_()
        return _affine(last, h)

    def backward(
        self, models_BD: Tensor, inputs: Tensor, derivative: Callable[[Tensor], Tensor], out_BD: Tensor
    ) -> None:
        """Writes the gradients; ``derivative`` maps the outputs z_BCb to the loss's derivative by them."""
        layers, gradients = self._layers(models_BD), self._layers(out_BD)
        hs = [inputs.mT]
        for layer in layers[:-1]:
            hs.append(_affine(layer, hs[-1]).relu_())
        delta_Bob = derivative(_affine(layers[-1], hs[-1]))
        for k in reversed(range(len(layers))):
            weight_grad_Boi, bias_grad_Bo = gradients[k]
            weight_grad_Boi.copy_(torch.bmm(delta_Bob, hs[k].mT))  # out= into strided rows takes three times as long
            if bias_grad_Bo is not None:
                bias_grad_Bo.copy_(delta_Bob.sum(2))
            if k > 0:
                delta_Bob = torch.bmm(layers[k][0].mT, delta_Bob).mul_(hs[k].sign_())  # relu' is the sign of h >= 0

    def _layers(self, flat_BD: Tensor) -> list[Layer]:
        views = iter(self.views(flat_BD))
        return [(weight, next(views) if self.bias else None) for weight in views]


def _affine(layer: Layer, h: Tensor) -> Tensor:
    weight_Boi, bias_Bo = layer
    z_Bob = torch.matmul(weight_Boi, h)
    return z_Bob if bias_Bo is None else z_Bob.add_(bias_Bo.unsqueeze(2))
