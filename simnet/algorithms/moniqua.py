"""Moniqua: D-PSGD with a few bits per number, thanks to a modulo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from simnet.errors import ParameterError
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values.compressors import ModuloQuantizer, ModuloRecovery, WrapCount


def moniqua(
    node: Node,
    *,
    lr: Schedule,
    theta: PositiveFloat,
    bits: Annotated[int, Field(ge=1, le=16)] = 8,
    quantizer: Literal["nearest", "stochastic"] = "nearest",
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
        theta: bound on the largest difference between neighbors' numbers, agreed beforehand.
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
    quantize = ModuloQuantizer(theta, bits, quantizer)
    recover, count_wraps = ModuloRecovery(quantize.period), WrapCount(quantize.period)
    message_bits = bits * node.vector_bits / node.number_bits
    for k in node.steps():
        gradient = node.gradient(node.x)
        keys = (node.shared_key("moniqua", k),) if quantizer == "stochastic" else ()
        q = node.apply(quantize, node.x, constants=keys)
        own = node.apply(recover, q, node.x)
        received = yield node.exchange(Payload((q, own), message_bits), tag=k)  # `own` travels for the counter only
        yield gradient
        x = node.x - lr(k) * gradient.value
        for j, weight in zip(node.neighbors, node.weights, strict=True):
            if j in received:
                theirs, truth = received[j]
                recovered = node.apply(recover, theirs, node.x)
                node.tally("wrap_violations", node.measure(count_wraps, recovered, truth))
                x = x + weight * (recovered - own)
        node.x = x


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
