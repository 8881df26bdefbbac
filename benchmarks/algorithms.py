"""What a step of every algorithm of the table costs, beside D-PSGD's: clock and recording, and arithmetic of its own.

Run `python benchmarks/algorithms.py` (`--help` names the options).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import workload

from simnet.algorithms import ALGORITHMS
from simnet.execution import Run
from simnet.progress import Silent
from simnet.simulation import Plan, prepare

EXTRAS: dict[str, dict[str, Any]] = {
    "ada": {"topology": {"kind": "ring_lattice", "reach": 2, "final": 1, "pace": 1}},
    "matcha": {"topology": {"kind": "matcha", "graph": "ring", "budget": 0.5}},
}
"""Keys of the scenario, beside the algorithm's entry, without which an algorithm cannot run."""

SIGN = {"compressor": "sign"}
QSGD = {"compressor": {"kind": "qsgd", "levels": 16}}
PARAMETERS: dict[str, dict[str, Any]] = {
    "allreduce": {"exchange": "halving_doubling"},
    "moniqua": {"theta": 2.0},
    "moniqua_d2": {"theta": 2.0},
    "moniqua_adpsgd": {"theta": 2.0},
    "choco": {"consensus_lr": 0.3, **SIGN},
    "deepsqueeze": {"consensus_lr": 0.1, **SIGN},
    "dcd": QSGD,
    "ecd": QSGD,
    "naive_quantized": QSGD,
    "quantized_push_sum": QSGD,
    "cd_adam": {"consensus_lr": 0.3, **SIGN},
    "local_sgd": {"period": 8, "exchange": "halving_doubling"},
    "gossip_pga": {"period": 8, "exchange": "halving_doubling"},
    "gossip_aga": {"period": 8, "exchange": "halving_doubling"},
    "dynamic_averaging": {"threshold": 1.0},
    "consensus_control": {"target": 1.0},
}
"""Parameters that have no default, and exchanges with few messages."""


def planned(name: str, model: str, n: int, steps: int) -> Plan:
    """The workload with one algorithm."""
    changes = {"algorithms": [{"name": name, "lr": 0.1, **PARAMETERS.get(name, {})}], **EXTRAS.get(name, {})}
    return prepare(workload.scenario(model, n, steps, **changes), device="cpu")


@dataclass(frozen=True)
class Cost:
    """Of one step of one node: wall time of clock and recording and of the values [us], and messages."""

    clock: float
    values: float
    messages: float


def cost(plan: Plan) -> Cost:
    """What a whole run took, evaluations left out."""
    run = Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], "deferred", Silent())
    summary = run.execute().summary
    steps = max(1, run.observer.total_steps)
    wall = summary["wall_s"]
    return Cost(1e6 * wall["clock"] / steps, 1e6 * wall["values"] / steps, summary["messages"] / steps)


def measured(names: list[str], model: str, n: int, steps: int, rounds: int) -> dict[str, Cost]:
    """The smallest costs of several rounds, in which all algorithms take turns."""
    plans = {name: planned(name, model, n, steps) for name in names}
    found: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, plan in plans.items():
            found[name].append(cost(plan))
    return {
        name: Cost(min(c.clock for c in costs), min(c.values for c in costs), costs[0].messages)
        for name, costs in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Every algorithm beside D-PSGD.")
    parser.add_argument("--model", choices=list(workload.MODELS), default="linear")
    parser.add_argument("--nodes", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.one_thread()
    names = [name for name, entry in ALGORITHMS.items() if not entry.pooled]
    found = measured(names, options.model, options.nodes, options.steps, options.rounds)
    unit = found["dpsgd"]
    rows = [
        {
            "algorithm": name,
            "messages": it.messages,
            "clock [us]": it.clock,
            "values [us]": it.values,
            "all / dpsgd": (it.clock + it.values) / (unit.clock + unit.values),
            "all but own arithmetic / dpsgd": (it.clock + min(it.values, unit.values)) / (unit.clock + unit.values),
        }
        for name, it in found.items()
    ]
    measure.report(f"A step of one node, {options.model}, n = {options.nodes}", rows, options.json)


if __name__ == "__main__":
    main()
