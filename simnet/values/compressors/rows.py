"""Sums and choices within rows whose bits depend on the row alone: not on the batch, the threads or the device.

B: rows in one batched call. D: numbers in a row.
"""

from __future__ import annotations

import torch


def row_sum(x_BD: torch.Tensor) -> torch.Tensor:
    """The sum of each row, by adding halves: library sums choose their order by the size of the batch.

    Args:
        x_BD: any tensor of two or more dimensions; the second one is summed over.

    Returns:
        The sums, with a second dimension of 1.

    Example:
        >>> row_sum(torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]]))
        tensor([[7.],
                [1.]])
    """
    while (size := x_BD.shape[1]) > 1:
        half = (size + 1) // 2
        folded = x_BD[:, :half].clone()
        folded[:, : size - half] += x_BD[:, half:]
        x_BD = folded
    return x_BD


def norm(x_BD: torch.Tensor) -> torch.Tensor:
    """The Euclidean norm of each row.

    Args:
        x_BD: the rows.

    Returns:
        The norms, ``[B, 1]``.

    Example:
        >>> norm(torch.tensor([[3.0, 4.0]]))
        tensor([[5.]])
    """
    return torch.sqrt(row_sum(x_BD * x_BD))


def largest(x_BD: torch.Tensor, count: int) -> torch.Tensor:
    """Where the largest numbers of each row are; among equal ones, the first.

    Args:
        x_BD: numbers that can be compared.
        count: how many, from 1 to D.

    Returns:
        Booleans, ``[B, D]``, `count` of them true in each row.

    Example:
        >>> largest(torch.tensor([[1, 3, 2, 2]]), 2)
        tensor([[False,  True,  True, False]])
    """
    least_B1 = x_BD.topk(count, dim=1).values[:, -1:]
    above_BD, equal_BD = x_BD > least_B1, x_BD == least_B1
    room_B1 = count - above_BD.sum(dim=1, keepdim=True)
    return above_BD | (equal_BD & (equal_BD.cumsum(dim=1) <= room_B1))
