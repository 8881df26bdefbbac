"""Results side by side: what differs in their scenarios, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isnan, nan
from statistics import fmean
from typing import Any

import pandas as pd

from simnet.errors import ParameterError
from simnet.experiment.verdicts import number
from simnet.metrics import METRICS
from simnet.result import Result, RunRecord
from simnet.scenario.expectations import FIRST_REACHED, TOTALS

ENVIRONMENT = ("code", "python", "device", "device_type", "threads", "packages", "executor")
"""What of the environment may change numbers; the machine's name and the hashes do not tell a reader much."""

ABSENT = "-"
RATIO = " / "


def compare(*results: Result, names: Sequence[str] = ()) -> pd.DataFrame:
    """What came of several results, side by side, with ratios to the first one.

    Args:
        *results: at least two.
        names: what to call them; by default the names of their scenarios, numbered where they are the same.

    Returns:
        A row for each algorithm (by its label) and quantity, named as in ``expect``: final metrics, totals, and
        ``steps_to``, ``time_to`` and ``bits_to`` each target; a column for each result, the mean over its seeds, and one for
        each ratio. An unreached target is infinite. ``attrs["differences"]`` has the keys in which the scenarios differ.

    Raises:
        ParameterError: there is only one result, or a name for each is not given.

    Example:
        >>> from simnet.result import RunRecord
        >>> slow, fast = (Result([RunRecord("dpsgd", 1, "done", "", [], {"time_s": s})], {}, "") for s in (9.0, 3.0))
        >>> compare(slow, fast, names=["slow", "fast"]).loc["dpsgd"]
                  slow  fast  fast / slow
        quantity
        time_s     9.0   3.0     0.333333
    """
    if len(results) < 2:
        raise ParameterError(f"compare: found {len(results)} result; allowed: at least two")
    if names and len({*names}) != len(results):
        raise ParameterError(f"compare: found {len({*names})} different names for {len(results)} results; give one to each")
    columns = list(names) or distinct([result.name for result in results])
    rows = {
        (label, quantity): [mean_of(result, label, quantity) for result in results]
        for label in dict.fromkeys(label for result in results for label in result.labels)
        for quantity in quantities(results)
    }
    index = pd.MultiIndex.from_tuples(list(rows), names=["algorithm", "quantity"])
    table = pd.DataFrame(list(rows.values()), index=index, columns=columns, dtype=float).dropna(how="all")
    for name in columns[1:]:
        table[f"{name}{RATIO}{columns[0]}"] = table[name] / table[columns[0]]
    table.attrs["differences"] = differences(*results)
    return table


def quantities(results: Sequence[Result]) -> list[str]:
    """Everything that results can be compared by.

    Args:
        results: any.

    Returns:
        Metrics, targets and totals, as ``expect`` names them.
    """
    targets = dict.fromkeys(name for result in results for name in result.scenario.get("targets") or {})
    reached = [f"{word}.{name}" for name in targets for word in FIRST_REACHED]
    return [*(name for name in METRICS if name not in TOTALS), *reached, *TOTALS]


def mean_of(result: Result, label: str, quantity: str) -> float:
    """One number of an algorithm.

    Args:
        result: the result.
        label: of the algorithm.
        quantity: as ``expect`` names it.

    Returns:
        The mean over the seeds that finished; infinite if one of them did not reach the target, NaN if there is none.
    """
    records = [record for record in result.records if record.algorithm == label and record.status == "done"]
    values = [number(record, quantity) for record in records if _has(record, quantity)]
    known = [value for value in values if not isnan(value)]
    return fmean(known) if known else nan


def _has(record: RunRecord, quantity: str) -> bool:
    """Whether a run knows of a target at all: one that it was not asked for is not unreached."""
    word, _, metric = quantity.partition(".")
    return word not in FIRST_REACHED or metric in record.summary.get("targets", {})


def differences(*results: Result) -> dict[str, list[str]]:
    """The keys in which the scenarios and the environments of results differ.

    Args:
        *results: any.

    Returns:
        By dotted key (algorithms by their labels), what each result has there; a dash where it has nothing.

    Example:
        >>> one, two = (Result([], {"nodes": n, "topology": {"kind": "ring"}}, "") for n in (4, 8))
        >>> differences(one, two)
        {'nodes': ['4', '8']}
    """
    flat = [dict(entries(result)) for result in results]
    keys = dict.fromkeys(key for values in flat for key in values)
    found = {key: [values.get(key, ABSENT) for values in flat] for key in keys}
    return {key: values for key, values in found.items() if len(set(values)) > 1}


def entries(result: Result) -> Iterator[tuple[str, str]]:
    """All that a scenario says, and what of the environment may change numbers, one line each.

    Args:
        result: with its scenario.

    Yields:
        Dotted key and value.
    """
    yield from flattened({key: value for key, value in result.scenario.items() if key != "name"})
    known = {key: result.environment[key] for key in ENVIRONMENT if key in result.environment}
    yield from flattened({"environment": known})


def flattened(value: Any, here: str = "") -> Iterator[tuple[str, str]]:
    """Nested values, one line each; entries with a label go by it, others by their number.

    Args:
        value: mappings, lists and plain values.
        here: the key so far.

    Yields:
        Dotted key and value.

    Example:
        >>> list(flattened({"algorithms": [{"label": "a", "lr": 0.1}], "seeds": [1, 2]}))
        [('algorithms.a.label', 'a'), ('algorithms.a.lr', '0.1'), ('seeds', '[1, 2]')]
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flattened(inner, f"{here}.{key}" if here else str(key))
    elif isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
        for i, inner in enumerate(value):
            yield from flattened(inner, f"{here}.{inner.get('label', i)}")
    else:
        yield here, str(value)


def distinct(names: Sequence[str]) -> list[str]:
    """Names of which no two are the same.

    Args:
        names: any.

    Returns:
        The same, numbered where they repeat.

    Example:
        >>> distinct(["a", "b", "a"])
        ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    for name in names:
        numbered, count = name, 1
        while numbered in found:
            count += 1
            numbered = f"{name} ({count})"
        found.append(numbered)
    return found
