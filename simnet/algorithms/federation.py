"""A federation: a server, machine n, that averages models of some nodes, others in each round."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Annotated, Any

from pydantic import Field

from simnet.algorithms.table import ServerProgram
from simnet.clock import Machine
from simnet.node import Node, Payload, Program
from simnet.streams import stream
from simnet.values import Vector

Fraction = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class Federation:
    """Who takes part in which round; the server and all nodes know it.

    Args:
        num_nodes: n.
        fraction: of the nodes take part in a round; at least one does.
        exchanges: how often models travel to the server and back in a round.
        shared_key: gives the random key of a round, the same at all machines.

    Example:
        >>> federation = Federation(8, 0.25, exchanges=2, shared_key=lambda *names: hash(names[1]))
        >>> federation.clients_of(0) == federation.clients_of(1), len(federation.clients_of(2))
        (True, 2)
    """

    num_nodes: int
    fraction: float
    exchanges: int
    shared_key: Callable[..., int]

    def clients_of(self, exchange: int) -> frozenset[int]:
        """The nodes that take part in an exchange, drawn without replacement.

        Args:
            exchange: counted from 0 over the whole run.
        """
        size = max(1, round(self.fraction * self.num_nodes))
        return sampled(self.shared_key("clients", exchange // self.exchanges), self.num_nodes, size)


@cache
def sampled(key: int, num_nodes: int, size: int) -> frozenset[int]:
    """Some nodes, all sets of this size equally likely.

    Args:
        key: a random key.
        num_nodes: n.
        size: how many.

    Returns:
        Their numbers.

    Example:
        >>> sampled(1, 5, 5) == frozenset(range(5))
        True
    """
    return frozenset(stream(key, "clients").choice(num_nodes, size, replace=False).tolist())


def mean_of_clients(node: Node, federation: Federation, vector: Vector, k: int) -> Generator[Any, Any, Vector]:
    """Hands the vector to the server, if this node takes part, and gets the mean of those who do.

    Args:
        node: the node that runs this; call it with ``yield from``.
        federation: tells who takes part.
        vector: its own, [D].
        k: which exchange of the run it is, counted from 0.

    Returns:
        The mean, [D].
    """
    server = node.num_nodes
    if node.id in federation.clients_of(k):
        node.send(server, vector, tag=k)
    received = yield node.receive(server, tag=k)
    return node.same_for_all(received[server])


def federated_server(machine: Machine, federation: Federation, vector_bits: float) -> Program:
    """The extra machine: averages what those send who take part, and sends the mean to those who take part next.

    All others hear the mean in a message without bits, so that everybody's model, which metrics are about, is the server's;
    a node that waits for nothing but that holds nobody up.

    Args:
        machine: number n; it has no data.
        federation: tells who takes part.
        vector_bits: size of a model on the wire [bit].

    Yields:
        The events that the server waits for; it never ends by itself.
    """
    for k in count():
        terms = []
        for i in sorted(federation.clients_of(k)):
            received = yield machine.receive(i, tag=k)
            terms.append(received[i])
        mean = sum(terms[1:], start=terms[0]) / len(terms)
        next_clients = federation.clients_of(k + 1)
        for i in range(federation.num_nodes):
            machine.send(i, Payload(mean, vector_bits if i in next_clients else 0.0), tag=k)


def federation_of(parameters: Mapping[str, Any], num_nodes: int, vector_bits: float) -> ServerProgram:
    """The program of the server.

    Args:
        parameters: of the scenario's entry: its fraction and, if there are any, its distillation steps.
        num_nodes: n.
        vector_bits: size of a model on the wire [bit].

    Returns:
        What makes the program out of the extra machine and the run's shared key.
    """
    fraction, exchanges = parameters["fraction"], 1 + parameters.get("distillation_steps", 0)
    return lambda machine, shared_key: federated_server(
        machine, Federation(num_nodes, fraction, exchanges, shared_key), vector_bits
    )
