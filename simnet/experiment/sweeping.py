"""Does a sweep: each trajectory is computed once, what is finished is never done again, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from simnet.environment import choose_device, code_version
from simnet.errors import OutputError, SimnetError
from simnet.experiment.cache import Cache, void, write_whole
from simnet.experiment.crew import Crew, crew
from simnet.experiment.parts import finished_in, join, remove_others, separate
from simnet.experiment.planning import SweepPlan, Unit, asked, planned
from simnet.experiment.sweep import HEAD, Sweep, load_sweep
from simnet.experiment.work import CACHE, Done
from simnet.result.record import plain
from simnet.simulation import Source

FORMAT = 1
RETRIES = 2


class SweepProgress(Protocol):
    """Whoever wants to know how far a sweep has come."""

    def begin(self, runs: int, finished: int) -> None:
        """It starts.

        Args:
            runs: of the whole sweep.
            finished: of them, before.
        """

    def advance(self, unit: Unit, done: Done | None, remaining_s: float | None) -> None:
        """One run has ended.

        Args:
            unit: which one.
            done: how; None if it failed for good.
            remaining_s: wall seconds until the end, as far as one can tell.
        """

    def close(self) -> None:
        """Nothing comes any more."""


class Unwatched:
    """The progress that nobody watches."""

    def begin(self, runs: int, finished: int) -> None:
        """It starts; nothing is shown."""

    def advance(self, unit: Unit, done: Done | None, remaining_s: float | None) -> None:
        """One run has ended; nothing is shown."""

    def close(self) -> None:
        """Nothing comes any more."""


def sweep(  # noqa: PLR0913  the words of the scenario and of the command line
    source: Source,
    *,
    grid: Mapping[str, Any] | None = None,
    zip: Mapping[str, Any] | None = None,  # noqa: A002  the word of the scenario
    random: Mapping[str, Any] | None = None,
    best_of: Mapping[str, Any] | None = None,
    out: str | Path,
    workers: int | None = None,
    scheduler: str | None = None,
    retries: int = RETRIES,
    device: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    progress: SweepProgress | None = None,
) -> Sweep:
    """Runs a scenario at many points, and goes on with what an earlier call has left unfinished.

    Every algorithm and seed at every point is one run. Points that differ only in the clock share their values.

    Args:
        source: a scenario file, a mapping with the same keys, or a `Scenario`.
        grid: keys of the scenario and their values, beside those of its own `sweep`: all combinations.
        zip: keys whose first values go together, then their second ones.
        random: ``count``, ``seed``, and for each key a range.
        best_of: parameters that are tuned for each algorithm at each point, and ``by`` what.
        out: the folder of the tables; what is finished there is not done again.
        workers: processes on this machine; 0: this process alone; None: as many as there are processors, or GPUs.
        scheduler: the address of a Dask scheduler whose workers do it, instead.
        retries: how often a run that fails is tried again.
        device: ``auto``, ``cpu`` or ``cuda``.
        overrides: dotted keys and values that replace the scenario's at all points.
        progress: is told how far the sweep has come.

    Returns:
        The tables; after Ctrl-C, or where runs have failed, of what was finished.

    Raises:
        ScenarioError: if any point is wrong or impossible, with all complaints at once; then nothing has run.
        OutputError: if the folder holds something else, or cannot be written.

    Example:
        >>> import tempfile
        >>> scenario = {
        ...     "nodes": 4, "topology": "ring", "problem": {"kind": "quadratic", "dimension": 3},
        ...     "algorithms": [{"name": "dpsgd", "lr": 0.05}], "run": {"steps": 20, "evaluate_every": 20},
        ... }
        >>> with tempfile.TemporaryDirectory() as out:
        ...     found = sweep(scenario, grid={"network.latency": ["1 ms", "2 ms"]}, out=out, workers=0)
        ...     [round(t, 3) for t in found.summary["time_s"]]
        [0.02, 0.04]
    """
    varied = plain({**(grid or {}), "zip": zip or {}, "random": random or {}, "best_of": best_of or {}})
    plan = prepared(source, varied, overrides or {}, device)
    return execute(plan, Path(out), workers=workers, scheduler=scheduler, retries=retries, progress=progress)


def prepared(source: Source, varied: Mapping[str, Any], overrides: Mapping[str, Any], device: str) -> SweepPlan:
    """A sweep, checked and ready to be done.

    Args:
        source: a scenario file, a mapping with the same keys, or a `Scenario`.
        varied: what is added to its `sweep`.
        overrides: dotted keys and values that replace the scenario's.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        What is to be done.

    Raises:
        ScenarioError: if any point is wrong or impossible.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise SimnetError(f"device: found {device!r}; allowed: auto, cpu, cuda")
    device_type = choose_device(device).type if device == "auto" else device
    return planned(asked(source, overrides, {key: value for key, value in varied.items() if value}), device_type)


def execute(
    plan: SweepPlan,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    retries: int = RETRIES,
    progress: SweepProgress | None = None,
) -> Sweep:
    """Does what a sweep lacks.

    Args:
        plan: what it consists of.
        folder: of its tables.
        workers: as of `sweep`.
        scheduler: as of `sweep`.
        retries: how often a run that fails is tried again.
        progress: is told how far the sweep has come.

    Returns:
        The tables of what is finished.

    Raises:
        OutputError: if the folder holds something else, or cannot be written.
    """
    folder = folder.resolve()
    begin(plan, folder)
    finished = finished_in(folder)
    missing = [unit for unit in plan.units if unit.name not in finished]
    watcher = progress or Unwatched()
    watcher.begin(len(plan.units), len(plan.units) - len(missing))
    foreman = Foreman(missing, Cache(folder / CACHE), retries, watcher)
    try:
        if missing:
            device_type = missing[0].device_type
            with crew(str(folder), plan.columns, workers, scheduler, device_type) as hands:
                foreman.work(hands)
    except KeyboardInterrupt:
        foreman.is_interrupted = True
    finally:
        watcher.close()
    names = [unit.name for unit in plan.units]
    if finished_in(folder).issuperset(names):
        join(folder, names)
    found = load_sweep(folder)
    found.failures, found.interrupted, found.how = foreman.failures, foreman.is_interrupted, dict(foreman.how)
    return found


def begin(plan: SweepPlan, folder: Path) -> None:
    """Writes what does not depend on the runs, and removes the rows of runs that are not part of this sweep.

    Args:
        plan: what it consists of.
        folder: of its tables.

    Raises:
        OutputError: if the folder holds something else, or cannot be written.
    """
    check_folder(folder)
    head = {
        "format": FORMAT,
        "code": code_version(),
        "keys": dict(plan.columns.keys),
        "labels": plan.labels,
        "points": [plan.columns.key_cells(point) for point in plan.points],
        "runs": [unit.name for unit in plan.units],
    }
    text = json.dumps(head, indent=1) + "\n"
    separate(folder)
    write_whole(folder / "scenario.yaml", lambda path: void(path.write_text(plan.scenario.to_yaml(), encoding="utf-8")))
    write_whole(folder / HEAD, lambda path: void(path.write_text(text, encoding="utf-8")))
    remove_others(folder, {unit.name for unit in plan.units})


def check_folder(folder: Path) -> None:
    """Refuses a folder that holds something else.

    Args:
        folder: where the tables are to be.

    Raises:
        OutputError: if it is a file, or a folder that is neither empty nor a sweep's.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder")
    others = [path.name for path in folder.iterdir() if not path.name.startswith(".new-")] if folder.exists() else []
    if others and HEAD not in others and set(others) != {"scenario.yaml"}:
        raise OutputError(
            f"{folder}: holds something that is not a sweep; allowed are a new or empty folder and one with an earlier sweep, "
            "which is gone on with; choose another with --out"
        )


class Foreman:
    """Gives out runs in an order in which each trajectory is computed once, and tries again what fails.

    Args:
        units: what is to be done.
        cache: where values are kept.
        retries: how often a run that fails is tried again.
        progress: is told how far it has come.

    Attributes:
        failures: runs that failed for good, and why.
        how: how many runs were computed, retimed, or reused as they were.
        is_interrupted: whether it ended before all was done.
    """

    def __init__(self, units: list[Unit], cache: Cache, retries: int, progress: SweepProgress) -> None:
        self.retries = retries
        self.progress = progress
        self.failures: dict[str, str] = {}
        self.how: Counter[str] = Counter()
        self.is_interrupted = False
        self.tries: Counter[str] = Counter()
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.left: Counter[bool] = Counter()
        self.first: list[Unit] = []
        self.followers: defaultdict[str, list[Unit]] = defaultdict(list)
        self.others: list[Unit] = []
        leads: set[str] = set()
        for unit in units:
            if unit.key in leads:
                self.followers[unit.key].append(unit)
            elif cache.path(unit.key).exists():
                self.others.append(unit)
            else:
                leads.add(unit.key)
                self.first.append(unit)
        self.leading = {unit.name for unit in self.first}
        self.left = Counter(unit.name in self.leading for unit in units)

    def work(self, hands: Crew) -> None:
        """Has everything done.

        Args:
            hands: who does it.
        """
        for units in (self.first, self.others):
            for unit in units:
                hands.give(unit, is_urgent=units is self.first)
        for unit, outcome in hands.done():
            self.tries[unit.name] += 1
            if isinstance(outcome, Exception) and self.tries[unit.name] <= self.retries:
                hands.give(unit, is_urgent=unit.name in self.leading)
                continue
            self.note(unit, outcome, hands.size)
            for follower in self.followers.pop(unit.key, ()):
                hands.give(follower, is_urgent=False)

    def note(self, unit: Unit, outcome: Done | Exception, size: int) -> None:
        """Remembers how a run ended.

        Args:
            unit: which one.
            outcome: how it went.
            size: how many runs are done at once.
        """
        is_first = unit.name in self.leading
        self.left[is_first] -= 1
        if isinstance(outcome, Done):
            self.how[outcome.how] += 1
            self.seconds[is_first].append(outcome.seconds)
        else:
            self.failures[str(unit)] = f"{type(outcome).__name__}: {outcome}"
        done = outcome if isinstance(outcome, Done) else None
        self.progress.advance(unit, done, self.remaining_s(size))

    def remaining_s(self, size: int) -> float | None:
        """Wall seconds until the end: what is left, at the mean time of its kind so far.

        Args:
            size: how many runs are done at once.

        Returns:
            None where nothing is known of a kind that is left.
        """
        total = 0.0
        for kind, number in self.left.items():
            if number and not self.seconds[kind]:
                return None
            total += number * sum(self.seconds[kind]) / max(1, len(self.seconds[kind]))
        return total / size
