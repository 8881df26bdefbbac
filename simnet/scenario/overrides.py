"""``--set network.latency=1 ms``: changes to a scenario before it is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simnet.scenario.source import Plain, read_yaml
from simnet.sentences import Complaint, Location, nearest, shown

WORDS: Mapping[Location, str] = {
    ("topology",): "kind",
    ("mixing",): "kind",
    ("problem",): "dataset",
    ("problem", "model"): "kind",
    ("problem", "partition"): "kind",
    ("compute", "device"): "name",
}
"""The key that a bare word stands for."""

SWITCHES: frozenset[Location] = frozenset({("run", "trace")})
"""What `true` turns on with all its defaults."""

RIVALS: Mapping[Location, str] = {
    ("seed",): "seeds",
    ("seeds",): "seed",
    ("compute", "time"): "device",
    ("compute", "device"): "time",
}
"""A key that is set takes the place of its rival beside it."""


def apply(plain: dict[str, Any], overrides: Mapping[str, Any]) -> tuple[dict[Location, str], list[Complaint]]:
    """Set keys of a scenario, in place.

    Args:
        plain: the scenario's values.
        overrides: values by dotted path; a list's item by its index, an algorithm also by its label. Text is YAML.

    Returns:
        For every location that was set, how the user wrote it; and complaints about paths that lead nowhere.

    Raises:
        ScenarioError: a value is no YAML.

    Example:
        >>> plain = {"network": {"latency": "50 ms"}}
        >>> apply(plain, {"network.latency": "1 ms"})
        ({('network', 'latency'): 'network.latency=1 ms'}, [])
        >>> plain
        {'network': {'latency': '1 ms'}}
    """
    texts: dict[Location, str] = {}
    complaints: list[Complaint] = []
    for path, given in overrides.items():
        is_plain = isinstance(given, str) and given.isprintable()  # else it would break the line of a complaint
        text = f"{path}={given if is_plain else shown(given)}"
        reader = Plain()
        value = reader.convert(read_yaml(given, f"--set {text}") if isinstance(given, str) else given)
        location, problem = _place(plain, str(path), value)
        texts[location] = text
        complaints += [((*location, *inner), message) for inner, message in reader.complaints]
        if problem:
            complaints.append((location, problem))
        elif location in RIVALS:
            parent: Any = plain
            for key in location[:-1]:
                parent = parent[key]
            parent.pop(RIVALS[location], None)
    return texts, complaints


def _place(plain: dict[Any, Any], path: str, value: Any) -> tuple[Location, str | None]:
    """Put a value at a path; returns where, and what went wrong."""
    here: Any = plain
    location: Location = ()
    rest = path
    while True:
        key, rest = _next_key(here, location, rest)
        if isinstance(here, list) and not (isinstance(key, int) and key < len(here)):
            return (*location, key), _no_item(here, location, key)
        location = (*location, key)
        if not rest:
            here[key] = value
            return location, None
        inside = here.get(key) if isinstance(here, dict) else here[int(key)]
        here[key] = _opened(inside, location)
        here = here[key]
        if not isinstance(here, dict | list):
            return location, f"found {shown(here)}; allowed: a path into mappings and lists"


def _next_key(here: Any, location: Location, path: str) -> tuple[int | str, str]:
    """The first key of a path, and the rest."""
    if location == ("sweep",):  # whose keys are paths themselves
        return path, ""
    if location == ("algorithms",) and isinstance(here, list):
        for label in sorted(map(_label, here), key=len, reverse=True):
            if label and (path == label or path.startswith(f"{label}.")):
                return [_label(entry) for entry in here].index(label), path[len(label) + 1 :]
    key, _, rest = path.partition(".")
    is_index = isinstance(here, list) and key.isascii() and key.isdigit() and len(key) < 10
    return int(key) if is_index else key, rest


def _label(entry: Any) -> str:
    """What a user calls an algorithm's entry."""
    name = (entry.get("label") or entry.get("name")) if isinstance(entry, dict) else entry
    return name if isinstance(name, str) else ""


def _no_item(here: Sequence[Any], location: Location, key: int | str) -> str:
    """The sentence about a key that is no index of a list."""
    labels = [label for label in map(_label, here) if label] if location == ("algorithms",) else []
    near = nearest(str(key), labels)
    also = f" or one of {', '.join(labels)}" if labels else ""
    return f"found {key}; allowed: an index from 0 to {len(here) - 1}{also}" + (f"; did you mean {near}?" if near else "")


def _opened(value: Any, location: Location) -> Any:
    """What can take a key: an absent part is a new mapping, a bare word the mapping that it stands for."""
    if value is None or (location in SWITCHES and isinstance(value, bool)):
        return {}
    if isinstance(value, str) and location in WORDS:
        return {WORDS[location]: value}
    if isinstance(value, str) and location[:1] == ("algorithms",) and len(location) == 2:
        return {"name": value}
    return value
