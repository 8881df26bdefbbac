"""PowerGossip: neighbors exchange the low-rank part of the difference of their models."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

from pydantic import PositiveInt

from simnet.errors import AlgorithmError
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values import Row, Vector
from simnet.values.compressors.power import Basis, Expand, Multiply


def powergossip(
    node: Node, *, lr: Schedule, rank: PositiveInt = 1, iterations: PositiveInt = 1, order: Literal["cta", "atc"] = "cta"
) -> Program:
    """PowerGossip: gossip on low-rank differences, found by power iterations between the two ends of every link.

    For every edge (i, j), every tensor of the model as a matrix M, and an orthonormal basis Q that both ends know::

        D = (M_j - M_i) Q                                  i sends M_i Q, and j sends M_j Q
        M_i <- M_i + w_ij D Q^T                            w_ij times the difference, projected
        Q <- orthonormal columns of D                      for the next iteration, which is about M^T

    Differences that persist are found by and by, as in the power method, so nothing has to be tuned. Tensors of one
    dimension, and matrices that would not shrink, are sent as they are; if all are, it is D-PSGD.

    Args:
        node: the node that runs this.
        lr: learning rate.
        rank: columns of Q.
        iterations: in each step, one after the other.
        order: ``cta`` (gradients overlap with the exchange) or ``atc``, as of `dpsgd`.

    Yields:
        The events that the node waits for.

    Raises:
        AlgorithmError: if some links have one direction only.

    Message: the numbers of M Q, another message to each neighbor, in each iteration: rank times the rows of a matrix in one,
    rank times its columns in the next. Needs W symmetric and doubly stochastic, links in both directions, and every message:
    who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "powergossip", "lr": 0.5}],
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # the average model does what SGD does
        [1.5, 0.75, 0.375]

    Reference: Vogels, Karimireddy, Jaggi: PowerGossip: Practical Low-Rank Communication Compression in Decentralized Deep
    Learning. NeurIPS 2020, Algorithm 1, with one half iteration per exchange as in the authors' code.
    """
    if node.neighbors != node.listeners:
        raise AlgorithmError("powergossip needs links in both directions; use an undirected topology")
    thin: dict[int, Vector] = dict.fromkeys(node.neighbors, node.zeros)
    for k in node.steps():
        gradient = node.gradient(node.x)
        x: Vector = node.x
        if order == "atc":
            yield gradient
            x = x - lr(k) * gradient.value
        for r in range(k * iterations, (k + 1) * iterations):
            x = yield from power_average(node, node.keep(x), thin, rank, r)
        if order == "cta":
            yield gradient
            x = x - lr(k) * gradient.value
        node.x = x


def power_average(node: Node, x: Row, thin: dict[int, Vector], rank: int, r: int) -> Generator[Any, Any, Vector]:
    """One exchange with every neighbor.

    Args:
        node: that averages.
        x: its model, [D].
        thin: what the exchange before has left for each edge, the same at both ends; replaced.
        rank: of the thin matrices.
        r: the number of this exchange; odd ones are about the transposed matrices.

    Returns:
        The new model.
    """
    half = node.layers, rank, r % 2 == 1
    multiply, bases, products = Multiply(*half), {}, {}
    for j in node.neighbors:
        key = node.shared_key("powergossip", min(node.id, j), max(node.id, j), r)
        bases[j] = node.apply(Basis(*half), thin[j], constants=(key,))
        products[j] = node.apply(multiply, x, bases[j])
        node.send(j, Payload(products[j], multiply.numbers() * node.number_bits), tag=r)
    total: Vector = x
    for j, weight in zip(node.neighbors, node.weights, strict=True):
        received = yield node.receive(j, tag=r)
        is_first = node.id < j  # both ends look at the second one's model less the first one's
        thin[j] = node.keep(received[j] - products[j] if is_first else products[j] - received[j])
        difference = node.apply(Expand(*half), thin[j], bases[j])
        total = total + (weight if is_first else -weight) * difference
    return total
