"""CD-GraB: all-reduce SGD whose nodes visit their mini-batches in orders that a server finds out of all their gradients."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from math import ceil, log2
from typing import Any, Literal

import numpy as np
import torch

from simnet.algorithms.collectives import mean_of_all
from simnet.node import Node, Payload, Program
from simnet.node_kinds import Server
from simnet.problems.orders import Order, balance, reordered_pairs
from simnet.schedule import Schedule
from simnet.values import ZERO, Vector


def cd_grab(node: Node, *, lr: Schedule, exchange: Literal["ring", "halving_doubling"] = "ring") -> Program:
    """CD-GraB: all-reduce SGD in orders of the mini-batches that an order server balances over all nodes.

    Each node cuts its examples once, at random, into m mini-batches, and visits each of them once in an epoch::

        x <- x - lr (1/n) sum_i g_i(x)                  (in each step, by all-reduce)
        c_i = g_i(step 2t) - g_i(step 2t + 1)           (every second step, to the server)

        for i = 1..n:  e_i = +1 if <s, c_i> <= 0 else -1;  s <- s + e_i c_i
        next order of i:  +: first of the pair to the front, second to the back;  -: the other way round

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        exchange: of the gradients, as of `allreduce`.

    Yields:
        The events that the node waits for.

    Message: besides the all-reduce's, a vector to the order server, machine n, in every second step, and m ceil(log2 m) bits
    back in every epoch; at the start each node tells it m, one number. The topology plays no role, and neither does
    ``problem.order`` (one that gradients decide is refused). m is the smallest even number of mini-batches of at most
    ``batch_size`` examples that is enough on all nodes. An epoch begins when the order is there. Where there is nothing to
    order (a quadratic, full batches) this is `allreduce`. Every node waits for all others, and is held up by a node or link
    that is down. The server balances in no time.

    Example:
        >>> import simnet
        >>> problem = {"dataset": "logistic", "features": 2, "samples_per_node": 4, "batch_size": 1}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "network": {"latency": "1 s"},
        ...     "algorithms": [{"name": "cd_grab", "lr": 0.1}], "run": {"steps": 5, "evaluate_every": 1},
        ... })
        >>> result.metrics["bits_sent"].diff().tolist()[1:]  # M = 64: 2 M, 2 numbers once; 2 M every 2nd step; 2 * 4 * 2 back
        [192.0, 256.0, 128.0, 272.0, 128.0]

    Reference: Cooper, Guo, Pham, Yuan, Ruan, Lu, De Sa: Coordinating Distributed Example Orders for Provably Accelerated
    Training. NeurIPS 2023.
    """
    server, m = node.num_nodes, node.num_mini_batches
    first = node.zeros
    if m:
        node.send(server, m, tag="mini-batches")
    for k in node.steps():
        if m and k % m == 0:
            order = yield from next_order(node, server, k // m, m)
            node.take(order)
        gradient = node.gradient(node.x)
        yield gradient
        if k % 2 == 0:
            first = gradient.value
        elif m:
            node.send(server, first - gradient.value, tag=("pair", k // 2))
        mean = yield from mean_of_all(node, gradient.value, k, exchange)
        node.x = node.x - lr(k) * mean


def next_order(node: Node, server: int, epoch: int, m: int) -> Generator[Any, Any, Order]:
    """The order of an epoch: that of the cut in the first one, else what the server says.

    Args:
        node: the node that runs this; call it with ``yield from``.
        server: its number.
        epoch: counted from 0.
        m: mini-batches in it.

    Returns:
        A permutation, [m].
    """
    if not epoch:
        return np.arange(m)
    received = yield node.receive(server, tag=("order", epoch))
    order: Order = received[server]
    return order


def order_server(server: Server, num_nodes: int) -> Program:
    """The extra machine: balances the differences as they come, pair by pair, and sends each node its order of the next epoch.

    Args:
        server: machine n; it keeps one vector.
        num_nodes: n, whose differences it takes in the order of their numbers.

    Yields:
        The events that the server waits for; it never ends by itself.
    """
    for i in range(num_nodes):
        received = yield server.receive(i, tag="mini-batches")
        m: int = received[i]
    orders: list[Order] = [np.arange(m)] * num_nodes
    pairs = count()
    for epoch in count(1):
        total: Vector = ZERO
        signs: list[list[float]] = []
        for _ in range(m // 2):
            tag, scalars = ("pair", next(pairs)), []
            for i in range(num_nodes):
                received = yield server.receive(i, tag=tag)
                scalars.append(server.measure(Sign(), total, received[i]))
                total = server.apply(Signed(), total, received[i])
            signs.append(server.numbers(scalars))
        for i, signs_of_node in enumerate(np.array(signs, dtype=np.int64).T):
            orders[i] = reordered_pairs(orders[i], signs_of_node)
            server.send(i, Payload(orders[i], m * ceil(log2(m))), tag=("order", epoch))


@dataclass(frozen=True)
class Sign:
    """The sign with which a vector balances a sum: a kernel."""

    def __call__(self, sums_BD: torch.Tensor, vectors_BD: torch.Tensor) -> torch.Tensor:
        """[B], +1 or -1."""
        return balance(sums_BD.clone(), vectors_BD)


@dataclass(frozen=True)
class Signed:
    """The sum with the vector that balances it: a kernel."""

    def __call__(self, sums_BD: torch.Tensor, vectors_BD: torch.Tensor) -> torch.Tensor:
        """[B, D]."""
        sums_BD = sums_BD.clone()
        balance(sums_BD, vectors_BD)
        return sums_BD
