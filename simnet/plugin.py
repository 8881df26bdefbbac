"""What the pytest plug-in (``pytest_simnet.py``) does once a scenario is there: collect, run once, judge, show a table."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from simnet.errors import OutputError, SimnetError
from simnet.experiment.baselines import read, record
from simnet.experiment.drift import changes
from simnet.experiment.testing import baseline_of, is_test, objections
from simnet.experiment.verdicts import verdicts
from simnet.report.judgements import change_table, verdict_sheet
from simnet.report.tables import remarks
from simnet.result import Result
from simnet.scenario import Scenario, load
from simnet.scenario.expectations import Expectation
from simnet.simulation import run, schemas

WIDTH = 110


class RefutedError(SimnetError):
    """A result is not what it should be; the message says how, for people."""


class Runner:
    """Runs scenarios, each once.

    Args:
        root: the folder that relative paths start from.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: dict[str, Result | SimnetError] = {}

    def __call__(self, source: str | PathLike[str] | Mapping[str, Any] | Scenario, **options: Any) -> Result:
        """The result of a scenario, run now or before in this process.

        Args:
            source: a file, a mapping or a scenario, as for `simnet.run`.
            options: as for `simnet.run`.

        Returns:
            The result, the same object each time: do not change it.

        Raises:
            SimnetError: as `simnet.run`, the same each time.
            KeyboardInterrupt: somebody asked for it: half a result proves nothing.
        """
        given = self.root / source if isinstance(source, str | PathLike) else source
        plain = given.to_plain() if isinstance(given, Scenario) else given
        key = json.dumps([plain, options], default=str, sort_keys=True)
        if key not in self.known:
            self.known[key] = attempt(given, options)
        found = self.known[key]
        if isinstance(found, SimnetError):
            raise found
        return found


def attempt(source: Path | Mapping[str, Any] | Scenario, options: Mapping[str, Any]) -> Result | SimnetError:
    """Runs a scenario, undisturbed by what a project wants done with warnings: those of libraries are not its own.

    Args:
        source: as for `simnet.run`.
        options: as for `simnet.run`.

    Returns:
        The result or the error.

    Raises:
        KeyboardInterrupt: only a part was run.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        try:
            result = run(source, **options)
        except SimnetError as error:
            return error
    if not result.complete:
        raise KeyboardInterrupt
    return result


RUNNER = pytest.StashKey[Runner]()


def runner(config: pytest.Config) -> Runner:
    """The session's runner.

    Args:
        config: of the session.

    Returns:
        The same one each time.
    """
    if RUNNER not in config.stash:
        config.stash[RUNNER] = Runner(config.rootpath)
    return config.stash[RUNNER]


class Matcher:
    """Compares results with baselines, or records them where ``--simnet-update`` is given.

    Args:
        config: of the session.
        path: of the test or scenario; the baselines lie beside it, if no other folder is named.
    """

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.is_update = bool(config.getoption("simnet_update"))
        self.folder: str | None = config.getoption("simnet_baselines")
        self.path = path

    def __call__(self, result: Result, name: str | None = None) -> None:
        """Compares.

        Args:
            result: all runs of which are done.
            name: of the baseline; by default the scenario's.

        Raises:
            RefutedError: something has moved, or there is no baseline.
            OutputError: it cannot be written.
            ScenarioError: it cannot be read.
        """
        name = name or result.name
        path = baseline_of(self.path.with_name(f"{name}.yaml"), self.folder)
        ended(result)
        if self.is_update:
            record(result, path, name)
            return
        if not path.exists():
            raise OutputError(f"{path}: no baseline there; record it with pytest --simnet-update")
        found = changes(read(path), result)
        if found:
            shown = text(change_table(found))
            raise RefutedError(f"{path}: {found[0]}\n{shown}\nif that is meant, record it with pytest --simnet-update")


def ended(result: Result) -> None:
    """Refuses a result with runs that did not end.

    Args:
        result: any.

    Raises:
        RefutedError: one diverged or stalled.
    """
    if result.exit_status:
        raise RefutedError("\n".join(remarks(result)))


def text(table: Table) -> str:
    """A table without colors, as a failure shows it.

    Args:
        table: any.

    Returns:
        Its lines.
    """
    file = io.StringIO()
    Console(file=file, width=WIDTH).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()).strip("\n")


def collector(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The collector of a scenario.

    Args:
        path: of a file that may be one.
        parent: the collector of its folder.

    Returns:
        None, if it is none.
    """
    return ScenarioFile.from_parent(parent, path=path) if is_test(path) else None


class ScenarioFile(pytest.File):
    """A scenario: a test for each of its expectations, and one for its baseline, if there is one."""

    def collect(self) -> Iterator[pytest.Item]:
        """What a scenario expects.

        Yields:
            One item for each expectation, then perhaps one for the baseline.

        Raises:
            CollectError: the scenario is wrong.
        """
        try:
            scenario = load(self.path, algorithms=schemas(self.path.parent))
            if found := objections(scenario):
                raise RefutedError("\n".join(found))
        except SimnetError as error:
            raise self.CollectError(str(error)) from None
        for index, expectation in enumerate(scenario.expect):
            line = scenario._origin.line(("expect", index))
            yield ScenarioItem.from_parent(self, name=name_of(expectation), line=line, verify=expected(index))
        matcher = Matcher(self.config, self.path)
        if matcher.is_update or baseline_of(self.path, matcher.folder).exists():
            yield ScenarioItem.from_parent(self, name="baseline", line=1, verify=lambda result: matcher(result, self.path.stem))


def name_of(expectation: Expectation) -> str:
    """An expectation as the name of a test.

    Args:
        expectation: any.

    Returns:
        Its text in one line, and for which seeds, where that is said.
    """
    that = " ".join(expectation.that.split())
    if expectation.confidence is not None:
        return f"{that} (confidence {expectation.confidence:g})"
    return that if expectation.seeds == "all" else f"{that} ({expectation.seeds} of the seeds)"


def expected(index: int) -> Callable[[Result], None]:
    """A function that judges one expectation.

    Args:
        index: of the expectation.

    Returns:
        It raises `RefutedError` with a table if a result is not so.
    """

    def verify(result: Result) -> None:
        ended(result)
        verdict = verdicts(result)[index]
        if not verdict.holds:
            raise RefutedError(f"{verdict.numbers_text}\n{text(verdict_sheet([verdict], '').to_rich())}")

    return verify


class ScenarioItem(pytest.Item):
    """One thing that must be so of a scenario's result.

    Args:
        line: of the scenario's file.
        verify: raises an error if a result is not so.
        named: what pytest needs, the name and the parent.
    """

    def __init__(self, *, line: int, verify: Callable[[Result], None], **named: Any) -> None:
        super().__init__(**named)
        self.line = line
        self.verify = verify

    def runtest(self) -> None:
        """Runs the scenario, unless that was done before, and looks."""
        self.verify(runner(self.config)(self.path))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong, in words, where simnet has them."""
        return str(excinfo.value) if isinstance(excinfo.value, SimnetError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, the line before it, and the headline of a failure."""
        return self.path, self.line - 1, f"{self.path.name}: {self.name}"
