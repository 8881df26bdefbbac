"""How long an all-reduce takes: the alpha-beta formulas of ALGORITHMS.md, sections 1 and 29.4."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest

from tests.clock.building import end_of, scenario

LATENCY, BANDWIDTH, BITS, COMPUTE = 0.05, 1e6, 8e6, 0.3

DEDICATED = {"latency": "50 ms", "bandwidth": "1 Mbit/s"}
NICS = {"latency": "50 ms", "sharing": "queue", "uplink": "1 Mbit/s", "downlink": "1 Mbit/s"}
FAIR = NICS | {"sharing": "fair"}
networks = pytest.mark.parametrize("network", [DEDICATED, NICS, FAIR], ids=["dedicated", "queue", "fair"])


def allreduce_end(nodes: int, network: dict[str, Any], steps: int = 1, **options: Any) -> float:
    source = scenario(
        nodes,
        {"name": "allreduce", **options},
        steps,
        network=network,
        compute={"time": f"{COMPUTE} s"},
        message={"bits_per_number": BITS},
    )
    return end_of(source)


@networks
@pytest.mark.parametrize("nodes", [2, 3, 7, 8])
def test_ring(nodes: int, network: dict[str, Any]) -> None:
    exchange = 2 * (nodes - 1) * (LATENCY + BITS / nodes / BANDWIDTH)
    assert allreduce_end(nodes, network, steps=3, exchange="ring") == pytest.approx(3 * (COMPUTE + exchange), rel=1e-12)


@networks
@pytest.mark.parametrize("nodes", [2, 4, 8, 16])
def test_halving_doubling(nodes: int, network: dict[str, Any]) -> None:
    exchange = 2 * log2(nodes) * LATENCY + 2 * (nodes - 1) / nodes * BITS / BANDWIDTH
    end = allreduce_end(nodes, network, steps=3, exchange="halving_doubling")
    assert end == pytest.approx(3 * (COMPUTE + exchange), rel=1e-12)


@pytest.mark.parametrize("nodes", [3, 5, 7, 12])
def test_halving_doubling_folds_odd_nodes_in(nodes: int) -> None:
    power = 1 << (nodes.bit_length() - 1)
    core = 2 * log2(power) * LATENCY + 2 * (power - 1) / power * BITS / BANDWIDTH
    fold = 2 * (LATENCY + BITS / BANDWIDTH)
    end = allreduce_end(nodes, DEDICATED, exchange="halving_doubling")
    assert end == pytest.approx(COMPUTE + core + fold, rel=1e-12)


@pytest.mark.parametrize("chunks", [1, 2, 16])
@pytest.mark.parametrize("nodes", [1, 3, 8])
def test_parameter_server(nodes: int, chunks: int) -> None:
    """The server can send a chunk when it has that chunk of all nodes: 2 lat + (1 + 1 / chunks) n M / bw."""
    exchange = 2 * LATENCY + (1 + 1 / chunks) * nodes * BITS / BANDWIDTH
    end = allreduce_end(nodes, NICS, exchange="parameter_server", chunks=chunks)
    assert end == pytest.approx(COMPUTE + exchange, rel=1e-12)


@pytest.mark.parametrize("chunks", [1, 2, 16])
@pytest.mark.parametrize("nodes", [1, 3, 8])
def test_a_parameter_server_gains_nothing_by_fair_chunks(nodes: int, chunks: int) -> None:
    """All chunks of all nodes flow at once and are all there only at the end: 2 lat + 2 n M / bw."""
    end = allreduce_end(nodes, FAIR, exchange="parameter_server", chunks=chunks)
    assert end == pytest.approx(COMPUTE + 2 * LATENCY + 2 * nodes * BITS / BANDWIDTH, rel=1e-12)


def test_steps_of_a_parameter_server_overlap() -> None:
    """The first node that is served starts its next step first, so a later step costs n + 1 messages instead of 2 n."""
    first = allreduce_end(8, NICS, steps=1, exchange="parameter_server")
    fifth = allreduce_end(8, NICS, steps=5, exchange="parameter_server")
    assert (fifth - first) / 4 == pytest.approx(COMPUTE + 2 * LATENCY + 9 * BITS / BANDWIDTH, rel=1e-12)


def test_one_node_sends_nothing() -> None:
    assert allreduce_end(1, DEDICATED, steps=2) == pytest.approx(2 * COMPUTE)


# Section 29.4: n = 16, M = 1.08 MB. Columns: ring, halving-doubling, parameter server whole and chunked,
# ring gossip over one shared NIC, one-peer gossip (here: every link its own NIC), ring gossip with 4 bits (Moniqua).
TABLE = """
10 Mbit/s  | 0.1 ms | 1.623  | 1.621  | 27.65 | 13.82 | 1.728  | 0.864  | 0.216
10 Mbit/s  | 5 ms   | 1.770  | 1.660  | 27.66 | 13.83 | 1.733  | 0.869  | 0.221
10 Mbit/s  | 50 ms  | 3.120  | 2.020  | 27.75 | 13.92 | 1.778  | 0.914  | 0.266
100 Mbit/s | 5 ms   | 0.312  | 0.202  | 2.775 | 1.392 | 0.178  | 0.091  | 0.027
100 Mbit/s | 50 ms  | 1.662  | 0.562  | 2.865 | 1.482 | 0.223  | 0.136  | 0.072
1 Gbit/s   | 0.1 ms | 0.0192 | 0.0170 | 0.277 | 0.138 | 0.0174 | 0.0087 | 0.0023
1 Gbit/s   | 5 ms   | 0.166  | 0.056  | 0.286 | 0.148 | 0.0223 | 0.0136 | 0.0072
1 Gbit/s   | 50 ms  | 1.516  | 0.416  | 0.376 | 0.238 | 0.0673 | 0.0586 | 0.0522
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("sharing", ["queue", "fair"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}")
def test_reference_table(row: list[str], sharing: str) -> None:
    bandwidth, latency, *printed = row
    uplinks = {"sharing": sharing, "latency": latency, "uplink": bandwidth}
    nics = {**uplinks, "downlink": bandwidth}
    links = {"sharing": sharing, "latency": latency, "bandwidth": bandwidth}
    rate = float(bandwidth.split()[0]) * (1e9 if "Gbit" in bandwidth else 1e6)

    def end(algorithm: dict[str, Any], network: dict[str, Any], bits_per_number: float = 8.64e6) -> float:
        return end_of(scenario(16, algorithm, 1, network=network, message={"bits_per_number": bits_per_number}))

    server = {"name": "allreduce", "exchange": "parameter_server"}
    # What is missing to infinitely many chunks is 1 / 16 of the difference between 16 chunks and whole messages.
    whole, chunked = end(server, nics), end({**server, "chunks": 16}, nics)
    found = [
        end({"name": "allreduce", "exchange": "ring"}, nics),
        end({"name": "allreduce", "exchange": "halving_doubling"}, nics),
        whole,
        chunked - (whole - chunked) / 15,
        end({"name": "dpsgd"}, uplinks),
        end({"name": "dpsgd"}, links),
        end({"name": "moniqua", "theta": 1.0, "bits": 4}, uplinks | {"uplink": f"{rate / 270_000!r} bit/s"}, 32),
    ]
    if sharing == "fair":  # chunks need turns
        del found[3], printed[3]
    for seconds, text in zip(found, printed, strict=True):
        digits = len(text.partition(".")[2])
        assert abs(seconds - float(text)) <= 0.501 * 10**-digits, f"{seconds} is not {text}"
