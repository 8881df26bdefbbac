"""Random streams named by (seed, purpose, node, ...): no other random number exists in simnet."""

from __future__ import annotations

import hashlib

import numpy as np

Name = int | str


def stream_key(seed: int, *names: Name) -> int:
    """The 64-bit key of the stream that these names denote.

    Args:
        seed: the run's seed.
        names: purpose, node and whatever else tells this stream from all others.

    Returns:
        An integer in [0, 2**64), the same on every machine and in every process.

    Example:
        >>> stream_key(1, "batch", 0) == stream_key(1, "batch", 0)
        True
        >>> stream_key(1, "batch", 0) == stream_key(1, "batch", 1)
        False
    """
    text = repr((int(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def stream(seed: int, *names: Name) -> np.random.Generator:
    """The counter-based generator (Philox; Salmon et al., 2011) that these names denote, at its start.

    Args:
        seed: the run's seed.
        names: purpose, node and whatever else tells this stream from all others.

    Returns:
        A NumPy generator; equal names give equal numbers.

    Example:
        >>> int(stream(1, "compute", 3).integers(1000)) == int(stream(1, "compute", 3).integers(1000))
        True
    """
    return np.random.Generator(np.random.Philox(key=stream_key(seed, *names)))
