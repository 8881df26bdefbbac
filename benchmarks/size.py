"""How far it goes: D-PSGD on a ring of up to 10,000 nodes, `linear`, 50 steps; each size in a process of its own.

Run `python benchmarks/size.py` (`--help` names the options).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import measure
import workload

from simnet.simulation import prepare


def one(n: int, steps: int) -> dict[str, Any]:
    """Prepares and runs one size in this process."""
    measure.one_thread()
    start = time.perf_counter()
    plan = prepare(workload.scenario("linear", n, steps), device="cpu")
    prepared = time.perf_counter()
    cost = workload.us_per_step(plan, "deferred")
    total = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "n": n,
        "us per node-step": cost,
        "setting up [s]": prepared - start,
        "all [s]": total,
        "peak memory [GB]": peak / 1e9,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="D-PSGD on large rings.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", type=int, help="measure this size in this process and print JSON")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.steps)))
        return
    rows: dict[int, dict[str, Any]] = {}
    for _ in range(options.repeats):
        for n in options.nodes:
            command = [sys.executable, __file__, "--one", str(n), "--steps", str(options.steps)]
            row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            if n not in rows or row["us per node-step"] < rows[n]["us per node-step"]:
                rows[n] = row
    smallest = rows[options.nodes[0]]["us per node-step"]
    table = [{**row, f"over n = {options.nodes[0]}": row["us per node-step"] / smallest} for row in rows.values()]
    measure.report(f"D-PSGD on a ring, linear, {options.steps} steps", table, options.json)


if __name__ == "__main__":
    main()
