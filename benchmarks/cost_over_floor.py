"""What simnet's D-PSGD costs over a hand-written loop without any clock (`floor.py`), SimPy's clock included.

Run `python benchmarks/cost_over_floor.py` (`--help` names the options).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import floor
import measure
import workload


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Wall time per node-step of D-PSGD, simnet against a loop without clock.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--models", nargs="+", choices=list(workload.MODELS), default=list(workload.MODELS))
    parser.add_argument("--node-steps", type=int, default=16_384, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.one_thread()
    rows: list[measure.Row] = []
    for model in options.models:
        for n in options.nodes:
            steps = max(16, options.node_steps // n)
            loops = {name: floor.us_per_node_step(loop(model, n), max(1, steps // 4)) for name, loop in floor.LOOPS.items()}
            figures = measure.interleaved({**loops, "simnet": workload.us_per_node_step(model, n, steps)}, options.repeats)
            ratios = {f"simnet / {name}": measure.ratio(figures, "simnet", name) for name in floor.LOOPS}
            rows.append({"model": model, "n": n, **measure.best(figures), **ratios})
    measure.report("D-PSGD: wall time per node-step [us]", rows, options.json)


if __name__ == "__main__":
    main()
