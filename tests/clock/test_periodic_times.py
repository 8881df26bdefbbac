"""How long periodic averages take: gossip, and an all-reduce shared by H steps."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest

from tests.clock.building import end_of, scenario

LATENCY, BANDWIDTH, BITS, COMPUTE = 0.05, 1e6, 8e6, 0.3
DEDICATED = {"latency": "50 ms", "bandwidth": "1 Mbit/s"}
UPLINKS = {"latency": "50 ms", "sharing": "queue", "uplink": "1 Mbit/s"}
NICS = {"latency": "50 ms", "sharing": "queue", "uplink": "1 Mbit/s", "downlink": "1 Mbit/s"}


def seconds(algorithm: dict[str, Any], network: dict[str, Any], nodes: int, steps: int) -> float:
    source = scenario(
        *(nodes, algorithm, steps),
        network=network, compute={"time": f"{COMPUTE} s"}, message={"bits_per_number": BITS},
    )  # fmt: skip
    return end_of(source)


def exchange(kind: str, n: int) -> float:
    if kind == "ring":
        return 2 * (n - 1) * (LATENCY + BITS / n / BANDWIDTH)
    return 2 * log2(n) * LATENCY + 2 * (n - 1) / n * BITS / BANDWIDTH


@pytest.mark.parametrize("kind", ["ring", "halving_doubling"])
@pytest.mark.parametrize(("network", "copies"), [(DEDICATED, 1), (UPLINKS, 2)], ids=["dedicated", "queue"])
@pytest.mark.parametrize("period", [1, 2, 6])
def test_gossip_and_a_share_of_an_allreduce(period: int, network: dict[str, Any], copies: int, kind: str) -> None:
    """On a ring, one shared uplink sends two models in a row, while dedicated links send them at once."""
    n, cycles = 8, 3
    gossip = LATENCY + copies * BITS / BANDWIDTH
    cycle = period * COMPUTE + (period - 1) * gossip + exchange(kind, n)
    end = seconds({"name": "gossip_pga", "period": period, "exchange": kind}, network, n, cycles * period)
    assert end == pytest.approx(cycles * cycle, rel=1e-12)


@pytest.mark.parametrize("kind", ["ring", "halving_doubling"])
@pytest.mark.parametrize("network", [DEDICATED, NICS], ids=["dedicated", "queue"])
@pytest.mark.parametrize("period", [1, 5])
def test_local_steps_and_an_allreduce(period: int, network: dict[str, Any], kind: str) -> None:
    end = seconds({"name": "local_sgd", "period": period, "exchange": kind}, network, 8, 4 * period)
    assert end == pytest.approx(4 * (period * COMPUTE + exchange(kind, 8)), rel=1e-12)


@pytest.mark.parametrize("chunks", [1, 4])
def test_the_server_is_asked_every_period_only(chunks: int) -> None:
    algorithm = {"name": "local_sgd", "period": 3, "exchange": "parameter_server", "chunks": chunks}
    once = 2 * LATENCY + (1 + 1 / chunks) * 8 * BITS / BANDWIDTH
    assert seconds(algorithm, NICS, 8, 3) == pytest.approx(3 * COMPUTE + once, rel=1e-12)


def test_one_final_merge() -> None:
    gossip = LATENCY + BITS / BANDWIDTH
    end = seconds({"name": "final_merging"}, DEDICATED, 8, 5)
    assert end == pytest.approx(5 * (COMPUTE + gossip) + exchange("ring", 8), rel=1e-12)
