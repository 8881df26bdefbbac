"""Small scenarios, runs that are ready to start, and programs of one test alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from simnet.algorithms.table import own_entry
from simnet.execution import ExecutorName, Run
from simnet.node import Node
from simnet.progress import Silent
from simnet.simulation import prepare


def scenario(nodes: int = 4, algorithm: Any = "dpsgd", steps: int = 5, **changes: Any) -> dict[str, Any]:
    """A quadratic in float64, one algorithm, an evaluation after every step, no network and no compute time.

    A mapping given for ``problem`` or ``run`` is merged into the default one.
    """
    entry = {"name": algorithm} if isinstance(algorithm, str) else dict(algorithm)
    problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[float(i)] for i in range(nodes)]}
    return {
        "nodes": nodes,
        "dtype": "float64",
        "topology": "ring" if nodes > 1 else None,
        "algorithms": [{"lr": 0.1, **entry}],
        **changes,
        "problem": changes.get("problem", problem),
        "run": {"steps": steps, "evaluate_every": 1, **changes.get("run", {})},
    }


def prepared(
    source: dict[str, Any], executor: ExecutorName = "deferred", program: Callable[..., Iterator[Any]] | None = None
) -> Run:
    """A run of the scenario's first algorithm, or of a program without parameters, ready to be executed."""
    torch.set_num_threads(1)  # as simnet.run does; two threads wait for each other on a busy machine
    plan = prepare(source, device="cpu")
    named, entry = plan.scenario.algorithms[0], plan.entries[0]
    if program is None:
        return Run(plan.setting, named, entry, executor, Silent())
    own = SimpleNamespace(label="own", parameters={}, wait=named.wait)
    return Run(plan.setting, own, own_entry(program), executor, Silent())  # type: ignore[arg-type]


def failure(run: Run) -> str:
    """Why a run of an algorithm whose code is wrong has failed."""
    record = run.execute()
    assert record.status == "failed"
    return record.message


def end_of(source: dict[str, Any]) -> float:
    """When the last step is over, in simulated seconds; values switched off."""
    run = prepared(source, "off")
    record = run.execute()
    assert record.status == "done"
    return run.clock.now


def completion_times(source: dict[str, Any]) -> np.ndarray:
    """``[steps + 1, n]``: when each node has completed each of its steps, from the start at 0."""
    run = prepared(source, "off")
    times_KN = np.zeros((source["run"]["steps"] + 1, source["nodes"]))
    completed = run.observer.completed

    def note(node: Node) -> None:
        times_KN[node.step, node.id] = node.now
        completed(node)

    run.observer.completed = note  # type: ignore[method-assign]
    run.execute()
    return times_KN


def matrix_file(folder: Path, name: str, values: np.ndarray, unit: str) -> dict[str, str]:
    """What a scenario says about a matrix that was written into a file."""
    np.save(folder / f"{name}.npy", values)
    return {"file": str(folder / f"{name}.npy"), "unit": unit}


__all__ = ["completion_times", "end_of", "failure", "matrix_file", "prepared", "scenario"]
