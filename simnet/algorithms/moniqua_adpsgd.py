"""Moniqua on AD-PSGD: atomic averages in a few bits per number."""

from __future__ import annotations

from pydantic import PositiveFloat

from simnet.algorithms.modulo import Bits, Message, Modulo, Quantizer
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule


def moniqua_adpsgd(
    node: Node, *, lr: Schedule, theta: PositiveFloat, bits: Bits = 8, quantizer: Quantizer = "nearest"
) -> Program:
    """Moniqua on AD-PSGD: while it computes, a node averages with one random neighbor, both in a few bits per number.

    One step of node i, with a neighbor j drawn anew each time; xhat_ij is what node i recovers of x_j (see `moniqua`)::

        g = g_i(x_i)
        x_i <- x_i + (xhat_ij - xhat_ii) / 2               while g is computed, and atomically
        x_j <- x_j + (xhat_ji - xhat_jj) / 2
        x_i <- x_i - lr g

    While ``||x_i - x_j||_inf < theta`` holds whenever two nodes meet, averages leave the mean of the models alone; the
    counter ``wrap_violations`` says how many numbers were recovered wrongly because it does not.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        theta: bound on the largest difference between neighbors' numbers, agreed beforehand.
        bits: b, for each number on the wire.
        quantizer: ``nearest`` or ``stochastic``, as of `moniqua`, with the same random numbers at all nodes in their k-th
            steps; who is asked uses those of who asks.

    Yields:
        The events that the node waits for.

    Message: b D bits each way for each average, and the number k with stochastic rounding. Asynchronous: there is no waiting
    rule to choose; who asks whom, and what happens when one of them is down, is as in `adpsgd`.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "compute": {"time": "1 s"},
        ...     "algorithms": [{"name": "moniqua_adpsgd", "lr": 0.5, "theta": 4.0}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # averaging leaves the average model where it is
        [1.5, 0.75, 0.375]

    Reference: Lu, De Sa: Moniqua: Modulo Quantized Communication in Decentralized SGD. ICML 2020, section 5.
    """
    modulo = Modulo(node, theta, bits, quantizer)

    def average(mine: Payload, theirs: Message) -> None:
        node.x = node.x + (modulo.recovered(theirs, node.x) - mine.content[1]) / 2

    def answer(_: int, question: tuple[int, Message]) -> Payload:
        k, theirs = question
        mine = modulo.message(node.x, "moniqua", k)
        average(mine, theirs)
        return mine

    node.answer = answer
    for k in node.steps():
        gradient = node.gradient(node.x)
        if node.may_ask:
            neighbor = node.may_ask[node.rng.integers(len(node.may_ask))]
            mine = modulo.message(node.x, "moniqua", k)
            step_bits = node.number_bits if quantizer == "stochastic" else 0  # tells which random numbers
            question = Payload((k, mine.content), mine.bits + step_bits)
            yield node.ask(neighbor, question, then=lambda theirs, mine=mine: average(mine, theirs))  # type: ignore[misc]
        yield gradient
        node.x = node.x - lr(k) * gradient.value
