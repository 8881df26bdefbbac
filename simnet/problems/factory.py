"""A user's own model, named by import path."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from simnet.errors import ParameterError


def import_factory(spec: Any, base: Path) -> Callable[[], nn.Module]:
    """The function that builds the module, with its keyword arguments filled in.

    Args:
        spec: ``factory`` is ``module:function``; ``keywords`` go to the function.
        base: folder of the scenario, where the module may lie too.

    Returns:
        A function without arguments; every call builds a new module.

    Raises:
        ParameterError: when there is no such function.

    Example:
        >>> from types import SimpleNamespace
        >>> spec = SimpleNamespace(factory="torch.nn:Linear", keywords={"in_features": 4, "out_features": 2})
        >>> import_factory(spec, Path())()
        Linear(in_features=4, out_features=2, bias=True)
    """
    module_name, _, function_name = spec.factory.partition(":")
    if not (module_name and function_name):
        raise ParameterError(f"model.factory: found {spec.factory!r}; write module:function")
    try:
        with _searched_first(base):
            module = importlib.import_module(module_name)
        function = getattr(module, function_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ParameterError(
            f"model.factory: cannot load {spec.factory!r} ({reason}); "
            "the module must lie beside the scenario or be installed"
        ) from error
    return functools.partial(function, **spec.keywords)


@contextmanager
def _searched_first(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
