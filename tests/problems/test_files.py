"""The user's own files: classes, test arrays, and refusals that name file, line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.problems import files

GOOD = "a,label,b\n1,yes,2\n3,no,4\n\n5,yes,6.5\n-1e3,no,0\n"


def csv(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_becomes_features_and_sorted_classes(tmp_path: Path) -> None:
    data = files.read_csv(csv(tmp_path, GOOD), "label", 0.0, seed=1)
    assert data.train_x.tolist() == [[1, 2], [3, 4], [5, 6.5], [-1000, 0]]
    assert data.classes == ("no", "yes")
    assert data.train_y.tolist() == [1, 0, 1, 0]
    assert len(data.test_y) == 0


def test_classes_that_are_numbers_sort_as_numbers(tmp_path: Path) -> None:
    data = files.read_csv(csv(tmp_path, "x,y\n0,10\n1,9\n2,2\n"), "y", 0.0, seed=1)
    assert data.classes == ("2", "9", "10")
    assert data.train_y.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("6.5", "six"), r"data\.csv:5: column 'b': found 'six'; a finite number"),
        (GOOD.replace("6.5", "inf"), r"data\.csv:5: column 'b': found 'inf'"),
        (GOOD.replace("3,no,4", ",no,4"), r"data\.csv:3: column 'a': found ''"),
        (GOOD.replace("3,no,4", "3,,4"), r"data\.csv:3: column 'label': found ''; a class name"),
        (GOOD.replace("label", "target"), r"label: .*has no column 'label'; its columns are a, target, b"),
        ("label\nyes\nno\n", "has no feature columns"),
        ("a,label\n", "has no samples"),
        ("a,label\n1,yes\n2,yes\n", "has 1 class; at least 2"),
        ("", "cannot read"),
        ("a,label\n1,2,3,4\n1\n1,2,3,4,5\n", "cannot read"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        files.read_csv(csv(tmp_path, text), "label", 0.2, seed=1)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=80))
def test_any_bytes_give_data_or_a_parameter_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"a,label\n" + content)
    for read in (lambda: files.read_csv(path, "label", 0.2, seed=1), lambda: files.read_npz(path, 0.2, seed=1)):
        try:
            read()
        except ParameterError as error:
            assert "any.csv" in str(error)  # noqa: PT017 (no error is fine, too)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_an_unreadable_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match="path: cannot read"):
        files.read_csv(tmp_path / name, "label", 0.2, seed=1)
    with pytest.raises(ParameterError, match="path: cannot read"):
        files.read_npz(tmp_path / name, 0.2, seed=1)


def test_arrays_with_and_without_test_data(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    x, y = np.arange(80.0).reshape(10, 2, 2, 2), np.arange(10) % 2
    np.savez(path, x=x, y=y)
    data = files.read_npz(path, 0.2, seed=1)
    assert data.sample_shape == (2, 2, 2)
    assert (len(data.train_y), len(data.test_y)) == (8, 2)
    np.savez(path, x=x, y=y, x_test=x[:3], y_test=y[:3])
    data = files.read_npz(path, 0.2, seed=1)
    assert (len(data.train_y), data.test_y.tolist()) == (10, [0, 1, 0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((4, 2))}, "has no array 'y'"),
        ({"x": np.zeros(4), "y": np.arange(4)}, "found x of shape"),
        ({"x": np.zeros((4, 2)), "y": np.arange(3)}, "found x of shape"),
        ({"x": np.full((4, 2), np.nan), "y": np.arange(4)}, "finite numbers only"),
        ({"x": np.full((4, 2), "a"), "y": np.arange(4)}, "finite numbers only"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(4)}, "has 1 class"),
        ({"x": np.zeros((4, 2)), "y": np.arange(4), "x_test": np.zeros((4, 2))}, "has no array 'y_test'"),
        ({"x": np.zeros((4, 2)), "y": np.arange(4), "x_test": np.zeros((1, 3)), "y_test": [0]}, "x_test has samples"),
        ({"x": np.zeros((4, 2)), "y": np.arange(4), "x_test": np.zeros((1, 2)), "y_test": [7]}, "has the class '7'"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    with pytest.raises(ParameterError, match=message):
        files.read_npz(path, 0.2, seed=1)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.array([{}, {}], dtype=object), y=np.arange(2))
    with pytest.raises(ParameterError, match="cannot read"):
        files.read_npz(path, 0.2, seed=1)
