"""QG-Adam: Adam whose moments are those of how the model has really moved, neighbors included."""

from __future__ import annotations

from pydantic import PositiveFloat

from simnet.algorithms.parts import Decay, Moments, adam_direction, clipped, moments
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values.adaptive import Normalize


def qg_adam(
    node: Node,
    *,
    lr: Schedule,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    eps: PositiveFloat = 1e-8,
    dampened: bool = True,
    clip: PositiveFloat | None = None,
) -> Program:
    """QG-Adam: Adam steps and gossip, with moments of the changes of the model that gossip has made.

    ::

        m_i  = beta1 mh_i + (1 - beta1) g_i(x_i);   v_i = beta2 vh_i + (1 - beta2) g_i(x_i)^2
        x_i' = sum_j w_ij (x_j - lr m_j / (1 - beta1^t) / (sqrt(v_j / (1 - beta2^t)) + eps))
        d_i  = (x_i - x_i') / ||x_i - x_i'||
        mh_i <- beta1 mh_i + (1 - beta1) d_i;   vh_i <- beta2 vh_i + (1 - beta2) d_i^2

    The change d is normalized over the whole model, so gradient and change only weigh alike where gradients have a norm
    near one. The code of the paper's authors adds g_i to m_i with the weight 1 (``dampened: false``).

    Args:
        node: the node that runs this.
        lr: learning rate eta.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        eps: what keeps the denominator from zero.
        dampened: whether g_i enters m_i with the weight 1 - beta1; false for the weight 1.
        clip: the largest norm of a gradient; None for any.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor in each step; the moments never travel. Needs W doubly stochastic. Tolerates
    missing and old messages: a missing neighbor's weight goes to oneself. Who begins anew after a fault has lost its
    moments. Models never come to rest: even without gradients the normalized changes keep them moving.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[-1.0], [4.0]]}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "run": {"steps": 1}, "init": [[0.0], [0.0]],
        ...     "algorithms": [{"name": "qg_adam", "lr": 0.5}], "dtype": "float64", "record": {"models": True},
        ... })
        >>> result.models("qg_adam")[-1].round(6).ravel().tolist()  # one step left, one step right: nobody has moved
        [0.0, 0.0]

    Reference: Lin, Karimireddy, Stich, Jaggi: Quasi-Global Momentum: Accelerating Decentralized Deep Learning on
    Heterogeneous Data. ICML 2021, appendix (QG-DAdam), and its public code.
    """
    average = Moments(node.zeros, node.zeros)
    weight = 1 - beta1 if dampened else 1.0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        local = moments(node, average, clipped(node, gradient.value, clip), beta1, beta2, weight)
        adapted = node.x - lr(k) * adam_direction(node, local, beta1, beta2, eps)
        received = yield node.exchange(adapted, tag=k)
        x, node.x = node.x, node.mix(adapted, received)
        average = moments(node, average, node.apply(Normalize(1e-8), x - node.x), beta1, beta2)
