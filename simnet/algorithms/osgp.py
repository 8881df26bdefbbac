"""OSGP: SGP that does not wait for the messages of this step, but for those of some steps ago."""

from __future__ import annotations

from collections import deque

from pydantic import NonNegativeInt

from simnet.algorithms.push_sum import parts_of, with_weight
from simnet.clock.events import Receipt
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def osgp(node: Node, *, lr: Schedule, delay: NonNegativeInt = 1) -> Program:
    """OSGP: SGP whose messages travel during the next tau gradients; push-sum weights make up for the delay.

    With the share p_ij of node j's mass that goes to node i, sum_i p_ij = 1, and w_i = 1 at the start::

        h_i = x_i - lr g_i(z_i)
        x_i <- p_ii h_i + sum_{j not i} p_ij h_j of tau steps ago;   w_i the same;   z_i = x_i / w_i

    What observers see as the node's model is z. In the first tau steps nothing arrives; what is still on its way at the end
    of a run is in nobody's model.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        delay: tau, steps from a message to its use, the same for all, so that the models do not depend on the clock; 0 is SGP.

    Yields:
        The events that the node waits for.

    Message: one vector and one number to every listener in each step (a weight of 1 is left out). Needs only columns of W
    that sum to one, and a share for oneself. With a deadline the mass of a message that is late is lost, vector and weight
    alike: z stays a weighted mean of models, but not with equal weights.

    Example:
        >>> import simnet
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "one_peer_exponential", "dtype": "float64", "record": {"models": True},
        ...     "problem": {"kind": "quadratic", "dimension": 1}, "init": [[0.0], [6.0], [3.0], [3.0]],
        ...     "algorithms": [{"name": "osgp", "lr": 0.0}], "run": {"steps": 80, "evaluate_every": 80},
        ... })
        >>> result.models("osgp")[-1].round(6).tolist()  # plain averages with a delay would miss the mean
        [[3.0], [3.0], [3.0], [3.0]]

    Reference: Assran, Loizou, Ballas, Rabbat: Stochastic Gradient Push for Distributed Deep Learning. ICML 2019.
    """
    x: Vector = node.x
    weight = 1.0
    under_way: deque[tuple[Receipt, dict[int, float]]] = deque()
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        half = node.keep(x - lr(k) * gradient.value)
        shares = dict(zip(node.neighbors, node.weights, strict=True))
        under_way.append((node.exchange(with_weight(half, weight), tag=k), shares))
        x, weight = node.self_weight * half, node.self_weight * weight
        if len(under_way) > delay:
            receipt, shares = under_way.popleft()
            received = yield receipt
            for j in sorted(received):
                theirs, their_weight = parts_of(received[j])
                x, weight = x + shares[j] * theirs, weight + shares[j] * their_weight
        x = node.keep(x)
        node.x = x / weight
