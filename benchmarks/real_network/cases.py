"""Which cases are measured."""

from __future__ import annotations

from dataclasses import dataclass

from real_network.patterns import PATTERNS, Pattern

MAX_LOAD = 200e6
"""Bit/s of all nodes together that two processor cores can move frame by frame; cases above it would measure the cores."""


@dataclass(frozen=True)
class Case:
    """One thing to do on one network.

    Args:
        program: ``sockets`` or ``gloo``.
        pattern: a key of `PATTERNS`, or ``allreduce`` (gloo's own).
        nodes: how many take part.
        rate: bit/s of every node, up and down.
        latency: seconds from node to node.
        size: bytes of a message, or of the vector of an all-reduce.
    """

    program: str
    pattern: str
    nodes: int
    rate: float
    latency: float
    size: int

    @property
    def transfers(self) -> Pattern:
        """What it is made of."""
        return PATTERNS[self.pattern](self.nodes, self.size)

    @property
    def load(self) -> float:
        """Bit/s that all nodes send together when they are busiest."""
        return self.rate * (self.nodes if self.pattern in {"exchange", "ring_allreduce", "allreduce"} else 1)


RATES = (10e6, 20e6, 50e6, 100e6)
LATENCIES = (1e-3, 10e-3, 50e-3)
SMALL, LARGE = 0.08, 0.32
"""Sizes: seconds that the payload of a message takes at the full rate."""

SOCKETS = (
    ("single", 2, SMALL),
    ("single", 2, LARGE),
    ("incast", 4, SMALL),
    ("incast", 4, LARGE),
    ("incast", 8, SMALL),
    ("parameter_server", 4, SMALL),
    ("parameter_server", 8, SMALL),
    ("exchange", 2, SMALL),
    ("exchange", 2, LARGE),
    ("exchange", 4, SMALL),
    ("exchange", 4, LARGE),
    ("exchange", 8, SMALL),
    ("ring_allreduce", 4, LARGE),
    ("ring_allreduce", 8, LARGE),
)
GLOO = (
    ("exchange", 2, SMALL),
    ("exchange", 2, LARGE),
    ("exchange", 4, SMALL),
    ("exchange", 4, LARGE),
    ("allreduce", 2, LARGE),
    ("allreduce", 4, LARGE),
)


def cases(program: str) -> list[Case]:
    """All cases of a program, network by network."""
    kinds = SOCKETS if program == "sockets" else GLOO
    found = [
        Case(program, pattern, nodes, rate, latency, round(rate / 8 * seconds))
        for rate in RATES
        for latency in LATENCIES
        for pattern, nodes, seconds in kinds
    ]
    return [case for case in found if case.load <= MAX_LOAD]
