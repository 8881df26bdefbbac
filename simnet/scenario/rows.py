"""Numbers in rows: mixing matrices, initial models, the arrays of a quadratic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, WithJsonSchema

from simnet.scenario.quantities import Text
from simnet.sentences import refusal, shown

_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 1}
_ROWS_SCHEMA = {"type": "array", "items": _NUMBERS, "minItems": 1}


def read_rows(given: Any) -> tuple[tuple[float, ...], ...]:
    """The rows that a list of lists holds; a flat list is one row.

    Args:
        given: what the file has.

    Returns:
        At least one row of at least one finite number, all of the same length.

    Raises:
        pydantic.ValidationError: about the first thing that is wrong.

    Example:
        >>> read_rows([1, 2.5])
        ((1.0, 2.5),)
    """
    if not _is_list(given) or not given:
        raise refusal(((), f"found {shown(given)}; allowed: a list of rows, each a list of numbers"))
    is_flat = not any(_is_list(row) for row in given)
    rows = [given] if is_flat else given
    for i, row in enumerate(rows):
        if not _is_list(row) or not row:
            raise refusal(((i,), f"found {shown(row)}; allowed: a list of numbers"))
        for j, entry in enumerate(row):
            if isinstance(entry, bool) or not isinstance(entry, int | float) or not np.isfinite(entry):
                place = (j,) if is_flat else (i, j)
                raise refusal((place, f"found {shown(entry)}; allowed: a finite number"))
        if len(row) != len(rows[0]):
            raise refusal(((i,), f"found {len(row)} numbers; allowed: {len(rows[0])}, as in the first row"))
    return tuple(tuple(float(entry) for entry in row) for row in rows)


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _rows_or_path(given: Any) -> Any:
    return given if isinstance(given, str) else read_rows(given)


Rows = Annotated[
    tuple[tuple[float, ...], ...],
    BeforeValidator(read_rows),
    WithJsonSchema({"anyOf": [_NUMBERS, _ROWS_SCHEMA]}),
]
"""One or more rows of equal length; a flat list is one row."""

RowsOrPath = Annotated[
    tuple[tuple[float, ...], ...] | Text,
    BeforeValidator(_rows_or_path),
    WithJsonSchema({"anyOf": [_NUMBERS, _ROWS_SCHEMA, {"type": "string"}]}),
]
"""Rows, or the path of a file that holds them."""
