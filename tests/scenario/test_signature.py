from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from simnet.errors import ParameterError
from simnet.scenario import AlgorithmSchemas, parameters_model
from simnet.schedule import Schedule
from simnet.sentences import complaints_of


def good(
    node: Any,
    *,
    lr: Schedule,
    bits: Annotated[int, Field(ge=2)] = 8,
    order: Literal["cta", "atc"] = "cta",
    eta: float | Literal["auto"] | None = None,
    widths: tuple[int, ...] = (1, 2),
) -> Iterator[Any]:
    """A good one."""
    yield node, lr, bits, order, eta, widths


def positional(node: Any, lr: float) -> Iterator[Any]:
    yield node, lr


def untyped(node: Any, *, lr) -> Iterator[Any]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    yield node, lr


def keywords(node: Any, **rest: float) -> Iterator[Any]:
    yield node, rest


def taken(node: Any, *, label: str) -> Iterator[Any]:
    yield node, label


def hiding(node: Any, *, copy: int) -> Iterator[Any]:
    yield node, copy


def lost(node: Any, *, x: Nowhere) -> Iterator[Any]:  # type: ignore[name-defined]  # noqa: F821
    yield node, x


def nodeless(*, lr: float) -> Iterator[Any]:
    yield lr


def test_a_signature_becomes_a_frozen_model_that_refuses_unknown_keys() -> None:
    model = parameters_model(good)
    assert list(model.model_fields) == ["lr", "bits", "order", "eta", "widths"]
    values = model.model_validate({"lr": 0.1, "widths": [3]})
    assert dict(values) == {"lr": Schedule.of(0.1), "bits": 8, "order": "cta", "eta": None, "widths": (3,)}
    with pytest.raises(ValidationError):
        values.bits = 3  # type: ignore[attr-defined]
    with pytest.raises(ValidationError) as error:
        model.model_validate({"lr": -1, "bits": 1, "ordr": "cta", "eta": "x"})
    assert dict(complaints_of(error.value)) == {
        ("lr", "constant"): "found -1; allowed: a number >= 0",
        ("bits",): "found 1; allowed: a number >= 2",
        ("eta",): "found 'x'; allowed: a number, or auto",
        ("ordr",): "unknown key; did you mean order?",
    }


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (positional, "found the parameter lr before the *"),
        (untyped, "found the parameter lr without a type; write lr: float"),
        (keywords, "found the parameter rest before the *"),
        (taken, "found the parameter label; this name has another meaning; rename it"),
        (hiding, "found the parameter copy; this name has another meaning; rename it"),
        (lost, "found parameters whose types cannot be read"),
        (nodeless, "found no parameter for the node"),
    ],
)
def test_what_is_no_signature_of_an_algorithm_is_explained(function: Any, words: str) -> None:
    with pytest.raises(ParameterError) as error:
        parameters_model(function)
    assert str(error.value).startswith(function.__name__)
    assert words in str(error.value)


def test_names_and_import_paths_are_told_apart() -> None:
    model = parameters_model(good)
    schemas = AlgorithmSchemas({"good": model}, imported=lambda path: parameters_model(good))
    assert schemas("good") is model
    assert schemas("my.module:fn") is model
    with pytest.raises(ParameterError, match="did you mean good"):
        schemas("goood")
    with pytest.raises(ParameterError, match="import paths are not allowed here"):
        AlgorithmSchemas({})("a:b")
