"""What one node computes, written down in the node's own order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from itertools import chain
from struct import Struct
from struct import pack as struct_pack
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from simnet.errors import AlgorithmError
from simnet.values.executor import Executor
from simnet.values.kernels import GRADIENT, Kernel
from simnet.values.on_data import OnData
from simnet.values.vector import LAST_OF_BLOCK, Row, Scalar, Vector, level_after

HASH_EVERY = 1 << 12
MOST_TERMS = 20_000
ONE = (1.0,)
pack_key = Struct("<cQ").pack
SHARED = 1 << 63


class Recorder:
    """Records one node's operations and keeps the running digest of kind, constants, samples and input keys.

    Two runs whose nodes have equal digests compute the same values, whatever their clocks did.

    Args:
        node: the node's number, which goes into the keys of its operations.
        executor: computes what is recorded, sooner or later.
        draws: the sample ids of the node's mini-batches, in blocks ``[k, b]``.
        shared: operations that several nodes recorded alike (see `shared`), common to all recorders of a run.
        cut: gives the sample ids of the node's fixed mini-batches, ``[b]`` each (see `take`).

    Example:
        >>> import torch
        >>> from simnet.problems.quadratic import Quadratic
        >>> from simnet.values import LEAF, WaveExecutor
        >>> problem = Quadratic(np.array([[1.0], [3.0]]), np.array([[0.0], [4.0]]), dtype=torch.float64)
        >>> executor = WaveExecutor(problem, max_batch=64)
        >>> (slot,) = executor.store(torch.tensor([[5.0]], dtype=torch.float64))
        >>> x, node_1 = Row.leaf(slot, LEAF, executor.freed), Recorder(1, executor, problem.draws(1, seed=1))
        >>> stepped = node_1.row(x - 0.5 * node_1.gradient(x))
        >>> executor.gradients
        0
        >>> executor.compute([stepped])
        >>> executor.read([stepped]).tolist()  # 5 - 0.5 * 3 (5 - 4)
        [[3.5]]
    """

    def __init__(
        self,
        node: int,
        executor: Executor,
        draws: Iterator[np.ndarray],
        shared: WeakValueDictionary[int, Row] | None = None,
        cut: Callable[[], list[np.ndarray]] = list,
    ) -> None:
        self.next_key = node << 40
        self.executor = executor
        self.freed = executor.freed
        self.is_eager = executor.eager
        self.draws = mini_batches(draws)
        self.samples: Iterator[bytes] = self.draws
        self.unread = self.samples
        self.cut = cut
        self.shared_rows: WeakValueDictionary[int, Row] = WeakValueDictionary() if shared is None else shared
        self.log = bytearray()
        self.hash = hashlib.sha256()

    def gradient(self, x: Vector) -> Row:
        """A mini-batch gradient at `x`; the mini-batch is drawn now.

        Args:
            x: where it is taken, ``[D]``.
        """
        x = x if isinstance(x, Row) else self.row(x)
        samples = next(self.samples)
        key = self.next_key
        self.next_key = key + 1
        row = Row(GRADIENT, (x,), samples, key, (x.level + 1) | LAST_OF_BLOCK, self.freed)
        log = self.log
        log += pack_key(b"G", x.key)
        log += samples
        if len(log) > HASH_EVERY:
            self._hash_log()
        return self._recorded(row) if self.is_eager else row

    @cached_property
    def fixed(self) -> list[bytes]:
        """The node's fixed mini-batches."""
        return [ids.tobytes() for ids in self.cut()]

    def take(self, order: Iterable[int]) -> None:
        """The next mini-batches are fixed ones; after them come again those that are drawn.

        Args:
            order: the numbers of the fixed mini-batches.
        """
        self.samples = self.unread = chain([self.fixed[number] for number in order], self.draws)

    def draw(self) -> bytes:
        """The sample ids of the next mini-batch, which no gradient will take."""
        return next(self.samples)

    def on_data(self, kernel: OnData, *inputs: Vector, samples: bytes = b"") -> Row:
        """What the problem computes, beside the gradient, of samples; by default those that the next gradient will take.

        Args:
            kernel: a frozen dataclass that says what.
            *inputs: its vectors, ``[D]`` each.
            samples: what `draw` gave, here or at other nodes, joined.
        """
        if not samples:
            samples = next(self.samples)
            self.samples = chain((samples,), self.unread)
        rows = [self.row(vector) for vector in inputs]
        row = Row(kernel, rows, samples, self._key(), level_after(rows), self.freed)
        self._log_kernel(kernel, rows, ())
        self.log += samples
        return self._recorded(row)

    def row(self, vector: Vector, kind: bytes = b"C") -> Row:
        """The vector as one row, so that it can be sent, kept or differentiated.

        Args:
            vector: what is needed as a row.
            kind: tells in the digest what for: ``X`` makes it the node's model, ``C`` is anything else.

        Raises:
            AlgorithmError: if it is a sum of more than `MOST_TERMS` rows, as grows out of a vector that is never made a row.
        """
        rows, weights = vector.rows, vector.weights
        count = len(rows)
        if count == 1 and weights[0] == 1.0:
            if kind == b"X":
                self.log += pack_key(kind, rows[0].key)
            return rows[0]
        if count > MOST_TERMS:
            raise AlgorithmError(f"a sum has grown to {count} vectors; put what is carried on into node.keep(...)")
        self.log += layout(count)(kind, *[row.key for row in rows], *weights)
        key = self.next_key
        self.next_key = key + 1
        row = Row(None, rows, weights, key, level_after(rows), self.freed)
        if count:
            vector.rows, vector.weights = (row,), ONE  # type: ignore[misc]  # a combination: from now on it is that row
        return self._recorded(row) if self.is_eager else row

    def shared(self, vector: Vector) -> Row:
        """The vector as one row that all nodes share if they record the same sum (an all-reduce computes its mean once).

        Args:
            vector: the sum; the order of its terms plays no role.
        """
        terms = sorted(zip(vector.rows, vector.weights, strict=True), key=lambda term: (term[0].key, term[1]))
        rows, weights = tuple([row for row, _ in terms]), tuple([weight for _, weight in terms])
        key = shared_key(layout(len(rows))(b"C", *[row.key for row in rows], *weights))
        shared = self.shared_rows.get(key)
        if shared is None:
            shared = self.shared_rows[key] = Row(None, rows, weights, key, level_after(rows), self.freed)
        return self._recorded(shared)

    def apply(self, kernel: Kernel, *inputs: Vector, constants: tuple[float, ...] = ()) -> Row:
        """A row kernel applied to vectors.

        Args:
            kernel: a frozen dataclass that gives ``[B, D]`` (see `Kernel`).
            *inputs: its vectors, ``[D]`` each.
            constants: numbers of this one call.
        """
        rows = [self.row(vector) for vector in inputs]
        row = Row(kernel, rows, constants, self._key(), level_after(rows), self.freed)
        self._log_kernel(kernel, rows, constants)
        return self._recorded(row)

    def measure(self, kernel: Kernel, *inputs: Vector) -> Scalar:
        """One deferred number out of vectors; out of a shared one, it has the same key at all nodes.

        Args:
            kernel: a frozen dataclass that gives ``[B]`` (see `Kernel`).
            *inputs: its vectors, ``[D]`` each.
        """
        rows = [self.row(vector) for vector in inputs]
        is_shared = len(rows) == 1 and rows[0].key >= SHARED
        key = shared_key(repr((kernel, rows[0].key)).encode()) if is_shared else self._key()
        scalar = Scalar(kernel, rows, key)
        self._log_kernel(kernel, rows, ())
        if self.is_eager:
            self.executor.compute([scalar])
        return scalar

    def digest(self) -> bytes:
        """The digest of everything recorded so far: SHA-256, 32 bytes."""
        self._hash_log()
        return self.hash.digest()

    def number(self, scalar: Scalar) -> float:
        """The number itself, computed now; whatever is decided by it is covered by the digest.

        Args:
            scalar: what `measure` gave.
        """
        value = self.executor.number(scalar)
        self.log += b"N%d" % scalar.key + struct_pack("<d", value)
        return value

    def _key(self) -> int:
        key = self.next_key
        self.next_key = key + 1
        return key

    def _recorded(self, row: Row) -> Row:
        if self.is_eager:
            self.executor.compute([row])
        return row

    def _log_kernel(self, kernel: Kernel, rows: list[Row], constants: tuple[float, ...]) -> None:
        self.log += repr((kernel, [row.key for row in rows], constants)).encode()

    def _hash_log(self) -> None:
        self.hash.update(self.log)
        self.log.clear()


class Nothing(Row):
    """What every vector is while values are switched off: it stays itself whatever is done to it."""

    __slots__ = ()

    def __add__(self, other: Vector) -> Vector:
        return self

    __sub__ = __add__

    def __mul__(self, factor: float) -> Vector:
        return self

    __rmul__ = __truediv__ = __mul__


class SilentRecorder(Recorder):
    """Values switched off: every vector is one and the same row, and nothing is recorded (to time the clock alone)."""

    only = Nothing.leaf()

    def gradient(self, x: Vector) -> Row:
        """The one row."""
        return self.only

    def on_data(self, kernel: OnData, *inputs: Vector, samples: bytes = b"") -> Row:
        """The one row."""
        return self.only

    def row(self, vector: Vector, kind: bytes = b"") -> Row:
        """The one row."""
        return self.only

    def shared(self, vector: Vector) -> Row:
        """The one row."""
        return self.only

    def apply(self, kernel: Kernel, *inputs: Vector, constants: tuple[float, ...] = ()) -> Row:
        """The one row."""
        return self.only

    def measure(self, kernel: Kernel, *inputs: Vector) -> Scalar:
        """Zero."""
        scalar = Scalar(kernel, (), 0)
        scalar.value, scalar.slot = 0.0, 0
        return scalar


IDLE: Any = SilentRecorder.__new__(SilentRecorder)
"""Records nothing, of work that is no gradient."""


def mini_batches(blocks: Iterable[np.ndarray]) -> Iterator[bytes]:
    """One mini-batch after the other: the digest and the batched call both want its sample ids as plain bytes.

    Args:
        blocks: of int64 sample ids, ``[k, b]`` each.

    Returns:
        An iterator over the rows of the blocks.

    Example:
        >>> len(next(mini_batches([np.zeros((2, 5), dtype=np.int64)])))
        40
    """
    for block in blocks:
        ids, size = block.tobytes(), block[0].nbytes
        yield from [ids[start : start + size] for start in range(0, len(ids), size)]


@cache
def layout(count: int) -> Callable[..., bytes]:
    """How a linear combination is written into the digest: its kind, keys, then weights with their exact bits.

    Args:
        count: of how many rows.

    Returns:
        A function of the kind (one byte), all keys and all weights.

    Example:
        >>> len(layout(2)(b"C", 7, 8, 0.5, 0.5))
        33
    """
    return Struct(f"<c{count}Q{count}d").pack


def shared_key(data: bytes) -> int:
    """The key of an operation that several nodes record alike.

    Args:
        data: what tells it from all others.

    Returns:
        From `SHARED` on; the keys of all other operations are below.
    """
    return SHARED | stable_hash(data) >> 1


def stable_hash(data: bytes) -> int:
    """A 64-bit hash that is the same in every process, unlike Python's own.

    Args:
        data: any bytes.

    Returns:
        BLAKE2b with 8 bytes, as a number from 0 to 2^64 - 1.

    Example:
        >>> stable_hash(b"simnet")
        715885598975655648
    """
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
