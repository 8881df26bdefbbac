"""Metrics on request: what an evaluation measures beside the usual where ``record: {metrics: [...]}`` asks for it.

Everything is measured on the models that the evaluation looks at, and never changes what the run computes.
Shapes: ``N`` nodes, ``D`` parameters, ``B`` vectors at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from math import ceil, inf, prod, sqrt
from typing import Any

import numpy as np
import torch

from simnet.node import Node
from simnet.node_kinds import WatchedNode
from simnet.observer import Snapshot
from simnet.problems import Problem
from simnet.schedule import Schedule
from simnet.setting import Setting
from simnet.streams import stream, stream_key
from simnet.values import Executor, Row, Vector

AT_AVERAGE = {
    "critical_consensus_distance",
    "gradient_noise",
    "smoothness",
    "gradient_diversity",
    "heterogeneity",
}
LAYERS = {"layer_variance", "layer_gini"}
SHOWN = {
    "layer_variance": ("unmixed",),
    "layer_gini": ("unmixed",),
    "tracker_error": ("tracker", "tracked"),
    "tracker_drift": ("tracker", "tracked"),
    "replica_mismatch": ("replica",),
}
"""Which of the vectors that algorithms show (see `Node.show`) a metric is made of.

``tracker`` is y, ``tracked`` what the trackers' mean should equal, ``unmixed`` the model before it was averaged (of
algorithms that assign it afterwards), ``replica`` what a node takes for another one's vector.
"""

STALENESS = {"model_staleness": "models", "gradient_staleness": "gradients"}
WATCHED = {*SHOWN, *STALENESS}

RECORDED = ("staleness", "layers")
"""What it adds to a summary."""

MINI_BATCHES = 64
"""From so many mini-batches, and at least 4 of each node, the gradient noise is estimated, drawn anew each time."""

POWER_STEPS = 16
"""Steps of the power iteration that finds the largest curvature; each takes two passes over all data."""

_CHUNK = 1 << 22  # numbers in one chunk of vectors that are compared


class Insight:
    """Measures what a scenario asks for.

    Args:
        names: of metrics on request.
        setting: the problem and its seed.
        executor: has the values of what the nodes show.
        lr: the algorithm's learning rate; None if it has none of that name.

    Attributes:
        ages: how many steps old messages (``models``) were when they were used, and how many changes of the model old
            ``gradients`` were: age -> how often. Filled by watched nodes.
        layers: rows of the table of layers: step, layer, mean norm, variance and Gini index over the nodes.
    """

    def __init__(self, names: Collection[str], setting: Setting, executor: Executor, lr: Schedule | None) -> None:
        self.names = names
        self.setting = setting
        self.executor = executor
        self.lr = lr
        self.ages: dict[str, Counter[int]] = {"models": Counter(), "gradients": Counter()}
        self.layers: list[dict[str, Any]] = []
        self._draws: list[Iterator[np.ndarray]] = []

    def watched(self, kind: type[Node]) -> type[Node]:
        """A kind of node, made such that it tells what is asked for; the same kind if nothing has to be told.

        Args:
            kind: `Node`, or a subclass of it.
        """
        if WATCHED.isdisjoint(self.names):
            return kind
        shown = frozenset(chain.from_iterable(SHOWN.get(name, ()) for name in self.names))
        return type(kind.__name__, (WatchedNode, kind), {"visible": shown, "ages": self.ages})

    def measure(self, snapshot: Snapshot, models_ND: torch.Tensor) -> dict[str, float]:
        """The values of the metrics that were asked for, as far as this algorithm has them.

        Args:
            snapshot: all nodes, computed already.
            models_ND: the models of those that are present, in order.
        """
        values: dict[str, float] = {}
        if not AT_AVERAGE.isdisjoint(self.names):
            values |= self._at_average(models_ND.mean(dim=0, keepdim=True), len(models_ND), int(snapshot.step))
        if not LAYERS.isdisjoint(self.names):
            values |= self._of_layers(snapshot, models_ND)
        values |= self._of_trackers(snapshot) | self._of_replicas(snapshot)
        for name, kind in STALENESS.items():
            if ages := self.ages[kind]:
                values[name] = sum(age * count for age, count in ages.items()) / ages.total()
        if "wrap_violations" in snapshot.counters:
            values["wrap_violations"] = snapshot.counters["wrap_violations"]
        return {name: values[name] for name in self.names if name in values}

    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` says beside: the histograms of staleness, and the table of layers."""
        asked = {kind: self.ages[kind] for name, kind in STALENESS.items() if name in self.names}
        histograms = {kind: {str(age): ages[age] for age in sorted(ages)} for kind, ages in asked.items() if ages}
        return ({"staleness": histograms} if histograms else {}) | ({"layers": self.layers} if self.layers else {})

    def _at_average(self, average_1D: torch.Tensor, num_present: int, step: int) -> dict[str, float]:
        """Everything about the nodes' objectives at the average model."""
        problem, asked = self.setting.problem, set(self.names)
        local_ND = problem.local_gradients(average_1D.expand(problem.num_nodes, -1))
        mean_D = local_ND.mean(dim=0)
        squares, square_of_mean = float(local_ND.square().sum()), float(mean_D.square().sum())
        values = {
            "gradient_diversity": ratio(squares, problem.num_nodes**2 * square_of_mean),
            "heterogeneity": sqrt(float((local_ND - mean_D).square().sum(dim=1).mean())),
        }
        if asked & {"gradient_noise", "critical_consensus_distance"}:
            values["gradient_noise"] = sqrt(self._squared_noise(average_1D, local_ND))
        if asked & {"smoothness", "critical_consensus_distance"}:
            values["smoothness"] = smoothness(problem, average_1D, self.setting.seed)
        if self.lr is not None and "critical_consensus_distance" in asked:
            values["critical_consensus_distance"] = critical_distance(
                self.lr(step), values["gradient_noise"], values["smoothness"], num_present, sqrt(square_of_mean)
            )
        return values

    def _squared_noise(self, average_1D: torch.Tensor, local_ND: torch.Tensor) -> float:
        """mean_i E ||g_i - grad f_i||^2, from fresh mini-batches of random numbers that no algorithm uses."""
        problem = self.setting.problem
        if not self._draws:
            seed = stream_key(self.setting.seed, "insight")
            self._draws = [chain.from_iterable(problem.draws(i, seed)) for i in range(problem.num_nodes)]
        count = max(4, ceil(MINI_BATCHES / problem.num_nodes))
        total = 0.0
        for draws, local_D in zip(self._draws, local_ND, strict=True):
            samples_Bb = torch.from_numpy(np.stack(list(islice(draws, count)))).to(problem.device)
            out_BD = torch.empty((count, problem.num_parameters), dtype=problem.dtype, device=problem.device)
            problem.gradient(average_1D.expand(count, -1), samples_Bb, out_BD)
            total += float((out_BD - local_D).square().sum())
        return total / (count * problem.num_nodes)

    def _of_layers(self, snapshot: Snapshot, models_ND: torch.Tensor) -> dict[str, float]:
        """DBench's statistics: the norm of each layer at each node, before averaging."""
        shown = [snapshot.shown[i].get(("unmixed", None), snapshot.rows[i]) for i in snapshot.present]
        if any(vector is not snapshot.rows[i] for i, vector in zip(snapshot.present, shown, strict=True)):
            models_ND = self._read(shown)
        names = self.setting.problem.state_dict(models_ND[0])
        variances, ginis, start = [], [], 0
        for name, shape in zip(names, self.setting.layers, strict=True):
            end = start + prod(shape)
            norms_N = torch.linalg.vector_norm(models_ND[:, start:end], dim=1).double()
            start = end
            variances.append(float(norms_N.var(correction=0)))
            ginis.append(gini(norms_N))
            of_layer = {"norm": float(norms_N.mean()), "variance": variances[-1], "gini": ginis[-1]}
            self.layers.append({"step": snapshot.step, "layer": name, **of_layer})
        return {"layer_variance": sum(variances) / len(variances), "layer_gini": sum(ginis) / len(ginis)}

    def _of_trackers(self, snapshot: Snapshot) -> dict[str, float]:
        """How far the trackers, and their mean, are from the mean of what they track."""
        keys = ("tracker", None), ("tracked", None)
        shown = [shown for shown in snapshot.shown.values() if all(key in shown for key in keys)]
        if not shown:
            return {}
        trackers_ND, tracked_ND = (self._read([vectors[key] for vectors in shown]) for key in keys)
        errors_ND = trackers_ND - tracked_ND.mean(dim=0)
        drift = torch.linalg.vector_norm(errors_ND.mean(dim=0))
        return {"tracker_error": sqrt(float(errors_ND.square().sum(dim=1).mean())), "tracker_drift": float(drift)}

    def _of_replicas(self, snapshot: Snapshot) -> dict[str, float]:
        """The largest distance between a node's own vector and what a neighbor takes for it."""
        own = {i: shown["replica", i] for i, shown in snapshot.shown.items() if ("replica", i) in shown}
        pairs = [
            (vector, own[of])
            for i, shown in snapshot.shown.items()
            for (name, of), vector in shown.items()
            if name == "replica" and of in own and of != i
        ]
        rows, largest = max(1, _CHUNK // self.setting.problem.num_parameters), 0.0
        for start in range(0, len(pairs), rows):
            theirs_BD, own_BD = (self._read(vectors) for vectors in zip(*pairs[start : start + rows], strict=True))
            largest = max(largest, float(torch.linalg.vector_norm(theirs_BD - own_BD, dim=1).max()))
        return {"replica_mismatch": largest} if pairs else {}

    def _read(self, vectors: Sequence[Vector]) -> torch.Tensor:
        """The numbers of shown vectors, ``[B, D]``."""
        if all(isinstance(vector, Row) for vector in vectors):
            return self.executor.read(vectors)  # type: ignore[arg-type]  # rows, as was just looked
        return torch.stack([self._sum(vector) for vector in vectors])

    def _sum(self, vector: Vector) -> torch.Tensor:
        problem = self.setting.problem
        if not vector.rows:
            return torch.zeros(problem.num_parameters, dtype=problem.dtype, device=problem.device)
        weights = torch.tensor(vector.weights, dtype=problem.dtype, device=problem.device)
        return weights @ self.executor.read(vector.rows)


def insight_for(setting: Setting, executor: Executor, parameters: Mapping[str, Any]) -> Insight | None:
    """What measures the metrics on request of a run.

    Args:
        setting: whose scenario may ask for some.
        executor: has the values.
        parameters: of the algorithm; ``lr`` is its learning rate.

    Returns:
        None if there are none.
    """
    names, lr = setting.scenario.record.metrics, parameters.get("lr")
    return Insight(names, setting, executor, lr if isinstance(lr, Schedule) else None) if names else None


def critical_distance(lr: float, noise: float, smoothness: float, num_nodes: int, gradient_norm: float) -> float:
    """The critical consensus distance: while the nodes are closer together, D-SGD converges as fast as SGD does.

    ``Gamma = sqrt(lr sigma^2 / (L n) + ||grad f(x_bar)||^2 / (8 L^2))``

    Args:
        lr: learning rate.
        noise: sigma, root mean square over the nodes of the noise of a mini-batch gradient.
        smoothness: L.
        num_nodes: n.
        gradient_norm: ``||grad f(x_bar)||``.

    Returns:
        Gamma, to be compared with the consensus distance; infinite where nothing is curved.

    Example:
        >>> critical_distance(lr=0.5, noise=2.0, smoothness=1.0, num_nodes=8, gradient_norm=0.0)
        0.5

    Reference: Kong, Lin, Koloskova, Jaggi, Stich: Consensus Control for Decentralized Deep Learning. ICML 2021.
    """
    if not smoothness:
        return inf
    return sqrt(lr * noise**2 / (smoothness * num_nodes) + gradient_norm**2 / (8 * smoothness**2))


def smoothness(problem: Problem, model_1D: torch.Tensor, seed: int) -> float:
    """L, the largest curvature of any node's objective: the problem's own where it is known, else an estimate at a model.

    The estimate is the largest ``||H_i v_i||`` after `POWER_STEPS` of a power iteration with each node's Hessian H_i, whose
    products are central differences of full local gradients. It is local, and approaches its value from below.

    Args:
        problem: with all nodes' objectives.
        model_1D: where.
        seed: of the vector that the iteration starts from, the same each time.

    Returns:
        L.
    """
    if problem.smoothness is not None:
        return problem.smoothness
    start = torch.from_numpy(stream(seed, "smoothness").standard_normal(problem.num_parameters))
    v_ND = (start / start.norm()).to(problem.device, problem.dtype).expand(problem.num_nodes, -1)
    width = torch.finfo(problem.dtype).eps ** (1 / 3) * max(1.0, float(model_1D.norm()))
    curvatures_N1 = v_ND.new_zeros((problem.num_nodes, 1))
    for _ in range(POWER_STEPS):
        ahead_ND = problem.local_gradients(model_1D + width * v_ND)
        change_ND = (ahead_ND - problem.local_gradients(model_1D - width * v_ND)) / (2 * width)
        curvatures_N1 = torch.linalg.vector_norm(change_ND, dim=1, keepdim=True)
        v_ND = change_ND / curvatures_N1.clamp_min(torch.finfo(problem.dtype).tiny)
    return float(curvatures_N1.max())


def gini(values_N: torch.Tensor) -> float:
    """The Gini index: ``sum_ij |v_i - v_j| / (2 n^2 mean(v))``; 0 if all are equal, near 1 if one has all.

    Args:
        values_N: not negative.

    Returns:
        The index; 0 where all values are 0.

    Example:
        >>> gini(torch.tensor([1.0, 1.0, 1.0])), gini(torch.tensor([0.0, 0.0, 0.0, 4.0]))
        (0.0, 0.75)
    """
    n, total = len(values_N), float(values_N.sum())
    ranks_N = torch.arange(1 - n, n + 1, 2, dtype=values_N.dtype, device=values_N.device)
    return float(ranks_N @ values_N.sort().values) / (n * total) if total else 0.0


def ratio(above: float, below: float) -> float:
    """A quotient that may be infinite.

    Args:
        above: not negative.
        below: not negative.

    Returns:
        above / below; infinite if only ``below`` is 0, NaN if both are.

    Example:
        >>> ratio(1.0, 0.0)
        inf
    """
    return above / below if below else above * inf
