"""The floor under D-PSGD's cost: a hand-written loop without any clock, X <- W X - lr G, one thread, float32.

Run `python benchmarks/floor.py` (`--help` names the options). Shapes: `N` nodes, `B` samples of a mini-batch,
`F` features, `C` classes, `H` hidden units, `S` own samples of a node, `D` parameters.

Two ways to write the same arithmetic are measured. `plain` is what one writes first: `torch.bmm`, weights [out, in] as
in torch's own layers, logits [N, B, C]. `tuned` is as fast as we could make it: logits [N, C, B], so that the softmax
runs along the batch; NumPy's matrix products where they beat `bmm`; nodes in groups that fit the cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import measure
import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

NUM_FEATURES, NUM_CLASSES, NUM_HIDDEN, NUM_OWN, BATCH = 64, 10, 128, 128, 32
LR = 0.1
BLOCK = 64  # steps whose mini-batches are drawn at once
SIZES = {"linear": [(NUM_CLASSES, NUM_FEATURES)], "mlp": [(NUM_HIDDEN, NUM_FEATURES), (NUM_CLASSES, NUM_HIDDEN)]}
GROUPS = {"linear": 128, "mlp": 32}  # nodes that `tuned` handles together


def ring(n: int) -> sp.csr_array:
    """The mixing matrix of a ring, all weights 1/3, float32."""
    nodes = np.arange(n)
    columns = np.concatenate([nodes, (nodes + 1) % n, (nodes - 1) % n])
    return sp.csr_array((np.full(3 * n, 1 / 3, np.float32), (np.tile(nodes, 3), columns)), shape=(n, n))


def mixture(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Every node's samples [N, S, F] and labels [N, S] of one Gaussian mixture."""
    rng = np.random.default_rng(seed)
    centres_CF = rng.normal(size=(NUM_CLASSES, NUM_FEATURES))
    labels_NS = rng.integers(NUM_CLASSES, size=(n, NUM_OWN))
    data_NSF = centres_CF[labels_NS] + rng.normal(size=(n, NUM_OWN, NUM_FEATURES))
    return torch.from_numpy(data_NSF.astype(np.float32)), torch.from_numpy(labels_NS)


class Floor:
    """The state of the loop: models, data, and the index of every mini-batch to come.

    Args:
        model: `linear` or `mlp`.
        n: nodes.
        seed: of data, start and mini-batches.
    """

    def __init__(self, model: str, n: int, seed: int = 0) -> None:
        self.n = n
        data_NSF, labels_NS = mixture(n, seed)
        self.data, self.labels = data_NSF.view(-1, NUM_FEATURES), labels_NS.view(-1)
        self.rng = np.random.default_rng(seed)
        self.mixing = ring(n)
        self.shapes = SIZES[model]
        num_parameters = sum(rows * columns + rows for rows, columns in self.shapes)
        start_D = self.rng.normal(scale=0.05, size=num_parameters).astype(np.float32)
        self.models = torch.from_numpy(np.tile(start_D, (n, 1)))
        self.batches = self._draw()

    def _draw(self) -> Iterator[Tensor]:
        own = NUM_OWN * np.arange(self.n)[:, None]
        while True:
            block = self.rng.integers(NUM_OWN, size=(BLOCK, self.n, BATCH)) + own
            yield from torch.from_numpy(block)

    def views(self, models: Tensor) -> list[Tensor]:
        """The layers inside [N, D]: weights [N, out, in] and biases [N, out] in turn."""
        parts, at = [], 0
        for rows, columns in self.shapes:
            parts.append(models[:, at : at + rows * columns].view(-1, rows, columns))
            at += rows * columns + rows
            parts.append(models[:, at - rows : at])
        return parts


class Plain(Floor):
    """`torch.bmm` over all nodes at once, logits [N, B, C]."""

    def __init__(self, model: str, n: int, seed: int = 0) -> None:
        super().__init__(model, n, seed)
        self.gradient = {"linear": self._linear, "mlp": self._mlp}[model]

    def step(self) -> None:
        """One step of all nodes."""
        index_NB = next(self.batches)
        x_NBF = self.data.index_select(0, index_NB.view(-1)).view(self.n, BATCH, NUM_FEATURES)
        target_NB = self.labels.index_select(0, index_NB.view(-1)).view(self.n, BATCH)
        gradients = self.gradient(self.views(self.models), x_NBF, target_NB)
        self.models = torch.from_numpy(self.mixing @ self.models.numpy())
        for part, gradient in zip(self.views(self.models), gradients, strict=True):
            part.sub_(gradient, alpha=LR / BATCH)

    def _linear(self, parts: list[Tensor], x_NBF: Tensor, target_NB: Tensor) -> list[Tensor]:
        weight, bias = parts
        error_NBC = _error(torch.bmm(x_NBF, weight.mT).add_(bias.unsqueeze(1)), target_NB, dim=2)
        return [torch.bmm(error_NBC.mT, x_NBF), error_NBC.sum(1)]

    def _mlp(self, parts: list[Tensor], x_NBF: Tensor, target_NB: Tensor) -> list[Tensor]:
        weight1, bias1, weight2, bias2 = parts
        hidden_NBH = torch.bmm(x_NBF, weight1.mT).add_(bias1.unsqueeze(1)).relu_()
        error_NBC = _error(torch.bmm(hidden_NBH, weight2.mT).add_(bias2.unsqueeze(1)), target_NB, dim=2)
        back_NBH = torch.bmm(error_NBC, weight2).mul_(hidden_NBH > 0)
        return [
            torch.bmm(back_NBH.mT, x_NBF),
            back_NBH.sum(1),
            torch.bmm(error_NBC.mT, hidden_NBH),
            error_NBC.sum(1),
        ]


class Tuned(Floor):
    """NumPy's products on groups of nodes, logits [N, C, B], every buffer reused."""

    def __init__(self, model: str, n: int, seed: int = 0) -> None:
        super().__init__(model, n, seed)
        self.spare = torch.empty_like(self.models)
        size = min(n, GROUPS[model])
        self.groups = [slice(at, min(at + size, n)) for at in range(0, n, size)]
        self.rows = [self.mixing[group] for group in self.groups]
        self.gradient = {"linear": self._linear, "mlp": self._mlp}[model]
        self.x = torch.empty(size * BATCH, NUM_FEATURES)
        self.hidden, self.back = np.empty((2, size, NUM_HIDDEN, BATCH), np.float32)
        self.logits = np.empty((size, NUM_CLASSES, BATCH), np.float32)
        self.weights = [np.empty((size, *shape), np.float32) for shape in self.shapes]

    def step(self) -> None:
        """One step of all nodes."""
        index_NB, models = next(self.batches), self.models.numpy()
        for group, rows in zip(self.groups, self.rows, strict=True):
            index = index_NB[group].reshape(-1)
            x = torch.index_select(self.data, 0, index, out=self.x[: len(index)]).numpy()
            target = self.labels.index_select(0, index).view(-1, BATCH)
            gradients = self.gradient(self.views(self.models[group]), x.reshape(-1, BATCH, NUM_FEATURES), target)
            mixed = torch.from_numpy(rows @ models)
            parts, spare = self.views(mixed), self.views(self.spare[group])
            for part, gradient, into in zip(parts, gradients, spare, strict=True):
                torch.sub(part, gradient, alpha=LR / BATCH, out=into)
        self.models, self.spare = self.spare, self.models

    def _linear(self, parts: list[Tensor], x_NBF: np.ndarray, target_NB: Tensor) -> list[Tensor]:
        weight, bias = parts
        count = len(x_NBF)
        logits = torch.from_numpy(np.matmul(weight.numpy(), x_NBF.swapaxes(1, 2), out=self.logits[:count]))
        error_NCB = _error(logits.add_(bias.unsqueeze(2)), target_NB, dim=1)
        gradient = np.matmul(error_NCB.numpy(), x_NBF, out=self.weights[0][:count])
        return [torch.from_numpy(gradient), error_NCB.sum(2)]

    def _mlp(self, parts: list[Tensor], x_NBF: np.ndarray, target_NB: Tensor) -> list[Tensor]:
        weight1, bias1, weight2, bias2 = parts
        count = len(x_NBF)
        hidden_NHB = torch.from_numpy(np.matmul(weight1.numpy(), x_NBF.swapaxes(1, 2), out=self.hidden[:count]))
        hidden_NHB.add_(bias1.unsqueeze(2)).relu_()
        logits = torch.from_numpy(np.matmul(weight2.numpy(), hidden_NHB.numpy(), out=self.logits[:count]))
        error_NCB = _error(logits.add_(bias2.unsqueeze(2)), target_NB, dim=1)
        back_NHB = torch.from_numpy(np.matmul(weight2.mT.numpy(), error_NCB.numpy(), out=self.back[:count]))
        torch.ops.aten.threshold_backward.grad_input(back_NHB, hidden_NHB, 0, grad_input=back_NHB)
        gradient1 = np.matmul(back_NHB.numpy(), x_NBF, out=self.weights[0][:count])
        gradient2 = torch.bmm(error_NCB, hidden_NHB.mT, out=torch.from_numpy(self.weights[1][:count]))
        return [torch.from_numpy(gradient1), back_NHB.sum(2), gradient2, error_NCB.sum(2)]


def _error(logits: Tensor, target_NB: Tensor, dim: int) -> Tensor:
    """Softmax minus the one-hot target, the derivative of the cross-entropy by the logits; classes along `dim`."""
    error = torch.softmax(logits, dim)
    target = target_NB.unsqueeze(dim)
    return error.scatter_add_(dim, target, error.new_full((1, 1, 1), -1.0).expand_as(target))


LOOPS: dict[str, type[Plain | Tuned]] = {"plain": Plain, "tuned": Tuned}


def check(model: str) -> None:
    """Both loops take the same steps as autograd does, to rounding."""
    n, num_steps = 5, 3
    loops = [loop(model, n) for loop in LOOPS.values()]
    draws = Floor(model, n)
    expected = draws.models
    for _ in range(num_steps):
        for loop in loops:
            loop.step()
        expected = _autograd_step(draws, expected)
    for loop in loops:
        torch.testing.assert_close(loop.models, expected, rtol=1e-4, atol=1e-6)


def _autograd_step(floor: Floor, models_ND: Tensor) -> Tensor:
    leaf = models_ND.clone().requires_grad_()
    index_NB = next(floor.batches)
    activation, parts = floor.data[index_NB], floor.views(leaf)
    for layer in range(0, len(parts), 2):
        activation = torch.relu(activation) if layer else activation
        activation = activation @ parts[layer].mT + parts[layer + 1].unsqueeze(1)
    loss = cross_entropy(activation.flatten(0, 1), floor.labels[index_NB].flatten(), reduction="sum") / BATCH
    (gradient,) = torch.autograd.grad(loss, leaf)
    return torch.from_numpy(floor.mixing @ models_ND.numpy()) - LR * gradient


def us_per_node_step(loop: Plain | Tuned, num_steps: int) -> Callable[[], float]:
    """A function that measures the wall time of one step of one node [us] once, for `measure.interleaved`."""

    def steps() -> None:
        for _ in range(num_steps):
            loop.step()

    return lambda: 1e6 * measure.seconds(steps) / num_steps / loop.n


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Wall time per node-step of D-PSGD without any clock.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--models", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--node-steps", type=int, default=5_000, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.one_thread()
    rows: list[measure.Row] = []
    for model in options.models:
        check(model)
        for n in options.nodes:
            num_steps = max(1, options.node_steps // n)
            actions = {name: us_per_node_step(loop(model, n), num_steps) for name, loop in LOOPS.items()}
            figures = measure.interleaved(actions, options.repeats)
            rows.append({"model": model, "n": n, **measure.best(figures)})
    measure.report("Floor: wall time per node-step [us]", rows, options.json)


if __name__ == "__main__":
    main()
