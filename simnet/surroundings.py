"""What a node is told about its place in the network."""

from __future__ import annotations

from dataclasses import dataclass

from simnet.graph import Branch


@dataclass(frozen=True, slots=True)
class Place:
    """Whom a node hears and whom it tells, and with which weights.

    Args:
        neighbors: whose messages it receives, sorted; never itself.
        listeners: to whom it sends, sorted (the same nodes in an undirected topology).
        self_weight: W[i, i].
        weights: W[i, j] for each neighbor j, in the order of `neighbors`.
        listener_weights: W[j, i] for each listener j, in the order of `listeners`.
    """

    neighbors: tuple[int, ...]
    listeners: tuple[int, ...]
    self_weight: float
    weights: tuple[float, ...]
    listener_weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node is told about its place in the network, and about the network.

    Args:
        num_nodes: n.
        place: its neighbors; those of the first step, if they change.
        acquaintances: its neighbors of all steps, sorted.
        may_ask: the neighbors that it may ask without a circle of nodes that wait for one another.
        wait: the waiting rule: ``"all"``, ``"none"``, or a deadline in seconds.
        mini_batch: samples in one of its mini-batches, and outputs for each; 0 outputs where the loss is not theirs alone.
        layers: the shapes of the model's tensors, in the order in which they lie in a flat vector.
        vector_bits: size of a model on the wire.
        number_bits: size of one number on the wire.
        rho: ``||W - J||_2`` of the whole network, if it is known.
        starts_alike: whether all nodes begin with the same model.
        branch: its place in a spanning tree of the topology, for algorithms that use one.
    """

    num_nodes: int
    place: Place
    acquaintances: tuple[int, ...]
    may_ask: tuple[int, ...]
    wait: str | float
    mini_batch: tuple[int, int]
    layers: tuple[tuple[int, ...], ...]
    vector_bits: float
    number_bits: float
    rho: float | None
    starts_alike: bool
    branch: Branch | None = None
