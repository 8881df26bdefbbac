"""Checkpoints: what a long run needs to go on where it was, although its generators cannot be saved.

A checkpoint has the rows that are alive, by the key of the operation that gave them, the numbers by which the algorithm
has decided, and the rows of ``metrics.csv`` so far. Who resumes lets the clock run again, without values, up to that
moment, and puts the rows back. Everything is plain arrays and JSON; nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from simnet.environment import code_version
from simnet.errors import OutputError
from simnet.result import Result, RunRecord
from simnet.result.files import CHECKPOINT
from simnet.result.record import table_of_numbers
from simnet.scenario import Scenario

FORMAT = 1


@dataclass(frozen=True)
class State:
    """One run at one moment.

    Args:
        step: completed by all nodes (by the average node of an asynchronous run).
        digest: of all operations up to there.
        layout: of the rows that are alive (see `ResumableExecutor.layout`).
        record: what it has found until then.
        counters: of its tallies.
        executor: how many gradients it has taken, in how many calls, with how many rows at most.
    """

    step: float
    digest: str
    layout: Mapping[str, np.ndarray]
    record: RunRecord
    counters: Mapping[str, int]
    executor: Mapping[str, int]

    def write(self, path: Path) -> None:
        """Writes one file, whole or not at all.

        Args:
            path: of the file; one that is there is replaced.
        """
        head = {
            "format": FORMAT,
            "step": self.step,
            "digest": self.digest,
            "counters": dict(self.counters),
            "executor": dict(self.executor),
            "label": self.record.algorithm,
            "seed": self.record.seed,
            "metrics": self.record.metrics,
        }
        arrays = {f"layout.{name}": array for name, array in self.layout.items()}
        arrays |= {} if self.record.models is None else {"models": self.record.models}
        arrays |= {f"numbers.{name}": array for name, array in (self.record.numbers or {}).items()}
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            np.savez(file, head=np.frombuffer(json.dumps(head).encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> State:
        """Reads what `write` has written.

        Args:
            path: of the file.

        Returns:
            The state.

        Raises:
            OutputError: if it is damaged, or of another format.
        """
        try:
            with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            head = json.loads(arrays["head"].tobytes())
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise OutputError(f"{path}: damaged checkpoint ({error}); start the run again without --resume") from error
        if head["format"] != FORMAT:
            raise OutputError(
                f"{path}: found a checkpoint of format {head['format']}; this simnet reads format {FORMAT}; "
                "resume it with the simnet that wrote it, or start again"
            )
        groups: dict[str, dict[str, np.ndarray]] = {"layout": {}, "numbers": {}}
        for name, array in arrays.items():
            group, _, rest = name.partition(".")
            if rest:
                groups[group][rest] = array
        record = RunRecord(
            *(head["label"], head["seed"], "done", "", head["metrics"], {}),
            models=arrays.get("models"),
            numbers=groups["numbers"] or None,
        )
        return cls(head["step"], head["digest"], groups["layout"], record, head["counters"], head["executor"])


class Keeper:
    """Keeps the state of one run now and then.

    Args:
        path: of the file.
        every: steps between two checkpoints.
        state: from which the run is resumed; None starts it from the beginning.
    """

    def __init__(self, path: Path, every: int, state: State | None = None) -> None:
        self.path = path
        self.every = every
        self.state = state

    @property
    def memory(self) -> RunRecord:
        """What the run had found at its checkpoint; nothing where it starts from the beginning."""
        return RunRecord("", 0, "done", "", [], {}) if self.state is None else self.state.record

    def keep(self, run: Any, step: float) -> None:
        """Writes the state of a run; or, when it has come to the moment at which it was kept, puts the rows back.

        Args:
            run: the `Run`, all whose models of this step are computed.
            step: at which it is.

        Raises:
            OutputError: if the run has come there in another way than the one that was kept.
        """
        if self.state is None or step > self.state.step:
            self.write(run, step)
        elif step == self.state.step:
            self.wake(run, self.state)

    def write(self, run: Any, step: float) -> None:
        """Writes the state of a run.

        Args:
            run: the `Run`.
            step: at which it is.
        """
        executor, evaluations = run.executor, run.evaluations
        models = np.stack(evaluations.models) if evaluations.models else None
        numbers = table_of_numbers(executor.numbers)
        record = RunRecord(
            *(run.named.label, run.setting.seed, "done", "", evaluations.rows, {}), models=models, numbers=numbers
        )
        counts = {"gradients": executor.gradients, "calls": executor.gradient_calls, "peak_rows": executor.peak_rows}
        State(step, run.hash(), executor.layout(), record, run.observer.counters, counts).write(self.path)

    def wake(self, run: Any, state: State) -> None:
        """Puts the rows back.

        Args:
            run: the `Run`, which has gone through the motions up to there.
            state: what was kept there.

        Raises:
            OutputError: if the run has come there in another way than the one that was kept.
        """
        executor = run.executor
        if run.hash() != state.digest:
            raise OutputError(
                f"{self.path}: found a checkpoint of other code or other libraries; allowed: those that wrote it; "
                "start the run again without --resume"
            )
        executor.wake(state.layout)
        executor.gradients, executor.gradient_calls = state.executor["gradients"], state.executor["calls"]
        executor.arena.peak_rows = max(executor.arena.peak_rows, state.executor["peak_rows"])
        run.observer.counters.clear()
        run.observer.counters.update(state.counters)


class Checkpoints:
    """The checkpoint of a whole result: its scenario, the finished runs, and the state of the one under way.

    Args:
        folder: of the result.
        resumes: whether what lies there is to be gone on with; otherwise it is removed.
    """

    def __init__(self, folder: Path, resumes: bool) -> None:
        self.folder = folder / CHECKPOINT
        self.resumes = resumes
        self.every = 1

    def begin(self, scenario: Scenario) -> None:
        """Writes what does not change.

        Args:
            scenario: what is run, with every default resolved; it says how often something is kept.
        """
        self.every = scenario.run.checkpoint_every or 1
        if self.resumes:
            return
        self.remove()
        self.folder.mkdir(parents=True)
        (self.folder / "scenario.yaml").write_text(scenario.to_yaml(), encoding="utf-8")
        head = {"format": FORMAT, "code": code_version(), "base": str(scenario.base.resolve())}
        new = self.folder / "head.new"
        new.write_text(json.dumps(head), encoding="utf-8")
        new.replace(self.folder / "head.json")

    def keeper(self, index: int) -> Keeper:
        """Who keeps one run.

        Args:
            index: of the run, in the order in which they are done.

        Returns:
            A keeper, with the state that the run is at, if it is resumed.

        Raises:
            OutputError: if that is damaged.
        """
        path = self.folder / f"state-{index}.npz"
        return Keeper(path, self.every, State.read(path) if self.resumes and path.exists() else None)

    def finished(self, index: int) -> RunRecord | None:
        """The record of a run that was finished before.

        Args:
            index: of the run.

        Returns:
            None if it was not.
        """
        folder = self.folder / f"run-{index}"
        return Result.load(folder).records[0] if self.resumes and folder.exists() else None

    def finish(self, index: int, result: Result) -> None:
        """Keeps the record of a finished run, in place of its state.

        Args:
            index: of the run.
            result: that has this one record.
        """
        result.save(self.folder / f"run-{index}")
        (self.folder / f"state-{index}.npz").unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes all of it, once the result is written."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        if self.folder.exists():
            self.folder.rmdir()

    def source(self) -> tuple[str, Path]:
        """What is to be resumed.

        Returns:
            The scenario, and the folder that its relative paths start from.

        Raises:
            OutputError: if there is no checkpoint, or one that cannot be read.
        """
        head = self.folder / "head.json"
        if not head.exists():
            raise OutputError(
                f"{self.folder.parent}: holds no checkpoint; allowed: the --out of a run with run: {{checkpoint_every: N}} "
                "that was interrupted"
            )
        facts = json.loads(head.read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise OutputError(f"{head}: found format {facts['format']}; this simnet reads {FORMAT}; start again")
        return (self.folder / "scenario.yaml").read_text(encoding="utf-8"), Path(facts["base"])
