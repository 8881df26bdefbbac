"""What the tests of sweeps share: a small scenario, and the bytes of a sweep's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simnet.experiment.sweep import Sweep, load_sweep

SMALL: dict[str, Any] = {
    "nodes": 4,
    "topology": "ring",
    "network": {"latency": "50 ms", "bandwidth": "20 kbit/s"},
    "compute": {"time": "30 ms", "jitter": {"lognormal": 0.2}},
    "problem": {"kind": "quadratic", "dimension": 4, "noise": 0.1},
    "algorithms": [{"name": "dpsgd", "lr": 0.1}, {"name": "moniqua", "lr": 0.1, "theta": 2.0}, {"name": "adpsgd", "lr": 0.1}],
    "run": {"steps": 12, "evaluate_every": 4},
    "targets": {"train_loss": 3.0},
}
LATENCIES = ["1 ms", "20 ms", "300 ms"]


def tables(found: Sweep | Path) -> tuple[str, str]:
    """Both tables as text, every bit of every number in it."""
    loaded = load_sweep(found) if isinstance(found, Path) else found
    return loaded.metrics.to_csv(index=False), loaded.summary.to_csv(index=False)
