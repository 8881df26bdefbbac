"""What a simulation leaves behind: records, tables, one folder on disk, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simnet.errors import SimnetError
from simnet.result.files import check_output, metric_columns, read_folder, write_folder, write_records, write_texts
from simnet.result.record import RunRecord, Status, describe_runs, plain, same
from simnet.result.trace import write_trace
from simnet.sentences import question_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Result", "RunRecord", "Status", "check_output", "describe_runs"]


class Result:
    """The records of all runs of one scenario.

    Args:
        records: one for each finished run.
        scenario: what ``scenario_yaml`` says, as plain Python values.
        scenario_yaml: the scenario with every default resolved.
        environment: versions, device, seeds, hashes; plain values.
        class_table: samples per class (columns) of each node (rows), where there are classes.
        complete: whether every planned run is here (not after Ctrl-C).
        planned: how many runs were planned; by default as many as there are records.

    Attributes:
        plan: what made it, while that is in memory; `retime` then needs to read nothing again.
        recomputed: of a retimed result, the runs whose values had to be computed anew, as ``label (seed 1)``.

    Example:
        >>> record = RunRecord("dpsgd", 1, "done", "", [{"step": 0, "accuracy": 0.1}], {"steps": 0})
        >>> result = Result([record], {"name": "tiny"}, "name: tiny")
        >>> result
        <simnet.Result tiny: dpsgd (seed 1)>
        >>> list(result.metrics.columns)
        ['algorithm', 'seed', 'step', 'accuracy']
    """

    def __init__(
        self,
        records: Sequence[RunRecord],
        scenario: Mapping[str, Any],
        scenario_yaml: str,
        environment: Mapping[str, Any] | None = None,
        class_table: pd.DataFrame | None = None,
        complete: bool = True,
        planned: int | None = None,
    ) -> None:
        """Keep the records; see the class."""
        self.records = list(records)
        self.scenario: dict[str, Any] = plain(scenario)
        self.scenario_yaml = scenario_yaml
        self.environment: dict[str, Any] = plain(environment or {})
        self.class_table = None if class_table is None else _plain_table(class_table)
        self.complete = complete
        self.planned = len(self.records) if planned is None else planned
        self.plan: Any = None
        self.recomputed: list[str] = []

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.scenario.get("name", "scenario"))

    @property
    def question(self) -> str:
        """What the scenario asks, in the first comment line of its file; empty if there is none."""
        return question_of(self.scenario_yaml)

    @property
    def labels(self) -> list[str]:
        """The algorithms' labels in the order of the scenario, those without a finished run included."""
        entries = self.scenario.get("algorithms") or []
        known = [str(e.get("label") or e.get("name")) if isinstance(e, Mapping) else str(e) for e in entries]
        return list(dict.fromkeys([*known, *(record.algorithm for record in self.records)]))

    @property
    def metrics(self) -> pd.DataFrame:
        """The tidy table: one row for each algorithm, seed and evaluation."""
        columns = ["algorithm", "seed", *metric_columns(self.records)]
        rows = [{"algorithm": r.algorithm, "seed": r.seed, **row} for r in self.records for row in r.metrics]
        return pd.DataFrame(rows, columns=columns)

    @property
    def summary(self) -> pd.DataFrame:
        """One row for each algorithm and seed; nested entries have dotted names (``targets.accuracy.time_s``)."""
        return pd.DataFrame([_flat(record.summary) for record in self.records])

    @property
    def exit_status(self) -> int:
        """0, or 3 when a run diverged or stalled, or 2 when an algorithm's own code failed."""
        found = {record.status for record in self.records}
        return 2 if "failed" in found else 3 if found - {"done"} else 0

    def models(self, label: str, seed: int | None = None) -> np.ndarray:
        """The nodes' models at every evaluation, the start first.

        Args:
            label: the algorithm's label.
            seed: the run's seed; by default the first.

        Returns:
            An array ``[evaluations, n, D]``.

        Raises:
            SimnetError: there is no such run, or its models were not recorded.
        """
        record = self._record(label, seed)
        if record.models is None:
            raise SimnetError(f"models: {label} has no recorded models; write record: {{models: true}} in the scenario")
        return record.models

    def state_dict(self, label: str, seed: int | None = None) -> dict[str, np.ndarray]:
        """The final average model, parameter by parameter.

        Args:
            label: the algorithm's label.
            seed: the run's seed; by default the first.

        Returns:
            Arrays under the names of the torch module (``torch.from_numpy`` makes tensors of them).

        Raises:
            SimnetError: there is no such run, or its average model was not recorded.
        """
        record = self._record(label, seed)
        if record.average_model is None:
            key = "record: {average_model: true}"
            raise SimnetError(f"state_dict: {label} has no recorded average model; write {key} in the scenario")
        return record.average_model

    def layers(self, label: str, seed: int | None = None) -> pd.DataFrame:
        """How far the norms of each layer lie apart over the nodes, before averaging, at every evaluation.

        Args:
            label: the algorithm's label.
            seed: the run's seed; by default the first.

        Returns:
            A table with the columns ``step``, ``layer``, ``norm`` (L2, mean over the nodes), ``variance`` and ``gini``.

        Raises:
            SimnetError: there is no such run, or its layers were not recorded.
        """
        record = self._record(label, seed)
        if "layers" not in record.summary:
            key = "record: {metrics: [layer_variance]}"
            raise SimnetError(f"layers: {label} has no recorded layers; write {key} in the scenario")
        return pd.DataFrame(record.summary["layers"])

    def timeline(self, label: str, seed: int | None = None) -> pd.DataFrame:
        """What the nodes of a run did and what was on its way, and when.

        Args:
            label: the algorithm's label.
            seed: the run's seed; by default the first.

        Returns:
            A table whose first row (``kind`` is ``window``) says from when to when it reaches. The others, by
            ``start_s``: ``compute``, ``wait`` and ``down`` of a ``node`` at its ``step``, ``wait`` for the nodes named in
            ``peers``; ``transfer`` (or ``lost``) from ``node`` to ``peers``, with ``bits``, when the first and the last
            bit left, the latency, and the ``bandwidth`` of the link, the sender's ``uplink`` and the receiver's
            ``downlink``. Times in s, bandwidths in bit/s; what has not arrived ends at infinity.

        Raises:
            SimnetError: there is no such run, or it was not traced.
        """
        record = self._record(label, seed)
        if record.timeline is None:
            raise SimnetError(f"timeline: {label} was not traced; write run: {{trace: true}} in the scenario")
        return pd.DataFrame(record.timeline)

    def retime(
        self,
        *,
        network: Mapping[str, Any] | None = None,
        compute: Mapping[str, Any] | None = None,
        trace: bool | Mapping[str, Any] | None = None,
    ) -> Result:
        """The same runs under another clock, without taking a gradient wherever the operations turn out to be the same.

        The clock runs anew, and every operation is recorded as ever; where the hash of all of them equals that of the
        earlier run, so do the values. Where it does not (asynchronous algorithms, deadlines, losses), they are computed.

        Args:
            network: keys below ``network`` and their new values; None takes a key away.
            compute: the same below ``compute``.
            trace: as ``run.trace``, to see the timeline.

        Returns:
            A complete result, equal to that of a run of the changed scenario but for what it costs here; its `recomputed`
            says what had to be computed.

        Raises:
            ScenarioError: if the changed scenario is wrong or impossible.

        Example:
            >>> import simnet
            >>> result = simnet.run({
            ...     "nodes": 4, "topology": "ring", "problem": {"kind": "quadratic", "dimension": 3},
            ...     "network": {"latency": "50 ms"}, "run": {"steps": 20, "evaluate_every": 20},
            ...     "algorithms": [{"name": "dpsgd", "lr": 0.05}],
            ... })
            >>> slower = result.retime(network={"latency": "80 ms"})
            >>> slower.metrics["time_s"].round(3).tolist(), slower.recomputed
            ([0.0, 1.6], [])
        """
        from simnet.experiment.retime import retime  # noqa: PLC0415  a method for comfort, as `plot` is

        return retime(self, network=network, compute=compute, trace=trace)

    def plot(self, metric: str | None = None, against: str = "step") -> Figure:
        """One figure: every algorithm's curve of one metric.

        Args:
            metric: a name of ``simnet list metrics``; by default the scenario's headline metric.
            against: ``step``, ``time``, ``bits``, ``epoch`` or ``gradients``.

        Returns:
            A matplotlib figure; it shows itself in a notebook, and ``figure.savefig(...)`` writes it.

        Raises:
            ParameterError: no metric or axis of that name, or nothing to draw.
        """
        from simnet.report.figures import plot  # noqa: PLC0415  the one import upwards: a method for comfort

        return plot(self, metric, against)

    def plot_timeline(
        self, label: str, seed: int | None = None, start: float | None = None, until: float | None = None
    ) -> Figure:
        """What every node of a traced run did, and what they sent each other: one row for each node.

        Args:
            label: the algorithm's label.
            seed: the run's seed; by default the first.
            start: from when [s]; by default where the timeline begins.
            until: to when [s]; by default until half of the nodes have done three steps.

        Returns:
            A matplotlib figure.

        Raises:
            SimnetError: there is no such run, or it was not traced.
            ParameterError: nothing lies between `start` and `until`.
        """
        from simnet.report.timeline import plot_timeline  # noqa: PLC0415  a method for comfort, as `plot` is

        return plot_timeline(self, label, seed, start, until)

    def plot_utilization(
        self, label: str, seed: int | None = None, start: float | None = None, until: float | None = None
    ) -> Figure:
        """Which share of each limited bandwidth a traced run used over time.

        Args:
            label: the algorithm's label.
            seed: the run's seed; by default the first.
            start: from when [s]; by default where the timeline begins.
            until: to when [s]; by default where it ends.

        Returns:
            A matplotlib figure.

        Raises:
            SimnetError: there is no such run, or it was not traced.
            ParameterError: nothing lies between `start` and `until`, or no bandwidth is limited.
        """
        from simnet.report.utilization import plot_utilization  # noqa: PLC0415  a method for comfort, as `plot` is

        return plot_utilization(self, label, seed, start, until)

    def save(self, directory: str | Path, extra: Callable[[Path], None] | None = None) -> Path:
        """Write one folder; it appears whole or not at all.

        A previous simnet result there is replaced (files that simnet did not write stay); ``check_output`` says what
        is refused.

        Args:
            directory: the folder.
            extra: called with the folder while it is not yet visible, to add files (figures, say).

        Returns:
            The folder.

        Raises:
            OutputError: it cannot be written there. What was there before is untouched, as after any other error.
        """

        def fill(folder: Path) -> None:
            self._write(folder)
            if extra is not None:
                extra(folder)

        write_folder(directory, fill)
        return Path(directory)

    @classmethod
    def load(cls, directory: str | Path) -> Result:
        """Read a folder that ``save`` wrote.

        Args:
            directory: the folder.

        Returns:
            A result that equals the saved one, bit for bit.

        Raises:
            OutputError: it is not there, or is no complete simnet result.
        """
        return cls(**read_folder(directory))

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same bits (NaN equals NaN)."""
        if not isinstance(other, Result):
            return NotImplemented
        names = ("records", "scenario_yaml", "environment", "complete", "planned")  # the YAML says what scenario says
        tables = [None if r.class_table is None else r.class_table.to_dict("split") for r in (self, other)]
        return same(tables[0], tables[1]) and all(same(getattr(self, n), getattr(other, n)) for n in names)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Who ran, in one line."""
        state = "" if self.complete else f" ({len(self.records)} of {self.planned} runs)"
        return f"<simnet.Result {self.name}: {describe_runs(self.records) or 'no run'}{state}>"

    def _repr_html_(self) -> str:
        from simnet.report.notebook import result_html  # noqa: PLC0415  a method for comfort, as `plot` is

        return result_html(self)

    def _record(self, label: str, seed: int | None) -> RunRecord:
        fitting = [r for r in self.records if r.algorithm == label and seed in (None, r.seed)]
        if fitting:
            return fitting[0]
        what = repr(label) if seed is None else f"{label!r} with seed {seed}"
        raise SimnetError(f"result: found {what}; there is: {describe_runs(self.records) or 'no finished run'}")

    def _write(self, folder: Path) -> None:
        write_texts(folder, self.scenario_yaml, self.environment, self.class_table)
        write_records(folder, self.records, {"complete": self.complete, "planned": self.planned})
        if any(record.timeline is not None for record in self.records):
            write_trace(folder / "trace.json", self.name, int(self.scenario["nodes"]), self.records)


def _plain_table(table: pd.DataFrame) -> pd.DataFrame:
    plain_table = table.copy()
    plain_table.columns = pd.Index([str(column) for column in table.columns])
    plain_table.index = pd.Index(table.index, name="node")
    return plain_table


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat
