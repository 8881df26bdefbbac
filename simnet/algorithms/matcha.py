"""MATCHA: D-PSGD over a random part of the links in each step."""

from __future__ import annotations

from typing import Literal

from simnet.algorithms.dpsgd import dpsgd
from simnet.node import Node, Program
from simnet.schedule import Schedule


def matcha(node: Node, *, lr: Schedule, order: Literal["cta", "atc"] = "cta") -> Program:
    """MATCHA: D-PSGD over those matchings of a graph that are active in this step, critical ones more often.

    The topology, ``{kind: matcha, graph: ..., budget: C}``, cuts a graph into M matchings with Laplacians L_j; matching j is
    active with probability p_j, where p maximizes lambda_2(sum_j p_j L_j) within sum_j p_j <= C M, and a minimizes
    ``||E[W^2] - J||``::

        W = I - a sum_{j active} L_j;   x_i <- sum_j w_ij x_j - lr g_i(x_i)

    Args:
        node: the node that runs this.
        lr: learning rate eta.
        order: as in `dpsgd`.

    Yields:
        The events that the node waits for.

    Message: one vector to every neighbor along the active matchings; all nodes draw them alike, at no cost. Needs the topology
    matcha. Tolerates missing and old messages, as dpsgd does.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": {"kind": "matcha", "graph": "ring", "budget": 0.5}, "problem": problem,
        ...     "algorithms": [{"name": "matcha", "lr": 0.5}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # whatever is active, the mean is preserved
        [1.5, 0.75, 0.375]

    Reference: Wang, Sahu, Yang, Joshi, Kar: MATCHA: Speeding Up Decentralized SGD via Matching Decomposition Sampling.
    arXiv 1905.09435, 2019.
    """
    yield from dpsgd(node, lr=lr, order=order)
