"""Scenarios as regression tests: run, judge what they expect, compare with what they gave before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simnet.errors import OutputError, ScenarioError, SimnetError
from simnet.experiment.baselines import read, record
from simnet.experiment.drift import Change, changes
from simnet.experiment.verdicts import Verdict, verdicts
from simnet.progress import Progress, Silent
from simnet.result import Result
from simnet.scenario import Scenario
from simnet.simulation import prepare

BASELINES = "baselines"
"""The folder beside a scenario where its golden trajectories lie, unless another one is named."""

ENDINGS = {".yaml", ".yml"}
KEYS = ("nodes", "topology", "network", "compute", "problem", "algorithms", "run")
"""Of these, a scenario has some at the beginning of a line; one of them may be misspelt, so that the file is complained of."""


@dataclass
class Outcome:
    """What came of one scenario.

    Args:
        path: of its file.
        result: its runs.
        verdicts: one for each expectation.
        baseline: of its golden trajectories; None: there are none.
        changes: which runs have left them, the first one first.
        recorded: what an update did to them: ``recorded``, ``unchanged``, or nothing.
    """

    path: Path
    result: Result
    verdicts: list[Verdict]
    baseline: Path | None = None
    changes: list[Change] = field(default_factory=list)
    recorded: str = ""

    @property
    def exit_status(self) -> int:
        """0; 1 if an expectation fails or something has moved; 2 if an algorithm's code failed; 3 if a run did not end."""
        is_well = all(verdict.holds for verdict in self.verdicts) and not self.changes
        return self.result.exit_status or (0 if is_well else 1)

    @property
    def passed(self) -> bool:
        """Whether everything is as it should be."""
        return self.exit_status == 0


def test(
    *sources: str | Path,
    update: bool = False,
    baselines: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[Outcome]:
    """Runs scenarios, judges what they expect, and compares with their baselines.

    Args:
        sources: scenario files, or folders in which every scenario with ``expect:`` is meant.
        update: record golden trajectories, for those whose runs are all done.
        baselines: the folder of the golden trajectories; by default ``baselines`` beside each scenario.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: is told how far the runs have come.

    Returns:
        One outcome for each scenario; ``all(outcome.passed for outcome in ...)`` is what a test asks.

    Raises:
        ScenarioError: a scenario or a baseline is wrong; with all complaints about all files, before anything runs.
        OutputError: there is no such file, no scenario in a folder, or nothing to test in one.
    """
    tests = planned(sources, baselines, update=update)
    check(tests, device, needs_expectations=not update)
    return [execute(one, update, device, progress or Silent()) for one in tests]


vars(test)["__test__"] = False  # pytest shall not collect it where somebody imports it


@dataclass(frozen=True)
class Planned:
    """One scenario that is to be tested.

    Args:
        path: of its file.
        baseline: where its golden trajectories are, or are to be.
    """

    path: Path
    baseline: Path


def planned(sources: Sequence[str | Path], baselines: str | Path | None, *, update: bool) -> list[Planned]:
    """The scenarios that files and folders stand for.

    Args:
        sources: files and folders.
        baselines: the folder of the golden trajectories; None: the one beside each scenario.
        update: whether they are to be recorded.

    Returns:
        Each scenario once, in the order of the sources and, in a folder, of the names.

    Raises:
        OutputError: nothing is there, or two scenarios would have the same baseline.
    """
    paths = list(dict.fromkeys(path for source in sources for path in scenarios_of(Path(source))))
    tests = [Planned(path, baseline_of(path, baselines)) for path in paths]
    owners: dict[Path, Path] = {}
    for one in tests:
        other = owners.setdefault(one.baseline.resolve(), one.path)
        if other != one.path and (update or one.baseline.exists()):
            raise OutputError(
                f"{one.path}: found the same baseline {one.baseline} for {other}; allowed: one for each; "
                "rename one of the two, or test them with different --baselines"
            )
    return tests


def scenarios_of(source: Path) -> list[Path]:
    """The scenarios that one file or folder stands for.

    Args:
        source: the file or folder.

    Returns:
        The file itself, or all scenarios with expectations below the folder.

    Raises:
        OutputError: there is none.
    """
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix in ENDINGS and is_test(path))
    if not found:
        raise OutputError(f"{source}: found no scenario with expect: in this folder; name a file, or write what it expects")
    return found


def is_test(path: Path) -> bool:
    """Whether a file looks like a scenario that says what it expects, right or wrong.

    Args:
        path: of any file.

    Returns:
        False for the copy in a result's folder, too.
    """
    if not path.is_file() or (path.name == "scenario.yaml" and (path.parent / "summary.json").exists()):
        return False
    keys = set(re.findall(r"^(\w+)[ \t]*:", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE))
    return "expect" in keys and len(keys.intersection(KEYS)) > 2


def baseline_of(path: Path, folder: str | Path | None = None) -> Path:
    """Where a scenario's golden trajectories lie.

    Args:
        path: of the scenario.
        folder: where they are kept; None: beside the scenario.

    Returns:
        A file with the scenario's own name.

    Example:
        >>> baseline_of(Path("scenarios/quickstart.yaml")).as_posix()
        'scenarios/baselines/quickstart.yaml'
    """
    return (path.parent / BASELINES if folder is None else Path(folder)) / f"{path.stem}.yaml"


def check(tests: Sequence[Planned], device: str = "auto", *, needs_expectations: bool = True) -> None:
    """Refuses, before anything runs, what cannot be tested.

    Args:
        tests: the scenarios.
        device: ``auto``, ``cpu`` or ``cuda``.
        needs_expectations: whether a scenario needs something to be judged by.

    Raises:
        ScenarioError: with all complaints about all files.
    """
    found: list[str] = []
    for one in tests:
        try:
            scenario = prepare(one.path, device=device).scenario
            found += objections(scenario)
            if one.baseline.exists():
                read(one.baseline)
            elif needs_expectations and not scenario.expect:
                found.append(f"{one.path}: found neither expect: nor the baseline {one.baseline}; allowed: one of them or both")
        except SimnetError as error:
            found.append(str(error))
    if found:
        raise ScenarioError("\n".join(found))


def objections(scenario: Scenario) -> list[str]:
    """What could never hold.

    Args:
        scenario: with its expectations.

    Returns:
        One sentence for each.
    """
    return [
        scenario.complain(f"expect.{i}", "found a confidence with one seed; allowed: two or more; use seeds: [...]")
        for i, expectation in enumerate(scenario.expect)
        if expectation.confidence is not None and len(scenario.seeds) < 2
    ]


def execute(one: Planned, update: bool, device: str, progress: Progress) -> Outcome:
    """Runs one scenario and says what came of it.

    Args:
        one: the scenario.
        update: whether its golden trajectories are recorded, if all runs are done.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: is told how far the runs have come.

    Returns:
        The outcome.

    Raises:
        KeyboardInterrupt: somebody asked for it: half a result proves nothing.
    """
    result = prepare(one.path, device=device).execute("deferred", progress)
    if not result.complete:
        raise KeyboardInterrupt
    outcome = Outcome(one.path, result, verdicts(result))
    if update and result.exit_status == 0:
        outcome.recorded = "recorded" if record(result, one.baseline, one.path.name) else "unchanged"
    if one.baseline.exists():
        outcome.baseline = one.baseline
        outcome.changes = [] if outcome.recorded else changes(read(one.baseline), result)
    return outcome
