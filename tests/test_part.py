from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from simnet.part import Choice, Part
from simnet.schedule import Schedule
from simnet.sentences import complaints_of


class Cat(Part):
    kind: Literal["cat"] = "cat"


class Dog(Part):
    kind: Literal["dog"] = "dog"
    tricks: int


class Zoo(Part):
    """A part with everything.

    Args:
        name: on the sign, which may be
            long.
    """

    name: str = "zoo"
    size: Annotated[float, Field(gt=0)] = 1.0
    rows: tuple[tuple[int, int], ...] = ()
    animal: Annotated[Cat | Dog, Choice("kind")] = Cat()
    food: float | Literal["auto"] | list[int] = "auto"
    lr: Schedule | Literal["auto"] = "auto"


def complaints(given: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as error:
        Zoo.model_validate(given)
    return {".".join(map(str, place)): sentence for place, sentence in complaints_of(error.value)}


def test_lists_become_tuples_and_integers_floats() -> None:
    zoo = Zoo.model_validate({"rows": [[1, 2], [3, 4]], "size": 2})
    assert zoo.rows == ((1, 2), (3, 4))
    assert zoo.size == 2.0


def test_a_bare_word_chooses_a_kind() -> None:
    assert Zoo.model_validate({"animal": "cat"}).animal == Cat()
    assert Zoo.model_validate({"animal": {"kind": "dog", "tricks": 3}}).animal == Dog(tricks=3)
    assert complaints({"animal": "dog"}) == {"animal.tricks": "missing; it is needed here"}


@pytest.mark.parametrize(
    ("given", "place", "sentence"),
    [
        ({"size": "1"}, "size", "found '1'; allowed: a number"),
        ({"size": True}, "size", "found true; allowed: a number"),
        ({"size": 0}, "size", "found 0; allowed: a number > 0"),
        ({"size": float("inf")}, "size", "found inf; allowed: a finite number"),
        ({"name": 3}, "name", "found 3; allowed: text"),
        ({"name": None}, "name", "found nothing; allowed: text"),
        ({"rows": 3}, "rows", "found 3; allowed: a list"),
        ({"rows": [[1, 2.5]]}, "rows.0.1", "found 2.5; allowed: a whole number"),
        ({"sizes": 1}, "sizes", "unknown key; did you mean size?"),
        ({"xyz": 1}, "xyz", "unknown key; allowed: name, size, rows, animal, food, lr"),
        ({"animal": "cta"}, "animal", "found 'cta'; allowed: cat, dog; did you mean cat?"),
        ({"animal": {"kind": 3}}, "animal.kind", "found 3; allowed: cat, dog"),
        ({"animal": {}}, "animal.kind", "missing; allowed: cat, dog"),
        ({"animal": {"knd": "cat"}}, "animal.knd", "unknown key; did you mean kind?"),
        ({"animal": [1]}, "animal", "found [1]; allowed: cat, dog"),
        ({"food": "x"}, "food", "found 'x'; allowed: a number, or auto, or a list"),
        ({"food": [1, "a"]}, "food.1", "found 'a'; allowed: a whole number"),
        ({"lr": {"cosine": {"strt": 1, "steps": 3}}}, "lr.cosine.strt", "unknown key; did you mean start?"),
        ([], "", "found []; allowed: a mapping (key: value)"),
    ],
)
def test_one_mistake_gives_one_sentence(given: Any, place: str, sentence: str) -> None:
    assert complaints(given) == {place: sentence}


def test_all_mistakes_are_reported() -> None:
    found = complaints({"nam": "a", "size": "b", "animal": {"kind": "dog", "trick": 1}, "lr": "c"})
    assert found.keys() == {"nam", "size", "animal.trick", "lr"}


def test_json_schema_describes_keys_and_allows_bare_words() -> None:
    schema = Zoo.model_json_schema()
    assert schema["properties"]["name"]["description"] == "on the sign, which may be long."
    assert {"enum": ["cat", "dog"]} in schema["properties"]["animal"]["anyOf"]
    assert schema["$defs"]["Dog"]["required"] == ["kind", "tricks"]
