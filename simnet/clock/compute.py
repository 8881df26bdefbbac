"""Compute times: how long each gradient takes on each node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from math import exp, pi, sqrt

import numpy as np
from scipy.special import ndtr

from simnet.scenario import Compute
from simnet.streams import stream

BLOCK = 256


def compute_times(spec: Compute, num_nodes: int, seed: int) -> list[Iterator[float]]:
    """For each node, the endless sequence of the times that its gradients take.

    ``time * factor_i * (slowdown if i is a straggler) * jitter``, where the jitter has mean 1.

    Args:
        spec: the scenario's `compute`.
        num_nodes: n.
        seed: the run's seed; the draws of node i come from its own stream.

    Returns:
        n iterators over seconds.

    Example:
        >>> from simnet.scenario import Compute
        >>> next(compute_times(Compute(time="30 ms"), 2, seed=1)[0])
        0.03
    """
    means = mean_times(spec, num_nodes, seed)
    if spec.jitter is None:
        return [repeat(mean) for mean in means]
    draw = JITTERS[spec.jitter.kind]
    return [jittered(mean, spec.jitter.spread, draw, stream(seed, "compute", i)) for i, mean in enumerate(means)]


def mean_times(spec: Compute, num_nodes: int, seed: int) -> list[float]:
    """Each node's mean compute time: the stragglers are drawn once per run."""
    times = np.full(num_nodes, spec.time) * (1.0 if spec.factors is None else np.asarray(spec.factors))
    if spec.stragglers is not None:
        count = round(spec.stragglers.fraction * num_nodes)
        slow = stream(seed, "stragglers").permutation(num_nodes)[:count]
        times[slow] *= spec.stragglers.slowdown
    return [float(t) for t in times]


def jittered(mean: float, spread: float, draw: Draw, rng: np.random.Generator) -> Iterator[float]:
    """Endless times around a mean, drawn in blocks."""
    while True:
        yield from (mean * draw(rng, spread)).tolist()


def lognormal(rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Factors ``exp(sigma Z - sigma^2 / 2)``: always positive, mean 1."""
    return np.exp(sigma * rng.standard_normal(BLOCK) - sigma**2 / 2)


def normal(rng: np.random.Generator, std: float) -> np.ndarray:
    """Factors ``1 + std Z``, cut at 0 and scaled so that the mean is 1 all the same."""
    mean = ndtr(1 / std) + std * exp(-0.5 / std**2) / sqrt(2 * pi) if std else 1.0
    return np.maximum(1 + std * rng.standard_normal(BLOCK), 0.0) / mean


def exponential(rng: np.random.Generator, std: float) -> np.ndarray:
    """Factors ``1 - std + std E`` with E exponential; std = 1 is the plain exponential distribution."""
    return 1 - std + std * rng.standard_exponential(BLOCK)


Draw = Callable[[np.random.Generator, float], np.ndarray]
JITTERS: dict[str, Draw] = {"lognormal": lognormal, "normal": normal, "exponential": exponential}
