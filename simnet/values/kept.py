"""Recorders of a run: the plain ones, and those of nodes whose gradients decide which samples come next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from weakref import WeakValueDictionary

import numpy as np

from simnet.errors import ParameterError
from simnet.problems import Problem
from simnet.values.executor import Executor
from simnet.values.gradients import KeptGradient
from simnet.values.recall import ForgottenError, RecallingExecutor
from simnet.values.recorder import Recorder, SilentRecorder, pack_key
from simnet.values.vector import LAST_OF_BLOCK, Row, Vector


class KeptRecorder(Recorder):
    """Records a node whose gradients decide the order of its next epoch.

    The first mini-batch of an epoch makes the executor compute what is pending: of this node, which needs it, and, since
    one large batch is faster than many small ones, of all others. The digest sees which samples came of it.

    Args:
        node: the node's number.
        executor: computes what is recorded.
        kernel: of its gradients; the same for all nodes of a run.
        shared, cut: as of `Recorder`.
    """

    def __init__(
        self,
        node: int,
        executor: Executor,
        kernel: KeptGradient,
        shared: WeakValueDictionary[int, Row] | None = None,
        cut: Callable[[], list[np.ndarray]] = list,
    ) -> None:
        super().__init__(node, executor, self._epochs(node), shared, cut)
        self.node = node
        self.kernel = kernel

    def _epochs(self, node: int) -> Iterator[np.ndarray]:
        problem, keeper = self.kernel.problem, self.kernel.keeper
        yield from problem.mini_batches(node, keeper.orders[node])
        while True:
            self.executor.compute(self.kernel.newest.values())
            yield from problem.mini_batches(node, keeper.turn(node))

    def take(self, order: Iterable[int]) -> None:
        """Refused: there would be two that decide."""
        raise ParameterError("orders mini-batches itself, but so does problem.order; leave problem.order out")

    def draw(self) -> bytes:
        """Refused: samples without a gradient say nothing of their place in the next order."""
        raise ParameterError("takes samples without gradients, by which problem.order decides; use another order")

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


def recorder_maker(problem: Problem, executor: Executor, seed: int, *, is_silent: bool) -> Callable[[int], Recorder]:
    """What makes the recorders of a run.

    Args:
        problem: draws the samples.
        executor: computes what is recorded.
        seed: the run's seed.
        is_silent: whether values are switched off.

    Returns:
        A function of the machine's number; machines beyond the problem's nodes have no samples.

    Raises:
        ForgottenError: if values were to be recalled of gradients that decide orders: these have to be computed again.
    """
    shared: WeakValueDictionary[int, Row] = WeakValueDictionary()
    keeper = None if is_silent else problem.order_keeper(seed)
    if keeper is not None and isinstance(executor, RecallingExecutor):
        raise ForgottenError("orders of examples")
    kernel = None if keeper is None else KeptGradient(problem, keeper)
    recorder_type = SilentRecorder if is_silent else Recorder

    def make(number: int) -> Recorder:
        if number >= problem.num_nodes:
            return recorder_type(number, executor, iter(()), shared)
        cut = partial(problem.fixed_mini_batches, number, seed)
        if kernel is not None:
            return KeptRecorder(number, executor, kernel, shared, cut)
        return recorder_type(number, executor, problem.draws(number, seed), shared, cut)

    return make
