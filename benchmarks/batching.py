"""How large the batches of gradients are, and how many rows are alive at once, under quiet and unquiet clocks.

Run `python benchmarks/batching.py` (`--help` names the options). Nothing here is a time: the figures are exact.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import measure
import workload

from simnet.execution import Run
from simnet.progress import Silent
from simnet.simulation import prepare

CLOCKS: dict[str, dict[str, Any]] = {
    "constant": {"compute": {"time": "30 ms"}, "network": {"latency": "50 ms", "bandwidth": "20 Mbit/s"}},
    "50 % jitter": {
        "compute": {"time": "30 ms", "jitter": {"lognormal": 0.5}},
        "network": {"latency": "2 ms", "bandwidth": "100 Mbit/s"},
    },
    "50 % jitter, slow mixed links": {
        "compute": {"time": "30 ms", "jitter": {"lognormal": 0.5}},
        "network": {"sharing": "queue", "latency": {"exponential": {"mean": "50 ms"}}, "uplink": "5 Mbit/s"},
    },
    "stragglers": {
        "compute": {"time": "30 ms", "jitter": {"exponential": 0.5}, "stragglers": {"fraction": 0.1, "slowdown": 8}},
        "network": {"latency": "50 ms", "bandwidth": "20 Mbit/s"},
    },
}


def summary(n: int, steps: int, algorithm: dict[str, Any], clock: str) -> dict[str, Any]:
    """The summary of one run."""
    plan = prepare(workload.scenario("linear", n, steps, algorithms=[algorithm], **CLOCKS[clock]), device="cpu")
    return Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], "deferred", Silent()).execute().summary


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Mean gradient batch and peak arena.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--steps", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.one_thread()
    algorithms: list[dict[str, Any]] = [
        {"name": "dpsgd", "lr": 0.1},
        {"name": "detag", "lr": 0.1},
        {"name": "moniqua", "lr": 0.1, "theta": 8.0},
        {"name": "adpsgd", "lr": 0.1},
    ]
    rows: list[measure.Row] = []
    for n in options.nodes:
        for steps in options.steps:
            for algorithm in algorithms:
                for clock in CLOCKS:
                    figures = summary(n, steps, algorithm, clock)
                    batch, peak = figures["mean_gradient_batch"] / n, figures["peak_arena_rows"] / n
                    row = {"algorithm": algorithm["name"], "n": n, "steps": steps, "clock": clock}
                    rows.append({**row, "batch / n": batch, "peak rows / n": peak})
    measure.report("Mean gradient batch and peak arena, in units of n (and of n D numbers)", rows, options.json)


if __name__ == "__main__":
    main()
