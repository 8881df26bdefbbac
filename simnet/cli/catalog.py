"""``simnet list``: what a scenario can be made of, out of the tables and models that scenarios are read with."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from rich import box
from rich.table import Table
from rich.text import Text

from simnet.algorithms import ALGORITHMS
from simnet.cli.terminal import Terminal
from simnet.graph import MIXINGS
from simnet.metrics import AXES, METRICS, Metric
from simnet.part import members
from simnet.scenario import PRESETS, Preset, Scenario
from simnet.scenario.devices import DEVICES
from simnet.sentences import question_of
from simnet.units import format_rate, format_seconds

Rows = list[tuple[str, ...]]


def list_topic(args: argparse.Namespace, terminal: Terminal) -> int:
    """List one topic, or the names of all.

    Args:
        args: topic.
        terminal: where to speak.

    Returns:
        0.
    """
    if args.topic is None:
        names = [(topic, ", ".join(row[0] for row in rows()) or "-") for topic, (_, rows) in TOPICS.items()]
        terminal.show(_table(("topic", "names"), names))
        terminal.say("simnet list TOPIC says more.")
        return 0
    columns, rows = TOPICS[args.topic]
    found = rows()
    if found:
        terminal.show(_table(columns, found))
    else:
        terminal.say(f"no {args.topic} here; they are looked for in the folder {SCENARIOS} of the current folder")
    return 0


def algorithm_rows() -> Rows:
    """One row for each algorithm: name, sentence, paper, message, whether it waits, what it tolerates, time of a step.

    Returns:
        The rows in the order of the table.

    Example:
        >>> algorithm_rows()[0][:3]
        ('sgd', 'one model, the data of all nodes pooled, n times the mini-batch, no network', 'Robbins, Monro 1951')
    """
    return [
        (
            *(entry.name, entry.sentence.removesuffix("."), entry.paper, entry.message),
            "no" if entry.asynchronous or entry.pooled else "yes",
            ", ".join(entry.tolerates) or "-",
            entry.times,
        )
        for entry in ALGORITHMS.values()
    ]


def mixing_rows() -> Rows:
    """One row for each rule for the mixing matrix.

    Returns:
        The rows in the order of the table.

    Example:
        >>> [name for name, _ in mixing_rows()]
        ['metropolis', 'uniform', 'max_degree', 'best_constant', 'lazy', 'push']
    """
    return [(name, _first_line(rule)) for name, rule in MIXINGS.items()]


def metric_rows() -> Rows:
    """One row for each metric and each axis.

    Returns:
        Metrics first.

    Example:
        >>> metric_rows()[-3:-1]
        [('time_s', 'axis: when the last node had completed this step [s]', '-'),
         ('bits_sent', 'axis: sent by all nodes together [bit]', '-')]
    """
    good = {"min": "less", "max": "more", None: "-"}
    rows = [(metric.name, metric.description + _cost(metric), good[metric.better]) for metric in METRICS.values()]
    return [*rows, *((axis.name, f"axis: {axis.description}{_in(axis.unit)}", "-") for axis in AXES.values())]


def _cost(metric: Metric) -> str:
    return "; on request" if metric.on_request else ""


def network_rows() -> Rows:
    """One row for each named network.

    Returns:
        The rows in the order of the table.
    """
    return [
        (name, preset.what, _places(preset.places), _between(preset), preset.source) for name, preset in PRESETS.items()
    ]


def _places(names: list[str]) -> str:
    return f"{names[0]} to {names[-1]}" if len(names) > 10 else ", ".join(names) or "-"


def _between(preset: Preset) -> str:
    """What a message between two nodes meets, from the least to the most."""
    tables = preset.tables()
    if not tables:
        return ", ".join(f"{key} {value}" for key, value in preset.keys.items())
    ranges = []
    for key, to_text in (("latency", format_seconds), ("bandwidth", format_rate)):
        values = sorted({value for row in tables[key] for value in row})
        ends = dict.fromkeys((to_text(values[0], 4), to_text(values[-1], 4)))
        ranges.append(f"{key} {' to '.join(ends)}")
    return ", ".join(ranges)


def scenario_rows() -> Rows:
    """One row for each scenario in the folder ``scenarios``: its file and its question.

    Returns:
        The rows in the order of the files' names.
    """
    return [(str(path), _question(path)) for path in sorted(SCENARIOS.rglob("*.yaml"))]


def device_rows() -> Rows:
    """One row for each device that a scenario can name: speed, memory, what it is, where the figures come from.

    Returns:
        The rows in the order of the table.
    """
    return [(name, f"{preset.speed}", preset.memory, preset.what, preset.source) for name, preset in DEVICES.items()]


def part_rows(*path: str) -> Callable[[], Rows]:
    """Rows for the kinds that a key of a scenario can have.

    Args:
        path: the key, and keys inside the kinds found.

    Returns:
        A function that gives one row for each kind: word, keys with their defaults, sentence.

    Example:
        >>> [(word, keys) for word, keys, _ in part_rows("problem", "partition")()]
        [('iid', '-'), ('label_sorted', 'shuffled = 0'), ('dirichlet', 'concentration')]
    """

    def rows() -> Rows:
        return [(_word(part), ", ".join(_keys(part)) or "-", _first_line(part)) for part in _parts(Scenario, path)]

    return rows


def _parts(model: type[BaseModel], path: Iterable[str]) -> list[type[BaseModel]]:
    found = [model]
    for key in path:
        annotations = [part.model_fields[key].annotation for part in found if key in part.model_fields]
        found = list(dict.fromkeys(part for annotation in annotations for part in _models(annotation)))
    return found


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    for member in members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield member
        elif member is not annotation:
            yield from _models(member)
        elif get_origin(member) is tuple:  # of a list of kinds
            yield from (model for item in get_args(member) for model in _models(item))


def _words(part: type[BaseModel]) -> dict[str, str]:
    """The keys of a kind that hold its word."""
    literals = {k: get_args(f.annotation) for k, f in part.model_fields.items() if get_origin(f.annotation) is Literal}
    return {key: words[0] for key, words in literals.items() if len(words) == 1}


def _word(part: type[BaseModel]) -> str:
    return next(iter(_words(part).values()), part.__name__.lower())


def _keys(part: type[BaseModel]) -> Iterable[str]:
    for key, field in part.model_fields.items():
        if key in _words(part):
            continue
        default = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
        if default is PydanticUndefined:
            yield key
        elif isinstance(default, BaseModel):
            yield f"{key} = {_word(type(default))}"
        else:
            yield f"{key} = {_value(default)}"


def _value(default: Any) -> str:
    if isinstance(default, tuple):
        return str(list(default))
    return "none" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0].replace("``", "").removesuffix(".")


def _question(path: Path) -> str:
    try:
        return question_of(path.read_text(encoding="utf-8", errors="replace")) or "-"
    except OSError:
        return "-"


def _in(unit: str) -> str:
    return f" [{unit}]" if unit else ""


def _table(columns: Iterable[str], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, style="bold" if index == 0 else "", no_wrap=index == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


SCENARIOS = Path("scenarios")
_KINDS = ("name", "keys", "what it is")
TOPICS: Mapping[str, tuple[tuple[str, ...], Callable[[], Rows]]] = {
    "algorithms": (("name", "what it does", "paper", "message", "synchronous", "tolerates", "time of a step"), algorithm_rows),
    "topologies": (_KINDS, part_rows("topology")),
    "mixing": (("name", "weights"), mixing_rows),
    "networks": (("name", "what it is", "places", "from node to node", "source"), network_rows),
    "problems": (_KINDS, part_rows("problem")),
    "models": (_KINDS, part_rows("problem", "model")),
    "partitions": (_KINDS, part_rows("problem", "partition")),
    "orders": (_KINDS, part_rows("problem", "order")),
    "metrics": (("name", "what it is", "better"), metric_rows),
    "faults": (_KINDS, part_rows("faults")),
    "devices": (("name", "float32 peak", "memory", "what it is", "source"), device_rows),
    "scenarios": (("file", "question"), scenario_rows),
}
