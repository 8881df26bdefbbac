"""Recording gradients whose examples decide which samples come next."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakValueDictionary

import numpy as np

from simnet.values.executor import Executor
from simnet.values.kernels import KeptGradient
from simnet.values.recorder import Recorder, pack_key
from simnet.values.vector import LAST_OF_BLOCK, Row, Vector


class KeptRecorder(Recorder):
    """Records a node whose gradients decide the order of its next epoch.

    The first mini-batch of an epoch makes the executor compute what is pending: of this node, which needs it, and, since
    one large batch is faster than many small ones, of all others. The digest sees which samples came of it.

    Args:
        node: the node's number.
        executor: computes what is recorded.
        kernel: of its gradients; the same for all nodes of a run.
        shared: as of `Recorder`.
    """

    def __init__(
        self, node: int, executor: Executor, kernel: KeptGradient, shared: WeakValueDictionary[int, Row] | None = None
    ) -> None:
        super().__init__(node, executor, self._epochs(node), shared)
        self.node = node
        self.kernel = kernel

    def _epochs(self, node: int) -> Iterator[np.ndarray]:
        problem, keeper = self.kernel.problem, self.kernel.keeper
        yield from problem.mini_batches(node, keeper.orders[node])
        while True:
            self.executor.compute(self.kernel.newest.values())
            yield from problem.mini_batches(node, keeper.turn(node))

    def gradient(self, x: Vector) -> Row:
        """A mini-batch gradient at `x`, recorded as following the one before."""
        x = self.row(x)
        samples = next(self.samples)
        newest = self.kernel.newest
        inputs = (x, newest[self.node]) if self.node in newest else (x,)
        level = max(row.level for row in inputs)
        row = Row(self.kernel, inputs, samples, self._key(), (level + 1) | LAST_OF_BLOCK, self.freed)
        self.log += pack_key(b"E", x.key)
        self.log += samples
        newest[self.node] = row
        return self._recorded(row)
