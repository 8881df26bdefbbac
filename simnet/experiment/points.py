"""The points of a sweep: which keys of the scenario take which values together."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from simnet.scenario import BestOf, RandomSearch, Sweep
from simnet.streams import stream

Values = dict[str, Any]
"""For each key of the scenario its value."""


def points_of(sweep: Sweep) -> list[Values]:
    """Every combination of the grid's values, the zipped rows and the draws, each once.

    Args:
        sweep: says what varies.

    Returns:
        The points, in the order of the file: what stands last varies fastest.

    Example:
        >>> points_of(Sweep.model_validate({"nodes": [4, 8], "zip": {"run.steps": [1, 2], "dtype": ["float32", "float64"]}}))
        [{'nodes': 4, 'run.steps': 1, 'dtype': 'float32'}, {'nodes': 4, 'run.steps': 2, 'dtype': 'float64'},
         {'nodes': 8, 'run.steps': 1, 'dtype': 'float32'}, {'nodes': 8, 'run.steps': 2, 'dtype': 'float64'}]
    """
    groups = [*([{key: value} for value in values] for key, values in sweep.grid.items())]
    if sweep.zip:
        groups.append([dict(zip(sweep.zip, row, strict=True)) for row in zip(*sweep.zip.values(), strict=True)])
    if sweep.random:
        groups.append(draws_of(sweep.random))
    return unique([{key: value for part in parts for key, value in part.items()} for parts in product(*groups)])


def draws_of(search: RandomSearch) -> list[Values]:
    """What a random search draws; a larger count draws more, and the same before.

    Args:
        search: how many, out of which ranges.

    Returns:
        One value of each key for each draw.

    Example:
        >>> search = {"count": 2, "seed": 3, "algorithms.dpsgd.lr": {"log_uniform": [0.001, 1.0]}}
        >>> draws_of(RandomSearch.model_validate(search))
        [{'algorithms.dpsgd.lr': ...}, {'algorithms.dpsgd.lr': ...}]
    """
    shares = {key: stream(search.seed, "sweep", key).random(search.count).tolist() for key in search.ranges}
    return [{key: search.ranges[key].at(shares[key][i]) for key in search.ranges} for i in range(search.count)]


def candidates_of(best_of: BestOf | None) -> list[Values]:
    """What is tried for each algorithm at each point.

    Args:
        best_of: what is tuned; None: nothing.

    Returns:
        Every combination of the values, by parameter.

    Example:
        >>> candidates_of(BestOf.model_validate({"lr": [0.1, 1.0], "by": "accuracy"}))
        [{'lr': 0.1}, {'lr': 1.0}]
    """
    if best_of is None:
        return [{}]
    return unique([dict(zip(best_of.values, row, strict=True)) for row in product(*best_of.values.values())])


def unique(points: list[Values]) -> list[Values]:
    """Each of several points once.

    Args:
        points: perhaps with repetitions.

    Returns:
        Those that were not there before, in their order.
    """
    first: dict[str, Values] = {}
    for point in points:
        first.setdefault(json.dumps(point, sort_keys=True), point)
    return list(first.values())
