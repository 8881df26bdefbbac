"""Sentences about wrong input, *what was found; what is allowed; did you mean ...*, also from pydantic's errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Location = tuple[int | str, ...]
Complaint = tuple[Location, str]
"""Where, relative to the part that is read, and a sentence."""

_HOUSE = "simnet"
_ALLOWED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "none_required": "nothing",
    "greater_than": "a number > {gt:g}",
    "greater_than_equal": "a number >= {ge:g}",
    "less_than": "a number < {lt:g}",
    "less_than_equal": "a number <= {le:g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}",
}


def refusal(*complaints: Complaint) -> ValidationError:
    """The error that carries these complaints through pydantic, which puts the outer keys in front.

    Args:
        complaints: pairs of a location inside the part being validated and a sentence.

    Returns:
        An error to raise from a validator.

    Example:
        >>> refusal((("rows",), "found 5; allowed: a divisor of 16")).errors()[0]["loc"]
        ('rows',)
    """
    lines = [
        InitErrorDetails(type=PydanticCustomError(_HOUSE, "{text}", {"text": text}), loc=location, input=None)
        for location, text in complaints
    ]
    return ValidationError.from_exception_data("scenario", lines)


def complaints_of(error: ValidationError) -> list[Complaint]:
    """What `refusal` was given, with whole locations.

    Args:
        error: what the validation of a `Part` raised.

    Returns:
        Pairs of location and sentence.

    Example:
        >>> complaints_of(refusal((("rows",), "found 5")))
        [(('rows',), 'found 5')]
    """
    return [(line["loc"], line["msg"]) for line in error.errors(include_url=False)]


def shown(value: Any) -> str:
    """A short text that shows a value as a file would have it.

    Args:
        value: anything that a file can hold.

    Returns:
        At most about 60 characters.

    Example:
        >>> shown("abc"), shown(True), shown(None), shown({"a": 1})
        ("'abc'", 'true', 'nothing', '{a: ...}')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{str(key)[:20]}: ..." for key in list(value)[:3]) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a list of {len(value)}" if len(value) > 3 else f"[{', '.join(map(shown, value))}]"
    if isinstance(value, int) and value.bit_length() > 100:  # Python refuses to print the largest
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that is spelled most like this one.

    Args:
        word: what was found.
        allowed: what could be meant.

    Returns:
        One of the allowed words, or None if none is close.

    Example:
        >>> nearest("bandwith", ["latency", "bandwidth"])
        'bandwidth'
    """
    spellings = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(word.lower(), spellings, n=1, cutoff=0.6)
    return spellings[close[0]] if close else None


def unknown_word(found: Any, allowed: Iterable[str]) -> str:
    """The sentence about a word that is none of the allowed ones.

    Args:
        found: what stands there.
        allowed: the words that could.

    Returns:
        What was found, what is allowed, and what was probably meant.

    Example:
        >>> unknown_word("rnig", ["ring", "path"])
        "found 'rnig'; allowed: ring, path; did you mean ring?"
    """
    words = list(allowed)
    near = nearest(found, words) if isinstance(found, str) else None
    return f"found {shown(found)}; allowed: {', '.join(words)}" + (f"; did you mean {near}?" if near else "")


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """The sentence about a key that nothing reads.

    Args:
        key: the key.
        allowed: the keys that are read.

    Returns:
        What was probably meant, or all allowed keys.

    Example:
        >>> unknown_key("bandwith", ["latency", "bandwidth"])
        'unknown key; did you mean bandwidth?'
    """
    words = list(allowed)
    near = nearest(key, words)
    return f"unknown key; did you mean {near}?" if near else f"unknown key; allowed: {', '.join(words)}"


def sentences(error: ValidationError, given: Mapping[str, Any], part: type[BaseModel]) -> list[Complaint]:
    """The errors of pydantic about one part as sentences, one for each place.

    Args:
        error: what pydantic raised; errors of inner parts may be sentences already.
        given: what was validated.
        part: the model.

    Returns:
        Complaints. A missing key whose misspelling was found is not mentioned twice.

    Example:
        >>> class Point(BaseModel, extra="forbid"):
        ...     width: int
        >>> given = {"widht": 3}
        >>> try:
        ...     Point.model_validate(given)
        ... except ValidationError as error:
        ...     sentences(error, given, Point)
        [(('widht',), 'unknown key; did you mean width?')]
    """
    keys = {field.alias or name: field for name, field in part.model_fields.items()}
    absent = [key for key in keys if key not in given]
    places: dict[Location, list[str]] = {}
    meant: set[int | str | None] = set()
    outer: set[Location] = set()
    for line in error.errors(include_url=False):
        place = line["loc"]
        field = keys.get(str(place[0])) if place else None
        if field is not None and _has_union(field.annotation, field.metadata):
            place = _without_labels(line, given)
            outer.add(place)
        if line["type"] == "too_short":
            outer.add(place)
        if line["type"] == "extra_forbidden" and len(place) == 1:
            meant.add(nearest(str(place[0]), absent))
            places[place] = [unknown_key(str(place[0]), keys)]
        else:
            places.setdefault(place, []).append(sentence(line))
    # The member of a union that got furthest is the one that was meant; pydantic does not count a list's wrong items,
    # and calls the list too short; a misspelt key is not missing as well.
    shallow = {short for short in outer for long in places if len(short) < len(long) and long[: len(short)] == short}
    hidden = shallow | {(key,) for key in meant if key is not None}
    return [(place, _merged(texts)) for place, texts in places.items() if place not in hidden]


def sentence(line: ErrorDetails) -> str:
    """One error of pydantic as a sentence; one that is a sentence already stays.

    Args:
        line: the error.

    Returns:
        What was found; what is allowed.

    Example:
        >>> sentence({"type": "greater_than", "loc": (), "input": -1, "ctx": {"gt": 0}, "msg": ""})
        'found -1; allowed: a number > 0'
    """
    kind, context = line["type"], line.get("ctx", {})
    if kind == _HOUSE:
        return line["msg"]
    if kind == "missing":
        return "missing; it is needed here"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"])
    allowed = _ALLOWED.get(kind, line["msg"].removeprefix("Input should be ")).format(**context)
    words = [word.strip("'") for word in allowed.replace(" or ", ", ").split(", ")] if kind == "literal_error" else []
    near = nearest(line["input"], words) if isinstance(line["input"], str) else None
    hint = f"; did you mean {near}?" if near else ""
    return f"found {shown(line['input'])}; allowed: {', '.join(words) or allowed}{hint}"


def _merged(texts: Sequence[str]) -> str:
    """One sentence for the several ways in which a value fits no member of a union."""
    if len(texts) == 1:
        return texts[0]
    found = texts[0].partition("; ")[0]
    allowed = [text.partition("; allowed: ")[2] or text for text in texts]
    return f"{found}; allowed: {', or '.join(dict.fromkeys(allowed))}"


def _has_union(annotation: Any, metadata: Sequence[Any] = ()) -> bool:
    """Whether pydantic reads this type as a union of its own, and so mixes the members' names into locations."""
    if any(hasattr(mark, "__get_pydantic_core_schema__") for mark in metadata):
        return False
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return _has_union(inner, marks)
    members = [member for member in get_args(annotation) if member is not type(None)]
    is_union = get_origin(annotation) in {Union, UnionType} and len(members) > 1
    return is_union or any(_has_union(member) for member in members)


def _without_labels(line: ErrorDetails, given: Any) -> Location:
    """The part of a location that exists in the file, with a missing key at its end."""
    kept: list[int | str] = []
    for index, key in enumerate(line["loc"]):
        if isinstance(given, Mapping):
            is_missing_key = line["type"] in {"missing", _HOUSE} and index == len(line["loc"]) - 1
            if key not in given and not (is_missing_key and str(key).isidentifier() and str(key)[0].islower()):
                continue
            given = given.get(key)
        elif isinstance(given, Sequence) and not isinstance(given, str) and isinstance(key, int):
            given = given[key]
        else:
            continue
        kept.append(key)
    return tuple(kept) or line["loc"][:1]


def question_of(text: str) -> str:
    r"""The question that a scenario file asks: its first comment line, if that stands before anything else.

    Args:
        text: of the file.

    Returns:
        The line without its sign; empty if there is none. What tells an editor the schema is no question.

    Example:
        >>> question_of("# Who is first?\n#\n# Nobody.\nnodes: 4"), question_of("nodes: 4 # four")
        ('Who is first?', '')
    """
    lines = [line.strip() for line in text.splitlines()]
    head = takewhile(lambda line: line.startswith("#"), filter(None, lines))
    comments = (line.lstrip("# ") for line in head)
    return next((comment for comment in comments if comment and not comment.startswith("yaml-language-server:")), "")
