"""FedAvg: a server averages the models of some nodes after some steps of their own."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.algorithms.federation import Federation, Fraction, mean_of_clients
from simnet.node import Node, Program
from simnet.schedule import Schedule


def fedavg(node: Node, *, lr: Schedule, local_steps: PositiveInt = 1, fraction: Fraction = 1.0) -> Program:
    """FedAvg: in each round some nodes take E steps from the server's model, and the server averages theirs.

    A round is E steps, with a random set S of ``max(1, round(C n))`` nodes, others in each round::

        x_i <- x_i - lr g_i(x_i)           E times, for i in S; all others do nothing
        x   <- (1/|S|) sum_{i in S} x_i    at the server, and from there to all

    Args:
        node: the node that runs this.
        lr: learning rate gamma, looked up at the step.
        local_steps: E, steps in a round. With all nodes, `local_sgd` with that period through a parameter server.
        fraction: C, of the nodes that take part in a round.

    Yields:
        The events that the node waits for.

    Message: one vector up from each node of the round, and one down to each node of the next round. The server is an extra
    machine, number n, as of ``allreduce`` with ``exchange: parameter_server``: a star around a machine without data, where
    the topology plays no role. Whoever is not drawn for the next round gets a message without bits, so that metrics are about
    the server's model. Every node counts the same, however much data it has. The server waits for all nodes of the round: who
    is down holds the others up until it is back; nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "star", "problem": problem, "network": {"latency": "1 s"},
        ...     "algorithms": [{"name": "fedavg", "lr": 0.5, "local_steps": 2, "fraction": 0.5}],
        ...     "run": {"steps": 4, "evaluate_every": 2},
        ... })
        >>> result.metrics["time_s"].tolist()
        [0.0, 2.0, 4.0]
        >>> result.metrics["bits_sent"].tolist()  # two nodes, 32 bit each way
        [0.0, 128.0, 256.0]
        >>> result.metrics["gradients"].tolist()
        [0, 4, 8]

    Reference: McMahan, Moore, Ramage, Hampson, Aguera y Arcas: Communication-Efficient Learning of Deep Networks from
    Decentralized Data. AISTATS 2017, Algorithm 1.
    """
    federation = Federation(node.num_nodes, fraction, 1, node.shared_key)
    for k in node.steps():
        round_, step = divmod(k, local_steps)
        if node.id in federation.clients_of(round_):
            gradient = node.gradient(node.x)
            yield gradient
            node.x = node.x - lr(k) * gradient.value
        if step + 1 == local_steps:
            node.x = yield from mean_of_clients(node, federation, node.x, round_)
