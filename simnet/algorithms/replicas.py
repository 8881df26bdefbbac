"""Replicas: what all neighbors know of a node, kept up to date by compressed differences; and error feedback.

Receivers need no replica of each neighbor: the weighted sum of them is enough, as long as the weights stay the same and
every message arrives.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from simnet.node import Node, Payload
from simnet.values import Row, Vector
from simnet.values.compressors import CompressorPart

Received = Mapping[int, tuple[Row, Row]]
"""From each neighbor the compressed difference, and, for the check alone, the replica that the neighbor has of itself."""


@dataclass(frozen=True)
class Mismatch:
    """How many numbers of two vectors are not equal."""

    def __call__(self, *pair_BD: torch.Tensor) -> torch.Tensor:
        """The counts, ``[B]``.

        Args:
            *pair_BD: the two vectors.
        """
        mine_BD, theirs_BD = pair_BD
        return (mine_BD != theirs_BD).sum(dim=1)


@dataclass(frozen=True)
class Replicas:
    """What a node knows of itself as others know it, and of its neighbors.

    Args:
        own: xhat_i.
        mixed: ``sum_j w_ij xhat_j`` over the neighbors and itself.
        copies: xhat_j of each neighbor, if they are kept to be compared; else None.
    """

    own: Vector
    mixed: Vector
    copies: Mapping[int, Vector] | None = None

    @classmethod
    def empty(cls, node: Node, verify: bool) -> Replicas:
        """Replicas that are zero.

        Args:
            node: whose they are.
            verify: whether to keep copies.

        Returns:
            The replicas.
        """
        return cls(node.zeros, node.zeros, dict.fromkeys(node.neighbors, node.zeros) if verify else None)

    @classmethod
    def exact(cls, node: Node, verify: bool) -> Generator[Any, Any, Replicas]:
        """Replicas that are the models at the start; where these are not all the same, everybody sends its own.

        Args:
            node: whose they are.
            verify: whether to keep copies.

        Returns:
            The replicas.
        """
        received: Mapping[int, Vector] = dict.fromkeys(node.neighbors, node.x)
        if not node.starts_alike:
            received = yield node.exchange(node.x, tag="start")
        return cls(node.x, node.keep(node.mix(node.x, received)), dict(received) if verify else None)

    def told(self, node: Node, difference: Payload) -> Payload:
        """What goes to the listeners; the node's own new replica goes with it for the check alone.

        Args:
            node: whose they are.
            difference: what it has compressed.

        Returns:
            Something to exchange.
        """
        return Payload((difference.content, node.keep(self.own + difference.content)), difference.bits)

    def heard(self, node: Node, told: Payload, received: Received) -> Replicas:
        """The replicas after everybody's difference has arrived.

        Args:
            node: whose they are.
            told: what this node has sent.
            received: from all neighbors.

        Returns:
            The new replicas.
        """
        difference, own = told.content
        mixed = self.mixed + node.mix(difference, {j: theirs for j, (theirs, _) in received.items()})
        copies = None
        if self.copies is not None:
            copies = {j: node.keep(self.copies[j] + received[j][0]) for j in node.neighbors}
            for j in node.neighbors:
                node.tally("replica_mismatches", node.measure(Mismatch(), copies[j], received[j][1]))
        return Replicas(own, node.keep(mixed), copies)


def with_feedback(node: Node, compressor: CompressorPart, vector: Vector, error: Vector) -> tuple[Payload, Row]:
    """Error feedback: what compression has lost is added to what is compressed next.

    ``v = vector + error``; sends ``C(v)``; the new error is ``v - C(v)``.

    Args:
        node: that compresses.
        compressor: C.
        vector: to be sent, [D].
        error: what was lost before, [D]; zero at first.

    Returns:
        What to send, and what was lost this time.

    Reference: Seide, Fu, Droppo, Li, Yu: 1-Bit Stochastic Gradient Descent. Interspeech 2014.
    """
    compensated = node.keep(vector + error)
    payload = node.compress(compressor, compensated)
    return payload, node.keep(compensated - payload.content)
