"""From a file, a mapping or a scenario to a checked scenario; every complaint at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from simnet.errors import ScenarioError
from simnet.metrics import METRICS
from simnet.scenario.origin import Origin
from simnet.scenario.overrides import apply
from simnet.scenario.schema import Scenario
from simnet.scenario.schema_run import Known
from simnet.scenario.signature import AlgorithmSchemas
from simnet.scenario.source import Plain, read_text, read_yaml
from simnet.sentences import Complaint, Location, complaints_of, question_of, shown

NOTHING: Mapping[str, Any] = MappingProxyType({})


def load(
    source: str | Path | Mapping[str, Any] | Scenario,
    *,
    overrides: Mapping[str, Any] = NOTHING,
    algorithms: AlgorithmSchemas,
    metrics: Collection[str] = tuple(METRICS),
    base: Path | None = None,
) -> Scenario:
    """Check a scenario and fill in its defaults.

    Args:
        source: the path of a YAML file; or a mapping with the same keys, which may hold NumPy arrays; or a scenario.
        overrides: values by dotted path, ``{"network.latency": "1 ms"}``; text is read as YAML.
        algorithms: what algorithms there are, and their parameters.
        metrics: what ``targets`` may name.
        base: the folder that relative paths of a mapping start from; by default the current one.

    Returns:
        The scenario.

    Raises:
        ScenarioError: one line for each complaint, ``FILE:LINE: key.path: what was found; what is allowed``.

    Example:
        >>> load({"nodes": 4, "topolgy": "ring"}, algorithms=AlgorithmSchemas())
        Traceback (most recent call last):
        simnet.errors.ScenarioError: scenario: problem: missing; it is needed here
        scenario: algorithms: missing; it is needed here
        scenario: run: missing; it is needed here
        scenario: topolgy: unknown key; did you mean topology?
    """
    known = Known(algorithms, tuple(metrics))
    if isinstance(source, Scenario):
        if not overrides:
            return source
        return _checked(source.to_plain(), source._origin, overrides, known, ())
    if isinstance(source, str | Path):
        return load_text(read_text(Path(source)), file=str(source), overrides=overrides, algorithms=algorithms, metrics=metrics)
    return _read(source, Origin(base=base or Path()), overrides, known)


def load_text(
    text: str,
    *,
    file: str = "scenario.yaml",
    overrides: Mapping[str, Any] = NOTHING,
    algorithms: AlgorithmSchemas,
    metrics: Collection[str] = tuple(METRICS),
) -> Scenario:
    r"""Check a scenario that is already in memory, as `load` does a file.

    Args:
        text: YAML.
        file: what messages call it; relative paths start from its folder.
        overrides: as in `load`.
        algorithms: as in `load`.
        metrics: as in `load`.

    Returns:
        The scenario; by default its name is the file's, without folder and ending.

    Raises:
        ScenarioError: as in `load`.

    Example:
        >>> load_text("nodes: 4\nnodes: 5", file="twice.yaml", algorithms=AlgorithmSchemas())
        Traceback (most recent call last):
        simnet.errors.ScenarioError: twice.yaml:2: found duplicate key "nodes" with value "5" ...
    """
    origin = Origin(file, base=Path(file).parent, question=question_of(text))
    return _read(read_yaml(text, file), origin, overrides, Known(algorithms, tuple(metrics)))


def _read(values: Any, origin: Origin, overrides: Mapping[str, Any], known: Known) -> Scenario:
    """Plain values out of what a reader or a user gives, then a scenario."""
    plain = Plain()
    try:
        data = plain.convert(values)
    except RecursionError:
        raise ScenarioError(origin.complaint((), "found lists or mappings nested too deeply")) from None
    origin = replace(origin, lines=plain.lines)
    if not isinstance(data, dict):
        found = plain.complaints or [((), f"found {shown(data)}; allowed: a mapping with nodes, topology, problem, ...")]
        raise ScenarioError(origin.complaints(found))
    stem = Path(origin.file).stem if origin.file else ""
    if stem.isprintable() and stem.strip():
        data.setdefault("name", stem)
    return _checked(data, origin, overrides, known, plain.complaints)


def _checked(
    data: dict[str, Any], origin: Origin, overrides: Mapping[str, Any], known: Known, complaints: Collection[Complaint]
) -> Scenario:
    """The scenario that plain values describe, after the overrides."""
    set_by_user, problems = apply(data, overrides)
    origin = replace(origin, overrides={**origin.overrides, **set_by_user})
    found = [*complaints, *problems]
    try:
        scenario = Scenario.model_validate(data, context=known)
    except ValidationError as error:
        found += [complaint for complaint in complaints_of(error) if not _is_known(complaint[0], found)]
    if found:
        raise ScenarioError(origin.complaints(found))
    scenario._origin = origin
    return scenario


def _is_known(location: Location, complaints: Collection[Complaint]) -> bool:
    """Whether there is a complaint about this place, or inside it, already: what cannot be read is None afterwards."""
    return any(location == other[: len(location)] for other, _ in complaints)
