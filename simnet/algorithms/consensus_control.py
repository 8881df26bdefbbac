"""Consensus control: after each gradient as many gossip rounds as it takes until the models are near one another."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from itertools import count
from math import inf, sqrt
from typing import Any, Literal

from pydantic import PositiveInt

from simnet.algorithms.collectives import Exchange, number_of_all, oracle
from simnet.errors import ParameterError
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Row, Vector
from simnet.values.numbers import SquaredDistance

Distance = Generator[Any, Any, float]


def consensus_control(
    node: Node,
    *,
    lr: Schedule,
    target: Schedule,
    max_rounds: PositiveInt = 10,
    exchange: Exchange | Literal["oracle"] = "halving_doubling",
) -> Program:
    """Consensus control: D-PSGD that gossips again until the consensus distance is at most a target.

    ::

        x_i <- x_i - lr g_i(x_i)
        repeat   x_i <- sum_j w_ij x_j   until   Xi <= target,   Xi^2 = (1/n) sum_i ||x_i - x_bar||^2

    at least once, at most max_rounds times. No node knows Xi, so `exchange` says where it comes from:

    * an all-reduce of one number from each node after each round: ``d_i = sum_j w_ij ||x_i - x_j||^2`` before the round,
      which is known from the messages received. It gives the bound ``Xi^2 <= rho^2 mean_i(d_i) / (2 (1 - rho))`` after the
      round, and that has to be below the target: some rounds more than needed, and every message is paid for;
    * ``oracle``: the exact Xi, for nothing, as soon as the last node is there: for experiments about the distance itself.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        target: the consensus distance wanted, a number or a schedule over the steps; a large one is D-PSGD (``order: atc``).
        max_rounds: most gossip rounds in a step.
        exchange: ``oracle``, or who sends the numbers to whom (see `allreduce`; each message has the size of one number).

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each round; an all-reduce of one number after each but the last possible one.
    Needs W doubly stochastic, its spectral gap (unless an oracle knows), and every message: who is down is waited for, and
    nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-3.0], [-3.0], [3.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "network": {"latency": "1 s"},
        ...     "algorithms": [{"name": "consensus_control", "lr": 0.1, "target": 0.02, "exchange": "oracle"}],
        ...     "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["consensus_distance"].round(6).tolist()  # a third in each round: 0.3 / 27, then 0.31 / 27
        [0.0, 0.011111, 0.011481]
        >>> result.metrics["time_s"].tolist()
        [0.0, 3.0, 6.0]

    Reference: Kong, Lin, Koloskova, Jaggi, Stich: Consensus Control for Decentralized Deep Learning. ICML 2021.
    """
    tags = count()
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        x = node.keep(node.x - lr(k) * gradient.value)
        for r in range(max_rounds):
            received = yield node.exchange(x, tag=(k, r))
            mixed = node.keep(node.mix(x, received))
            if r + 1 < max_rounds:
                if exchange == "oracle":
                    distance = yield from distance_known(node, mixed, next(tags))
                else:
                    distance = yield from distance_bound(node, x, received, next(tags), exchange)
                if distance <= target(k):
                    break
            x = mixed
        node.x = mixed


def distance_bound(node: Node, x: Row, received: Mapping[int, Vector], k: int, exchange: Exchange) -> Distance:
    """A bound on the consensus distance after a gossip round, from the differences between neighbors before it.

    For a doubly stochastic W, ``mean_i d_i = (2/n) tr X^T (I - W) X >= 2 (1 - rho) Xi^2``, and gossip contracts Xi by rho.

    Args:
        node: the node that runs this.
        x: its model before the round.
        received: those of its neighbors.
        k: which exchange of the run it is.
        exchange: who sends the numbers to whom.

    Returns:
        The bound, the same at all nodes; infinite if W does not mix.
    """
    pairs = zip(node.neighbors, node.weights, strict=True)
    own = sum([weight * node.apply(SquaredDistance(), x, received[j]) for j, weight in pairs], start=node.zeros)
    mean = yield from number_of_all(node, own, k, exchange)
    rho = spectral(node.rho)
    return rho * sqrt(mean / (2 * (1 - rho))) if rho < 1 else inf


def distance_known(node: Node, x: Row, k: int) -> Distance:
    """The consensus distance, as an oracle knows it.

    Args:
        node: the node that runs this.
        x: its model.
        k: tells this question from all others.

    Returns:
        Xi, the same at all nodes.
    """
    total = yield from oracle(node, x, 2 * k, lambda _: 0.0)
    mean = node.same_for_all(total / node.num_nodes)
    squared = yield from number_of_all(node, node.apply(SquaredDistance(), x, mean), 2 * k + 1, "oracle")
    return sqrt(squared)


def spectral(rho: float | None) -> float:
    """``||W - J||_2``, which has to be known.

    Args:
        rho: what the setting knows.

    Returns:
        The same.

    Raises:
        ParameterError: if it was not computed.

    Example:
        >>> spectral(0.5)
        0.5
    """
    if rho is None:
        raise ParameterError("exchange: the bound needs the spectral gap, not computed for so many nodes; use exchange: oracle")
    return rho


def check_distance(parameters: Mapping[str, Any], rho: float | None) -> None:
    """Refuses a bound on the consensus distance where the spectral gap is not known.

    Args:
        parameters: of the scenario's entry.
        rho: ``||W - J||_2``; None if it was not computed.

    Example:
        >>> check_distance({"exchange": "oracle"}, None)
    """
    if parameters["exchange"] != "oracle":
        spectral(rho)
