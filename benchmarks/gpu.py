"""On a CUDA GPU: the cost of a step over the gradient of one model on the same total batch, and the batches.

Run `python benchmarks/gpu.py` on a machine with one; elsewhere it says that there is none and ends with status 1. It
needs nothing but simnet's own dependencies with a CUDA build of torch.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import torch
import workload

from simnet.execution import Run
from simnet.progress import Silent
from simnet.simulation import Plan, prepare

CNN: dict[str, Any] = {"dataset": "digits", "model": "cnn", "batch_size": 32}


def plan_for(model: str, n: int, steps: int) -> Plan:
    """The workload on the GPU; the `cnn` trains on the digits."""
    changes: dict[str, Any] = {"problem": CNN} if model == "cnn" else {}
    mapping = workload.scenario(model if model in workload.MODELS else "linear", n, steps) | changes
    return prepare(mapping, device="cuda")


def simnet_us(plan: Plan, n: int, steps: int) -> tuple[float, float]:
    """Wall time per node-step [us] and mean gradient batch over n."""
    run = Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], "deferred", Silent())
    run.assemble()
    gc.disable()
    torch.cuda.synchronize()
    evaluation_s = run.evaluations.seconds
    start = time.perf_counter()
    run.run_clock()
    torch.cuda.synchronize()
    elapsed = time.perf_counter() - start - (run.evaluations.seconds - evaluation_s)
    gc.enable()
    return 1e6 * elapsed / n / steps, run.executor.gradients / max(1, run.executor.gradient_calls) / n


def one_model_us(plan: Plan, n: int) -> Callable[[], float]:
    """One model's gradient on the total batch of all n nodes, per node [us]: no clock, no mixing, no update."""
    problem = plan.setting.problem
    x_BD = problem.initial_model(0)[None].contiguous()
    samples_Bb = torch.cat([torch.from_numpy(next(problem.draws(i, 0))[0]) for i in range(n)]).to(problem.device)[None]
    out_BD = torch.empty_like(x_BD)

    def once() -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(10):
            problem.gradient(x_BD, samples_Bb, out_BD)
        torch.cuda.synchronize()
        return 1e6 * (time.perf_counter() - start) / 10 / n

    return once


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="D-PSGD on a GPU, against one model's gradient on the same total batch.")
    parser.add_argument("--nodes", type=int, default=256)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA GPU here: nothing was measured")
    rows: list[measure.Row] = []
    for model in ("linear", "mlp", "cnn"):
        plan = plan_for(model, options.nodes, options.steps)
        batches: list[float] = []

        def simnet(plan: Plan = plan, batches: list[float] = batches) -> float:
            cost, batch = simnet_us(plan, options.nodes, options.steps)
            batches.append(batch)
            return cost

        loops = {"one model": one_model_us(plan, options.nodes), "simnet": simnet}
        figures = measure.interleaved(loops, options.repeats)
        row = {"model": model, "n": options.nodes, **measure.best(figures)}
        rows.append({**row, "simnet / one model": measure.ratio(figures, "simnet", "one model"), "batch / n": min(batches)})
    measure.report(f"{torch.cuda.get_device_name()}: wall time per node-step [us]", rows, options.json)


if __name__ == "__main__":
    main()
