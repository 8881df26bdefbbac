"""Measured seconds beside simulated ones: error tables out of what `measure` wrote.

    PYTHONPATH=benchmarks .venv/bin/python -m real_network.compare raw.csv --out results.csv

The simulated seconds are those of `simnet.replay`, with one set of constants for all cases.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import simnet
from real_network.cases import Case
from real_network.patterns import PATTERNS, Transfer

TCP: dict[str, Any] = {"overhead": 1514 / 1448, "acknowledgements": 66 / (2 * 1514), "in_order": True}
"""Ethernet frames of 1514 bytes carry 1448; every second one is acknowledged by 66 bytes."""

YOUNG = {"acknowledgements": 66 / 1514}
"""Just opened, a connection acknowledges every frame."""

START_UP: dict[str, Any] = {
    "warm": None,
    "fresh": {"idle": "1000 s"},
    "idle": {"idle": "1000 s"},
    "connect": {"idle": "1000 s", "handshake": True},
}
"""The slow start in each state of the connections: ten segments, as Linux and RFC 6928 have it."""

PATTERNS_OF_SOCKETS = tuple(PATTERNS)
GLOO_SEGMENT = 1 << 20


def protocol(program: str, state: str) -> dict[str, Any]:
    """The options of the network model for a program, and a state of its connections."""
    young = YOUNG if state in {"fresh", "connect"} else {}
    return {**TCP, **young, "start_up": START_UP[state], "rendezvous": program == "gloo"}


def simulated(case: Case, options: dict[str, Any] | None, sharing: str = "fair") -> float:
    """The makespan of a case in simnet.

    Args:
        case: what is done on which network.
        options: of the network model (`protocol`); None: the plain model.
        sharing: the rule.

    Returns:
        Simulated seconds until the last transfer has arrived.

    Example:
        >>> round(simulated(Case("sockets", "single", 2, 100e6, 0.05, 1_000_000), None), 6)
        0.13
        >>> round(simulated(Case("sockets", "single", 2, 100e6, 0.05, 1_000_000), protocol("sockets", "fresh")), 3)
        0.658
    """
    resources = {f"{end} {i}": {"bandwidth": case.rate} for i in range(case.nodes) for end in ("up", "down")}
    transfers = gloo_allreduce(case.nodes, case.size) if case.pattern == "allreduce" else case.transfers
    tasks = [
        {
            "id": one.id,
            "kind": "flow",
            "bits": 8.0 * one.size,
            "latency": case.latency,
            "src": one.sender,
            "dst": one.receiver,
            "path": [f"up {one.sender}", f"down {one.receiver}"],
            "back": [f"up {one.receiver}", f"down {one.sender}"],
            "after": list(one.after),
        }
        for one in transfers
    ]
    return max(simnet.replay(tasks, resources, sharing, options).values())


def gloo_allreduce(num_nodes: int, size: int) -> list[Transfer]:
    """Gloo's ring: at least two segments for each node, at most 1 MiB each; two are on their way at any time.

    Segment i of a node's sends follows when its sends and receives number i - 2 are over; the second half (gathering)
    begins when the first (reducing) is over.
    """
    per_node = max(2, -(-size // (GLOO_SEGMENT * num_nodes)))
    count = per_node * (num_nodes - 1)
    segment = size // (per_node * num_nodes)
    transfers = []
    for i in range(2 * count):
        # At the border of the halves both segments on their way are waited for.
        waits = range(max(0, i - 2), i - 1) if i != count else range(i - 2, i)
        for node in range(num_nodes):
            after = {k * num_nodes + j for k in waits for j in (node, (node + 1) % num_nodes)}
            transfers.append(Transfer(i * num_nodes + node, node, (node - 1) % num_nodes, segment, tuple(sorted(after))))
    return transfers


@dataclass(frozen=True)
class Comparison:
    """One case in one state: measured, simulated.

    Args:
        case: what was done.
        state: of the connections.
        times: the repetitions' makespans [s].
        drops: frames that found a full buffer.
        simulated: with the options of the model [s].
        plain: without them [s].
    """

    case: Case
    state: str
    times: tuple[float, ...]
    drops: int
    simulated: float
    plain: float

    @property
    def measured(self) -> float:
        """The median of the repetitions [s]."""
        return median(self.times)

    @property
    def error(self) -> float:
        """The simulated seconds' relative error; below 0: the simulation is too fast."""
        return self.simulated / self.measured - 1

    @property
    def plain_error(self) -> float:
        """The same without the options."""
        return self.plain / self.measured - 1


def compared(rows: Iterable[dict[str, str]], sharing: str = "fair") -> list[Comparison]:
    """Measured rows as comparisons, one for each case and state."""
    times: dict[tuple[Case, str], list[float]] = defaultdict(list)
    drops: dict[tuple[Case, str], int] = defaultdict(int)
    for row in rows:
        facts = int(row["nodes"]), float(row["rate"]), float(row["latency"]), int(row["size"])
        key = Case(row["program"], row["pattern"], *facts), row["state"]
        times[key].append(float(row["seconds"]))
        drops[key] = max(drops[key], int(row["drops"]))
    return [
        Comparison(
            case,
            state,
            tuple(found),
            drops[case, state],
            simulated(case, protocol(case.program, state), sharing),
            simulated(case, None, sharing),
        )
        for (case, state), found in times.items()
    ]


GROUPS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "sockets, warm": ("sockets", ("warm",), PATTERNS_OF_SOCKETS),
    **{f"sockets, warm, {pattern}": ("sockets", ("warm",), (pattern,)) for pattern in PATTERNS_OF_SOCKETS},
    "sockets, fresh, single": ("sockets", ("fresh",), ("single",)),
    "sockets, fresh with handshake, single": ("sockets", ("connect",), ("single",)),
    "sockets, after a pause, single": ("sockets", ("idle",), ("single",)),
    "sockets, fresh, contended": ("sockets", ("fresh",), PATTERNS_OF_SOCKETS[1:]),
    "gloo, exchange": ("gloo", ("warm",), ("exchange",)),
    "gloo, all-reduce": ("gloo", ("warm",), ("allreduce",)),
}
"""Program, states and patterns of each line of the summary."""


def summary(comparisons: list[Comparison]) -> str:
    """A Markdown table: for each group the quantiles of the absolute relative error, and what the plain model has."""
    lines = [
        "| group | cases | median | 90 % | worst | bias | within 5 % | plain model: median |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (program, states, patterns) in GROUPS.items():
        chosen = [
            one
            for one in comparisons
            if one.case.program == program and one.state in states and one.case.pattern in patterns
        ]
        if chosen:
            errors = np.array([one.error for one in chosen])
            size = np.abs(errors)
            plain = np.median([abs(one.plain_error) for one in chosen])
            shares = (np.median(size), np.quantile(size, 0.9), size.max(), np.median(errors), np.mean(size <= 0.05), plain)
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            lines.append(f"| {name} | {len(chosen)} | {cells} |")
    return "\n".join(lines)


def worst(comparisons: list[Comparison], limit: float = 0.05) -> str:
    """A Markdown table of the cases whose error is larger than a limit."""
    lines = ["| case | measured | simulated | error |", "|---|---:|---:|---:|"]
    for one in sorted(comparisons, key=lambda one: -abs(one.error)):
        if abs(one.error) > limit:
            case = one.case
            name = (
                f"{case.program} {case.pattern}, {one.state}, n = {case.nodes}, {case.rate / 1e6:g} Mbit/s, "
                f"{case.latency * 1e3:g} ms, {case.size / 1e3:g} kB"
            )
            times = " ".join(f"{time:.3f}" for time in one.times)
            lines.append(f"| {name} | {one.measured:.3f} s ({times}) | {one.simulated:.3f} s | {100 * one.error:+.1f} % |")
    return "\n".join(lines)


def write(comparisons: list[Comparison], path: Path) -> None:
    """One row for each comparison; as JSON where the name ends so."""
    numbers = ("measured", "fastest", "simulated", "error", "plain_error")
    names = (*Case.__dataclass_fields__, "state", "repetitions", "drops", *numbers)
    table = [
        (
            *astuple(one.case),
            one.state,
            len(one.times),
            one.drops,
            *(round(number, 6) for number in (one.measured, min(one.times), one.simulated, one.error, one.plain_error)),
        )
        for one in comparisons
    ]
    if path.suffix == ".json":
        path.write_text(json.dumps([dict(zip(names, row, strict=True)) for row in table], indent=1) + "\n")
        return
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(table)


def main() -> None:
    """Reads, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, nargs="+", help="CSV files of `measure`")
    parser.add_argument("--out", type=Path, help="CSV or JSON")
    parser.add_argument("--sharing", choices=("fair", "queue", "none"), default="fair")
    options = parser.parse_args()
    rows = [row for path in options.raw for row in csv.DictReader(path.read_text().splitlines())]
    comparisons = compared(rows, options.sharing)
    if options.out:
        write(comparisons, options.out)
    print(summary(comparisons), worst(comparisons), sep="\n\n")


if __name__ == "__main__":
    main()
