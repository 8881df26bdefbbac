"""A JSON Schema of scenario files: editors complete keys and mark mistakes with it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from simnet.scenario.schema import Scenario
from simnet.scenario.signature import AlgorithmSchemas

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(algorithms: AlgorithmSchemas) -> dict[str, Any]:
    """The JSON Schema of a whole scenario file.

    It knows keys, types and ranges, also of each algorithm's parameters; rules about several keys only `load` knows.

    Args:
        algorithms: the known algorithms.

    Returns:
        A schema of draft 2020-12, ready for `json.dump`.

    Example:
        >>> sorted(json_schema(AlgorithmSchemas())["required"])
        ['algorithms', 'nodes', 'problem', 'run']
    """
    models = dict(sorted(algorithms.table.items()))
    wanted: list[tuple[type[BaseModel], Literal["validation"]]] = [(Scenario, "validation")]
    places, whole = models_json_schema([*wanted, *((model, "validation") for model in models.values())])
    definitions = whole["$defs"]
    entry, word = definitions["AlgorithmEntry"]["anyOf"]
    del entry["properties"]["values"]
    known = [_entry(name, entry, _resolved(places[model, "validation"], definitions)) for name, model in models.items()]
    _drop_titles(whole)
    definitions["AlgorithmEntry"] = {"oneOf": [word, *known, _imported(entry)]}
    return {"$schema": DIALECT, **_resolved(places[Scenario, "validation"], definitions), "$defs": definitions}


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    resolved: dict[str, Any] = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return resolved


def _entry(name: str, entry: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """An entry with the keys of one algorithm."""
    return {
        "type": "object",
        "title": name,
        "properties": entry["properties"] | parameters.get("properties", {}) | {"name": {"const": name}},
        "required": ["name", *parameters.get("required", [])],
        "additionalProperties": False,
    }


def _imported(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with an import path, whose keys are not known here."""
    name = {"name": {"type": "string", "pattern": "[.:]"}}
    return {"type": "object", "title": "by import path", "properties": entry["properties"] | name, "required": ["name"]}


def _drop_titles(schema: Any) -> None:  # they only repeat the names of keys and classes
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for inner in schema.values():
            _drop_titles(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _drop_titles(inner)
