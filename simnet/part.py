"""The base of everything a file may say: frozen, strict, and every complaint about it is a sentence.

A `Part` is a pydantic model whose errors are rewritten, part by part, where the allowed keys are still known, to
sentences of the form *what was found; what is allowed; did you mean ...*. Who loads a file only has to put file, line
and key path in front.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from simnet.sentences import Complaint, nearest, refusal, sentences, shown, unknown_key, unknown_word


def members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union type; a type that is no union is its own only member.

    Args:
        annotation: a type, perhaps wrapped in Annotated.

    Returns:
        The types, without None.

    Example:
        >>> members(int | str | None)
        (<class 'int'>, <class 'str'>)
    """
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) not in {Union, UnionType}:
        return (annotation,)
    return tuple(member for member in get_args(annotation) if member is not type(None))


def _accept_lists(schema: Any) -> None:
    """Let every tuple in a core schema be given as a list."""
    if isinstance(schema, dict):
        if schema.get("type") == "tuple":
            schema["strict"] = False
        for value in schema.values():
            _accept_lists(value)
    elif isinstance(schema, list):
        for value in schema:
            _accept_lists(value)


def _documented(docstring: str) -> tuple[str, dict[str, str]]:
    """The first sentence of a docstring, and what its Args section says about each argument."""
    head, _, rest = inspect.cleandoc(docstring).partition("\n\nArgs:\n")
    section = rest.partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", section, flags=re.MULTILINE)
    return " ".join(head.partition("\n\n")[0].split()), {name: " ".join(text.split()) for name, text in found}


class Part(BaseModel):
    """A frozen piece of a scenario: no unknown keys; text is no number, ``true`` is no 1, numbers are finite.

    The ``Args:`` of a part's docstring become the descriptions in the JSON schema.

    Example:
        >>> class Pause(Part):
        ...     seconds: float
        >>> Pause.model_validate({"second": 1.0})
        Traceback (most recent call last):
        pydantic_core._pydantic_core.ValidationError: 1 validation error for Pause
        second
          unknown key; did you mean seconds? ...
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, protected_namespaces=()
    )

    word_key: ClassVar[str | None] = None
    """The key that a bare word stands for: ``mixing: uniform`` is ``mixing: {kind: uniform}``."""

    inlined: ClassVar[str | None] = None
    """A field whose keys stand, in a file, beside those of the part itself."""

    spelling: ClassVar[str] = "a mapping (key: value)"
    """How a file writes this part; for the message about something else."""

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """What is wrong with the keys themselves, whatever their values: keys that exclude or need each other.

        Args:
            given: the mapping as the file has it.

        Returns:
            Complaints; they are reported together with those about the values.
        """
        del given
        return ()

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """The mapping that a short form stands for; whatever is no short form is returned as it is.

        Args:
            given: what the file has here.
            info: pydantic's context.

        Returns:
            A mapping, or something that will be refused.
        """
        del info
        return {cls.word_key: given} if cls.word_key and isinstance(given, str) else given

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Validate, and turn every error into a sentence."""
        if isinstance(given, cls):
            return given
        given = cls.spelled_out(given, info)
        if not isinstance(given, Mapping):
            raise refusal(((), f"found {shown(given)}; allowed: {cls.spelling}"))
        complaints = list(cls.objections(given))
        try:
            part = handler(given)
        except ValidationError as error:
            found = [*complaints, *sentences(error, given, cls)]
            raise refusal(*((place[1:] if place[:1] == (cls.inlined,) else place, text) for place, text in found)) from None
        if complaints:
            raise refusal(*complaints)
        return part

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that hold nothing, as by default, are not written."""
        fields = {field.alias or name: field for name, field in type(self).model_fields.items()}
        plain: dict[str, Any] = handler(self)
        return {
            key: value
            for key, value in plain.items()
            if value is not None or key not in fields or fields[key].get_default(call_default_factory=True) is not None
        }

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Lists of a file become tuples, although everything else is strict."""
        schema = handler(source)
        _accept_lists(schema)
        return schema

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Editors must see that the word that tells kinds apart is needed, and that a bare word is allowed."""
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        properties = schema.get("properties", {})
        schema["description"], texts = _documented(cls.__doc__ or "")
        for key in texts.keys() & properties.keys():
            properties[key].setdefault("description", texts[key])
        words = [key for key, value in properties.items() if "const" in value]
        if words:
            schema["required"] = sorted({*schema.get("required", ()), *words})
        if cls.word_key:
            return {"anyOf": [reference, properties[cls.word_key]]}
        return reference


class Choice:
    """Marks a union of parts that a word tells apart: ``{kind: ring}``, or ``ring`` where nothing else is needed.

    Args:
        keys: the keys that may hold the word; each part of the union has exactly one of them, with its own word.
        fallback: which word a mapping without any of the keys has, for forms like ``{factory: ...}``.
    """

    def __init__(self, *keys: str, fallback: Callable[[Mapping[str, Any]], str | None] | None = None) -> None:
        self.keys = keys
        self.fallback = fallback
        self.parts: dict[str, tuple[str, type[Part]]] = {}
        """For each word its key and its part."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's own union still describes the part to editors and writes it; only the reading is ours."""
        for part in members(source):
            key = next(key for key in self.keys if key in part.model_fields)
            self.parts[get_args(part.model_fields[key].annotation)[0]] = (key, part)
        return core_schema.with_info_wrap_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The bare word is allowed too."""
        return {"anyOf": [handler(core), {"enum": list(self.parts)}]}

    def _read(self, given: Any, _: Any, info: ValidationInfo) -> Part:
        if isinstance(given, Part):
            return given
        if isinstance(given, str) and given in self.parts:
            given = {self.parts[given][0]: given}
        if not isinstance(given, Mapping):
            raise refusal(((), unknown_word(given, self.parts)))
        key = next((key for key in self.keys if key in given), None)
        if key is None:
            return self._without_word(given, info)
        word = given[key]
        own = [name for name, (own_key, _) in self.parts.items() if own_key == key]
        if not isinstance(word, str) or word not in own:
            elsewhere = self.parts[word][0] if isinstance(word, str) and word in self.parts else None
            hint = f"; did you mean {elsewhere}: {word}?" if elsewhere else ""
            raise refusal(((key,), unknown_word(word, own) + hint))
        return self.parts[word][1].model_validate(given, context=info.context)

    def _without_word(self, given: Mapping[str, Any], info: ValidationInfo) -> Part:
        word = self.fallback(given) if self.fallback else None
        if word is not None:
            return self.parts[word][1].model_validate(given, context=info.context)
        misspelt = [name for name in given if nearest(name, self.keys)]
        if misspelt:
            raise refusal(*(((name,), unknown_key(name, self.keys)) for name in misspelt))
        raise refusal(((self.keys[0],), f"missing; allowed: {', '.join(self.parts)}"))
