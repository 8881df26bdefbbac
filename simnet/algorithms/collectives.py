"""Sums over all nodes by real messages between any pair of them: what all-reduce and the periodic averages are made of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from itertools import count
from typing import Any, Literal

from simnet.clock import Machine
from simnet.node import Node, Payload, Program
from simnet.values import Vector

Exchange = Literal["ring", "halving_doubling", "parameter_server"]
Reduction = Generator[Any, Any, Vector]


def mean_of_all(node: Node, vector: Vector, k: int, exchange: Exchange, chunks: int = 1) -> Reduction:
    """The mean of all nodes' vectors, the same at every node to the last bit.

    Args:
        node: the node that runs this; call it with ``yield from``.
        vector: its own, [D].
        k: tells this exchange's messages from those of the others: the step.
        exchange: who sends what to whom (see `allreduce`).
        chunks: pieces in which the parameter server's messages go.

    Returns:
        The mean, [D].
    """
    if exchange == "parameter_server":
        total = yield from through_server(node, vector, k, chunks)
    else:
        total = yield from EXCHANGES[exchange](node, vector, k)
    return node.same_for_all(total / node.num_nodes)


def ring(node: Node, vector: Vector, k: int) -> Reduction:
    """Reduce-scatter, then all-gather, around the ring 0 -> 1 -> ... -> n - 1 -> 0, a share 1/n of the vector at a time.

    ``shares[c]`` is the sum of the c-th share as far as this node knows it; in the end all of them are complete.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: the step, which tells this exchange's messages from the next one's.

    Returns:
        The sum over all nodes, [D].

    Reference: Patarasuk, Yuan 2009.
    """
    n, i = node.num_nodes, node.id
    left, right = (i - 1) % n, (i + 1) % n
    shares = [vector] * n
    for r in range(2 * (n - 1)):
        c = (i - r) % n
        node.send(right, Payload(shares[c], node.vector_bits / n), tag=(k, r))
        received = yield node.receive(left, tag=(k, r))
        if r < n - 1:
            shares[c - 1] = shares[c - 1] + received[left]
        else:
            shares[c - 1] = received[left]
    return complete(shares)


def halving_doubling(node: Node, vector: Vector, k: int) -> Reduction:
    """Recursive halving, then doubling, among the first 2^m nodes; each further node hands its vector to a partner.

    All that a node still sums has the same contributions, so one sum stands for the share that it is responsible for.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: the step, which tells this exchange's messages from the next one's.

    Returns:
        The sum over all nodes, [D].

    Reference: Thakur, Rabenseifner, Gropp 2005 (Rabenseifner's algorithm).
    """
    n, i = node.num_nodes, node.id
    power = 1 << (n.bit_length() - 1)
    if i >= power:
        node.send(i - power, vector, tag=(k, "fold"))
        received = yield node.receive(i - power, tag=(k, "unfold"))
        return complete([received[i - power]])
    total = vector
    if i + power < n:
        received = yield node.receive(i + power, tag=(k, "fold"))
        total = total + received[i + power]
    distances = [power >> r for r in range(1, power.bit_length())]
    for distance in distances:
        received = yield from swap(node, i ^ distance, total, distance / power, (k, "halve", distance))
        total = total + received
    for distance in reversed(distances):
        total = yield from swap(node, i ^ distance, total, distance / power, (k, "double", distance))
    if i + power < n:
        node.send(i + power, Payload(total, node.vector_bits), tag=(k, "unfold"))
    return complete([total])


def swap(node: Node, partner: int, vector: Vector, share: float, tag: Any) -> Reduction:
    """Exchanges a share of a vector with a partner.

    Args:
        node: the node that runs this.
        partner: the other one, which swaps with this node under the same tag.
        vector: holds the share, [D].
        share: of the vector's bits, in (0, 1].
        tag: tells the two messages from all others.

    Returns:
        The partner's vector.
    """
    node.send(partner, Payload(vector, share * node.vector_bits), tag)
    received = yield node.receive(partner, tag)
    theirs: Vector = received[partner]
    return theirs


def through_server(node: Node, vector: Vector, k: int, chunks: int) -> Reduction:
    """Sends the vector to the server, which is machine n, and waits for the sum, in chunks.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: the step.
        chunks: messages that the vector is cut into, each way.

    Returns:
        The sum over all nodes, [D].

    Reference: Li et al.: Scaling Distributed Machine Learning with the Parameter Server. OSDI 2014.
    """
    server = node.num_nodes
    for c in range(chunks):
        node.send(server, Payload(vector, node.vector_bits / chunks), tag=(k, c))
    totals = []
    for c in range(chunks):
        received = yield node.receive(server, tag=(k, c))
        totals.append(received[server])
    return complete(totals)


def server_program(
    parameters: Mapping[str, Any], num_nodes: int, vector_bits: float
) -> Callable[[Machine], Program] | None:
    """The program of the extra machine, where there is one.

    Args:
        parameters: of the scenario's entry.
        num_nodes: n.
        vector_bits: size of a vector on the wire [bit].

    Returns:
        What makes the program out of that machine; None unless the exchange is ``parameter_server``.

    Example:
        >>> server_program({"exchange": "ring", "chunks": 1}, 4, 320.0) is None
        True
    """
    if parameters["exchange"] != "parameter_server":
        return None
    return lambda machine: parameter_server(machine, num_nodes, vector_bits, parameters["chunks"])


def parameter_server(machine: Machine, num_nodes: int, vector_bits: float, chunks: int) -> Program:
    """The extra machine: sums what all nodes sent and sends the sum back, chunk after chunk; summing takes no time.

    Args:
        machine: number n; it has no model.
        num_nodes: n, whom it serves in the order of their numbers.
        vector_bits: size of a vector on the wire [bit].
        chunks: messages that a vector comes in.

    Yields:
        The events that the server waits for; it never ends by itself.
    """
    for k in count():
        for c in range(chunks):
            total = None
            for i in range(num_nodes):
                received = yield machine.receive(i, tag=(k, c))
                total = received[i] if total is None else total + received[i]
            for i in range(num_nodes):
                machine.send(i, Payload(total, vector_bits / chunks), tag=(k, c))


def complete(shares: list[Vector]) -> Vector:
    """The whole vector out of shares that were summed in different orders, all of them over the same nodes.

    Args:
        shares: sums of n terms each; simnet sums whole vectors and only lets shares travel.

    Returns:
        One of them, [D]: they differ by rounding only, and a real all-reduce has one order for each share too.
    """
    assert all(len(share.rows) == len(shares[0].rows) for share in shares)
    return shares[0]


EXCHANGES: dict[str, Callable[[Node, Vector, int], Reduction]] = {"ring": ring, "halving_doubling": halving_doubling}
