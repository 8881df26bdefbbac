"""Jitter: more latency for each message, drawn anew. Messages of one link may overtake each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simnet.clock.events import Transfer
from simnet.clock.links import Link
from simnet.clock.sharing import Carry
from simnet.scenario import Distribution
from simnet.streams import stream

BLOCK = 64


class Jittered:
    """Adds a random time to the latency of everything that is sent.

    Args:
        carry: how it is sent then.
        jitter: the distribution, in s.
        seed: the run's seed; every directed link draws from its own stream, in the order of sending.
    """

    def __init__(self, carry: Carry, jitter: Distribution, seed: int) -> None:
        self.below = carry
        self.jitter = jitter
        self.seed = seed
        self.delays: dict[int, Iterator[float]] = {}

    def carry(self, link: Link, transfer: Transfer, extra: float = 0.0) -> None:
        """Sends a transfer whose latency is ``link.latency + extra + jitter``."""
        try:
            delays = self.delays[link.priority]
        except KeyError:
            delays = delays_of(self.jitter, stream(self.seed, "jitter", link.sender, link.receiver))
            self.delays[link.priority] = delays
        self.below(link, transfer, extra + next(delays))


def delays_of(jitter: Distribution, rng: np.random.Generator) -> Iterator[float]:
    """Endless times that are never negative: a normal one is cut at 0.

    Args:
        jitter: the distribution, in s.
        rng: the stream to draw from.

    Yields:
        Seconds.

    Example:
        >>> next(delays_of(Distribution(kind="uniform", low=2.0, high=2.0), stream(1, "jitter", 0, 1)))
        2.0
    """
    values = jitter.parameters
    while True:
        match jitter.kind:
            case "normal":
                block = np.maximum(values["mean"] + values["std"] * rng.standard_normal(BLOCK), 0.0)
            case "lognormal":
                block = values["median"] * np.exp(values["sigma"] * rng.standard_normal(BLOCK))
            case "exponential":
                block = values["mean"] * rng.standard_exponential(BLOCK)
            case "uniform":
                block = rng.uniform(values["low"], values["high"], BLOCK)
        yield from block.tolist()
