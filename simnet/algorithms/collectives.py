"""Sums over all nodes by real messages between any pair of them: what all-reduce and the periodic averages are made of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from itertools import count
from operator import truediv
from typing import Any, Literal

from simnet.algorithms.table import ServerProgram
from simnet.clock import Machine
from simnet.node import Node, Payload, Program
from simnet.values import Vector
from simnet.values.numbers import FirstNumber

Exchange = Literal["ring", "halving_doubling", "parameter_server"]
Reduction = Generator[Any, Any, Vector]
SizeOf = Callable[[int], float]
"""What one of so many equal pieces of what is summed takes on the wire [bit]."""


def mean_of_all(node: Node, vector: Vector, k: int, exchange: Exchange, chunks: int = 1) -> Reduction:
    """The mean of all nodes' vectors, the same at every node to the last bit.

    Args:
        node: the node that runs this; call it with ``yield from``.
        vector: its own, [D].
        k: which exchange of the run it is, counted from 0; a step, if there is one in each.
        exchange: who sends what to whom (see `allreduce`).
        chunks: pieces in which the parameter server's messages go.

    Returns:
        The mean, [D].
    """
    vector, size_of = node.keep(vector), partial(truediv, node.vector_bits)
    if exchange == "parameter_server":
        total = yield from through_server(node, vector, k, size_of, chunks)
    else:
        total = yield from EXCHANGES[exchange](node, vector, k, size_of)
    return node.same_for_all(total / node.num_nodes)


def number_of_all(node: Node, number: Vector, k: int, exchange: Exchange | Literal["oracle"]) -> Generator[Any, Any, float]:
    """The mean over all nodes of one number each, the same at every node, for a decision that all take alike.

    Args:
        node: the node that runs this; call it with ``yield from``.
        number: its own, deferred, in the first place of a vector (see `simnet.values.numbers`).
        k: which exchange of the run it is, counted from 0.
        exchange: who sends it to whom; each message has the size of one number, which cannot be cut. An ``oracle`` knows.

    Returns:
        The mean; asking for it makes the executor run.
    """
    reduction = through_server if exchange == "parameter_server" else EXCHANGES[exchange]
    total = yield from reduction(node, node.keep(number), k, lambda _: node.number_bits)
    mean = node.same_for_all(total / node.num_nodes)
    told: float = yield node.number(node.measure(FirstNumber(), mean))
    return told


def oracle(node: Node, vector: Vector, k: int, size_of: SizeOf) -> Reduction:
    """The sum as somebody knows it who sees all nodes: nobody sends anything, and it takes no time.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: the step.
        size_of: plays no role.

    Returns:
        The sum over all nodes, [D], once all of them have got there.
    """
    shown = yield node.reveal(vector, k, node.num_nodes)
    return complete([sum([shown[i] for i in range(1, node.num_nodes)], start=shown[0])])


def ring(node: Node, vector: Vector, k: int, size_of: SizeOf) -> Reduction:
    """Reduce-scatter, then all-gather, around the ring 0 -> 1 -> ... -> n - 1 -> 0, a share 1/n of the vector at a time.

    ``shares[c]`` is the sum of the c-th share as far as this node knows it; in the end all of them are complete.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: the step, which tells this exchange's messages from the next one's.
        size_of: bits of a piece.

    Returns:
        The sum over all nodes, [D].

    Reference: Patarasuk, Yuan 2009.
    """
    n, i = node.num_nodes, node.id
    left, right = (i - 1) % n, (i + 1) % n
    shares = [vector] * n
    for r in range(2 * (n - 1)):
        c = (i - r) % n
        node.send(right, Payload(shares[c], size_of(n)), tag=(k, r))
        received = yield node.receive(left, tag=(k, r))
        if r < n - 1:
            shares[c - 1] = shares[c - 1] + received[left]
        else:
            shares[c - 1] = received[left]
    return complete(shares)


def halving_doubling(node: Node, vector: Vector, k: int, size_of: SizeOf) -> Reduction:
    """Recursive halving, then doubling, among the first 2^m nodes; each further node hands its vector to a partner.

    All that a node still sums has the same contributions, so one sum stands for the share that it is responsible for.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: the step, which tells this exchange's messages from the next one's.
        size_of: bits of a piece.

    Returns:
        The sum over all nodes, [D].

    Reference: Thakur, Rabenseifner, Gropp 2005 (Rabenseifner's algorithm).
    """
    n, i = node.num_nodes, node.id
    power = 1 << (n.bit_length() - 1)
    if i >= power:
        node.send(i - power, Payload(vector, size_of(1)), tag=(k, "fold"))
        received = yield node.receive(i - power, tag=(k, "unfold"))
        return complete([received[i - power]])
    total = vector
    if i + power < n:
        received = yield node.receive(i + power, tag=(k, "fold"))
        total = total + received[i + power]
    distances = [power >> r for r in range(1, power.bit_length())]
    for distance in distances:
        received = yield from swap(node, i ^ distance, total, size_of(power // distance), (k, "halve", distance))
        total = total + received
    for distance in reversed(distances):
        total = yield from swap(node, i ^ distance, total, size_of(power // distance), (k, "double", distance))
    if i + power < n:
        node.send(i + power, Payload(total, size_of(1)), tag=(k, "unfold"))
    return complete([total])


def swap(node: Node, partner: int, vector: Vector, bits: float, tag: Any) -> Reduction:
    """Exchanges a share of a vector with a partner.

    Args:
        node: the node that runs this.
        partner: the other one, which swaps with this node under the same tag.
        vector: holds the share, [D].
        bits: of the share on the wire.
        tag: tells the two messages from all others.

    Returns:
        The partner's vector.
    """
    node.send(partner, Payload(vector, bits), tag)
    received = yield node.receive(partner, tag)
    theirs: Vector = received[partner]
    return theirs


def through_server(node: Node, vector: Vector, k: int, size_of: SizeOf, chunks: int = 1) -> Reduction:
    """Sends the vector to the server, which is machine n, and waits for the sum, in chunks.

    Args:
        node: the node that runs this.
        vector: its term of the sum, [D].
        k: which exchange of the run it is; the server counts them.
        size_of: bits of a piece; the reply has as many.
        chunks: messages that the vector is cut into, each way.

    Returns:
        The sum over all nodes, [D].

    Reference: Li et al.: Scaling Distributed Machine Learning with the Parameter Server. OSDI 2014.
    """
    server, bits = node.num_nodes, size_of(chunks)
    for c in range(chunks):
        node.send(server, Payload((vector, bits), bits), tag=(k, c))
    totals = []
    for c in range(chunks):
        received = yield node.receive(server, tag=(k, c))
        totals.append(received[server])
    return complete(totals)


def server_program(parameters: Mapping[str, Any], num_nodes: int, vector_bits: float) -> ServerProgram | None:
    """The program of the extra machine, where there is one.

    Args:
        parameters: of the scenario's entry.
        num_nodes: n.
        vector_bits: plays no role; the nodes say how large their messages are.

    Returns:
        What makes the program out of that machine and the run's shared key; None unless the exchange is ``parameter_server``.

    Example:
        >>> server_program({"exchange": "ring", "chunks": 1}, 4, 320.0) is None
        True
    """
    if parameters["exchange"] != "parameter_server":
        return None
    return lambda machine, _: parameter_server(machine, num_nodes, parameters.get("chunks", 1))


def parameter_server(machine: Machine, num_nodes: int, chunks: int) -> Program:
    """The extra machine: sums what all nodes sent and sends the sum back, chunk after chunk; summing takes no time.

    Args:
        machine: number n; it has no model.
        num_nodes: n, whom it serves in the order of their numbers.
        chunks: messages that a vector comes in.

    Yields:
        The events that the server waits for; it never ends by itself.
    """
    for k in count():
        for c in range(chunks):
            total, bits = None, 0.0
            for i in range(num_nodes):
                received = yield machine.receive(i, tag=(k, c))
                term, bits = received[i]
                total = term if total is None else total + term
            for i in range(num_nodes):
                machine.send(i, Payload(total, bits), tag=(k, c))


def complete(shares: list[Vector]) -> Vector:
    """The whole vector out of shares that were summed in different orders, all of them over the same nodes.

    Args:
        shares: sums of n terms each; simnet sums whole vectors and only lets shares travel.

    Returns:
        One of them, [D]: they differ by rounding only, and a real all-reduce has one order for each share too.
    """
    assert all(len(share.rows) == len(shares[0].rows) for share in shares)
    return shares[0]


EXCHANGES: dict[str, Callable[[Node, Vector, int, SizeOf], Reduction]] = {
    "ring": ring,
    "halving_doubling": halving_doubling,
    "oracle": oracle,
}
