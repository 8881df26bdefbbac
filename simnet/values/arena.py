"""The arena: all rows in one tensor ``[slots, D]``, reused as soon as nobody holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

ALIGNMENT = 64
"""Bytes: a cache line, and the widest register of a processor."""


class Arena:
    """Rows in one tensor on the device.

    A slot is free again when its row is gone (`Row` then appends it to `freed`). A wave of B rows gets B slots in a row
    where there are, so that whoever reads the wave needs no gather. Every slot begins at a multiple of `ALIGNMENT` bytes, and
    is padded to the next one: the last bits of a product may depend on how its operands are aligned, and so the results
    do not depend on which slots happen to be free.

    Args:
        num_parameters: D.
        dtype: of the numbers.
        device: where they live.

    Attributes:
        data: all rows with their padding, ``[slots, width]``; replaced by a larger tensor when it grows.
        num_parameters: D.
        freed: slots that nobody uses, in any order.
        peak_rows: the largest number of slots that were in use at once.

    Example:
        >>> arena = Arena(2, torch.float64, torch.device("cpu"))
        >>> slots = arena.allocate(3)
        >>> arena.block(slots[:2]).shape
        torch.Size([2, 2])
        >>> arena.freed += slots[1:]
        >>> arena.allocate(2)  # used again; nothing grows
        [1, 2]
    """

    def __init__(self, num_parameters: int, dtype: torch.dtype, device: torch.device) -> None:
        self.num_parameters = num_parameters
        unit = ALIGNMENT // dtype.itemsize
        self.data = torch.empty((0, -(-num_parameters // unit) * unit), dtype=dtype, device=device)
        self.freed: list[int] = []
        self.peak_rows = 0

    def allocate(self, count: int) -> list[int]:
        """Takes `count` free slots: consecutive ones if there are, else scattered ones if plenty, else new ones.

        Args:
            count: B, at least 1.

        Returns:
            The slots, ascending.
        """
        free = self.freed
        if count * 16 < len(free):
            slots = sorted(free[-count:])
            del free[-count:]
        else:
            slots = self._consecutive(count)
        self.peak_rows = max(self.peak_rows, self.data.shape[0] - len(free))
        return slots

    def block(self, slots: Sequence[int]) -> torch.Tensor:
        """The rows in these slots as ``[B, D]``: a view where they are consecutive, a copy where they are not.

        Args:
            slots: B of them, in any order, also repeated.
        """
        if is_consecutive(slots):
            return self.data[slots[0] : slots[0] + len(slots), : self.num_parameters]
        return self.data.index_select(0, self.index(slots))[:, : self.num_parameters]

    def output(self, slots: Sequence[int]) -> torch.Tensor:
        """Memory for the results of allocated slots: their own if they are consecutive, else fresh (see `write`).

        Args:
            slots: as `allocate` gave them.

        Returns:
            A tensor ``[B, width]`` of any content.
        """
        if slots[-1] - slots[0] == len(slots) - 1:
            return self.data[slots[0] : slots[0] + len(slots)]
        return self.data.new_zeros((len(slots), self.data.shape[1]))

    def write(self, slots: Sequence[int], block_BD: torch.Tensor) -> None:
        """Stores what was computed in `output`, unless that is already its place.

        Args:
            slots: as `allocate` gave them.
            block_BD: the results in that order, with padding, ``[B, width]``.
        """
        if slots[-1] - slots[0] != len(slots) - 1:
            self.data.index_copy_(0, self.index(slots), block_BD)

    def index(self, slots: Sequence[int]) -> torch.Tensor:
        """Slots as an index tensor on the device.

        Args:
            slots: B of them.

        Returns:
            int64, ``[B]``.
        """
        return torch.from_numpy(np.array(slots, dtype=np.int64)).to(self.data.device)

    def _consecutive(self, count: int) -> list[int]:
        free = self.freed
        free.sort()
        starts = range(len(free) - count + 1)
        first = next((k for k in starts if free[k + count - 1] - free[k] == count - 1), None)
        if first is None:
            if len(free) < 2 * count:
                return self._grow(count)
            first = 0
        slots = free[first : first + count]
        del free[first : first + count]
        return slots

    def _grow(self, count: int) -> list[int]:
        rows, width = self.data.shape
        grown = self.data.new_zeros((rows + count, width))
        grown[:rows] = self.data
        self.data = grown
        return list(range(rows, rows + count))


def is_consecutive(slots: Sequence[int]) -> bool:
    """Whether the slots are s, s + 1, s + 2, ...

    Args:
        slots: at least one, in any order.

    Returns:
        True if one slice takes them all in their order.

    Example:
        >>> is_consecutive([4, 5, 6]), is_consecutive([4, 6, 5])
        (True, False)
    """
    first = slots[0]
    return slots[-1] - first == len(slots) - 1 and list(slots) == list(range(first, first + len(slots)))
