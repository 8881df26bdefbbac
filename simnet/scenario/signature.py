"""The signature is the schema: an algorithm's keyword-only, typed parameters are the keys of its entry in a file."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, PydanticUserError, create_model

from simnet.errors import ParameterError
from simnet.part import Part
from simnet.sentences import nearest

ENTRY_KEYS = ("name", "label", "wait")
"""The keys of every algorithm's entry; no parameter can be called like this."""


@functools.cache
def parameters_model(function: Callable[..., Any]) -> type[BaseModel]:
    """The model whose fields are the keyword-only parameters of an algorithm.

    Args:
        function: a generator function ``name(node, *, lr: Schedule, bits: int = 8)``. Annotations may be text, Literal,
            and Annotated with pydantic's Field; defaults are validated like what a file says.

    Returns:
        A frozen model that refuses unknown keys.

    Raises:
        ParameterError: a parameter has no type, is not keyword-only, or has a name that cannot be a key.

    Example:
        >>> def dpsgd(node, *, lr: float, order: typing.Literal["cta", "atc"] = "cta"):
        ...     yield
        >>> parameters_model(dpsgd).model_validate({"lr": 0.1})
        dpsgd(lr=0.1, order='cta')
    """
    name = getattr(function, "__name__", "algorithm")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())
    except (NameError, TypeError, ValueError, AttributeError, SyntaxError) as error:
        raise ParameterError(
            f"{name}: found parameters whose types cannot be read ({error}); import their types in its file"
        ) from error
    if not parameters or parameters[0].kind not in {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    }:
        raise ParameterError(f"{name}: found no parameter for the node; allowed: {name}(node, *, ...)")
    fields = {parameter.name: _field(name, parameter, hints) for parameter in parameters[1:]}
    try:
        return create_model(name, __base__=Part, __module__=function.__module__, __doc__=function.__doc__ or name, **fields)
    except (PydanticUserError, NameError, TypeError) as error:
        raise ParameterError(
            f"{name}: found a type that no file can hold ({error}); use numbers, text, Literal, lists"
        ) from error


def _field(name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """Type and default of one parameter, as `create_model` wants them."""
    key = parameter.name
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise ParameterError(
            f"{name}: found the parameter {key} before the *; allowed: keyword-only ones: {name}(node, *, {key}: ...)"
        )
    if key not in hints:
        raise ParameterError(f"{name}: found the parameter {key} without a type; write {key}: float, for example")
    if key in ENTRY_KEYS or key.startswith("_") or hasattr(Part, key):
        raise ParameterError(f"{name}: found the parameter {key}; this name has another meaning; rename it")
    return (hints[key], ... if parameter.default is inspect.Parameter.empty else parameter.default)


def _not_imported(path: str) -> type[BaseModel]:
    raise ParameterError(f"found {path}; import paths are not allowed here; use the name of an algorithm")


@dataclass(frozen=True)
class AlgorithmSchemas:
    """Which algorithms a scenario may name, and what parameters each has.

    Args:
        table: the parameters of each known algorithm.
        imported: gives the parameters of an algorithm named by import path, or raises ParameterError.

    Example:
        >>> def gossip(node, *, rounds: int = 1):
        ...     yield
        >>> schemas = AlgorithmSchemas({"gossip": parameters_model(gossip)})
        >>> schemas("gosip")
        Traceback (most recent call last):
        simnet.errors.ParameterError: found gosip; allowed: gossip, or module:function; did you mean gossip?
    """

    table: Mapping[str, type[BaseModel]] = field(default_factory=lambda: MappingProxyType({}))
    imported: Callable[[str], type[BaseModel]] = _not_imported

    def __call__(self, name: str) -> type[BaseModel]:
        """The parameters of one algorithm.

        Args:
            name: a known name, or an import path, which has a colon or a dot.

        Returns:
            The model.

        Raises:
            ParameterError: there is no such algorithm.
        """
        if name in self.table:
            return self.table[name]
        if ":" in name or "." in name:
            return self.imported(name)
        near = nearest(name, self.table)
        hint = f"; did you mean {near}?" if near else ""
        raise ParameterError(f"found {name}; allowed: {', '.join(self.table)}, or module:function{hint}")
