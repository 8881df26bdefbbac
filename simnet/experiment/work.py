"""One run of a sweep, done by whoever is asked to: its rows are written before it says that it is finished."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter

from simnet.environment import choose_device
from simnet.errors import AlgorithmError, SimnetError
from simnet.experiment import identity
from simnet.experiment.cache import Cache, How, cached
from simnet.experiment.parts import Columns, write_part
from simnet.experiment.planning import Unit
from simnet.experiment.settings import Settings, entries_of
from simnet.scenario import load
from simnet.simulation import schemas

CACHE = "cache"
"""The folder of the values, in that of the sweep."""


@dataclass(frozen=True)
class Done:
    """What is said of a finished run.

    Args:
        how: its values were come by.
        status: how it ended.
        seconds: that it took, of wall time.
        process: that did it.
    """

    how: How
    status: str
    seconds: float
    process: int


def work(unit: Unit, folder: str, columns: Columns) -> Done:
    """Does one run and writes its rows.

    Args:
        unit: which one.
        folder: of the sweep.
        columns: of its tables.

    Returns:
        How it went.

    Raises:
        SimnetError: if this process has other code than the one that planned the sweep, or if the run failed.
    """
    start = perf_counter()
    base = Path(unit.base)
    scenario = load(unit.scenario, algorithms=schemas(base), base=base)
    index = [named.label for named in scenario.algorithms].index(unit.label)
    named, entry = scenario.algorithms[index], entries_of(scenario)[index]
    if identity.of_values(scenario, unit.label, entry, unit.seed, unit.device_type) != unit.key:
        raise SimnetError(
            "a worker has other code, libraries or files than the process that started the sweep; allowed: the same; "
            "start the workers again with the same environment"
        )
    setting = settings(unit.device_type).of(scenario, unit.seed)
    record, how = cached(Cache(Path(folder) / CACHE), unit.key, setting, named, entry)
    if record.status == "failed":
        raise AlgorithmError(record.message)
    write_part(Path(folder), unit.name, columns, unit.values, record)
    return Done(how, record.status, perf_counter() - start, os.getpid())


@cache
def settings(device_type: str) -> Settings:
    """The settings that this process remembers.

    Args:
        device_type: ``cpu`` or ``cuda``.

    Returns:
        The same ones each time.
    """
    return Settings(choose_device(device_type))
