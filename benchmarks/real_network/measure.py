"""Measures the cases and writes one row for each repetition.

    sudo PYTHONPATH=benchmarks .venv/bin/python -m real_network.measure sockets --out raw.csv

States of the connections: ``fresh`` opened before, but nothing sent yet; ``warm`` the same pattern has gone over them
several times (`WARM_UPS`); ``connect`` the three-way handshake counts (single transfers); ``idle`` nothing sent for a while
(single transfers), and the kernel starts slowly again after that.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from real_network.cases import LARGE, Case, cases
from real_network.fleet import Fleet
from real_network.testbed import Link, Testbed

FIELDS = ("program", "pattern", "state", "nodes", "rate", "latency", "size", "seconds", "drops")
WARM_UPS = {"sockets": 6, "gloo": 10}
IDLE_S = 4.0
AFTER_IDLE = "net.ipv4.tcp_slow_start_after_idle"

Row = tuple[str, float]


def sockets(fleet: Fleet, testbed: Testbed, case: Case, repetitions: int) -> Iterator[Row]:
    """State and seconds of each repetition over plain sockets."""
    pattern = case.transfers
    for _ in range(repetitions):
        fleet.connect(pattern)
        time.sleep(2 * case.latency)
        yield "fresh", fleet.play(pattern)
    for _ in range(WARM_UPS["sockets"] - 1):
        fleet.play(pattern)
    for _ in range(repetitions):
        yield "warm", fleet.play(pattern)
    if case.pattern == "single" and case.size < case.rate / 8 * LARGE:
        set_all(testbed, AFTER_IDLE, "1")
        for _ in range(repetitions):
            yield "connect", fleet.play(pattern, connect=True)
            fleet.play(pattern)
            time.sleep(IDLE_S)
            yield "idle", fleet.play(pattern)
        set_all(testbed, AFTER_IDLE, "0")


def gloo(fleet: Fleet, case: Case, repetitions: int) -> Iterator[Row]:
    """State and seconds of each repetition with torch.distributed."""
    for repetition in range(WARM_UPS["gloo"] + repetitions):
        told = fleet.order(case.nodes, pattern=case.pattern, nodes=case.nodes, size=case.size)
        if repetition >= WARM_UPS["gloo"]:
            yield "warm", max(one["end"] for one in told)


def set_all(testbed: Testbed, key: str, value: str) -> None:
    """Changes a setting of every node's kernel."""
    for node in range(testbed.num_nodes):
        testbed.set(node, key, value)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=("sockets", "gloo"))
    parser.add_argument("--out", type=Path, required=True, help="CSV; rows are appended")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--congestion-control", default="cubic")
    parser.add_argument("--buffer", type=float, default=64e6, help="bytes that may wait before each limit")
    parser.add_argument("--rates", type=float, nargs="*", help="only these [Mbit/s]")
    parser.add_argument("--patterns", nargs="*", help="only these")
    options = parser.parse_args()
    chosen = [
        case
        for case in cases(options.program)
        if (not options.rates or case.rate / 1e6 in options.rates)
        and (not options.patterns or case.pattern in options.patterns)
    ]
    num_nodes = max(case.nodes for case in chosen)
    is_new = not options.out.exists()
    testbed = Testbed(num_nodes, options.congestion_control, **{AFTER_IDLE: "0"})
    with testbed, options.out.open("a", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if is_new:
            rows.writerow(FIELDS)
        testbed.shape(Link(1e9, 0.0))
        if options.program == "sockets":
            fleet = Fleet(testbed, "agent")
        else:
            fleet = Fleet(testbed, "gloo_agent", num_nodes, *sorted({case.nodes for case in chosen}))
        for (rate, latency), group in groupby(chosen, key=lambda case: (case.rate, case.latency)):
            testbed.shape(Link(rate, latency, int(options.buffer)))
            for case in group:
                played = sockets(fleet, testbed, case, options.repetitions)
                if case.program == "gloo":
                    played = gloo(fleet, case, options.repetitions)
                for state, seconds in played:
                    facts = (case.program, case.pattern, state, case.nodes, f"{rate:.0f}", latency, case.size)
                    rows.writerow((*facts, f"{seconds:.6f}", testbed.drops()))
                    print(*facts, f"{seconds:.6f}", flush=True)
                file.flush()
        fleet.stop()


if __name__ == "__main__":
    main()
