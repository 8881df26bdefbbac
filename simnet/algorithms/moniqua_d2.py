"""Moniqua on D2: a few bits per number, and no bias from differences between the nodes' data."""

from __future__ import annotations

from pydantic import PositiveFloat

from simnet.algorithms.modulo import Bits, Modulo, Quantizer
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def moniqua_d2(
    node: Node, *, lr: Schedule, theta: PositiveFloat, bits: Bits = 8, quantizer: Quantizer = "nearest"
) -> Program:
    """Moniqua on D2: the vectors that D2 averages, sent modulo B, in a few bits per number.

    With x', g', lr' of the step before, and xhat_ij what node i recovers of the half step h_j (see `moniqua`)::

        h_i = 2 x_i - x_i' - lr g_i(x_i) + lr' g_i(x_i')       x_i - lr g_i(x_i) in the first step
        x_i <- h_i + sum_j w_ij (xhat_ij - xhat_ii)

    While ``||h_i - h_j||_inf < theta`` holds between neighbors, the mean of the models is exactly that of D2; the counter
    ``wrap_violations`` says how many numbers were recovered wrongly because it does not.

    Args:
        node: the node that runs this.
        lr: learning rate alpha.
        theta: bound on the largest difference between neighbors' numbers, agreed beforehand.
        bits: b, for each number on the wire.
        quantizer: ``nearest`` or ``stochastic``, as of `moniqua`.

    Yields:
        The events that the node waits for.

    Message: b D bits to every neighbor in each step, no scale, after the gradient. Needs W symmetric and doubly stochastic,
    with all eigenvalues above -1/3, as D2 does, and every message: what one lost message does to the mean, the correction
    repeats in every later step. So who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "mixing": {"kind": "lazy"}, "problem": problem,
        ...     "algorithms": [{"name": "moniqua_d2", "lr": 0.5, "theta": 4.0, "bits": 16}],
        ...     "run": {"steps": 60, "evaluate_every": 60},
        ... })
        >>> bool(result.metrics["consensus_distance"].iloc[-1] < 1e-3)  # dpsgd stops at 0.4
        True

    Reference: Lu, De Sa: Moniqua: Modulo Quantized Communication in Decentralized SGD. ICML 2020, section 5.
    """
    modulo = Modulo(node, theta, bits, quantizer)
    c: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        step = lr(k) * gradient.value
        half = node.keep(node.x - step + c)
        message = modulo.message(half, "moniqua", k)
        received = yield node.exchange(message, tag=k)
        x, node.x = node.x, modulo.mixed(half, half, message, received)
        c = node.x - x + step
