"""What fair sharing costs: transfers per second of wall time under `fair`, beside `queue` and `none` on the same scenario.

Values are switched off. Run `python benchmarks/fair_sharing.py` (`--help` names the options).
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import numpy as np

from simnet.execution import Run
from simnet.progress import Silent
from simnet.simulation import prepare

TRANSFERS: dict[str, Callable[[int], int]] = {
    "ring": lambda n: 2 * n,
    "complete": lambda n: n * (n - 1),
    "star": lambda n: 2 * (n - 1),
}
RULES = ("none", "queue", "fair")
IN_STEP: dict[str, Any] = {}
JITTERED = {"time": "10 ms", "jitter": {"lognormal": 0.5}}


def scenario(topology: str, n: int, steps: int, sharing: str, compute: dict[str, Any], equal: bool) -> dict[str, Any]:
    """D-PSGD that computes, then sends 200 kbit to every neighbor: over NICs of 20 Mbit/s each way, or of 10 to 40."""
    drawn = np.random.default_rng(1).uniform(10, 40, (2, n))
    uplink, downlink = ("20 Mbit/s",) * 2 if equal else ([f"{rate!r} Mbit/s" for rate in row] for row in drawn.tolist())
    return {
        "nodes": n,
        "topology": topology,
        "network": {"sharing": sharing, "latency": "5 ms", "uplink": uplink, "downlink": downlink},
        "compute": compute,
        "message": {"bits_per_number": 200_000},
        "problem": {"kind": "quadratic", "dimension": 1},
        "algorithms": [{"name": "dpsgd", "lr": 0.1, "order": "atc"}],
        "run": {"steps": steps, "evaluate_every": steps},
    }


def seconds_per_transfer(source: dict[str, Any]) -> Callable[[], float]:
    """A function that measures once, for `measure.interleaved`; the run is set up beforehand."""
    plan = prepare(source, device="cpu")

    def once() -> float:
        run = Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], "off", Silent())
        run.assemble()
        gc.collect()
        gc.disable()
        try:
            elapsed = measure.seconds(run.run_clock)
        finally:
            gc.enable()
        return elapsed / sum(machine.messages_sent for machine in run.machines)

    return once


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Transfers per second of wall time under fair sharing.")
    parser.add_argument("--nodes", type=int, default=1000, help="of the ring")
    parser.add_argument("--steps", type=int, default=10, help="of each run on the ring")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.one_thread()
    rows: list[measure.Row] = []
    for topology, n, steps in (("ring", options.nodes, options.steps), ("complete", 64, 1), ("star", 500, 1)):
        for told, compute in (("in step", IN_STEP), ("jittered", JITTERED)):
            for nics in ("equal", "unequal"):
                runs = {
                    rule: seconds_per_transfer(scenario(topology, n, steps, rule, compute, nics == "equal")) for rule in RULES
                }
                figures = measure.interleaved(runs, options.repeats)
                rates = {f"{rule} [transfers/s]": 1 / seconds for rule, seconds in measure.best(figures).items()}
                per_round = min(figures["fair"]) * TRANSFERS[topology](n)
                rows.append(
                    {
                        "topology": f"{topology}, n = {n}",
                        "nodes": told,
                        "NICs": nics,
                        **rates,
                        "fair: one exchange [s]": per_round,
                        "fair / queue": measure.ratio(figures, "fair", "queue"),
                    }
                )
    measure.report("Fair sharing: transfers per second of wall time, no values", rows, options.json)


if __name__ == "__main__":
    main()
