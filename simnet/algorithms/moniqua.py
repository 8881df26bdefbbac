"""Moniqua: D-PSGD with a few bits per number, thanks to a modulo."""

from __future__ import annotations

from pydantic import PositiveFloat

from simnet.algorithms.modulo import Bits, Modulo, Quantizer
from simnet.node import Node, Program
from simnet.schedule import Schedule


def moniqua(
    node: Node,
    *,
    lr: Schedule,
    theta: PositiveFloat,
    bits: Bits = 8,
    quantizer: Quantizer = "nearest",
) -> Program:
    """Moniqua: send models modulo B, quantized; a neighbor that is near enough knows which multiple of B is missing.

    ::

        q_i     = Q_delta((x_i / B) mod 1),  B = 2 theta / (1 - 2 delta)     sent to all neighbors
        xhat_ij = ((q_j B - x_i) mod B) + x_i                                for every neighbor j, and for j = i
        x_i <- x_i + sum_j w_ij (xhat_ij - xhat_ii) - lr g_i(x_i)

    While ``||x_i - x_j||_inf < theta`` holds between neighbors, everybody recovers the same xhat_j and the mean of the
    models is exactly that of D-PSGD. Where it does not, numbers are wrong by multiples of B; the counter
    ``wrap_violations`` says how many.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        theta: bound on the largest difference between neighbors' numbers, agreed beforehand. With gradients below G
            everywhere, theory takes ``2 lr G log(16 n) / (1 - rho)`` and 7 to 11 bits on small rings; in practice less does.
        bits: b, for each number on the wire.
        quantizer: ``nearest`` (biased, delta = 1 / 2^(b + 1)) or ``stochastic`` (unbiased, end points included,
            delta = 1 / (2^b - 1), b >= 2; all nodes round with the same random numbers, so errors of close models cancel).

    Yields:
        The events that the node waits for.

    Message: b D bits to every neighbor in each step, no scale; gradients overlap with it. Needs W symmetric and doubly
    stochastic. Tolerates messages that a deadline drops: such a neighbor is left out of the sum. So with a deadline nodes
    may come and go; one that begins anew may be further than theta from its neighbors.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "run": {"steps": 2, "evaluate_every": 1},
        ...     "algorithms": [{"name": "moniqua", "lr": 0.5, "theta": 2.0, "bits": 4}],
        ... })
        >>> result.metrics["bits_sent"].tolist()  # 4 nodes, 2 neighbors each, 4 bits for each of D = 1 numbers
        [0.0, 32.0, 64.0]

    Reference: Lu, De Sa: Moniqua: Modulo Quantized Communication in Decentralized SGD. ICML 2020, Algorithm 1.
    """
    modulo = Modulo(node, theta, bits, quantizer)
    for k in node.steps():
        gradient = node.gradient(node.x)
        message = modulo.message(node.x, "moniqua", k)
        received = yield node.exchange(message, tag=k)
        yield gradient
        node.x = modulo.mixed(node.x - lr(k) * gradient.value, node.x, message, received)
