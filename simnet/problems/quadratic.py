"""Quadratic objectives with a known optimum, for theory and exact tests.

Shapes: ``N`` nodes, ``D`` parameters, ``B`` gradients in one batched call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from simnet import counter_random
from simnet.errors import ParameterError
from simnet.problems.problem import Problem, SampleIds
from simnet.streams import stream

_BLOCK = 32  # noise keys drawn at a time
_CHUNK = 1 << 22  # numbers in one chunk of an evaluation


class Quadratic(Problem):
    """f_i(x) = 1/2 sum_c a_ic (x_c - b_ic)^2, with gradient a_i (x - b_i) + noise * N(0, I).

    A sample is the pair (node, noise key), so a gradient is a pure function of model and sample. The average objective
    has its minimum at x*_c = sum_i a_ic b_ic / sum_i a_ic.

    Args:
        curvature: a, [n, D], not negative; a coordinate's sum over the nodes is positive.
        optimum: b, [n, D].
        noise: standard deviation of each coordinate of a gradient's noise.
        dtype: of models and gradients.
        device: where they live.
        constant: added to the average objective.

    Example:
        >>> quadratic = Quadratic(np.array([[1.0], [3.0]]), np.array([[0.0], [4.0]]), dtype=torch.float64)
        >>> quadratic.minimum.tolist()
        [3.0]
        >>> out = torch.empty(1, 1, dtype=torch.float64)
        >>> quadratic.gradient(torch.tensor([[5.0]], dtype=torch.float64), torch.tensor([[1, 0]]), out)
        >>> out.tolist()
        [[3.0]]
    """

    def __init__(
        self,
        curvature: np.ndarray[tuple[int, int], np.dtype[np.float64]],
        optimum: np.ndarray[tuple[int, int], np.dtype[np.float64]],
        noise: float = 0.0,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        constant: float = 0.0,
    ) -> None:
        self.num_nodes, self.num_parameters = curvature.shape
        self.dtype, self.device, self.notes = dtype, device or torch.device("cpu"), []
        self.noise = float(noise)
        self._arrays = curvature, optimum
        self._constant = constant
        self._curvature_ND = torch.tensor(curvature, device=self.device, dtype=dtype)
        self._optimum_ND = torch.tensor(optimum, device=self.device, dtype=dtype)
        mean_curvature = curvature.mean(0)
        minimum = (curvature * optimum).mean(0) / mean_curvature
        at_minimum = 0.5 * (curvature * (minimum - optimum) ** 2).sum(1).mean()
        self._mean_curvature_D = torch.tensor(mean_curvature, device=self.device, dtype=dtype)
        self.minimum = torch.tensor(minimum, device=self.device, dtype=dtype)
        self._at_minimum = float(at_minimum) + constant

    def initial_model(self, seed: int) -> Tensor:
        """Zero."""
        return torch.zeros(self.num_parameters, dtype=self.dtype, device=self.device)

    def epoch_length(self, node: int) -> float:
        """One: a gradient sees the whole local objective."""
        return 1.0

    def draws(self, node: int, seed: int) -> Iterator[SampleIds]:
        """Pairs (node, noise key), without end, in blocks ``[k, 2]``."""
        return _samples(node, seed, is_noisy=self.noise > 0)

    def gradient(self, models_BD: Tensor, samples_Bb: Tensor, out_BD: Tensor) -> None:
        """Writes a_i (x - b_i), plus the noise that the sample's key stands for."""
        nodes_B = samples_Bb[:, 0]
        torch.sub(models_BD, self._optimum_ND.index_select(0, nodes_B), out=out_BD)
        out_BD.mul_(self._curvature_ND.index_select(0, nodes_B))
        if self.noise:
            noise_BD = counter_random.normal(samples_Bb[:, 1], self.num_parameters, self.dtype)
            out_BD.add_(noise_BD.mul_(self.noise))

    def local_gradients(self, models_ND: Tensor) -> Tensor:
        """The a_i (x_i - b_i), ``[N, D]``."""
        return self._curvature_ND * (models_ND - self._optimum_ND)

    @property
    def smoothness(self) -> float:
        """The largest a_ic."""
        return float(self._arrays[0].max())

    def losses(self, models_BD: Tensor, samples_Bb: Tensor) -> Tensor:
        """f_i(x), without the linear term that a gradient's noise stands for, ``[B]``."""
        nodes_B = samples_Bb[:, 0]
        squares_BD = (models_BD - self._optimum_ND.index_select(0, nodes_B)).square_()
        return 0.5 * squares_BD.mul_(self._curvature_ND.index_select(0, nodes_B)).sum(1)

    def mini_batch(self, node: int) -> tuple[int, int]:
        """One sample with D outputs sqrt(a_i) x."""
        return 1, self.num_parameters

    def evolve(self, models_BD: Tensor, samples_Bb: Tensor, lr: float, duration: int) -> Tensor:
        """With the samples' mean gradient g and curvature a: ``x - lr g sum_{t < duration} exp(-lr a t)``."""
        gradients_BD, curvatures_BD, part_BD = (torch.zeros_like(models_BD) for _ in range(3))
        pairs = [samples_Bb[:, start : start + 2] for start in range(0, samples_Bb.shape[1], 2)]
        for pair_B2 in pairs:
            self.gradient(models_BD, pair_B2, part_BD)
            gradients_BD += part_BD / len(pairs)
            curvatures_BD += self._curvature_ND.index_select(0, pair_B2[:, 0]) / len(pairs)
        rates_BD = -lr * curvatures_BD
        sums_BD = torch.where(rates_BD == 0, float(duration), torch.expm1(duration * rates_BD) / torch.expm1(rates_BD))
        return models_BD - lr * gradients_BD * sums_BD

    def distillation_gradients(self, models_BD: Tensor, teachers_BD: Tensor, samples_Bb: Tensor) -> Tensor:
        """a_i (x - y): a model's outputs are sqrt(a_i) x here, and the divergence is half their squared distance."""
        return (models_BD - teachers_BD).mul_(self._curvature_ND.index_select(0, samples_Bb[:, 0]))

    def gradient_flops(self, samples_1b: Tensor) -> float:
        """2 D: a difference and a product for each parameter; the noise stands for sampling and costs nothing."""
        return 2.0 * self.num_parameters

    def evaluate(self, models_ND: Tensor) -> dict[str, float]:
        """Objective, gradient norm and distance to the optimum of the average model; f at the nodes' own models."""
        mean_1D = models_ND.mean(0, keepdim=True)
        rows = max(1, _CHUNK // self.num_parameters)
        starts = range(0, len(models_ND), rows)
        losses_N = torch.cat([self._objective(models_ND[start : start + rows]) for start in starts])
        gradient_1D = self._mean_curvature_D * (mean_1D - self.minimum)
        values = {
            "train_loss": self._objective(mean_1D)[0],
            "gradient_norm": torch.linalg.vector_norm(gradient_1D),
            "optimum_distance": torch.linalg.vector_norm(mean_1D - self.minimum),
            "node_loss_mean": losses_N.mean(),
            "node_loss_worst": losses_N.max(),
        }
        return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))

    def _objective(self, models_BD: Tensor) -> Tensor:
        return 0.5 * ((models_BD - self.minimum).square_() @ self._mean_curvature_D) + self._at_minimum

    def state_dict(self, model_D: Tensor) -> dict[str, Tensor]:
        """The model under the name x."""
        return {"x": model_D}

    def pooled(self, num_nodes_merged: int) -> Quadratic:
        """The average objective on one node, with the noise of a mean of that many gradients."""
        curvature, optimum = self._arrays
        mean_curvature = curvature.mean(0, keepdims=True)
        minimum = (curvature * optimum).mean(0, keepdims=True) / mean_curvature
        noise = self.noise / math.sqrt(num_nodes_merged)
        return Quadratic(
            mean_curvature, minimum, noise, dtype=self.dtype, device=self.device, constant=self._at_minimum
        )

    def class_table(self) -> None:
        """None: there are no classes."""
        return

    def ingredients(self) -> Iterable[object]:
        """Curvatures, optima, noise."""
        return self._curvature_ND, self._optimum_ND, self.noise

    def describe(self) -> str:
        """One line for people."""
        return f"quadratic with {self.num_parameters} parameters on {self.num_nodes} nodes, noise {self.noise:g}"


def given_quadratic(
    curvature: Sequence[Sequence[float]],
    optimum: Sequence[Sequence[float]] | Sequence[float],
    noise: float,
    nodes: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Quadratic:
    """The quadratic with these arrays.

    Args:
        curvature: a, n rows of D numbers, or one row for all nodes.
        optimum: b, n rows of D numbers, or one row for all nodes.
        noise: standard deviation of each coordinate of a gradient's noise.
        nodes: n.
        dtype: of models and gradients.
        device: where they live.

    Returns:
        The problem; one row counts for all n nodes.

    Raises:
        ParameterError: when the arrays do not fit each other or ``nodes``, or there is no unique minimum.

    Example:
        >>> given_quadratic([[1.0, 1.0]], [0.0, 2.0], 0.0, 3, torch.float64, torch.device("cpu")).num_parameters
        2
    """
    a, b = _rows("curvature", curvature, nodes), _rows("optimum", optimum, nodes)
    if a.shape != b.shape:
        raise ParameterError(
            f"optimum: found {b.shape[1]} columns, curvature has {a.shape[1]}; give both one column per coordinate"
        )
    if (a < 0).any():
        raise ParameterError(f"curvature: found {a.min():g}; allowed are numbers >= 0; change the sign")
    flat = np.flatnonzero(a.sum(0) == 0)
    if len(flat):
        raise ParameterError(f"curvature: coordinate {flat[0]} is 0 on all nodes; make it positive on one of them")
    return Quadratic(a, b, noise, dtype=dtype, device=device)


def random_quadratic(
    dimension: int,
    heterogeneity: float,
    conditioning: float,
    noise: float,
    nodes: int,
    seed: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Quadratic:
    """A random quadratic, the same curvature on all nodes and local optima around a common one.

    a_c = conditioning^(-c / (D - 1)) for c = 0 .. D - 1, so the largest curvature is 1; b_i = b + heterogeneity * v_i
    with b, v_i ~ N(0, I). With heterogeneity 0 all nodes are the same.

    Args:
        dimension: D.
        heterogeneity: standard deviation of a local optimum's coordinates around the common ones.
        conditioning: largest over smallest curvature, at least 1.
        noise: standard deviation of each coordinate of a gradient's noise.
        nodes: n.
        seed: the run's seed.
        dtype: of models and gradients.
        device: where they live.

    Returns:
        The problem; its minimum x* is the mean of the b_i.

    Example:
        >>> random_quadratic(5, 0.0, 10.0, 0.0, 4, 1, torch.float64, torch.device("cpu")).describe()
        'quadratic with 5 parameters on 4 nodes, noise 0'
    """
    rng = stream(seed, "problem")
    exponents = np.arange(dimension) / max(1, dimension - 1)
    curvature = np.tile(float(conditioning) ** -exponents, (nodes, 1))
    common = rng.standard_normal(dimension)
    optimum = common + heterogeneity * rng.standard_normal((nodes, dimension))
    return Quadratic(curvature, optimum, noise, dtype=dtype, device=device)


def _rows(key: str, values: object, nodes: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """An array [nodes, D]; one row counts for all nodes."""
    try:
        array = np.array(values, dtype=np.float64, ndmin=2)
    except (TypeError, ValueError):
        raise ParameterError(f"{key}: the rows must be equally long lists of numbers; even them out") from None
    if array.ndim != 2 or array.shape[1] == 0 or not np.isfinite(array).all():
        raise ParameterError(f"{key}: found an array of shape {array.shape}; n rows of finite numbers are needed")
    if len(array) not in (1, nodes):
        raise ParameterError(f"{key}: found {len(array)} rows; {nodes} (one per node) or 1 (for all) are allowed")
    return np.broadcast_to(array, (nodes, array.shape[1])).copy()


def _samples(node: int, seed: int, *, is_noisy: bool) -> Iterator[SampleIds]:
    rng = stream(seed, "batch", node)
    block = np.full((_BLOCK, 2), (node, 0), dtype=np.int64)
    while True:
        if is_noisy:
            block = block.copy()  # what was given out earlier stays as it is
            block[:, 1] = rng.integers(-(2**63), 2**63, size=_BLOCK, dtype=np.int64)
        yield block
