"""The exchange of Moniqua: models modulo a period, in a few bits, recovered by who is near enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from simnet.errors import ParameterError
from simnet.node import Node, Payload
from simnet.values import Row, Vector
from simnet.values.compressors import ModuloQuantizer, ModuloRecovery, WrapCount

Bits = Annotated[int, Field(ge=1, le=16)]
Quantizer = Literal["nearest", "stochastic"]

Message = tuple[Row, Row]
"""A quantized vector, and what its sender makes of it; the latter travels for the counter only."""


class Modulo:
    """What a node needs to send vectors modulo B, and to recover those of others.

    Args:
        node: whose vectors they are.
        theta: bound on the largest difference between its numbers and those of whom it hears.
        bits: for each number on the wire.
        quantizer: see `ModuloQuantizer`.
    """

    def __init__(self, node: Node, theta: float, bits: int, quantizer: Quantizer) -> None:
        self.node = node
        self.quantize = ModuloQuantizer(theta, bits, quantizer)
        self.recover = ModuloRecovery(self.quantize.period)
        self.count_wraps = WrapCount(self.quantize.period)
        self.message_bits = bits * node.vector_bits / node.number_bits

    def message(self, vector: Row, *names: int | str) -> Payload:
        """What goes over the wire for a vector.

        Args:
            vector: [D].
            *names: of the random numbers, which are the same at all nodes for the same names.

        Returns:
            Something to send, with a `Message` as content.
        """
        keys = (self.node.shared_key(*names),) if self.quantize.rounding == "stochastic" else ()
        q = self.node.apply(self.quantize, vector, constants=keys)
        return Payload((q, self.node.apply(self.recover, q, vector)), self.message_bits)

    def recovered(self, message: Message, near: Row) -> Row:
        """The vector behind a message, as a node sees it whose own vector is near; wrong numbers are counted.

        Args:
            message: of another node.
            near: this node's own vector.

        Returns:
            The sender's vector, within delta B unless it is too far away.
        """
        theirs, truth = message
        recovered = self.node.apply(self.recover, theirs, near)
        self.node.tally("wrap_violations", self.node.measure(self.count_wraps, recovered, truth))
        return recovered

    def mixed(self, start: Vector, near: Row, sent: Payload, received: Mapping[int, Message]) -> Vector:
        """Gossip: ``start + sum_j w_ij (xhat_ij - xhat_ii)`` over the neighbors that were heard.

        Args:
            start: what the sum is added to.
            near: the vector that was sent.
            sent: the message of it.
            received: the neighbors' messages.

        Returns:
            The sum.
        """
        own = sent.content[1]
        for j, weight in zip(self.node.neighbors, self.node.weights, strict=True):
            if j in received:
                start = start + weight * (self.recovered(received[j], near) - own)
        return start


def check_bits(parameters: Mapping[str, Any], _: float | None = None) -> None:
    """Refuses stochastic rounding with 1 bit, whose delta is 1: nothing could be recovered.

    Args:
        parameters: of the scenario's entry.

    Raises:
        ParameterError: if that is what they say.

    Example:
        >>> check_bits({"quantizer": "nearest", "bits": 1})
    """
    if parameters["quantizer"] == "stochastic" and parameters["bits"] < 2:
        raise ParameterError("bits: found 1 with quantizer stochastic; at least 2 are needed; use quantizer nearest")
