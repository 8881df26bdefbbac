"""The pytest plug-in: ``pytest scenarios/`` runs every scenario that says what it expects, one test for each expectation.

Every run of pytest loads this file wherever simnet is installed, so it imports nothing of simnet until it is needed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from simnet.plugin import Matcher, Runner

LOOKS_RIGHT = re.compile(rb"^expect[ \t]*:", re.MULTILINE), re.compile(rb"^(algorithms|nodes)[ \t]*:", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options of their own.

    Args:
        parser: of pytest's command line.
    """
    group = parser.getgroup("simnet", "scenarios of simnet")
    group.addoption("--simnet-update", action="store_true", help="record the baselines of scenarios instead of comparing")
    group.addoption("--simnet-baselines", metavar="DIR", help="where baselines are kept (default: beside each file)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Scenarios that say what they expect.

    Args:
        file_path: of any file.
        parent: its folder.

    Returns:
        A collector of the scenario's expectations; None for every other file.
    """
    if file_path.suffix not in {".yaml", ".yml"}:
        return None
    try:
        content = file_path.read_bytes()
    except OSError:  # not ours to complain of
        return None
    if not all(pattern.search(content) for pattern in LOOKS_RIGHT):
        return None
    from simnet.plugin import collector  # noqa: PLC0415  torch takes seconds

    return collector(file_path, parent)


@pytest.fixture(scope="session")
def simnet_run(request: pytest.FixtureRequest) -> Runner:
    """Runs scenarios, each once per session.

    Args:
        request: pytest's.

    Returns:
        A function, ``result = simnet_run("scenarios/ring.yaml", seed=1)``, that takes what ``simnet.run`` takes; a relative
        path starts from pytest's root folder.
    """
    from simnet.plugin import runner  # noqa: PLC0415  torch takes seconds

    return runner(request.config)


@pytest.fixture
def assert_matches_baseline(request: pytest.FixtureRequest) -> Matcher:
    """Compares results with their baselines.

    Args:
        request: pytest's.

    Returns:
        A function, ``assert_matches_baseline(result)``, that compares with ``baselines/NAME.yaml`` beside the test; NAME is
        the scenario's, or the argument ``name``.
    """
    from simnet.plugin import Matcher  # noqa: PLC0415  torch takes seconds

    return Matcher(request.config, request.path)
