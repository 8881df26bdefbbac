"""From a scenario's problem entry to a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from simnet.errors import ParameterError
from simnet.problems import files, partitions
from simnet.problems.cnn import SmallCNN
from simnet.problems.datasets import Dataset, Ints, digits, gaussian_mixture, logistic
from simnet.problems.dense import DenseModel
from simnet.problems.factory import import_factory
from simnet.problems.keepers import KEEPERS
from simnet.problems.losses import LogisticLoss, SoftmaxLoss
from simnet.problems.models import BatchedModel, ModuleModel
from simnet.problems.passes import WITH_REPLACEMENT
from simnet.problems.problem import Problem
from simnet.problems.quadratic import given_quadratic, random_quadratic
from simnet.problems.supervised import Supervised
from simnet.streams import stream

PROBLEMS = {
    "quadratic": "quadratic objectives with a known optimum, given or random",
    "digits": "scikit-learn's 1,797 handwritten digits",
    "gaussian_mixture": "synthetic classes, one normal distribution each",
    "logistic": "synthetic binary labels from a logistic model of each node's own",
    "csv": "your own table: one sample a line, one column the label",
    "npz": "your own NumPy arrays x and y",
}
HERDING_BYTES = 4 << 30
"""Most that herding may keep."""

MODELS = {
    "linear": "softmax regression (logistic: one output, no bias)",
    "mlp": "fully connected with ReLU",
    "cnn": "3x3 convolutions with group normalization, for images",
    "factory": "a torch.nn.Module of your own, by import path module:function",
}


def build_problem(spec: Any, nodes: int, seed: int, dtype: torch.dtype, device: torch.device, base: Path) -> Problem:
    """The problem that a scenario's ``problem`` entry describes.

    Args:
        spec: the entry, with the attributes of its kind.
        nodes: n.
        seed: the run's seed; it decides synthetic data, the test split and the partition.
        dtype: ``torch.float32`` or ``torch.float64``.
        device: where data and models live.
        base: folder against which relative paths are resolved.

    Returns:
        The problem, its data on the device.

    Raises:
        ParameterError: when something is impossible; the message starts with the key inside the entry.

    Example:
        >>> from types import SimpleNamespace
        >>> spec = SimpleNamespace(kind="quadratic", curvature=[[1.0]], optimum=[[0.0], [2.0]], noise=0.0)
        >>> build_problem(spec, 2, 1, torch.float64, torch.device("cpu"), Path()).describe()
        'quadratic with 1 parameters on 2 nodes, noise 0'
    """
    if getattr(spec, "kind", None) == "quadratic":
        if spec.curvature is not None:
            return given_quadratic(spec.curvature, spec.optimum, spec.noise, nodes, dtype, device)
        return random_quadratic(
            spec.dimension, spec.heterogeneity, spec.conditioning, spec.noise, nodes, seed, dtype, device
        )
    dataset = _dataset(spec, nodes, seed, base)
    partitions.check_enough(len(dataset.train_y), nodes)
    problem = Supervised(
        dataset,
        _partition(spec.partition, dataset, nodes, seed),
        _model(spec.model, dataset, dtype, device, base),
        LogisticLoss() if dataset.is_logistic else SoftmaxLoss(),
        batch_size=None if spec.batch_size == "full" else spec.batch_size,
        l2=spec.l2,
        order=_order(spec),
        dtype=dtype,
        device=device,
    )
    if problem.order in KEEPERS:
        check_examples(problem, seed)
    return problem


def _order(spec: Any) -> str:
    kind: str = spec.order.kind
    if kind != WITH_REPLACEMENT and spec.batch_size == "full":
        raise ParameterError(f"order: found {kind}, but a full batch has no order; give batch_size, or leave order out")
    return f"{spec.order.balance}_balance" if kind == "grab" else kind


def check_examples(problem: Supervised, seed: int) -> None:
    """Complains if the gradients of single examples cannot decide an order: batches that are more than their examples, memory.

    Args:
        problem: whose order gradients decide.
        seed: the run's seed.

    Raises:
        ParameterError: if so.
    """
    samples_1b: torch.Tensor = torch.from_numpy(next(problem.draws(0, seed))[:1]).to(problem.device)
    model_1D = problem.initial_model(seed)[None]
    mean_1D = torch.empty_like(model_1D)
    gradients_1bD = model_1D.new_empty((1, samples_1b.shape[1], problem.num_parameters))
    problem.gradient(model_1D, samples_1b, mean_1D)
    reason = "the mean of their gradients is not the gradient of the mini-batch"
    try:
        problem.example_gradients(model_1D, samples_1b, gradients_1bD)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0][:120]
        gradients_1bD.fill_(torch.nan)
    if not torch.allclose(gradients_1bD.mean(1), mean_1D, rtol=1e-3, atol=1e-5):
        raise ParameterError(
            f"order: {problem.order} needs the gradients of single examples, but this model mixes the examples of a "
            f"mini-batch ({reason}); use GroupNorm instead of BatchNorm, or order random_reshuffling"
        )
    kept = 0 if problem.order != "herding" else problem.num_samples * problem.num_parameters * problem.dtype.itemsize
    if kept > HERDING_BYTES:
        raise ParameterError(
            f"order: herding keeps a gradient of each example, {kept / 1e9:.3g} GB here; "
            f"{HERDING_BYTES / 1e9:.3g} GB are allowed; use grab, which keeps three for each node"
        )


def _dataset(spec: Any, nodes: int, seed: int, base: Path) -> Dataset:
    match spec.dataset:
        case "digits":
            return digits(spec.test_fraction, seed)
        case "gaussian_mixture":
            return gaussian_mixture(
                nodes, spec.features, spec.classes, spec.samples_per_node, spec.test_samples, spec.separation, seed
            )
        case "logistic":
            return logistic(nodes, spec.features, spec.samples_per_node, spec.heterogeneity, spec.test_samples, seed)
        case "csv":
            return files.read_csv(base / spec.path, spec.label, spec.test_fraction, seed)
        case "npz":
            return files.read_npz(base / spec.path, spec.test_fraction, seed)
    raise ParameterError(f"dataset: found {spec.dataset!r}; allowed are {', '.join(PROBLEMS)}; choose one of them")


def _partition(spec: Any, dataset: Dataset, nodes: int, seed: int) -> list[Ints]:
    rng, labels = stream(seed, "partition"), dataset.train_y
    if dataset.owner is not None:
        if spec.kind != "iid":
            raise ParameterError(
                f"partition: found {spec.kind}; {dataset.name} draws each node's data from a model of its own; "
                "leave partition out and use heterogeneity"
            )
        return partitions.by_owner(dataset.owner, nodes)
    match spec.kind:
        case "iid":
            return partitions.iid(labels, nodes, rng)
        case "label_sorted":
            return partitions.label_sorted(labels, nodes, rng, shuffled=spec.shuffled)
        case "dirichlet":
            return partitions.dirichlet(labels, nodes, rng, concentration=spec.concentration)
    allowed = ", ".join(partitions.PARTITIONS)
    raise ParameterError(f"partition: found {spec.kind!r}; allowed are {allowed}; choose one of them")


def _model(spec: Any, dataset: Dataset, dtype: torch.dtype, device: torch.device, base: Path) -> BatchedModel:
    shape, outputs = dataset.sample_shape, dataset.num_outputs
    features = int(np.prod(shape))
    if getattr(spec, "factory", None):
        return ModuleModel(import_factory(spec, base), shape, outputs, dtype, device)
    match spec.kind:
        case "linear":
            return DenseModel((features, outputs), bias=not dataset.is_logistic)
        case "mlp":
            return DenseModel((features, *spec.hidden, outputs))
        case "cnn":
            if len(shape) != 3 or min(shape[1:]) < 2:
                raise ParameterError(
                    f"model: cnn needs images [channels, height, width], {dataset.name} has samples of shape {shape}; "
                    "use linear or mlp"
                )
            return ModuleModel(lambda: SmallCNN(shape, spec.channels, outputs), shape, outputs, dtype, device)
    raise ParameterError(f"model: found {spec.kind!r}; allowed are {', '.join(MODELS)}; choose one of them")
