"""Evaluations: what is measured when the observer looks at all models, and what that says about the run."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt
from time import perf_counter

import numpy as np
import torch

from simnet.insight import Insight
from simnet.metrics import METRICS, VALUES
from simnet.observer import Snapshot
from simnet.result import RunRecord
from simnet.setting import Setting
from simnet.values import Executor, ForgottenError

EXPLODED = 1e6
"""A training loss that has grown by this factor (and by this much) has diverged."""


@dataclass
class Evaluations:
    """Looks at all models when the observer says so, and keeps the rows of `metrics.csv`.

    Args:
        setting: its problem says what is measured.
        executor: has the models' values.
        steps_per_epoch: mini-batches in one pass over a node's data, mean over the nodes.
        keep_models: whether every evaluation's models are kept, [n, D] each.
        num_workers: nodes over which the idle share is a mean.
        insight: measures the metrics on request, if there are any.
    """

    setting: Setting
    executor: Executor
    steps_per_epoch: float
    keep_models: bool
    num_workers: int
    insight: Insight | None

    def __post_init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.models: list[np.ndarray] = []
        self.message = ""
        self.seconds = 0.0
        self.average_D: torch.Tensor | None = None

    def evaluate(self, snapshot: Snapshot) -> bool:
        """Adds one row.

        Args:
            snapshot: all nodes' models, computed already.

        Returns:
            Whether the run may go on; False once it has diverged.
        """
        start = perf_counter()
        all_ND = models_ND = self.executor.read(snapshot.models()).clone()  # aligned: sums are the same wherever rows lie
        if snapshot.absent:
            models_ND = all_ND[snapshot.present]
        self.average_D = models_ND.mean(dim=0)
        values = {**self.setting.problem.evaluate(models_ND), "consensus_distance": consensus_distance(models_ND)}
        if self.insight is not None:
            values |= self.insight.measure(snapshot, models_ND)
        self._add(snapshot, values)
        if self.keep_models:
            self.models.append(all_ND.cpu().numpy())
        self.message = divergence(self.rows)
        self.seconds += perf_counter() - start
        return not self.message

    def note(self, snapshot: Snapshot) -> bool:
        """Adds one row without values, where the clock runs alone.

        Args:
            snapshot: all nodes, without models.

        Returns:
            True: the run may go on.
        """
        self._add(snapshot, {})
        return True

    def _add(self, snapshot: Snapshot, values: dict[str, float]) -> None:
        elapsed = self.num_workers * snapshot.time_s
        row = {
            "step": snapshot.step,
            "epoch": snapshot.step / self.steps_per_epoch,
            "time_s": snapshot.time_s,
            "bits_sent": snapshot.bits_sent,
            "gradients": snapshot.gradients,
            **values,
            "idle_share": 1 - snapshot.busy_s / elapsed if elapsed else 0.0,
        }
        self.rows.append(row)


@dataclass
class RecalledEvaluations(Evaluations):
    """Evaluations whose values an earlier run of the same operations has found; only their moments are new.

    Args:
        memory: the record of that run.
    """

    memory: RunRecord

    def __post_init__(self) -> None:
        super().__post_init__()
        self.found = {row["step"]: (index, row) for index, row in enumerate(self.memory.metrics)}

    def evaluate(self, snapshot: Snapshot) -> bool:
        """Adds one row with the values that the earlier run found at this step.

        Args:
            snapshot: all nodes; their models are not looked at.

        Returns:
            Whether the run may go on.
        """
        if snapshot.step not in self.found:
            return self._evaluate_unknown(snapshot)
        index, row = self.found[snapshot.step]
        self._add(snapshot, {name: value for name, value in row.items() if name in VALUES})
        if self.memory.models is not None:
            self.models.append(self.memory.models[index])
        self.message = divergence(self.rows)
        return not self.message

    def _evaluate_unknown(self, snapshot: Snapshot) -> bool:
        raise ForgottenError(f"step {snapshot.step}")


class ResumedEvaluations(RecalledEvaluations):
    """Evaluations that are recalled up to a checkpoint, and computed from there on."""

    def _evaluate_unknown(self, snapshot: Snapshot) -> bool:
        return Evaluations.evaluate(self, snapshot)


def consensus_distance(models_ND: torch.Tensor) -> float:
    """How far apart the models are: ``sqrt(1/n sum_i ||x_i - x_bar||^2)``; exactly 0 for equal models.

    Args:
        models_ND: the nodes' models, ``[n, D]``.

    Returns:
        The distance, in the models' unit.

    Example:
        >>> consensus_distance(torch.tensor([[0.0, 0.0], [6.0, 8.0]]))
        5.0
    """
    differences_ND = models_ND - models_ND[0]
    return sqrt(float((differences_ND - differences_ND.mean(dim=0)).square().sum(dim=1).mean()))


def divergence(rows: list[dict[str, float]]) -> str:
    """What shows that a run has diverged, in words.

    Args:
        rows: of its evaluations so far, at least one.

    Returns:
        The sentence; empty if nothing shows it.

    Example:
        >>> divergence([{"step": 0, "train_loss": 2.0}, {"step": 10, "train_loss": 1e9}])
        'train_loss has grown from 2 to 1e+09 at step 10'
    """
    first, last = rows[0], rows[-1]
    for name in ("train_loss", "consensus_distance"):
        if not isfinite(last.get(name, 0.0)):
            return f"{name} is {last[name]} at step {last['step']:g}"
    loss, start = last.get("train_loss", 0.0), first.get("train_loss", 0.0)
    if loss > EXPLODED * (1 + abs(start)):
        return f"train_loss has grown from {start:.3g} to {loss:.3g} at step {last['step']:g}"
    return ""


def reached(rows: list[dict[str, float]], name: str, value: float) -> dict[str, float]:
    """Step, time and bits of the first evaluation that reaches a target.

    Args:
        rows: of a run's evaluations, in order.
        name: the metric.
        value: the target, reached from the metric's worse side.

    Returns:
        ``value``, ``step``, ``time_s`` [s] and ``bits_sent`` [bit]; the last three infinite if no evaluation reaches it.

    Example:
        >>> rows = [{"accuracy": a, "step": k, "time_s": 2.0 * k, "bits_sent": 64.0 * k} for k, a in enumerate((0.1, 0.9))]
        >>> reached(rows, "accuracy", 0.8)
        {'value': 0.8, 'step': 1, 'time_s': 2.0, 'bits_sent': 64.0}
    """
    sign = -1 if METRICS[name].better == "min" else 1
    for row in rows:
        if name in row and sign * row[name] >= sign * value:
            return {"value": value, **{axis: row[axis] for axis in ("step", "time_s", "bits_sent")}}
    return {"value": value, "step": inf, "time_s": inf, "bits_sent": inf}
