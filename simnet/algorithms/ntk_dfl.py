"""NTK-DFL: neighbors send Jacobians of their outputs, and a node lets its model evolve on the data of all of them."""

from __future__ import annotations

from pydantic import PositiveInt

from simnet.errors import ParameterError
from simnet.node import Node, Payload, Program
from simnet.schedule import Schedule
from simnet.values.on_data import TangentEvolution


def ntk_dfl(node: Node, *, lr: Schedule, duration: PositiveInt = 100) -> Program:
    """NTK-DFL: average with the neighbors, then evolve the outputs on their data under the neural tangent kernel.

    In each step node i averages and sends the average back; every neighbor j answers with the outputs z_j there, on a
    mini-batch of its own, their Jacobian J_j, and the labels. On the N samples of all of them and its own, with the mean
    kernel over the C outputs and the loss l, for T units of time::

        xbar_i = sum_j w_ij x_j
        H      = J J^T / C,   J = dz/dx at xbar_i
        dz/dt  = -lr/N H dl/dz,   z(0) = z(xbar_i)
        x_i   <- xbar_i - lr/N J^T sum_{t < T} dl/dz(t)

    With T = 1 that is a gradient step on the data of the neighborhood. On a quadratic the outputs are sqrt(a) x, and
    everything is a sum of exponentials (of the kernel of each output, not of their mean).

    Args:
        node: the node that runs this.
        lr: learning rate eta, the length of a unit of time.
        duration: T, units of time that the outputs evolve in a step.

    Yields:
        The events that the node waits for.

    Raises:
        ParameterError: if a link of the topology has one direction only.

    Message: to every neighbor in each step two vectors, one after the other, and then, with b samples in a mini-batch,
    b C (D + 2) numbers (Jacobian, outputs, labels as C numbers each), which is more than b C vectors. A Jacobian takes C
    gradients' time, at one's own average and at that of every neighbor; evolving takes none. With ``batch_size: full`` the
    mini-batch is all local data, as in the paper. Needs links in both directions, W doubly stochastic to keep the mean, and
    every message: who is down is waited for, and nodes that come and go are refused. ``l2`` is refused.

    Example:
        >>> import simnet
        >>> problem = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[0.0], [1.0], [2.0], [3.0]]}
        >>> result = simnet.run({
        ...     "nodes": 4, "topology": "complete", "problem": problem,
        ...     "algorithms": [{"name": "ntk_dfl", "lr": 0.5, "duration": 1}], "run": {"steps": 2, "evaluate_every": 1},
        ... })
        >>> result.metrics["optimum_distance"].tolist()  # after one unit of time: gradient descent
        [1.5, 0.75, 0.375]
        >>> result.metrics["bits_sent"].tolist()  # 4 nodes, 3 neighbors each, 1 + 1 + 3 numbers of 32 bits
        [0.0, 1920.0, 3840.0]

    Reference: Thompson, Yue, Wong, Dai: NTK-DFL: Enhancing Decentralized Federated Learning in Heterogeneous Settings via
    Neural Tangent Kernel. ICML 2025; the formulas are those of its public code, which tries several durations and keeps the
    best on the neighborhood's data; here it is given, since their inputs are not sent.
    """
    if node.listeners != node.neighbors:
        raise ParameterError("topology: found links in one direction; allowed: links in both, as Jacobians are replies")
    num_samples, num_outputs = node.mini_batch
    jacobian_bits = num_samples * num_outputs * (node.vector_bits + 2 * node.number_bits)
    for k in node.steps():
        received = yield node.exchange(node.x, tag=(k, "model"))
        average = node.keep(node.mix(node.x, received))
        yield node.exchange(average, tag=(k, "average"))
        samples = node.draw()
        yield node.work((len(node.neighbors) + 1) * num_outputs)
        received = yield node.exchange(Payload(samples, jacobian_bits), tag=(k, "Jacobian"))
        union = b"".join([samples, *[received[j] for j in node.neighbors]])
        node.x = node.on_data(TangentEvolution(lr(k), duration), average, samples=union)
