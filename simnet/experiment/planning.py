"""What a sweep consists of: every run of every point, checked before the first one starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from simnet.errors import ScenarioError
from simnet.experiment import identity
from simnet.experiment.parts import TUNED, Columns, kind_of
from simnet.experiment.points import Values, candidates_of, points_of
from simnet.experiment.settings import Settings, entries_of
from simnet.scenario import Record, Scenario, Sweep, load
from simnet.scenario.source import read_yaml
from simnet.simulation import Source, schemas

MOST_COMPLAINTS = 20


@dataclass(frozen=True)
class Unit:
    """The unit of work: one algorithm with one seed at one point.

    Args:
        name: the hash of all that determines its rows.
        key: the hash of all that determines its values.
        values: of what varies, by column.
        label: of the algorithm.
        seed: of its streams.
        scenario: the point's, as plain values.
        base: the folder that its relative paths start from.
        device_type: ``cpu`` or ``cuda``.
    """

    name: str
    key: str
    values: Mapping[str, Any]
    label: str
    seed: int
    scenario: Mapping[str, Any]
    base: str
    device_type: str

    def __str__(self) -> str:
        """Who it is, for a sentence."""
        told = [f"{key}={shown_value(value)}" for key, value in self.values.items()]
        return ", ".join([f"{self.label} (seed {self.seed})", *told])


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that has been checked.

    Args:
        scenario: what all points have in common, with its `sweep`.
        points: what varies, at each of them.
        units: all runs, point by point.
        columns: of the tables.
    """

    scenario: Scenario
    points: list[Values]
    units: list[Unit]
    columns: Columns

    @cached_property
    def labels(self) -> list[str]:
        """The algorithms of all points."""
        return list(dict.fromkeys(unit.label for unit in self.units))


def planned(scenario: Scenario, device_type: str) -> SweepPlan:
    """The runs of a sweep, every point checked as `simnet run` would.

    Args:
        scenario: with its `sweep`.
        device_type: where the values are to be computed: ``cpu`` or ``cuda``.

    Returns:
        What is to be done.

    Raises:
        ScenarioError: with everything that is wrong at any point, at once.
    """
    points, candidates = points_of(scenario.sweep), candidates_of(scenario.sweep.best_of)
    variants, complaints = [], []
    settings = Settings(torch.device("cpu"))
    bare = scenario.model_copy(update={"sweep": Sweep(), "expect": ()})
    bare._origin = scenario._origin
    for values in points:
        for candidate in candidates:
            try:
                variant = variant_of(bare, values, candidate)
                for seed in variant.seeds[:1]:
                    settings.of(variant, seed)
                variants.append((values, candidate, variant))
            except ScenarioError as error:
                complaints += [told(line, values) for line in str(error).splitlines()]
    complain(complaints)
    columns = columns_of(scenario.sweep, points, candidates, [variant for _, _, variant in variants])
    units = [unit for variant in variants for unit in units_of(*variant, columns, device_type, candidates)]
    tuned = {key for unit in units for key in unit.values if key.startswith(TUNED)}
    missing = [key for key in columns.keys if key.startswith(TUNED) and key not in tuned]
    complain([scenario.complain("sweep." + key, "no algorithm has a parameter of this name") for key in missing])
    return SweepPlan(scenario, points, units, columns)


def variant_of(scenario: Scenario, values: Values, candidate: Values) -> Scenario:
    """The scenario of one point with one candidate.

    Args:
        scenario: what all have in common.
        values: of the point.
        candidate: parameters that are tuned, for every algorithm that has them.

    Returns:
        A scenario that keeps tables only.

    Raises:
        ScenarioError: if it is wrong.
    """
    known = schemas(scenario.base)
    point = load(scenario, overrides={key: quoted(value) for key, value in values.items()}, algorithms=known)
    tuned = {
        f"algorithms.{named.label}.{key}": quoted(value)
        for named in point.algorithms
        for key, value in candidate.items()
        if key in named.parameters
    }
    if tuned:
        point = load(point, overrides=tuned, algorithms=known)
    if point.compute is not None and point.compute.time == "measured":
        raise ScenarioError(
            point.complain("compute.time", "found measured; allowed in a sweep: a time, such as the one that run measures")
        )
    run = point.run.model_copy(update={"trace": None, "checkpoint_every": None})
    plain = point.model_copy(update={"run": run, "record": Record()})
    plain._origin = point._origin
    return plain


def quoted(value: Any) -> Any:
    """A value that is already read, as an override: text is read as YAML once more.

    Args:
        value: of a key.

    Returns:
        Text in quotes where it would otherwise become something else.
    """
    return json.dumps(value) if isinstance(value, str) and read_yaml(value, "") != value else value


def units_of(
    values: Values,
    candidate: Values,
    scenario: Scenario,
    columns: Columns,
    device_type: str,
    candidates: list[Values],
) -> Iterator[Unit]:
    """The runs of one point with one candidate.

    Args:
        values: of the point.
        candidate: what is tuned.
        scenario: with both.
        columns: of the tables.
        device_type: ``cpu`` or ``cuda``.
        candidates: all of them; an algorithm that has none of these parameters runs with the first one only.

    Yields:
        One for each algorithm and seed.
    """
    plain, base = scenario.to_plain(), str(scenario.base.resolve())
    for named, entry in zip(scenario.algorithms, entries_of(scenario), strict=True):
        own = {key: value for key, value in candidate.items() if key in named.parameters}
        if any({k: v for k, v in other.items() if k in own} == own for other in before(candidates, candidate)):
            continue
        all_values = {**values, **{TUNED + key: value for key, value in own.items()}}
        for seed in scenario.seeds:
            run = identity.of_run(scenario, named.label, entry, seed, device_type)
            facts = [run, named.label, columns.key_cells(all_values), list(columns.keys.items()), list(columns.targets)]
            name = blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()
            key = identity.of_values(scenario, named.label, entry, seed, device_type)
            yield Unit(name, key, all_values, named.label, seed, plain, base, device_type)


def before(candidates: Iterable[Values], candidate: Values) -> Iterator[Values]:
    """The candidates that stand before one.

    Args:
        candidates: all of them.
        candidate: one of them.

    Yields:
        Those before.
    """
    for other in candidates:
        if other is candidate:
            return
        yield other


def columns_of(sweep: Sweep, points: list[Values], candidates: list[Values], scenarios: list[Scenario]) -> Columns:
    """The columns of a sweep's tables.

    Args:
        sweep: says what is tuned.
        points: what varies.
        candidates: what is tried.
        scenarios: of all points.

    Returns:
        The same columns for all runs.
    """
    keys = {key: kind_of(point[key] for point in points) for key in points[0]}
    if sweep.best_of is not None:
        keys |= {TUNED + key: kind_of(each[key] for each in candidates) for key in sweep.best_of.values}
    return Columns(keys, list(dict.fromkeys(target for scenario in scenarios for target in scenario.targets)))


def asked(source: Source, overrides: Mapping[str, Any], sweep: Mapping[str, Any]) -> Scenario:
    """The scenario of a sweep.

    Args:
        source: a scenario file, a mapping with the same keys, or a `Scenario`.
        overrides: dotted keys and values that replace the scenario's.
        sweep: what is added to its `sweep`: keys with their values, ``zip``, ``random`` and ``best_of``.

    Returns:
        The scenario, whose `sweep` says all.

    Raises:
        ScenarioError: if it is wrong.
    """
    folder = Path(source).parent if isinstance(source, str | Path) else None
    known = schemas(folder)
    scenario = load(source, overrides=overrides, algorithms=known)
    if not sweep:
        return scenario
    own: dict[str, Any] = scenario.to_plain()["sweep"]
    both = {**own, **sweep, "zip": {**own.get("zip", {}), **sweep.get("zip", {})}}
    return load(scenario, overrides={f"sweep.{key}": value for key, value in both.items() if value}, algorithms=known)


def complain(lines: list[str]) -> None:
    """Ends with all complaints, if there are any.

    Args:
        lines: one for each; repetitions are left out.

    Raises:
        ScenarioError: with the first of them.
    """
    different = list(dict.fromkeys(lines))
    if different:
        more = [f"and {len(different) - MOST_COMPLAINTS} more"] if len(different) > MOST_COMPLAINTS else []
        raise ScenarioError("\n".join(different[:MOST_COMPLAINTS] + more))


def told(line: str, values: Values) -> str:
    """A complaint about one point.

    Args:
        line: of the point's scenario.
        values: of the point.

    Returns:
        The line, with what was set to come there.
    """
    if line.startswith("--set "):
        return "sweep: " + line.removeprefix("--set ")
    point = ", ".join(f"{key}={shown_value(value)}" for key, value in values.items())
    return f"sweep ({point}): {line}" if point else line


def shown_value(value: Any) -> str:
    """A value as the command line would have it.

    Args:
        value: of a key.

    Returns:
        Short text.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
