"""What determines a run, as one hash: under it its values are kept, and by it a finished run is known again."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from simnet.algorithms import Entry
from simnet.environment import PACKAGES, code_version, installed
from simnet.scenario import AlgorithmEntry, Scenario

NAMES = ("name", "seed", "seeds", "expect", "sweep", "algorithms")
"""Keys of a scenario that change no run of one algorithm with one seed."""

CLOCK = ("network", "compute", "targets")
"""Keys that change only when things happen, and what is said about it."""

LONGEST_PATH = 255


def depends_on_clock(scenario: Scenario, named: AlgorithmEntry, entry: Entry) -> bool:
    """Whether the values of a run depend on when its messages arrive.

    They do unless every step waits for all messages, none of which is ever lost, and the budget is counted in steps.

    Args:
        scenario: says what may happen.
        named: the scenario's entry of the algorithm.
        entry: the table's row of it.

    Returns:
        True if they may.
    """
    if entry.asynchronous or scenario.run.simulated_time is not None:
        return True
    if entry.pooled:
        return False
    is_lossy = scenario.network is not None and scenario.network.loss is not None
    return (named.wait or scenario.run.wait) != "all" or bool(scenario.faults) or is_lossy


def of_run(scenario: Scenario, label: str, entry: Entry, seed: int, device_type: str) -> str:
    """The hash of all that determines the whole record of a run, its times included.

    Args:
        scenario: that it is a part of.
        label: of its algorithm.
        entry: the table's row of it.
        seed: of its streams.
        device_type: ``cpu`` or ``cuda``.

    Returns:
        32 hexadecimal digits.
    """
    return digest(scenario, label, entry, (seed, device_type, "run"), {})


def of_values(scenario: Scenario, label: str, entry: Entry, seed: int, device_type: str) -> str:
    """The hash of all that determines the values of a run: the same for all clocks if they do not depend on the clock.

    Args:
        scenario: that it is a part of.
        label: of its algorithm; runs that differ in nothing else have the same hash.
        entry: the table's row of it.
        seed: of its streams.
        device_type: ``cpu`` or ``cuda``.

    Returns:
        32 hexadecimal digits.
    """
    named = next(named for named in scenario.algorithms if named.label == label)
    ignored = () if depends_on_clock(scenario, named, entry) else CLOCK
    return digest(scenario, label, entry, (seed, device_type, "values"), dict.fromkeys(ignored))


def digest(scenario: Scenario, label: str, entry: Entry, facts: tuple[Any, ...], changes: Mapping[str, Any]) -> str:
    """The hash of a scenario's part that one algorithm sees, of the files that it names, and of the code.

    Args:
        scenario: that the run is a part of.
        label: of its algorithm.
        entry: the table's row of it.
        facts: what else matters.
        changes: keys of the scenario that are replaced.

    Returns:
        32 hexadecimal digits.
    """
    plain = scenario.to_plain()
    own = next(named for named in plain["algorithms"] if named["label"] == label)
    seen = {key: value for key, value in plain.items() if key not in NAMES} | dict(changes)
    seen["run"] = {key: value for key, value in plain["run"].items() if key not in {"trace", "checkpoint_every"}}
    seen["algorithm"] = {key: value for key, value in own.items() if key != "label"}
    files = {text: _content(path) for text, path in sorted(set(named_files(seen, scenario.base)))}
    parts = (seen, files, own_code(scenario, entry), facts, code_version(), versions(), "deferred")
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def versions() -> dict[str, str]:
    """The versions of the libraries that values depend on.

    Returns:
        By name.
    """
    return {name: installed(name) for name in PACKAGES if name not in {"simnet", "matplotlib"}}


def named_files(value: Any, base: Path) -> Iterator[tuple[str, Path]]:
    """The files that a scenario names.

    Args:
        value: plain values, nested.
        base: the folder that relative paths start from.

    Yields:
        The path as it stands there, and where that is.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            if not isinstance(inner, float | int):
                yield from named_files(inner, base)
    elif isinstance(value, str) and len(value) < LONGEST_PATH and value.isprintable() and (base / value).is_file():
        yield value, base / value


def own_code(scenario: Scenario, entry: Entry) -> dict[str, str]:
    """What a user's own modules say; of what those import in turn, nothing is known.

    Args:
        scenario: may name a model by import path.
        entry: of the algorithm.

    Returns:
        The hash of each module's file.
    """
    modules = [inspect.unwrap(entry.program).__module__]
    factory = getattr(getattr(scenario.problem, "model", None), "factory", None)
    modules += [str(factory).partition(":")[0]] if factory else []
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in modules if not name.startswith("simnet.")}
    return {name: _content(Path(file)) for name, file in files.items() if file}


def _content(path: Path) -> str:
    facts = path.stat()
    return _content_of(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _content_of(path: Path, *_: int) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()
