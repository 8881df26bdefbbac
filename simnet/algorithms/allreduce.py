"""All-reduce SGD: the exact mean gradient in every step, by real messages between any pair of nodes."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.algorithms.collectives import Exchange, mean_of_all
from simnet.node import Node, Program
from simnet.schedule import Schedule


def allreduce(node: Node, *, lr: Schedule, exchange: Exchange = "ring", chunks: PositiveInt = 1) -> Program:
    """All-reduce SGD (C-PSGD): every node steps along the mean of all gradients.

    ::

        x <- x - lr (1/n) sum_i g_i(x)

    Args:
        node: the node that runs this.
        lr: learning rate gamma.
        exchange: who sends what to whom. With M bits in a vector, bandwidth bw and latency lat on every link, and n a
            power of two for halving_doubling, the exchange takes

            * ``ring``: 2 (n - 1) (lat + M / (n bw));
            * ``halving_doubling``: 2 log2(n) lat + 2 (n - 1) / n M / bw; other n fold the odd nodes into their partners
              first, for 2 (lat + M / bw) more;
            * ``parameter_server``: an extra machine, number n; 2 (lat + n M / bw) if bw is the limit of its up- and
              downlink under ``sharing: queue``, and towards 2 lat + n M / bw with many chunks. Later steps overlap: the
              first node that is served goes on while the server still sends to the others.
        chunks: pieces in which the parameter server's messages go.

    Yields:
        The events that the node waits for.

    Message: see `exchange`; the topology plays no role. Every node waits for all others; no message may be missing. A node
    or link that is down holds all of them up until it is back; nodes that come and go are refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "ring", "problem": problem, "network": {"latency": "1 s", "bandwidth": "8 bit/s"},
        ...     "algorithms": [{"name": "allreduce", "lr": 0.5}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["time_s"].tolist()  # M = 32 bit: 2 (4 - 1) (1 s + 32 bit / (4 * 8 bit/s)) = 12 s
        [0.0, 12.0, 24.0]

    Reference: Patarasuk, Yuan: Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations. JPDC 69, 2009
    (ring); Thakur, Rabenseifner, Gropp: Optimization of Collective Communication Operations in MPICH. IJHPCA 19, 2005
    (halving and doubling).
    """
    for k in node.steps():
        gradient = node.gradient(node.x)
        yield gradient
        mean = yield from mean_of_all(node, gradient.value, k, exchange, chunks)
        node.x = node.x - lr(k) * mean
