"""Deferred vectors: what an algorithm computes with while nothing is computed.

A `Vector` stands for a flat ``[D]`` vector. A `Row` is one that the executor computes and keeps; a `Combination` is a sum
of rows that nobody has needed as a row yet, so that ``mix(...) - lr * gradient`` costs one pass over the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import neg
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from simnet.values.kernels import Kernel

PENDING: Final = -1
QUEUED: Final = -2
ELSEWHERE: Final = -3
LEAF: Final = 1 << 62
"""Keys of initial models begin here, and those of operations end before."""

# A level is (gradients on the longest chain before this operation, cheap operations since the last of them) in one integer.
CHEAP_BITS: Final = 24
LAST_OF_BLOCK: Final = (1 << CHEAP_BITS) - 1


class Vector:
    """A deferred ``[D]`` vector: add, subtract and scale it; nothing is computed before somebody needs a number.

    Attributes:
        rows: what it is a sum of; the same row may be there twice.
        weights: the factor of each row.

    Example:
        >>> x, y = Row.leaf(), Row.leaf()
        >>> (x - 0.5 * y).weights
        (1.0, -0.5)
    """

    __slots__ = ()

    rows: tuple[Row, ...]
    weights: tuple[float, ...]

    def __add__(self, other: Vector) -> Vector:
        return Combination(self.rows + other.rows, self.weights + other.weights)

    def __sub__(self, other: Vector) -> Vector:
        return Combination(self.rows + other.rows, (*self.weights, *map(neg, other.weights)))

    def __mul__(self, factor: float) -> Vector:
        return Combination(self.rows, tuple([factor * w for w in self.weights])) if factor else ZERO

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Vector:
        return Combination(self.rows, tuple([w / divisor for w in self.weights]))

    def __neg__(self) -> Vector:
        return self * -1.0

    def __bool__(self) -> NoReturn:
        raise TypeError("a deferred vector has no truth value; ask for one number with `yield node.number(...)`")

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise TypeError("a deferred vector cannot be changed in place; build a new one and assign that")


class Combination(Vector):
    """A linear combination of rows: ``sum_k weights[k] * rows[k]``; of no rows, it is zero.

    When somebody needs it as a row it becomes the combination of that one row, so nothing is computed twice.

    Args:
        rows: ``[D]`` each.
        weights: as many.
    """

    __slots__ = ("rows", "weights")

    def __init__(self, rows: tuple[Row, ...], weights: tuple[float, ...]) -> None:
        self.rows = rows
        self.weights = weights


class Operation:
    """Something to be computed once from rows: which kernel, of what, with which numbers.

    Attributes:
        kernel: what is done; None for a linear combination (then `constants` are its weights).
        inputs: the rows it needs; emptied once it is computed, so that they can be let go.
        constants: numbers that belong to this operation alone (weights, random keys; a gradient's sample ids as bytes).
        key: ``node << 40 | count``: which node recorded it, as which of its operations.
        level: where it stands in the canonical order of waves (see `CHEAP_BITS`).
        slot: where its result lies; `PENDING` or `QUEUED` until it is computed, `ELSEWHERE` if an earlier run computed it.
    """

    __slots__ = ("constants", "inputs", "kernel", "key", "level", "slot")

    kernel: Kernel | None
    inputs: Sequence[Row]
    constants: Sequence[float]
    key: int
    level: int
    slot: int


class Row(Operation, Vector):
    """One ``[D]`` vector that the executor has computed or will compute, and keeps while somebody holds it.

    Args:
        kernel, inputs, constants, key, level: see `Operation`.
        freed: the list that hears of its slot when nobody holds the row any more.
    """

    __slots__ = ("__weakref__", "freed")

    def __init__(
        self,
        kernel: Kernel | None,
        inputs: Sequence[Row],
        constants: Sequence[float],
        key: int,
        level: int,
        freed: list[int],
    ) -> None:
        self.kernel = kernel
        self.inputs = inputs
        self.constants = constants
        self.key = key
        self.level = level
        self.slot = PENDING
        self.freed = freed

    @classmethod
    def leaf(cls, slot: int = PENDING, key: int = 0, freed: list[int] | None = None) -> Row:
        """A row that depends on nothing: an initial model.

        Args:
            slot: where it lies.
            key: from `LEAF` on.
            freed: the list that hears of its slot when nobody holds the row any more.
        """
        row = cls(None, (), (), key, 0, [] if freed is None else freed)
        row.slot = slot
        return row

    @property
    def rows(self) -> tuple[Row]:  # type: ignore[override]
        """The row itself, alone."""
        return (self,)

    @property
    def weights(self) -> tuple[float]:  # type: ignore[override]
        """The weight one."""
        return (1.0,)

    def __mul__(self, factor: float) -> Vector:
        return Combination((self,), (factor,)) if factor else ZERO

    __rmul__ = __mul__

    def __del__(self) -> None:
        slot = self.slot
        if slot >= 0:
            self.freed.append(slot)


ZERO: Final = Combination((), ())


class Scalar(Operation):
    """One deferred number, for `number` and `tally`; a scalar is never an input of another operation.

    Args:
        kernel, inputs, key: see `Operation`.

    Attributes:
        value: the number, once it is computed.
    """

    __slots__ = ("value",)

    value: float

    def __init__(self, kernel: Kernel, inputs: Sequence[Row], key: int) -> None:
        self.kernel = kernel
        self.inputs = inputs
        self.constants = ()
        self.key = key
        self.level = level_after(inputs)
        self.slot = PENDING


Shown = Mapping[tuple[str, int | None], Vector]
"""Vectors by name, and by whose they are."""

NOTHING_SHOWN: Final[Shown] = MappingProxyType({})


def level_after(inputs: Sequence[Row]) -> int:
    """The level of a cheap operation: one above the highest of its inputs.

    Args:
        inputs: what it is computed from.

    Returns:
        1 where there is none.

    Example:
        >>> level_after([]), level_after([Row.leaf()])
        (1, 1)
    """
    level = 0
    for row in inputs:
        if row.level > level:  # noqa: PLR1730 - a call of max() takes longer than all the rest
            level = row.level
    return level + 1
