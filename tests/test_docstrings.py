"""Docstrings follow the template: a sentence, arguments with unit and shape, what is returned, what is raised.

Every public class, function and method in simnet/ has a docstring, and in it

* ``Args:`` names every parameter, and nothing else; a class docstring names those of ``__init__``. Fields of a dataclass
  or of a part of a scenario are named under ``Args:`` or ``Attributes:`` (the word that tells kinds apart is not);
* ``Returns:`` or ``Yields:`` says what comes out, unless nothing does. A method may say it in its first sentence instead,
  which then begins with a word of ``NAMES_A_VALUE``: "The models in the order of the nodes." A property always does;
* ``Raises:`` is there if the body itself raises an error of the SimnetError family.

A method that overrides one of a base class, or that a Protocol of simnet describes, is described there.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Any

import pytest

from simnet import errors

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "simnet").rglob("*.py"))

NAMES_A_VALUE = {"A", "An", "How", "One", "The", "What", "Whether"}
NOTHING = {"None", "NoReturn", "Iterator[None]"}  # the last one is a context manager without a value
FAMILY = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.SimnetError)}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
Owner = type[Any] | None


def name_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("path", MODULES)
def test_everything_public_has_a_docstring(path: str) -> None:
    missing = [node.name for node, _ in public(path) if not ast.get_docstring(node)]
    assert (bool(ast.get_docstring(tree_of(path))), missing) == (True, [])


@pytest.mark.parametrize("path", MODULES)
def test_docstrings_follow_the_template(path: str) -> None:
    assert complaints(path) == []


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def public(path: str) -> Iterator[tuple[Definition, Owner]]:
    """Public functions and classes, and the latter's public methods with their class, less the overrides."""
    module = importlib.import_module(name_of(path)) if not path.endswith("__main__.py") else None
    for node in definitions(tree_of(path).body):
        yield node, None
        if isinstance(node, ast.ClassDef):
            owner = getattr(module, node.name)
            yield from ((method, owner) for method in definitions(node.body) if not is_described_elsewhere(owner, method.name))


def definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_") and not decorators(node) & {"overload", "setter"}:
            yield node


def decorators(node: Definition) -> set[str]:
    return {ast.unparse(decorator).partition("(")[0].rpartition(".")[2] for decorator in node.decorator_list}


def is_described_elsewhere(owner: type[Any], name: str) -> bool:
    bases = [base for base in owner.__mro__[1:] if base is not object]
    return any(name in vars(kind) for kind in [*bases, *(p for p in protocols() if p is not owner and fulfils(owner, p))])


@cache
def protocols() -> list[type[Any]]:
    modules = [importlib.import_module(name_of(path)) for path in MODULES if not path.endswith("__main__.py")]
    kinds = {id(kind): kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    return [kind for kind in kinds.values() if vars(kind).get("_is_protocol") and kind.__module__.startswith("simnet")]


def fulfils(owner: type[Any], protocol: type[Any]) -> bool:
    methods = [name for name, value in vars(protocol).items() if not name.startswith("_") and callable(value)]
    return bool(methods) and all(hasattr(owner, name) for name in methods)


def complaints(path: str) -> list[str]:
    found = []
    for node, owner in public(path):
        text = cleandoc(ast.get_docstring(node) or "")
        about = in_class(node, text) if isinstance(node, ast.ClassDef) else in_function(node, text, owner)
        found += [f"{path}:{node.lineno}: {node.name}: {complaint}" for complaint in about]
    return found


def in_class(node: ast.ClassDef, text: str) -> Iterator[str]:
    init = next((n for n in node.body if isinstance(n, Function) and n.name == "__init__"), None)
    if init is not None:
        yield from about_parameters(parameters(init)[1:], text)
        yield from about_errors(init, text)
    else:
        missing = set(fields(node)) - named(text, "Args") - named(text, "Attributes")
        yield from [f"Args lacks {name}" for name in sorted(missing)]


def in_function(node: Function, text: str, owner: Owner) -> Iterator[str]:
    is_method = owner is not None and "staticmethod" not in decorators(node)
    yield from about_parameters(parameters(node)[is_method:], text)
    yield from about_errors(node, text)
    returned = ast.unparse(node.returns) if node.returns else "None"
    is_property = decorators(node) & {"property", "cached_property"}
    is_said = is_property or (owner is not None and text.partition(" ")[0] in NAMES_A_VALUE)
    if returned not in NOTHING and not is_said and not {"Returns", "Yields"} & sections(text).keys():
        yield "Returns is missing"


def about_parameters(expected: list[str], text: str) -> list[str]:
    found = named(text, "Args")
    wanted = {name for name in expected if not name.startswith("_")}
    lacking = [f"Args lacks {name}" for name in sorted(wanted - found)]
    return lacking + [f"Args names {name}, which is no parameter" for name in sorted(found - set(expected))]


def about_errors(node: Function, text: str) -> list[str]:
    raised = {name for name in map(raised_name, own_statements(node)) if name in FAMILY}
    return ["Raises is missing"] if raised and "Raises" not in sections(text) else []


def raised_name(node: ast.AST) -> str:
    error = node.exc if isinstance(node, ast.Raise) else None
    return ast.unparse(error.func if isinstance(error, ast.Call) else error) if error else ""


def own_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything inside a function but what is inside a function in it."""
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, Function | ast.Lambda):
            yield inner
            yield from own_statements(inner)


def parameters(node: Function) -> list[str]:
    listed = [*node.args.posonlyargs, *node.args.args, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg]
    return [argument.arg for argument in listed if argument is not None]


def fields(node: ast.ClassDef) -> Iterator[str]:
    """Annotated names, less constants of the class and the one word by which a file tells kinds apart."""
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and not line.target.id.startswith("_"):
            kind = ast.unparse(line.annotation)
            if not kind.startswith("ClassVar") and not re.fullmatch(r"Literal\['\w+'\]", kind):
                yield line.target.id


def sections(text: str) -> dict[str, list[str]]:
    """The lines under each heading such as ``Args:``, as far as they are indented."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            heading = re.match(r"([A-Z]\w+):", line)
            lines = found.setdefault(heading[1], []) if heading else []
        else:
            lines.append(line)
    return found


def named(text: str, section: str) -> set[str]:
    """The names before the colons in a section: ``bits: ...``, ``a, b: ...``, ``**keywords: ...``."""
    entries = [re.match(r" {4}([\w*]+(?:, [\w*]+)*):", line) for line in sections(text).get(section, [])]
    return {name.lstrip("*") for entry in entries if entry for name in entry[1].split(", ")}


GOOD = '''
class Counter:
    """Counts.

    Args:
        start, step: whole numbers.
    """

    def __init__(self, start: int, step: int) -> None: ...

    def value(self) -> int:
        """The number so far."""

    def add(self, *numbers: int) -> int:
        """Counts on.

        Args:
            *numbers: how far.

        Returns:
            The new value.

        Raises:
            ParameterError: never in this example.
        """
        raise ParameterError("no")
'''


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("start, step: w", "start: w", ["Args lacks step"]),
        ("*numbers: h", "many: h", ["Args lacks numbers", "Args names many, which is no parameter"]),
        ("Returns:\n", "Gives:\n", ["Returns is missing"]),
        ("The number so", "Says it so", ["Returns is missing"]),
        ("Raises:\n", "Fails:\n", ["Raises is missing"]),
    ],
)
def test_what_is_missing_is_found(old: str, new: str, expected: list[str]) -> None:
    (counter,) = ast.parse(GOOD.replace(old, new)).body
    assert isinstance(counter, ast.ClassDef)
    methods = [node for node in definitions(counter.body) if isinstance(node, Function)]
    found = [*in_class(counter, cleandoc(ast.get_docstring(counter) or ""))]
    for node in methods:
        found += in_function(node, cleandoc(ast.get_docstring(node) or ""), object)
    assert found == expected
