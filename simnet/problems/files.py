"""The user's own data, from CSV and NumPy files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from simnet.errors import ParameterError
from simnet.problems.datasets import Dataset, Floats, Ints, split

Array = npt.NDArray[Any]


def read_csv(path: Path, label: str, test_fraction: float, seed: int) -> Dataset:
    r"""A table with a header line, one sample a line; all columns but the label are features, used as they are.

    Args:
        path: the file.
        label: the label's column; its distinct values are the classes, in sorted order.
        test_fraction: share of each class that becomes test data.
        seed: the run's seed.

    Returns:
        The data set; samples are [F], F the number of feature columns.

    Raises:
        ParameterError: for an unreadable file, a missing column, an empty label, a feature that is not a finite number
            (with line and column), or fewer than two classes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (file := Path(folder, "cats.csv")).write_text("weight,tail,cat\n4,25,yes\n30,40,no\n")
        ...     dataset = read_csv(file, "cat", 0.0, seed=1)
        >>> dataset.classes, dataset.train_x.tolist(), dataset.train_y.tolist()
        (('no', 'yes'), [[4.0, 25.0], [30.0, 40.0]], [1, 0])
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise _unreadable(path, error) from error
    table.columns = table.columns.str.strip()
    if label not in table.columns:
        raise ParameterError(f"label: {path} has no column {label!r}; its columns are {', '.join(table.columns)}")
    table = table[(table != "").any(axis=1)]  # blank lines count for line numbers only
    features = table.drop(columns=label)
    if features.empty:
        raise ParameterError(f"path: {path} has no {'samples' if table.empty else 'feature columns'}; add some")
    columns = [_numbers(path, features[name]) for name in features]
    labels = table[label].str.strip()
    _refuse(path, labels, (labels == "").to_numpy(), "a class name")
    classes, y = _classes(path, labels.to_numpy(dtype=object))
    return split(path.name, np.stack(columns, axis=1), y, classes, test_fraction, seed)


def read_npz(path: Path, test_fraction: float, seed: int) -> Dataset:
    """Arrays x [S, ...] and y [S], and x_test and y_test if there are any, from a NumPy archive.

    Args:
        path: the file.
        test_fraction: share of each class that becomes test data, when the file has no test arrays.
        seed: the run's seed.

    Returns:
        The data set; samples have the shape that they have in x.

    Raises:
        ParameterError: for an unreadable file, missing or misshapen arrays, numbers that are not finite, or fewer
            than two classes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(file := Path(folder, "images.npz"), x=np.zeros((6, 1, 8, 8)), y=np.array([3, 5] * 3))
        ...     dataset = read_npz(file, 0.0, seed=1)
        >>> dataset.classes, dataset.sample_shape
        (('3', '5'), (1, 8, 8))
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in ("x", "y", "x_test", "y_test") if key in archive}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    x, labels = _pair(path, arrays, "x", "y")
    classes, y = _classes(path, labels)
    if "x_test" not in arrays and "y_test" not in arrays:
        return split(path.name, x, y, classes, test_fraction, seed)
    x_test, test_labels = _pair(path, arrays, "x_test", "y_test")
    if x_test.shape[1:] != x.shape[1:]:
        raise ParameterError(f"path: {path}: x_test has samples of shape {x_test.shape[1:]}, x of {x.shape[1:]}")
    unknown = set(map(str, test_labels.tolist())) - set(classes)
    if unknown:
        raise ParameterError(f"path: {path}: y_test has the class {min(unknown)!r}, which y has not")
    numbers = {name: number for number, name in enumerate(classes)}
    y_test = np.array([numbers[str(name)] for name in test_labels.tolist()], dtype=np.int64)
    return Dataset(path.name, x, y, x_test, y_test, classes)


def _numbers(path: Path, column: pd.Series[str]) -> Floats:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    _refuse(path, column, ~np.isfinite(numbers), "a finite number")
    return numbers


def _refuse(path: Path, column: pd.Series[str], is_bad: npt.NDArray[np.bool_], wanted: str) -> None:
    if is_bad.any():
        row = int(is_bad.argmax())
        line = int(column.index[row]) + 2  # the header is line 1
        found = f"column {column.name!r}: found {column.iloc[row]!r}"
        raise ParameterError(f"path: {path}:{line}: {found}; {wanted} is needed")


def _pair(path: Path, arrays: dict[str, Array], x_key: str, y_key: str) -> tuple[Floats, Array]:
    missing = [key for key in (x_key, y_key) if key not in arrays]
    if missing:
        raise ParameterError(
            f"path: {path} has no array {missing[0]!r}; it needs {x_key} [samples, ...] and {y_key} [samples]"
        )
    x, y = arrays[x_key], arrays[y_key]
    if x.ndim < 2 or y.shape != (len(x),) or x.size == 0:
        raise ParameterError(
            f"path: {path}: found {x_key} of shape {x.shape} and {y_key} of shape {y.shape}; "
            "[samples, ...] and [samples] are needed"
        )
    if x.dtype.kind not in "fiub" or not np.isfinite(x).all():
        raise ParameterError(f"path: {path}: {x_key} must hold finite numbers only; found {x.dtype} with others")
    return x.astype(np.float64), y


def _classes(path: Path, labels: Array) -> tuple[tuple[str, ...], Ints]:
    """Class names in numeric order where they are numbers, else in alphabetic order; and each sample's class number."""
    names, y = np.unique(labels.astype(str), return_inverse=True)
    if len(names) < 2:
        raise ParameterError(f"path: {path} has {len(names)} class; at least 2 are needed")
    order = _numeric_order(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return tuple(str(name) for name in names[order]), rank[y]


def _numeric_order(names: npt.NDArray[np.str_]) -> Ints:
    try:
        return np.argsort(names.astype(np.float64), kind="stable")
    except ValueError:
        return np.arange(len(names))


def _unreadable(path: Path, error: Exception) -> ParameterError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n", maxsplit=1)[0]
    return ParameterError(f"path: cannot read {path}: {reason}; give a path relative to the scenario's folder")
