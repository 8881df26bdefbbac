"""The neural tangent kernel of a model, and how the model evolves under it.

Shapes: ``D`` parameters, ``C`` outputs, ``b`` samples, ``p`` of them at once.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor

from simnet.problems.losses import Loss
from simnet.problems.models import BatchedModel


def evolved(
    model: BatchedModel,
    loss: Loss,
    parameters_1D: Tensor,
    inputs_b: Tensor,
    labels_b: Tensor,
    lr: float,
    duration: int,
    block: int,
) -> Tensor:
    """A model after its outputs have evolved for a while under its tangent kernel, as if it were linear.

    ``dz/dt = -lr/b H dl/dz``, solved by the classical Runge-Kutta method, one step per unit of time
    (stable while lr times the largest eigenvalue of H / b stays below 2.7); then the derivatives
    at t = 0, 1, ..., duration - 1 are mapped back: ``x <- x - lr/b J^T sum_t dl/dz(t)``.

    Args:
        model: a parametric function.
        loss: l, of its outputs z.
        parameters_1D: x, where it is linearized.
        inputs_b: samples, [b, ...].
        labels_b: their labels.
        lr: length of a unit of time.
        duration: units of time.
        block: samples whose gradients are held at once, of two such blocks.

    Returns:
        The new parameters, ``[1, D]``.

    Reference: Thompson, Yue, Wong, Dai: NTK-DFL. ICML 2025 (after Yue, Jin, Pilgrim, Wong, Baron, Dai: Neural Tangent
    Kernel Empowered Federated Learning. ICML 2022).
    """
    outputs_1Cb = model.outputs(parameters_1D, inputs_b)
    kernel_bb = tangent_kernel(model, parameters_1D, inputs_b, outputs_1Cb.shape[1], block)
    weight = 1.0 / len(inputs_b)

    def derivative(z_1Cb: Tensor) -> Tensor:
        return loss.derivative(z_1Cb, labels_b[None], weight)

    total_1Cb = torch.zeros_like(outputs_1Cb)
    for _ in range(duration):
        first = derivative(outputs_1Cb)
        total_1Cb += first
        slope = -lr * first @ kernel_bb
        middle = -lr * derivative(outputs_1Cb + slope / 2) @ kernel_bb
        other = -lr * derivative(outputs_1Cb + middle / 2) @ kernel_bb
        last = -lr * derivative(outputs_1Cb + other) @ kernel_bb
        outputs_1Cb = outputs_1Cb + (slope + 2 * middle + 2 * other + last) / 6
    change_1D = torch.empty_like(parameters_1D)
    model.backward(parameters_1D, inputs_b[None], lambda _: total_1Cb, change_1D)
    return parameters_1D - lr * change_1D


def tangent_kernel(model: BatchedModel, parameters_1D: Tensor, inputs_b: Tensor, num_outputs: int, block: int) -> Tensor:
    """The empirical tangent kernel, mean over the outputs: ``H_st = 1/C sum_c <dz_c(s)/dx, dz_c(t)/dx>``.

    Args:
        model: a parametric function.
        parameters_1D: x.
        inputs_b: samples, [b, ...].
        num_outputs: C.
        block: samples whose gradients are held at once, of two such blocks.

    Returns:
        The kernel, ``[b, b]``.
    """
    kernel_bb = parameters_1D.new_empty((len(inputs_b), len(inputs_b)))
    parts = [slice(start, start + block) for start in range(0, len(inputs_b), block)]
    for rows, columns in combinations_with_replacement(parts, 2):
        products = torch.zeros_like(kernel_bb[rows, columns])
        for c in range(num_outputs):
            left_pD = output_gradients(model, parameters_1D, inputs_b[rows], num_outputs, c)
            same = rows == columns
            right_pD = left_pD if same else output_gradients(model, parameters_1D, inputs_b[columns], num_outputs, c)
            products += left_pD @ right_pD.T
        kernel_bb[rows, columns] = products / num_outputs
        kernel_bb[columns, rows] = products.T / num_outputs
    return kernel_bb


def output_gradients(model: BatchedModel, parameters_1D: Tensor, inputs_p: Tensor, num_outputs: int, c: int) -> Tensor:
    """The gradient of one output with respect to the parameters, for each sample.

    Args:
        model: a parametric function.
        parameters_1D: x.
        inputs_p: samples, [p, ...].
        num_outputs: C.
        c: which output.

    Returns:
        One row for each sample, ``[p, D]``.
    """
    only_pC1 = parameters_1D.new_zeros((len(inputs_p), num_outputs, 1))
    only_pC1[:, c] = 1.0
    models_pD = parameters_1D.expand(len(inputs_p), -1)
    out_pD = models_pD.new_empty(models_pD.shape)
    model.backward(models_pD, inputs_p[:, None], lambda _: only_pC1, out_pD)
    return out_pD
