"""The benchmarks' workload: D-PSGD and others on a ring, mini-batches of 32 out of 128 own samples, 10 classes, 64 features."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from simnet.execution import ExecutorName, Run
from simnet.progress import Silent
from simnet.simulation import Plan, prepare

MODELS: dict[str, Any] = {"linear": "linear", "mlp": {"kind": "mlp", "hidden": [128]}}


def scenario(model: str, n: int, steps: int, algorithm: str = "dpsgd", **changes: Any) -> dict[str, Any]:
    """The scenario as a mapping; it evaluates at its start and end only."""
    return {
        "nodes": n,
        "threads": 1,
        "topology": "ring",
        "network": {"latency": {"normal": {"mean": "50 ms", "std": "5 ms"}}, "bandwidth": "20 Mbit/s"},
        "compute": {"time": "30 ms", "jitter": {"lognormal": 0.1}},
        "problem": {
            "dataset": "gaussian_mixture",
            "features": 64,
            "classes": 10,
            "samples_per_node": 128,
            "test_samples": 100,
            "model": MODELS[model],
            "batch_size": 32,
        },
        "algorithms": [{"name": algorithm, "lr": 0.1}],
        "run": {"steps": steps, "evaluate_every": steps},
        **changes,
    }


def steady_seconds(plan: Plan, executor: ExecutorName) -> float:
    """Wall time of the clock and the values of one run, without assembling it and without evaluations [s]."""
    run = Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], executor, Silent())
    run.assemble()
    evaluation_s = run.evaluations.seconds
    gc.disable()
    start = time.perf_counter()
    run.run_clock()
    elapsed = time.perf_counter() - start
    gc.enable()
    return elapsed - (run.evaluations.seconds - evaluation_s)


def us_per_node_step(model: str, n: int, steps: int, executor: ExecutorName = "deferred") -> Callable[[], float]:
    """A function that measures the steady-state wall time of one step of one node [us] once."""
    plan = prepare(scenario(model, n, steps), device="cpu")
    return lambda: 1e6 * steady_seconds(plan, executor) / n / steps
