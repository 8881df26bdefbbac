"""`trace.json`: the simulated timelines of a result in Chrome's trace event format, for Perfetto (ui.perfetto.dev).

Each run has two groups of tracks: what its nodes do, and what each of them sends. Transfers that overlap lie on tracks
of their own, since events of one track have to be nested. Times are in us with three decimals: simulated nanoseconds.

Reference: Duca, Sinclair: Trace Event Format, 2016 (phases M, X and i).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from simnet.result.record import RunRecord

Event = dict[str, Any]


def write_trace(path: Path, name: str, num_nodes: int, records: Sequence[RunRecord]) -> None:
    """Write the timelines of all runs that were traced; one event in a line.

    Args:
        path: the file.
        name: the scenario's.
        num_nodes: n; a machine beyond is the parameter server.
        records: the runs.
    """
    head = {"displayTimeUnit": "ms", "otherData": {"scenario": name, "clock": "simulated"}}
    lines = ",\n".join(_json(event) for event in trace_events(records, num_nodes))
    path.write_text(f'{_json(head)[:-1]},"traceEvents":[\n{lines}\n]}}\n', encoding="utf-8", newline="")


def trace_events(records: Iterable[RunRecord], num_nodes: int) -> list[Event]:
    """The events: first the names of all tracks, then what happened, by time.

    Args:
        records: the runs; those without a timeline have no events.
        num_nodes: n.

    Returns:
        Plain mappings, as the format wants them.
    """
    numbers = count(1)
    names: list[Event] = []
    happened: list[Event] = []
    for record in records:
        if record.timeline is not None:
            for group in (_nodes, _network):
                tracks = Tracks(next(numbers), numbers)
                tracks.name(f"{record.algorithm} (seed {record.seed})" + (": network" if group is _network else ""))
                happened += group(record, pd.DataFrame(record.timeline), num_nodes, tracks)
                names += tracks.names
    return names + sorted(happened, key=lambda event: (event["ts"], event["pid"], event["tid"]))


class Tracks:
    """The tracks of one group (a process, in the words of the format).

    Args:
        number: of the group.
        numbers: gives each track a number that no other has.
    """

    def __init__(self, number: int, numbers: Iterator[int]) -> None:
        self.pid = number
        self.numbers = numbers
        self.tids: dict[str, int] = {}
        self.names: list[Event] = []

    def name(self, name: str) -> None:
        """Names the group.

        Args:
            name: what it is shown as.
        """
        self._tell("process", self.pid, name)

    def track(self, name: str) -> dict[str, int]:
        """Where the events of a track belong; tracks are shown in the order in which they are first asked for.

        Args:
            name: what it is shown as.

        Returns:
            ``pid`` and ``tid``.
        """
        if name not in self.tids:
            self.tids[name] = next(self.numbers)
            self._tell("thread", self.tids[name], name)
        return {"pid": self.pid, "tid": self.tids[name]}

    def _tell(self, what: str, number: int, name: str) -> None:
        for key, args in (("name", {"name": name}), ("sort_index", {"sort_index": number})):
            event = {"ph": "M", "name": f"{what}_{key}", "pid": self.pid, "ts": 0, "args": args}
            self.names.append(event | ({"tid": number} if what == "thread" else {}))


def _nodes(record: RunRecord, table: pd.DataFrame, num_nodes: int, tracks: Tracks) -> Iterator[Event]:
    """Evaluations, and what each machine did."""
    (window,) = _rows(table, "window")
    markers = tracks.track("evaluation")
    for evaluation in record.metrics:
        if window.start_s <= evaluation["time_s"] <= window.end_s:
            yield _instant(markers, f"step {evaluation['step']:g}", evaluation["time_s"])
    if window.what:
        yield _instant(markers, f"the timeline {window.what}", window.end_s)
    done = _rows(table, "compute", "wait", "down")
    for node in sorted({row.node for row in done}):
        tracks.track(machine_name(node, num_nodes))
    for row in done:
        start, end = _nanoseconds(row.start_s), _nanoseconds(row.end_s)
        name = f"wait for {', '.join(row.peers.split())}" if row.peers else row.kind
        args = {"step": row.step} if row.step >= 0 else {}
        args |= {{"wait": "message", "down": "why"}[row.kind]: row.what} if row.what else {}
        yield _complete(tracks.track(machine_name(row.node, num_nodes)), name, row.kind, (start, end), args)


def _network(_: RunRecord, table: pd.DataFrame, num_nodes: int, tracks: Tracks) -> Iterator[Event]:
    """What each machine sent, from when the first bit left until the last one arrived."""
    end = _nanoseconds(_rows(table, "window")[0].end_s)
    transfers = [(row.node, _shown(row.first_bit_s, row.end_s, end), row) for row in _rows(table, "transfer", "lost")]
    lanes: dict[int, list[int]] = {}
    for sender, span, row in sorted(transfers, key=lambda transfer: transfer[:2]):
        free_at = lanes.setdefault(sender, [])
        lane = next((i for i, end in enumerate(free_at) if end <= span[0]), len(free_at))
        free_at[lane : lane + 1] = [span[1]]
        name = f"{machine_name(sender, num_nodes)} sends" + (f" ({lane + 1})" if lane else "")
        target = f"to {row.peers}" + (", lost" if row.kind == "lost" else "")
        yield _complete(tracks.track(name), target, row.kind, span, _facts(row))


def _rows(table: pd.DataFrame, *kinds: str) -> list[Any]:
    return list(table[table["kind"].isin(kinds)].itertuples())


def _shown(first: float, arrival: float, end: int) -> tuple[int, int]:
    """When a transfer is drawn [ns]; one that never arrived, until the timeline ends."""
    if math.isfinite(arrival):
        return _nanoseconds(first), _nanoseconds(arrival)
    return min(_nanoseconds(first), end), end


def _facts(row: Any) -> dict[str, Any]:
    """Size and rate of a transfer, and what it waited for."""
    seconds = row.last_bit_s - row.first_bit_s
    facts = {"bits": row.bits, "bit/s": row.bits / seconds if 0 < seconds < math.inf else math.inf}
    facts |= {"sent_s": row.start_s, "held_s": row.first_bit_s - row.start_s, "latency_s": row.latency_s}
    facts |= {"step": row.step if row.step >= 0 else math.inf}
    known = {key: value for key, value in facts.items() if math.isfinite(value)}
    return known | ({"message": row.what} if row.what else {}) | ({} if row.end_s < math.inf else {"arrived": False})


def machine_name(number: int, num_nodes: int) -> str:
    """What a machine is called.

    Args:
        number: its number.
        num_nodes: n; the machine beyond the nodes is the parameter server.

    Returns:
        ``node 3``, or ``server``.

    Example:
        >>> machine_name(3, 4), machine_name(4, 4)
        ('node 3', 'server')
    """
    return f"node {number}" if number < num_nodes else "server"


def _instant(track: dict[str, int], name: str, seconds: float) -> Event:
    return {"ph": "i", "s": "t", "name": name, "cat": "evaluation", "ts": _nanoseconds(seconds) / 1000, **track}


def _complete(track: dict[str, int], name: str, kind: str, span: tuple[int, int], args: dict[str, Any]) -> Event:
    times = {"ts": span[0] / 1000, "dur": (span[1] - span[0]) / 1000}
    return {"ph": "X", "name": name, "cat": kind, **times, **track, "args": args}


def _nanoseconds(seconds: float) -> int:
    return round(1e9 * seconds)


def _json(value: Event) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
