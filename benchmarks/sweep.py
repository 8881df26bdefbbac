"""What a grid over bandwidth and latency costs, beside what it is made of: plain runs, and runs of the time plane alone.

Run `python benchmarks/sweep.py` (`--help` names the options). The figures are wall times of this process alone, one after the
other, so that they can be compared; `--workers 2` shows what two processes make of it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import measure
import numpy as np

import simnet
from simnet.experiment.parts import SUMMARY_FOLDER
from simnet.experiment.sweep import load_sweep

ALGORITHMS: list[dict[str, Any]] = [
    {"name": "allreduce", "exchange": "halving_doubling", "lr": 0.4},
    {"name": "dpsgd", "lr": 0.4},
    {"name": "dpsgd", "order": "atc", "label": "dpsgd-atc", "lr": 0.4},
    {"name": "detag", "lr": 0.4},
    {"name": "moniqua", "theta": 3.0, "lr": 0.4},
    {"name": "decentlam", "lr": 0.1},
]


def scenario(steps: int) -> dict[str, Any]:
    """Digits on a ring of 16 nodes."""
    return {
        "name": "grid",
        "nodes": 16,
        "topology": "ring",
        "network": {"latency": "50 ms", "bandwidth": "20 Mbit/s"},
        "compute": {"time": "20 ms"},
        "problem": {"dataset": "digits", "model": "linear", "batch_size": 32},
        "algorithms": ALGORITHMS,
        "run": {"steps": steps, "evaluate_every": 10},
        "targets": {"accuracy": 0.9},
    }


def axis(low: float, high: float, side: int, unit: str) -> list[str]:
    """Values at equal factors."""
    return [f"{value:.4g} {unit}" for value in np.geomspace(low, high, side)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A grid of bandwidth and latency, six algorithms, 16 nodes, digits.")
    parser.add_argument("--side", type=int, default=20, help="values of each of the two keys")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--workers", type=int, default=0, help="processes of the sweep; 0: this one")
    parser.add_argument("--samples", type=int, default=3, help="time-plane runs of the six that are timed by themselves")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.one_thread()
    source = scenario(options.steps)
    grid = {"network.latency": axis(1, 200, options.side, "ms"), "network.bandwidth": axis(0.2, 50, options.side, "Mbit/s")}
    points = options.side**2
    start = time.perf_counter()
    result = simnet.run(source, device="cpu")
    plain_s = time.perf_counter() - start
    start = time.perf_counter()
    for latency in axis(1, 200, options.samples, "ms"):
        assert result.retime(network={"latency": latency}).recomputed == []
    retime_s = (time.perf_counter() - start) / options.samples
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = simnet.sweep(source, grid=grid, out=folder, workers=options.workers, device="cpu")
        sweep_s = time.perf_counter() - start
        assert found.complete
        assert found.how == {"computed": len(ALGORITHMS), "retimed": len(ALGORITHMS) * (points - 1)}
        start = time.perf_counter()
        again = load_sweep(folder)
        winners = again.winners("network.latency", "network.bandwidth", "time_to.accuracy")
        load_s = time.perf_counter() - start
        again.winners("network.latency", "network.bandwidth", "accuracy")
        start = time.perf_counter()
        again.winners("network.latency", "network.bandwidth", "time_to.accuracy")
        answer_s = time.perf_counter() - start
        size = sum(path.stat().st_size for path in (Path(folder) / SUMMARY_FOLDER).iterdir())
    budget = 2 * plain_s + points * retime_s
    row = {
        "points": points,
        "one plain run [s]": plain_s,
        "one time-plane run [s]": retime_s,
        "sweep [s]": sweep_s,
        "sweep / (2 plain + all time-plane)": sweep_s / budget,
        "plain runs of all / sweep": points * plain_s / sweep_s,
        "load and first map [s]": load_s,
        "next map [s]": answer_s,
        "summary [MB]": size / 1e6,
    }
    measure.report(f"A sweep over bandwidth and latency, {options.steps} steps, workers {options.workers}", [row], options.json)
    print(f"\n{winners.iloc[:: max(1, options.side // 5), :: max(1, options.side // 5)]}")


if __name__ == "__main__":
    main()
