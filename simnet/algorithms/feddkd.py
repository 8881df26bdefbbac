"""FedDKD: FedAvg, and then a few steps that bring the server's model nearer to what the nodes' models say."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.algorithms.federation import Federation, Fraction, mean_of_clients
from simnet.node import Node, Program
from simnet.schedule import Schedule
from simnet.values.on_data import Distillation


def feddkd(
    node: Node,
    *,
    lr: Schedule,
    local_steps: PositiveInt = 1,
    distillation_steps: PositiveInt = 1,
    distillation_lr: Schedule | None = None,
    fraction: Fraction = 1.0,
) -> Program:
    """FedDKD: FedAvg, and after each average a few steps of distillation from the nodes' models into the server's.

    A round is E local steps and J steps of distillation, with a random set S of ``max(1, round(C n))`` nodes::

        y_i <- y_i - lr g_i(y_i)             E times from y_i = x, for i in S
        x   <- (1/|S|) sum_{i in S} y_i
        x   <- x - lr' (1/|S|) sum_{i in S} grad_x KL(p(y_i) || p(x))    J times, on a mini-batch of node i each

    p(y) are the class probabilities that a model gives; only gradients and models travel, never data. On a quadratic the
    outputs are sqrt(a_i) x, and half their squared distance takes the place of the divergence.

    Args:
        node: the node that runs this.
        lr: learning rate gamma of the local steps, looked up at the step.
        local_steps: E.
        distillation_steps: J.
        distillation_lr: lr', looked up at the step; that of the local steps if it is not given.
        fraction: C, of the nodes that take part in a round.

    Yields:
        The events that the node waits for.

    Message: one vector up and one down for each node of the round, 1 + J times in a round. A node returns the model after its
    own distillation step, whose mean over the nodes is the server's step along the mean gradient. Server, nodes that are not
    drawn and faults as of `fedavg`. A step of distillation takes as long as a gradient; the outputs of y_i are not charged.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0], [3.0]], "optimum": [[0.0], [4.0]]}
        >>> result = simnet.run({
        ...     "nodes": 2, "topology": "complete", "problem": problem, "record": {"models": True},
        ...     "algorithms": [{"name": "feddkd", "lr": 0.25, "distillation_lr": 0.5}],
        ...     "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.models("feddkd")[:, 0, 0].tolist()  # y = 0 and 3; their mean; (1 * 0 + 3 * 3) / (1 + 3)
        [0.0, 1.5, 2.25]

    Reference: Li, Chen, Lu: FedDKD: Federated Learning with Decentralized Knowledge Distillation. arXiv 2205.00706, 2022.
    """
    federation = Federation(node.num_nodes, fraction, 1 + distillation_steps, node.shared_key)
    distillation_rate = lr if distillation_lr is None else distillation_lr
    own = node.x
    for k in node.steps():
        round_, step = divmod(k, local_steps + distillation_steps)
        travel = round_ * federation.exchanges + max(0, step + 1 - local_steps)
        if node.id in federation.clients_of(travel):
            if step < local_steps:
                gradient = node.gradient(node.x)
                yield gradient
                own = node.keep(node.x - lr(k) * gradient.value)
                node.x = own
            else:
                divergence = node.on_data(Distillation(), node.x, own)
                yield node.gradient(node.x)  # the time and the mini-batch that it takes
                node.x = node.x - distillation_rate(k) * divergence
        if step + 1 >= local_steps:
            node.x = yield from mean_of_clients(node, federation, node.x, travel)
