"""What a node is told about its place in the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node is told about its place in the network.

    Args:
        num_nodes: n.
        neighbors: whose messages it receives, sorted; never itself.
        listeners: to whom it sends, sorted (the same nodes in an undirected topology).
        may_ask: the neighbors that it may ask without a circle of nodes that wait for one another.
        self_weight: W[i, i].
        weights: W[i, j] for each neighbor j, in the order of `neighbors`.
        wait: the waiting rule: ``"all"``, ``"none"``, or a deadline in seconds.
        vector_bits: size of a model on the wire.
        number_bits: size of one number on the wire.
        rho: ``||W - J||_2`` of the whole network, if it is known.
    """

    num_nodes: int
    neighbors: tuple[int, ...]
    listeners: tuple[int, ...]
    may_ask: tuple[int, ...]
    self_weight: float
    weights: tuple[float, ...]
    wait: str | float
    vector_bits: float
    number_bits: float
    rho: float | None
