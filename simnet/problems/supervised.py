"""Classification: a data set spread over nodes, a model and a loss.

Shapes: ``N`` nodes, ``D`` parameters, ``B`` gradients in one batched call, ``b`` samples in one mini-batch, ``C``
outputs, ``S`` training samples, ``T`` samples an evaluation runs over.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from simnet.problems.datasets import Dataset
from simnet.problems.keepers import KEEPERS, OrderKeeper
from simnet.problems.losses import Loss
from simnet.problems.models import BatchedModel
from simnet.problems.orders import Order
from simnet.problems.passes import WITH_REPLACEMENT, cut, even_number, orders, shuffled, with_replacement
from simnet.problems.problem import Problem, SampleIds
from simnet.problems.tangent import evolved
from simnet.streams import stream

_DEVICE_BYTES = 1 << 30  # working set of one chunk on a GPU


@dataclasses.dataclass(frozen=True)
class Samples:
    """Samples on the device.

    Attributes:
        inputs: [S, ...].
        labels: class numbers [S].
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self, size: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Consecutive parts, each with its place, its inputs and its labels.

        Args:
            size: samples in a part; the last one may have fewer.

        Yields:
            Slice, inputs [size, ...] and labels [size].
        """
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield part, self.inputs[part], self.labels[part]


class Supervised(Problem):
    """f_i(x) = mean of loss(model(x, sample)) over node i's samples + l2/2 ||x||^2.

    A mini-batch is drawn uniformly with replacement from the node's own samples (independent, unbiased gradients);
    with ``batch_size`` None it is all of them. In any other order it is the next b samples of a pass over them; the last
    one of a pass has what is left. The training samples lie on the device in the order of the nodes.

    Args:
        dataset: samples and labels.
        parts: each node's training samples (indices into the data set).
        model: what is trained.
        loss: of its outputs.
        batch_size: b, or None for the full local data.
        l2: regularization, >= 0.
        order: ``with_replacement``, ``random_reshuffling``, ``shuffle_once``, ``fixed``, or one that gradients decide
            (``simnet.problems.keepers.KEEPERS``).
        dtype: of data, models and gradients.
        device: where they live.

    Example:
        >>> from simnet.problems.datasets import digits
        >>> from simnet.problems.dense import DenseModel
        >>> from simnet.problems.losses import SoftmaxLoss
        >>> dataset = digits(0.2, seed=1)
        >>> parts = np.array_split(np.arange(len(dataset.train_y)), 4)
        >>> problem = Supervised(dataset, parts, DenseModel([64, 10]), SoftmaxLoss(), batch_size=16)
        >>> problem.num_parameters, round(problem.evaluate(torch.zeros(4, 650))["train_loss"], 6)  # ln 10
        (650, 2.302585)
    """

    def __init__(  # noqa: PLR0913 - what a problem is made of, each with a word of its own
        self,
        dataset: Dataset,
        parts: Sequence[npt.NDArray[np.int64]],
        model: BatchedModel,
        loss: Loss,
        *,
        batch_size: int | None,
        l2: float = 0.0,
        order: str = WITH_REPLACEMENT,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.num_nodes, self.num_parameters = len(parts), model.num_parameters
        self.dtype, self.device, self.notes = dtype, device or torch.device("cpu"), list(model.notes)
        self.batch_size, self.l2, self.order = batch_size, float(l2), order
        self._dataset, self._parts, self._model, self._loss = dataset, parts, model, loss
        sizes = np.array([len(part) for part in parts])
        self._ends = np.cumsum(sizes).tolist()
        self._starts = [end - size for end, size in zip(self._ends, sizes.tolist(), strict=True)]
        everything = np.concatenate(parts)
        self._train = self._upload(dataset.train_x[everything], dataset.train_y[everything])
        self._test = self._upload(dataset.test_x, dataset.test_y) if len(dataset.test_y) else None
        self._weights_S = self._tensor(np.repeat(1.0 / (len(parts) * sizes), sizes))  # of a sample's loss in f
        self._importance_S: Tensor | None = None  # of a sample drawn uniformly from this problem's only node

    def _tensor(self, array: npt.NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, self.dtype)

    def _upload(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> Samples:
        inputs = self._tensor(x).reshape(len(x), *self._model.input_shape)
        return Samples(inputs, torch.from_numpy(np.ascontiguousarray(y)).to(self.device))

    def initial_model(self, seed: int) -> Tensor:
        """The model [D] from which all nodes start."""
        return self._model.initial(seed).to(self.device, self.dtype)

    def epoch_length(self, node: int) -> float:
        """Local samples over batch size, as a whole number where passes end with a smaller one; 1 for full batches."""
        if self.batch_size is None:
            return 1.0
        length = self._num_examples(node) / self.batch_size
        return length if self.order == WITH_REPLACEMENT else float(math.ceil(length))

    @property
    def num_samples(self) -> int:
        """S, the training samples of all nodes."""
        return len(self._train)

    def _num_examples(self, node: int) -> int:
        num: int = self._ends[node] - self._starts[node]
        return num

    def draws(self, node: int, seed: int) -> Iterator[SampleIds]:
        """The sample ids of the node's mini-batches, without end, in blocks ``[k, b]``."""
        start, end = self._starts[node], self._ends[node]
        if self.batch_size is None:
            return itertools.repeat(np.arange(start, end, dtype=np.int64)[None])
        if self.order == WITH_REPLACEMENT:
            return with_replacement(start, end, self.batch_size, stream(seed, "batch", node))
        passes = orders(self.order, end - start, node, seed)
        return itertools.chain.from_iterable(self.mini_batches(node, order) for order in passes)

    def mini_batches(self, node: int, order: Order) -> Iterator[SampleIds]:
        """One pass over a node's examples."""
        return cut(self._starts[node] + order, self.batch_size or len(order))

    def fixed_mini_batches(self, node: int, seed: int) -> list[SampleIds]:
        """The node's examples, shuffled once, in mini-batches of at most b, as equal as can be; none for full batches."""
        if self.batch_size is None:
            return []
        sizes = [self._num_examples(i) for i in range(self.num_nodes)]
        num = even_number(sizes, self.batch_size)
        return np.array_split(self._starts[node] + shuffled(sizes[node], node, seed, 0), num)

    def order_keeper(self, seed: int) -> OrderKeeper | None:
        """What keeps the gradients that decide the order; None if none do."""
        if self.order not in KEEPERS:
            return None
        first = [shuffled(self._num_examples(node), node, seed, 0) for node in range(self.num_nodes)]
        return KEEPERS[self.order](first, self.num_parameters, self.dtype, self.device)

    def gradient(self, models_BD: Tensor, samples_Bb: Tensor, out_BD: Tensor) -> None:
        """Writes the B mini-batch gradients, l2 included, chunk by chunk of a size that suits the device."""
        for rows in self._chunks(samples_Bb):
            self._gradient(models_BD[rows], samples_Bb[rows], out_BD[rows])

    def losses(self, models_BD: Tensor, samples_Bb: Tensor) -> Tensor:
        """The B mini-batch losses, l2 included."""
        losses_B = 0.5 * self.l2 * models_BD.square().sum(1)
        for rows in self._chunks(samples_Bb):
            inputs, labels_Bb, weights = self._mini_batches(samples_Bb[rows])
            outputs_BCb = self._model.outputs(models_BD[rows], inputs)
            losses_B[rows] += (self._loss.values(outputs_BCb, labels_Bb) * weights).sum(1)
        return losses_B

    def mini_batch(self, node: int) -> tuple[int, int]:
        """Its batch size, or all local samples; the model's outputs."""
        size = self.batch_size or self._ends[node] - self._starts[node]
        return size, 0 if self.l2 else self._num_outputs

    @functools.cached_property
    def _num_outputs(self) -> int:
        return self._model.outputs(self._train.inputs.new_zeros((1, self.num_parameters)), self._train.inputs[:1]).shape[1]

    def evolve(self, models_BD: Tensor, samples_Bb: Tensor, lr: float, duration: int) -> Tensor:
        """As its outputs evolve under the kernel that is a mean over outputs, one model after the other."""
        block = max(1, self._chunk_bytes() // (self.dtype.itemsize * self.num_parameters))
        rows = []
        for model_D, samples_b in zip(models_BD, samples_Bb, strict=True):
            inputs, labels = self._train.inputs[samples_b], self._train.labels[samples_b]
            rows.append(evolved(self._model, self._loss, model_D[None], inputs, labels, lr, duration, block))
        return torch.cat(rows)

    def distillation_gradients(self, models_BD: Tensor, teachers_BD: Tensor, samples_Bb: Tensor) -> Tensor:
        """Of KL(teacher's class probabilities || the model's), mean over the mini-batch; l2 plays no role."""
        out_BD = torch.empty_like(models_BD)
        for rows in self._chunks(samples_Bb):
            inputs, _, _ = self._mini_batches(samples_Bb[rows])
            teachers_BCb = self._model.outputs(teachers_BD[rows], inputs)
            derivative = functools.partial(
                self._loss.divergence_derivative, teachers_BCb=teachers_BCb, weight=1.0 / samples_Bb.shape[1]
            )
            self._model.backward(models_BD[rows], inputs, derivative, out_BD[rows])
        return out_BD

    def _chunks(self, samples_Bb: Tensor) -> Iterator[slice]:
        """Rows that one call computes, of equal size."""
        num_rows, batch = samples_Bb.shape
        limit = self._rows_per_chunk(batch)
        num_chunks = -(-num_rows // limit)
        size = -(-num_rows // num_chunks)
        for start in range(0, num_rows, size):
            yield slice(start, start + size)

    def _rows_per_chunk(self, batch: int) -> int:
        per_sample = self._train.inputs[0].numel() + 3 * self._model.activations
        row_bytes = self.dtype.itemsize * (2 * self.num_parameters + batch * per_sample)
        return max(1, self._chunk_bytes() // row_bytes)

    def _chunk_bytes(self) -> int:
        return self._model.cpu_bytes if self.device.type == "cpu" else _DEVICE_BYTES

    def _mini_batches(self, samples_Bb: Tensor) -> tuple[Tensor, Tensor, float | Tensor]:
        """Inputs [B, b, ...], labels [B, b] and what each sample's loss counts."""
        ids = samples_Bb.reshape(-1)  # index_select is several times faster than inputs[samples_Bb]
        inputs = self._train.inputs.index_select(0, ids)
        inputs = inputs.view(*samples_Bb.shape, *inputs.shape[1:])
        labels_Bb = self._train.labels.index_select(0, ids).view(samples_Bb.shape)
        weights: float | Tensor = 1.0 / samples_Bb.shape[1]
        if self._importance_S is not None:
            weights = self._importance_S.index_select(0, ids).view(samples_Bb.shape) / samples_Bb.shape[1]
        return inputs, labels_Bb, weights

    def _gradient(self, models_BD: Tensor, samples_Bb: Tensor, out_BD: Tensor) -> None:
        inputs, labels_Bb, weights = self._mini_batches(samples_Bb)
        self._model.backward(models_BD, inputs, lambda z: self._loss.derivative(z, labels_Bb, weights), out_BD)
        if self.l2:
            out_BD.add_(models_BD, alpha=self.l2)

    def local_gradients(self, models_ND: Tensor) -> Tensor:
        """The full local gradients, l2 included, ``[N, D]``: nodes of similar size together, samples in chunks."""
        out_ND = self.l2 * models_ND
        starts_N, ends_N = (torch.tensor(places, device=self.device) for places in (self._starts, self._ends))
        for nodes_B, most in self._blocks_of_nodes():
            models_BD = models_ND[nodes_B]
            part_BD = torch.empty_like(models_BD)
            for first in range(0, most, self._samples_per_chunk()):
                offsets = torch.arange(first, min(most, first + self._samples_per_chunk()), device=self.device)
                samples_Bb = starts_N[nodes_B, None] + offsets
                is_own_Bb = samples_Bb < ends_N[nodes_B, None]
                samples_Bb = samples_Bb.clamp_max(len(self._train) - 1)
                weights_Bb = self.num_nodes * self._weights_S[samples_Bb] * is_own_Bb
                labels_Bb = self._train.labels[samples_Bb]
                derivative = functools.partial(self._loss.derivative, labels_Bb=labels_Bb, weights=weights_Bb)
                self._model.backward(models_BD, self._train.inputs[samples_Bb], derivative, part_BD)
                out_ND[nodes_B] += part_BD
        return out_ND

    def _blocks_of_nodes(self) -> Iterator[tuple[Tensor, int]]:
        """Nodes by the size of their data, as many as one chunk takes, with the largest size among them."""
        sizes = torch.tensor(self._ends) - torch.tensor(self._starts)
        order, largest = sizes.argsort(stable=True), int(sizes.max())
        count = min(self._rows_per_chunk(1), max(1, self._samples_per_chunk() // largest))
        for start in range(0, self.num_nodes, count):
            nodes_B = order[start : start + count]
            yield nodes_B.to(self.device), int(sizes[nodes_B].max())

    def evaluate(self, models_ND: Tensor) -> dict[str, float]:
        """Metrics of the average model and of the nodes' own models.

        ``train_loss`` is f at the average model, l2 included; ``gradient_norm`` is the norm of f's gradient there.
        Losses on test data and of the nodes' own models are plain means without l2. Without test data the nodes' own
        models are judged on the training data, and ``test_loss`` and ``accuracy`` are missing.
        """
        mean_1D = models_ND.mean(0, keepdim=True)
        train_loss, train_accuracy = self._score(mean_1D, self._train, self._weights_S)
        values = {
            "train_loss": train_loss[0] + 0.5 * self.l2 * mean_1D.double().square().sum(),
            "train_accuracy": train_accuracy[0],
            "gradient_norm": torch.linalg.vector_norm(self._full_gradient(mean_1D)).double(),
        }
        if self._test is not None:
            test_loss, accuracy = self._score(mean_1D, self._test)
            values |= {"test_loss": test_loss[0], "accuracy": accuracy[0]}
        losses_N, accuracies_N = self._score(models_ND, self._test or self._train)
        values |= {
            "node_loss_mean": losses_N.mean(),
            "node_loss_worst": losses_N.max(),
            "node_accuracy_mean": accuracies_N.mean(),
            "node_accuracy_worst": accuracies_N.min(),
        }
        return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))

    def _full_gradient(self, model_1D: Tensor) -> Tensor:
        """The gradient of f, [1, D]."""
        gradient_1D, part_1D = self.l2 * model_1D, torch.empty_like(model_1D)
        for part, inputs, labels in self._train.chunks(self._samples_per_chunk()):
            labels_1b, weights_1b = labels.unsqueeze(0), self._weights_S[part].unsqueeze(0)
            derivative = functools.partial(self._loss.derivative, labels_Bb=labels_1b, weights=weights_1b)
            self._model.backward(model_1D, inputs.unsqueeze(0), derivative, part_1D)
            gradient_1D = gradient_1D + part_1D
        return gradient_1D

    def _score(self, models_BD: Tensor, samples: Samples, weights_T: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Each model's loss (weighted sum, or mean) and accuracy on these samples, float64 [B]."""
        size = min(len(samples), self._samples_per_chunk())
        rows = max(1, self._samples_per_chunk() // size)
        starts = range(0, len(models_BD), rows)
        scores = [self._score_rows(models_BD[start : start + rows], samples, size, weights_T) for start in starts]
        losses, accuracies = zip(*scores, strict=True)
        return torch.cat(losses), torch.cat(accuracies)

    def _score_rows(
        self, models_BD: Tensor, samples: Samples, size: int, weights_T: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        loss_B = torch.zeros(len(models_BD), dtype=torch.float64, device=self.device)
        correct_B = torch.zeros_like(loss_B)
        for part, inputs, labels in samples.chunks(size):
            outputs_BCb = self._model.outputs(models_BD, inputs)
            labels_Bb = labels.expand(len(models_BD), -1)
            losses_Bb = self._loss.values(outputs_BCb, labels_Bb)
            loss_B += (losses_Bb if weights_T is None else losses_Bb * weights_T[part]).sum(1, dtype=torch.float64)
            correct_B += (self._loss.predictions(outputs_BCb) == labels_Bb).sum(1)
        return loss_B if weights_T is not None else loss_B / len(samples), correct_B / len(samples)

    def _samples_per_chunk(self) -> int:
        """Samples times models in one chunk of an evaluation."""
        per_sample = self._train.inputs[0].numel() + 3 * self._model.activations
        return max(1, self._chunk_bytes() // (self.dtype.itemsize * per_sample))

    def state_dict(self, model_D: Tensor) -> dict[str, Tensor]:
        """The flat model as named tensors (views)."""
        return self._model.state_dict(model_D)

    def pooled(self, num_nodes_merged: int) -> Supervised:
        """The same f on one node that owns all data, with mini-batches that many times as large.

        Where nodes own different numbers of samples, those of small nodes weigh more, so the mean gradient is f's.
        """
        everything = np.concatenate(self._parts)
        batch_size = None if self.batch_size is None else self.batch_size * num_nodes_merged
        merged = Supervised(
            self._dataset,
            [everything],
            self._model,
            self._loss,
            batch_size=batch_size,
            l2=self.l2,
            order=self.order,
            dtype=self.dtype,
            device=self.device,
        )
        merged._weights_S = self._weights_S
        if len({len(part) for part in self._parts}) > 1:
            merged._importance_S = self._weights_S * len(everything)
        return merged

    def class_table(self) -> pd.DataFrame:
        """Training samples per class (columns) of each node (rows)."""
        classes = self._dataset.classes
        counts = [np.bincount(self._dataset.train_y[part], minlength=len(classes)) for part in self._parts]
        nodes = pd.RangeIndex(self.num_nodes, name="node")
        return pd.DataFrame(np.stack(counts), index=nodes, columns=pd.Index(classes, name="class"))

    def ingredients(self) -> Iterable[object]:
        """The training samples by node, the model's shapes and code, loss, l2, batch size and order."""
        yield from (self._train.inputs, self._train.labels, self._ends)
        yield from (type(self._model).__name__, self._model.shapes, type(self._loss).__name__, self.l2, self.batch_size)
        yield from () if self._importance_S is None else (self._importance_S,)
        yield from () if self.order == WITH_REPLACEMENT else (self.order,)

    def describe(self) -> str:
        """One line for people."""
        batch = "full batches" if self.batch_size is None else f"batch size {self.batch_size}"
        batch += "" if self.order == WITH_REPLACEMENT else f" in the order {self.order}"
        tests = 0 if self._test is None else len(self._test)
        classes = len(self._dataset.classes)
        return (
            f"{self._dataset.name}: {len(self._train)} training and {tests} test samples in {classes} classes "
            f"on {self.num_nodes} nodes, {self.num_parameters} parameters, {batch}"
        )
