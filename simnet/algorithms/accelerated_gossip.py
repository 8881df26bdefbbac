"""Accelerated gossip: several rounds of averaging with the neighbors, each with a push in the direction of the one before."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from math import sqrt
from typing import Any, Literal

from pydantic import NonNegativeFloat

from simnet.errors import ParameterError
from simnet.node import Node
from simnet.values import Vector

Eta = NonNegativeFloat | Literal["auto"]
Several = tuple[Vector, ...]


def mix_each(node: Node, own: Sequence[Vector], received: Mapping[int, Sequence[Vector]]) -> Several:
    """The mixing matrix applied to each of several vectors that travel in one message.

    Args:
        node: the node that runs this.
        own: its vectors, ``[D]`` each.
        received: the neighbors' vectors, as `exchange` gives them for a tuple.

    Returns:
        As many weighted sums.
    """
    return tuple(node.mix(z, {j: theirs[place] for j, theirs in received.items()}) for place, z in enumerate(own))


def accelerated_round(
    node: Node, rate: float, now: Several, before: Several, received: Mapping[int, Sequence[Vector]]
) -> Several:
    """One round: ``z <- (1 + eta) sum_j w_ij z_j - eta z_before`` for each vector z.

    Args:
        node: the node that runs this.
        rate: eta.
        now: the node's vectors z, which it has sent, ``[D]`` each.
        before: what they were a round before; in the first round, the same.
        received: the neighbors' vectors, as `exchange` gives them for a tuple.

    Returns:
        The vectors after this round.
    """
    mixed = mix_each(node, now, received)
    return tuple((1 + rate) * z - rate * old for z, old in zip(mixed, before, strict=True))


def accelerated_gossip(
    node: Node, rate: float, vectors: Several, rounds: int, k: int
) -> Generator[Any, Any, Several]:
    """R rounds of accelerated gossip, one exchange after the other; it preserves the mean of each vector.

    Args:
        node: the node that runs this; call it with ``yield from``.
        rate: eta; with 0 this is ``W^R z``.
        vectors: what is to be averaged, ``[D]`` each; they travel in one message.
        rounds: R.
        k: tells these messages from all others: the step.

    Returns:
        The vectors after R rounds.
    """
    before = vectors
    for r in range(rounds):
        received = yield node.exchange(vectors, tag=(k, r))
        vectors, before = accelerated_round(node, rate, vectors, before, received), vectors
    return vectors


def acceleration(rho: float | None) -> float:
    """The mixing momentum eta of accelerated gossip: ``(1 - sqrt(1 - rho^2)) / (1 + sqrt(1 - rho^2))``.

    Args:
        rho: ``||W - J||_2``; None if it was not computed.

    Returns:
        eta, in [0, 1).

    Raises:
        ParameterError: if rho is not known.

    Example:
        >>> round(acceleration(0.6), 6), acceleration(0.0)
        (0.111111, 0.0)

    Reference: Liu, Morse: Accelerated Linear Iterations for Distributed Averaging. Annual Reviews in Control 35, 2011.
    """
    if rho is None:
        raise ParameterError("eta: found auto, but the spectral gap is not computed for so many nodes; give a number")
    root = sqrt(max(0.0, 1 - rho**2))
    return (1 - root) / (1 + root)


def check_eta(parameters: Mapping[str, Any], rho: float | None) -> None:
    """Refuses ``eta: auto`` where the spectral gap is not known.

    Args:
        parameters: of the scenario's entry.
        rho: ``||W - J||_2``; None if it was not computed.

    Raises:
        ParameterError: if that is what they say.

    Example:
        >>> check_eta({"eta": 0.2}, None)
        >>> check_eta({"eta": "auto"}, None)
        Traceback (most recent call last):
        simnet.errors.ParameterError: eta: found auto, but the spectral gap is not computed for so many nodes; give a number
    """
    if parameters["eta"] == "auto":
        acceleration(rho)
