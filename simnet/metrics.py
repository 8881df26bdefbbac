"""What an evaluation measures, and the axes it is drawn against: two tables of names."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from simnet.errors import ParameterError

AVERAGE = "of the average model"


@dataclass(frozen=True)
class Metric:
    """One quantity of an evaluation, a column of ``metrics.csv``.

    Args:
        name: the column.
        label: what an axis of a figure says.
        description: one line for ``simnet list metrics``.
        better: which end is the good one, ``None`` where neither is.
        log: whether a figure's axis is logarithmic.
        is_share: whether the number lies between 0 and 1 and reads best in per cent.
        on_request: whether it is measured only where the scenario's ``record: {metrics: [...]}`` names it.
    """

    name: str
    label: str
    description: str
    better: Literal["min", "max"] | None
    log: bool = False
    is_share: bool = False
    on_request: bool = False

    def reaches(self, value: float, target: float) -> bool:
        """Whether this value is at the target or on its good side (where neither side is: not above it).

        Args:
            value: a measured value; NaN reaches nothing.
            target: the value to reach.

        Returns:
            ``value >= target`` where more is better, otherwise ``value <= target``.

        Example:
            >>> METRICS["accuracy"].reaches(0.91, 0.9), METRICS["test_loss"].reaches(0.91, 0.9)
            (True, False)
        """
        return value >= target if self.better == "max" else value <= target


@dataclass(frozen=True)
class Axis:
    """One way to count how far a run has come, a column of ``metrics.csv``.

    Args:
        name: the column.
        label: what an axis of a figure says, without its unit.
        unit: ``s``, ``bit``, or empty for a count.
        description: one line for ``simnet list metrics``.
    """

    name: str
    label: str
    unit: str
    description: str


def _asked(name: str, label: str, description: str, better: Literal["min", "max"] | None = "min") -> Metric:
    return Metric(name, label, description, better, log=True, on_request=True)


ON_REQUEST = (
    _asked(
        "critical_consensus_distance",
        "critical consensus distance",
        "below it, D-SGD is as fast as SGD: sqrt(lr sigma^2 / (L n) + ||grad f(x_bar)||^2 / (8 L^2))",
        None,
    ),
    _asked("gradient_noise", "gradient noise", "sigma, root mean square over nodes of ||g_i - grad f_i|| at x_bar"),
    _asked("smoothness", "smoothness", "L, largest curvature of any f_i (where it is not known: at x_bar, estimated)", None),
    _asked(
        "gradient_diversity",
        "gradient diversity",
        "sum_i ||grad f_i||^2 / ||sum_i grad f_i||^2 at x_bar; 1/n if all nodes are alike",
        None,
    ),
    _asked("heterogeneity", "heterogeneity", "sqrt(mean_i ||grad f_i - grad f||^2) at x_bar"),
    _asked("layer_variance", "variance of layer norms", "variance over nodes of ||layer||, before averaging, mean over layers"),
    _asked("layer_gini", "Gini index of layer norms", "Gini index over nodes of ||layer||, before averaging, mean over layers"),
    _asked("tracker_error", "tracker error", "sqrt(mean_i ||y_i - mean_j g_j||^2), of algorithms with a tracker y"),
    _asked("tracker_drift", "drift of the trackers", "||mean_i y_i - mean_i g_i||, of algorithms with a tracker y"),
    _asked("replica_mismatch", "replica mismatch", "largest ||xhat_ij - xhat_jj||, of algorithms with replicas"),
    _asked("model_staleness", "staleness of messages", "steps between sending and use, mean so far, where nobody waits"),
    _asked("gradient_staleness", "staleness of gradients", "changes of the model between taking and using, mean so far"),
    _asked("wrap_violations", "wrap violations", "numbers recovered wrong so far, of modulo quantization"),
)
"""What costs more than the rest, or concerns few algorithms."""

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("train_loss", "training loss", f"loss {AVERAGE} on all training data, with l2", "min", log=True),
        Metric("test_loss", "test loss", f"loss {AVERAGE} on the test data", "min", log=True),
        Metric("train_accuracy", "training accuracy", f"accuracy {AVERAGE} on all training data", "max", is_share=True),
        Metric("accuracy", "test accuracy", f"accuracy {AVERAGE} on the test data", "max", is_share=True),
        Metric("node_loss_mean", "loss, mean over nodes", "mean loss of the nodes' own models", "min", log=True),
        Metric("node_loss_worst", "loss of worst node", "largest loss of the nodes' own models", "min", log=True),
        Metric(
            "node_accuracy_mean",
            "accuracy, mean over nodes",
            "mean accuracy of the nodes' own models",
            "max",
            is_share=True,
        ),
        Metric(
            "node_accuracy_worst",
            "accuracy of worst node",
            "smallest accuracy of the nodes' own models",
            "max",
            is_share=True,
        ),
        Metric(
            "consensus_distance",
            "consensus distance",
            "sqrt(mean_i ||x_i - x_bar||^2): how far the nodes' models lie apart",
            "min",
            log=True,
        ),
        Metric("gradient_norm", "gradient norm", f"norm of the full training gradient {AVERAGE}", "min", log=True),
        Metric("optimum_distance", "distance to the optimum", "||x_bar - x*||, where x* is known", "min", log=True),
        Metric(
            "idle_share",
            "idle share",
            "share of the simulated time so far in which a node waits, mean over nodes",
            "min",
            is_share=True,
        ),
        *ON_REQUEST,
    )
}

VALUES = frozenset(METRICS) - {"idle_share"}
"""The metrics that say something of models, and nothing of the clock."""

AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("step", "steps", "", "completed steps of a node"),
        Axis("epoch", "epochs", "", "passes over a node's own data, mean over nodes"),
        Axis("time_s", "simulated time", "s", "when the last node had completed this step"),
        Axis("bits_sent", "data sent", "bit", "sent by all nodes together"),
        Axis("gradients", "gradients", "", "mini-batch gradients taken by all nodes together"),
    )
}

_AXIS_WORDS = {
    "steps": "step",
    "epochs": "epoch",
    "time": "time_s",
    "seconds": "time_s",
    "bits": "bits_sent",
    "gradient": "gradients",
}

HEADLINES = ("accuracy", "optimum_distance", "test_loss", "train_loss", "train_accuracy")


def find_metric(name: str) -> Metric:
    """The metric of this name.

    Args:
        name: a name of ``METRICS``.

    Returns:
        The entry of the table.

    Raises:
        ParameterError: there is none of that name.

    Example:
        >>> find_metric("accuracy").label
        'test accuracy'
    """
    if name in METRICS:
        return METRICS[name]
    raise ParameterError(f"metric: found {name!r}; allowed: {', '.join(METRICS)}{_meant(name, list(METRICS))}")


def find_axis(name: str) -> Axis:
    """The axis of this name; ``steps``, ``time``, ``bits`` and the like are understood too.

    Args:
        name: a name of ``AXES`` or an everyday word for one.

    Returns:
        The entry of the table.

    Raises:
        ParameterError: there is none of that name.

    Example:
        >>> find_axis("time").name, find_axis("bits_sent").name
        ('time_s', 'bits_sent')
    """
    word = _AXIS_WORDS.get(name, name)
    if word in AXES:
        return AXES[word]
    allowed = [*AXES, *_AXIS_WORDS]
    raise ParameterError(f"against: found {name!r}; allowed: {', '.join(AXES)}{_meant(name, allowed)}")


def _meant(name: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"; did you mean {close[0]}?" if close else ""
