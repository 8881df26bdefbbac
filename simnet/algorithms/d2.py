"""D2: gossip that remembers what it has done, so that differences between the nodes' data leave no bias."""

from __future__ import annotations

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def d2(node: Node, *, lr: Schedule, rescale: bool = False) -> Program:
    """D2: adapt, correct by what the last step's mixing has done to the model, combine.

    With x', g', lr' of the step before; in the first step the correction c_i is zero::

        x_i <- sum_j w_ij (x_j - lr g_j(x_j) + c_j),    c_j = x_j - x_j' + lr' g_j(x_j')

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        rescale: whether c is multiplied by lr / lr', so that a drop of the learning rate leaves no old correction of the
            wrong size behind; with a constant rate it changes nothing.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step, after the gradient. Needs W symmetric and doubly stochastic, with
    all eigenvalues above -1/3; below that it diverges, however small lr is, and the uniform ring of an even number of nodes
    lies exactly there: use ``mixing: {kind: lazy}``, or `exact_diffusion`. Over graphs that change from step to step it may
    diverge, too. Needs every neighbor's message: what one lost message does to the mean, the correction repeats in every
    later step. So who is down is waited for, and nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "mixing": {"kind": "lazy"}, "problem": problem,
        ...     "algorithms": [{"name": "d2", "lr": 0.5}], "run": {"steps": 60, "evaluate_every": 60},
        ... })
        >>> bool(result.metrics["consensus_distance"].iloc[-1] < 1e-6)  # dpsgd stops at 0.64
        True

    Reference: Tang, Lian, Yan, Zhang, Liu: D2: Decentralized Training over Decentralized Data. ICML 2018, Algorithm 1.
    """
    c: Vector = node.zeros
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        step = lr(k) * gradient.value
        adapted = node.keep(node.x - step + (lr.growth(k) * c if rescale else c))
        received = yield node.exchange(adapted, tag=k)
        x = node.x
        node.x = node.mix(adapted, received)
        c = node.x - x + step
