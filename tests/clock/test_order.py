"""No result depends on the order of simultaneous events: nodes may be started in any order."""

from __future__ import annotations

from heapq import heapify
from random import Random
from typing import Any

import numpy as np
import pytest

from simnet.execution import Run
from tests.clock.building import prepared, scenario

NETWORKS: dict[str, dict[str, Any]] = {
    "free": {},
    "none": {"latency": "250 ms", "bandwidth": "256 bit/s"},
    "queue": {"sharing": "queue", "latency": "250 ms", "uplink": "256 bit/s", "downlink": "256 bit/s"},
    "fair": {"sharing": "fair", "latency": "250 ms", "uplink": "256 bit/s", "downlink": "256 bit/s"},
    "half": {"sharing": "queue", "latency": "250 ms", "uplink": "256 bit/s", "duplex": "half"},
    "hops": {"sharing": "queue", "latency": "250 ms", "uplink": "256 bit/s", "downlink": "256 bit/s", "routing": "hops"},
    "shared": {
        "sharing": "queue",
        "latency": "250 ms",
        "downlink": "256 bit/s",
        "shared": [{"name": "backbone", "bandwidth": "256 bit/s", "between": [[0, 1, 2], [3, 4, 5]]}],
    },
}
ALGORITHMS: list[dict[str, Any]] = [
    {"name": "dpsgd"},
    {"name": "dpsgd", "wait": "none"},
    {"name": "dpsgd", "wait": {"deadline": "500 ms"}},
    {"name": "detag"},
    {"name": "moniqua", "theta": 50.0, "quantizer": "stochastic"},
    {"name": "adpsgd"},
    {"name": "allreduce", "exchange": "ring"},
    {"name": "allreduce", "exchange": "halving_doubling"},
    {"name": "allreduce", "exchange": "parameter_server", "chunks": 2},
]


def start_in_order(run: Run, seed: int) -> None:
    """Lets the processes begin in a random order (they all begin at time 0)."""
    run_clock = run.run_clock

    def shuffled() -> None:
        queue: list[Any] = run.clock._queue
        assert len(queue) >= len(run.nodes)
        numbers = [number for _, _, number, _ in queue]
        Random(seed).shuffle(numbers)
        queue[:] = [(time, priority, n, event) for (time, priority, _, event), n in zip(queue, numbers, strict=True)]
        heapify(queue)
        run_clock()

    run.run_clock = shuffled  # type: ignore[method-assign]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: "-".join(str(v) for k, v in a.items() if k != "theta"))
def test_start_order(algorithm: dict[str, Any], network: str) -> None:
    compute = {"time": "500 ms", "factors": [1, 1, 2, 1, 0.5, 1]}
    facts = {"topology": "path" if network == "hops" else "complete", "compute": compute, "record": {"models": True}}
    source = scenario(6, algorithm, 6, network=NETWORKS[network], **facts)
    expected = prepared(source).execute()
    for seed in (1, 2):
        run = prepared(source)
        start_in_order(run, seed)
        record = run.execute()
        assert record.metrics == expected.metrics
        assert record.summary["hash"] == expected.summary["hash"]
        np.testing.assert_array_equal(record.models, expected.models)
