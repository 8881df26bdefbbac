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


def us_per_step(plan: Plan, executor: ExecutorName) -> float:
    """Wall time of one step of one node [us] in the steady state: without setting up, first steps and evaluations."""
    run = Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], executor, Silent())
    run.assemble()
    gc.disable()
    run.clock.run_until(0.25)  # a few steps, in which links are made and memory is taken
    evaluation_s, steps = run.evaluations.seconds, run.observer.total_steps
    start = time.perf_counter()
    run.run_clock()
    elapsed = time.perf_counter() - start - (run.evaluations.seconds - evaluation_s)
    gc.enable()
    return 1e6 * elapsed / (run.observer.total_steps - steps)


def us_per_node_step(model: str, n: int, steps: int, executor: ExecutorName = "deferred") -> Callable[[], float]:
    """A function that measures the wall time of one step of one node [us] once."""
    plan = prepare(scenario(model, n, steps), device="cpu")
    return lambda: us_per_step(plan, executor)
