"""One run's record, in plain values: what JSON and CSV give back exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Status = Literal["done", "diverged", "stalled", "failed"]


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What one run (one algorithm, one seed) left behind.

    Args:
        algorithm: the algorithm's label.
        seed: the run's seed.
        status: how it ended.
        message: why it ended like that, empty when it is done.
        metrics: one row for each evaluation: columns of ``AXES`` and ``METRICS``.
        summary: nested, as ``summary.json`` has it; who and how it ended are filled in from the other fields.
        models: the nodes' models ``[evaluations, n, D]``, if recorded.
        average_model: the final average model, parameter by parameter, if recorded.
        timeline: the columns of the simulated timeline (see `Result.timeline`), if recorded.
        numbers: by which the algorithm decided, if it did: ``key [k]`` of each operation and ``value [k]``.

    Example:
        >>> record = RunRecord("dpsgd", 1, "done", "", [{"step": 0, "accuracy": 0.1}], {"steps": 0})
        >>> record.summary
        {'algorithm': 'dpsgd', 'seed': 1, 'status': 'done', 'message': '', 'steps': 0}
    """

    algorithm: str
    seed: int
    status: Status
    message: str
    metrics: list[dict[str, float]]
    summary: dict[str, Any]
    models: np.ndarray | None = None
    average_model: dict[str, np.ndarray] | None = None
    timeline: dict[str, np.ndarray] | None = None
    numbers: dict[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        """Bring everything into the plain shape that survives a file."""
        known = {"algorithm": self.algorithm, "seed": self.seed, "status": self.status, "message": self.message}
        object.__setattr__(self, "metrics", [plain(row) for row in self.metrics])
        object.__setattr__(self, "summary", plain({**known, **self.summary, **known}))

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same bits (NaN equals NaN)."""
        return isinstance(other, RunRecord) and same(vars(self), vars(other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def decisions(self) -> dict[int, float]:
        """The numbers by which the run has decided, by the key of the operation that gave them."""
        if self.numbers is None:
            return {}
        return dict(zip(self.numbers["key"].tolist(), self.numbers["value"].tolist(), strict=True))


def table_of_numbers(numbers: Mapping[int, float]) -> dict[str, np.ndarray] | None:
    """Numbers by which a run has decided, as arrays.

    Args:
        numbers: by the key of the operation that gave them.

    Returns:
        ``key [k]`` and ``value [k]``; None if there are none.

    Example:
        >>> table_of_numbers({7: 0.5})
        {'key': array([7], dtype=uint64), 'value': array([0.5])}
    """
    if not numbers:
        return None
    return {"key": np.array(list(numbers), dtype=np.uint64), "value": np.array(list(numbers.values()))}


def describe_runs(records: Sequence[RunRecord]) -> str:
    """Name runs for a sentence.

    Args:
        records: the runs.

    Returns:
        Labels with their seeds in order.

    Example:
        >>> describe_runs([RunRecord("dpsgd", seed, "done", "", [], {}) for seed in (1, 2)])
        'dpsgd (seeds 1, 2)'
    """
    seeds: dict[str, list[str]] = {}
    for record in records:
        seeds.setdefault(record.algorithm, []).append(str(record.seed))
    return ", ".join(f"{label} ({'seed' if len(s) == 1 else 'seeds'} {', '.join(s)})" for label, s in seeds.items())


def plain(value: Any) -> Any:
    """Bring a value into Python's own numbers, texts, lists and dicts: what JSON gives back.

    Args:
        value: NumPy scalars and arrays, mappings, sequences, paths and the like, nested.

    Returns:
        The same in plain types; what has no plain type becomes its text.

    Example:
        >>> plain({"a": (np.float64(0.5), np.int64(2), None)})
        {'a': [0.5, 2, None]}
    """
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str.__str__(value) if isinstance(value, str) else str(value)


def same(left: object, right: object) -> bool:
    """Whether two nested values hold the same bits.

    Args:
        left: plain values and arrays, nested.
        right: the other one.

    Returns:
        True if types, shapes and bits agree; NaN equals NaN, and 0.0 differs from -0.0.

    Example:
        >>> same([float("nan")], [float("nan")]), same(0.0, -0.0), same(1, 1.0)
        (True, False, False)
    """
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    return type(left) is type(right) and left == right
