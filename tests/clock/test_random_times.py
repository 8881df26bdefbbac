"""What random compute times cost: the constants of ALGORITHMS.md, section 29.5, within statistical error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clock.building import end_of, scenario

STEPS = 2500
BARRIER = {"name": "allreduce", "exchange": "parameter_server"}
GOSSIP = {"name": "dpsgd", "order": "atc"}  # a node waits until its neighbors have computed
ONE_WAY = {"kind": "edges", "edges": [[i, (i + 1) % 8] for i in range(8)], "directed": True}
EXPONENTIAL, NORMAL = {"exponential": 1.0}, {"normal": 0.1}


def seconds_per_step(nodes: int, algorithm: Any, jitter: dict[str, float], topology: Any = "ring") -> float:
    compute = {"time": "1 s", "jitter": jitter}
    return end_of(scenario(nodes, algorithm, STEPS, compute=compute, topology=topology)) / STEPS


@pytest.mark.parametrize(("nodes", "expected"), [(8, 2.718), (16, 3.381)])
def test_a_barrier_waits_for_the_slowest_of_all(nodes: int, expected: float) -> None:
    """The harmonic number H_n."""
    assert seconds_per_step(nodes, BARRIER, EXPONENTIAL) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize(("nodes", "expected"), [(8, 2.18), (16, 2.28)])
def test_a_ring_waits_less(nodes: int, expected: float) -> None:
    assert seconds_per_step(nodes, GOSSIP, EXPONENTIAL) == pytest.approx(expected, abs=0.05)


def test_a_ring_in_one_direction_waits_still_less() -> None:
    assert seconds_per_step(8, GOSSIP, EXPONENTIAL, ONE_WAY) == pytest.approx(1.88, abs=0.05)


def test_ten_percent_of_normal_jitter() -> None:
    assert seconds_per_step(16, GOSSIP, NORMAL) == pytest.approx(1.110, abs=0.004)
    assert seconds_per_step(16, BARRIER, NORMAL) == pytest.approx(1.177, abs=0.006)
