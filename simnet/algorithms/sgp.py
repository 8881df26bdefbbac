"""SGP: gradient steps and push-sum averages, over links of one direction."""

from __future__ import annotations

from simnet.algorithms.push_sum import mixed_weight, parts_of, with_weight
from simnet.node import Node, Program
from simnet.schedule import Schedule


def sgp(node: Node, *, lr: Schedule) -> Program:
    """SGP: hand out shares of model and weight that add up to one; the model is their quotient.

    With the share p_ij of node j's mass that goes to node i, so that sum_i p_ij = 1, and w_i = 1 at the start::

        h_i = x_i - lr g_i(z_i)
        x_i <- sum_j p_ij h_j;   w_i <- sum_j p_ij w_j;   z_i = x_i / w_i

    What observers see as the node's model is z. Where W is doubly stochastic all weights stay 1, and this is D-PSGD in the
    order ``atc``.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.

    Yields:
        The events that the node waits for.

    Message: one vector to every listener in each step, and one number, the weight; a weight of 1 is left out. Needs only
    columns of W that sum to one (``mixing: push``; any directed graph, which may change with the step). With a deadline the
    mass of a message that is late is lost, vector and weight alike, and the receiver fills its place with its own; so z
    stays a weighted mean of models, but not with equal weights.

    Example:
        >>> import simnet
        >>> links = {"kind": "edges", "edges": [[0, 1], [1, 2], [2, 0], [0, 2]], "directed": True}
        >>> result = simnet.run({
        ...     "nodes": 3, "topology": links, "mixing": "push", "record": {"models": True}, "dtype": "float64",
        ...     "problem": {"kind": "quadratic", "dimension": 1}, "init": [[0.0], [6.0], [3.0]],
        ...     "algorithms": [{"name": "sgp", "lr": 0.0}], "run": {"steps": 40, "evaluate_every": 40},
        ... })
        >>> result.models("sgp")[-1].round(6).tolist()  # the mean, although nobody's shares are the same
        [[3.0], [3.0], [3.0]]

    Reference: Assran, Loizou, Ballas, Rabbat: Stochastic Gradient Push for Distributed Deep Learning. ICML 2019.
    """
    x, weight = node.x, 1.0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        x = node.keep(x - lr(k) * gradient.value)
        received = yield node.exchange(with_weight(x, weight), tag=k)
        parts = {j: parts_of(payload) for j, payload in received.items()}
        x = node.keep(node.mix(x, {j: theirs for j, (theirs, _) in parts.items()}))
        weight = mixed_weight(node, weight, {j: their_weight for j, (_, their_weight) in parts.items()})
        node.x = x / weight
