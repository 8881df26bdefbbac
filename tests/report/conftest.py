"""A made-up result with the shape of a real one: four algorithms, three seeds, one run that diverged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from simnet.result import Result, RunRecord

# label: decay of the loss per step, seconds per step, bits per step, floor of the loss, spread of the nodes
CURVES = {
    "allreduce": (0.022, 0.9, 3.1e6, 0.12, 0.0),
    "dpsgd": (0.012, 0.21, 9.8e6, 0.30, 0.8),
    "detag": (0.018, 0.42, 19.6e6, 0.16, 0.25),
    "moniqua-8bit": (0.012, 0.12, 2.5e6, 0.31, 0.9),
}


def make_record(
    label: str, seed: int, curve: tuple[float, ...], *, num_steps: int = 500, diverges: bool = False
) -> RunRecord:
    decay, seconds, bits, floor, spread = curve
    random = np.random.default_rng([seed, len(label)])
    rows, clock = [], 0.0
    for step in range(0, num_steps + 1, 10):
        clock += 10 * seconds * float(random.lognormal(0, 0.15)) if step else 0.0
        noise = float(random.normal(0, 0.012)) * math.exp(-step / 300)
        loss = (
            floor * (1 + 0.06 * seed)
            + (2.303 - floor) * math.exp(-decay * step * (1 + 0.12 * seed)) * (1 + 4 * noise)
            + abs(noise)
        )
        if diverges and step > 80:
            loss *= math.exp((step - 80) / 12)
        accuracy = max(0.1, 0.985 - 0.385 * loss + noise)
        rows.append(
            {
                "step": step,
                "epoch": step / 6.0,
                "time_s": clock,
                "bits_sent": step * bits,
                "gradients": step * 16,
                "train_loss": loss * 0.95,
                "test_loss": loss,
                "accuracy": accuracy,
                "train_accuracy": min(1.0, accuracy * 1.01),
                "consensus_distance": spread * (1 - math.exp(-step / 15)) * (0.2 + loss / 2.3),
                "gradient_norm": loss**1.5,
                "node_loss_worst": loss * (1 + spread),
                "node_accuracy_worst": accuracy * (1 - 0.3 * spread),
                "idle_share": 0.3 + 0.1 * spread + noise if step else math.nan,
            }
        )
        if diverges and loss > 1e6:
            break
    status = "diverged" if diverges else "done"
    return RunRecord(label, seed, status, "", rows, make_summary(rows, seconds, spread))


def make_summary(rows: list[dict[str, float]], seconds: float, spread: float) -> dict[str, Any]:
    hit = next((row for row in rows if row["accuracy"] >= 0.85), None)
    reached = {name: hit[name] if hit else math.inf for name in ("step", "time_s", "bits_sent")}
    last = rows[-1]
    return {
        "steps": last["step"],
        "time_s": last["time_s"],
        "bits_sent": last["bits_sent"],
        "gradients": last["gradients"],
        "final": {name: last[name] for name in ("train_loss", "test_loss", "accuracy", "consensus_distance")},
        "targets": {"accuracy": {"value": 0.85, **reached}},
        "idle_share": 0.3 + 0.1 * spread,
        "mean_gradient_batch": 16.0,
        "peak_arena_rows": 64,
        "spectrum": {"rho": 0.9, "gap": 0.1, "how": "closed form"},
        "wall_s": {"total": seconds, "clock": 0.1, "values": 0.5, "evaluation": 0.2},
        "counters": {"wrap_violations": 3 if spread == 0.9 else 0, "dropped_messages": 0},
        "hash": "0123abcd",
    }


def make_result(
    seeds: tuple[int, ...] = (1, 2, 3), labels: tuple[str, ...] = tuple(CURVES), diverging: str = "moniqua-8bit"
) -> Result:
    records = [
        make_record(label, seed, CURVES[label], diverges=label == diverging and seed == seeds[-1])
        for label in labels
        for seed in seeds
    ]
    entries = [{"name": label, "label": label} for label in labels]
    scenario = {"name": "slow-ring", "seeds": list(seeds), "algorithms": entries, "targets": {"accuracy": 0.85}}
    return Result(records, scenario, "name: slow-ring\n", {"simnet": "0.1.0"})


@pytest.fixture(scope="session")
def result() -> Result:
    return make_result()
