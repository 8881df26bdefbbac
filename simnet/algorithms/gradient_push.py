"""Asynchronous gradient push: push-sum in which nobody waits for anybody."""

from __future__ import annotations

from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values import Vector


def gradient_push(node: Node, *, lr: Schedule) -> Program:
    """Gradient push: after each gradient, take in all mass that has arrived, step, and push out shares of it; never wait.

    With the share p_ji of node i's mass that goes to listener j, p_ii + sum_j p_ji = 1, and w_i = 1 at the start::

        g = g_i(z_i)                                            meanwhile shares arrive
        x_i <- x_i + shares that have arrived - lr g;   w_i <- w_i + their weights
        push (p_ji x_i, p_ji w_i) to every listener j;   x_i, w_i <- p_ii x_i, p_ii w_i;   z_i = x_i / w_i

    What observers see as the node's model is z. However long messages take, no mass is lost, so that without gradients all z
    go to the mean of the first models. Fast nodes take more gradient steps than slow ones, and count that much more.

    Args:
        node: the node that runs this.
        lr: learning rate gamma.

    Yields:
        The events that the node waits for.

    Message: one vector and one number to every listener in each step. Asynchronous: there is no waiting rule to choose.
    Needs only columns of W that sum to one, and a share for oneself. Who is down is not waited for; the mass of messages
    that are lost for good is lost, vector and weight alike.

    Example:
        >>> import simnet
        >>> result = simnet.run({
        ...     "nodes": 3, "topology": "ring", "mixing": "push", "dtype": "float64", "record": {"models": True},
        ...     "compute": {"time": "1 s", "jitter": {"exponential": 1.0}}, "network": {"latency": "3 s"},
        ...     "problem": {"kind": "quadratic", "dimension": 1}, "init": [[0.0], [6.0], [3.0]],
        ...     "algorithms": [{"name": "gradient_push", "lr": 0.0}], "run": {"steps": 90, "evaluate_every": 90},
        ... })
        >>> result.models("gradient_push")[-1].round(6).tolist()
        [[3.0], [3.0], [3.0]]

    Reference: Assran, Rabbat: Asynchronous Gradient Push. IEEE Transactions on Automatic Control 66, 2021.
    """
    x: Vector = node.x
    weight = 1.0
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        for _, (share, its_weight) in (yield node.pushed()):
            x, weight = x + share, weight + its_weight
        x = node.keep(x - lr(k) * gradient.value)
        shares = {p: node.keep(p * x) for p in dict.fromkeys(node.listener_weights)}
        for j, p in zip(node.listeners, node.listener_weights, strict=True):
            node.push(j, (shares[p], p * weight))
        x, weight = node.keep(node.self_weight * x), node.self_weight * weight
        node.x = x / weight
