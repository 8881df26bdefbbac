"""What simnet knows of an algorithm beyond its page: a row of the table, and how a user's own algorithm gets one."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from simnet.clock import Program
from simnet.errors import ParameterError
from simnet.node_kinds import Server
from simnet.scenario import parameters_model

Algorithm = Callable[..., Program]
ServerProgram = Callable[[Server, Callable[..., int]], Program]


@dataclass(frozen=True)
class Entry:
    """One algorithm.

    Args:
        program: the generator function; its name is the algorithm's, its keyword-only parameters are the scenario's keys.
        paper: where it comes from, in short.
        message: what one node sends in one step.
        tolerates: the waiting rules under which its exchanges work: ``all``, ``none``, ``deadline``; empty if it has none.
        asynchronous: whether nodes never wait for a round, so that the budget is n * steps in total.
        sums: which sums of the mixing matrix have to be one: of ``rows and columns``, of ``columns``, or ``any``; ``shares``:
            of columns, and no weight is negative, none of a node's own zero.
        lowest_eigenvalue: what all eigenvalues of a symmetric mixing matrix have to exceed, if it diverges otherwise.
        overlap: the time of a step where each gradient takes c and each exchange T, as an expression such as
            ``max(c, T)``; it may use the parameters, n, log2, degree and outputs. Where it depends on the value of one
            parameter, a mapping from ``key=value``.
        fixed_topology: why its neighbors have to be the same in every step; empty if they may change.
        topologies: the only kinds of topologies that it is for; empty: all.
        recalled: what of it is written from memory, since the paper's text could not be read; empty if nothing is.
        uses_topology: whether the topology and the mixing matrix matter to it at all.
        linearizes: whether it needs a loss that is a function of the model's outputs alone (see `Node.mini_batch`).
        uses_tree: whether it uses `Node.branch`, a spanning tree of the topology.
        pooled: whether it runs on one machine with the data of all.
        check: raises a `ParameterError` for parameters that do not go together, or not with this rho (None: unknown).
        server: out of (parameters, n, bits of a vector), what makes the program of an extra machine out of that machine and
            the run's shared key, or None.
        use, avoid: when it is the right one, and when it is not; one sentence each, for docs/algorithms.md.
        exceptions: contract tests that it does not pass, with the reason.
    """

    program: Algorithm
    paper: str
    message: str
    tolerates: tuple[str, ...] = ("all",)
    asynchronous: bool = False
    sums: Literal["rows and columns", "columns", "shares", "any"] = "rows and columns"
    lowest_eigenvalue: float = -1.0
    overlap: str | Mapping[str, str] = "c + T"
    fixed_topology: str = ""
    topologies: tuple[str, ...] = ()
    recalled: str = ""
    uses_topology: bool = True
    linearizes: bool = False
    uses_tree: bool = False
    pooled: bool = False
    check: Callable[[Mapping[str, Any], float | None], None] = lambda *_: None
    server: Callable[[Mapping[str, Any], int, float], ServerProgram | None] = lambda *_: None
    use: str = ""
    avoid: str = ""
    exceptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The algorithm's name in scenario files."""
        return self.program.__name__

    @property
    def sentence(self) -> str:
        """What it does, in one sentence: the first line of its docstring, less its own name."""
        return (inspect.getdoc(self.program) or "").partition("\n")[0].partition(": ")[2]

    def time_of_step(self, parameters: Mapping[str, Any]) -> str:
        """The overlap class for these parameters.

        Args:
            parameters: of the scenario's entry, with defaults.

        Returns:
            An expression of c and T.

        Example:
            >>> from simnet.algorithms import ALGORITHMS
            >>> ALGORITHMS["dpsgd"].time_of_step({"lr": 0.1, "order": "atc"})
            'c + T'
        """
        if isinstance(self.overlap, str):
            return self.overlap
        return next(time for key, time in self.overlap.items() if key in {f"{k}={v}" for k, v in parameters.items()})

    @property
    def times(self) -> str:
        """The overlap class in words, for all parameters."""
        if isinstance(self.overlap, str):
            return self.overlap
        return ", ".join(f"{time} ({key})" for key, time in self.overlap.items())

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """Its parameters as a pydantic model: the signature is the schema."""
        return parameters_model(self.program)

    @property
    def synchronous(self) -> bool:
        """Whether every step waits for messages of that step, under the rule ``wait: all``."""
        return not self.asynchronous


def algorithm(**facts: Any) -> Callable[[Algorithm], Algorithm]:
    """A decorator that states facts about a user's own algorithm: the fields of `Entry`, such as ``asynchronous=True``.

    Args:
        facts: keyword arguments of `Entry`.

    Returns:
        The decorator; the function stays what it is.

    Example:
        >>> @algorithm(tolerates=("all", "none"))
        ... def lazy(node, *, lr: float):
        ...     "Lazy: does nothing."
        ...     for k in node.steps():
        ...         yield node.exchange(node.x, tag=k)
        >>> own_entry(lazy).tolerates
        ('all', 'none')
    """

    def mark(program: Algorithm) -> Algorithm:
        program.__simnet__ = facts  # type: ignore[attr-defined]
        return program

    return mark


def own_entry(program: Algorithm) -> Entry:
    """The row of a user's own algorithm.

    Args:
        program: the generator function, with what `algorithm` stated about it, if anything.

    Returns:
        Its row; what was not stated is as in `Entry`.
    """
    return Entry(program, **{"paper": "own", "message": "its own", **getattr(program, "__simnet__", {})})


def find(name: str, table: Mapping[str, Entry], folder: Path | None = None) -> Entry:
    """The row of an algorithm by its name, or by the import path of a user's own (``package.module:function``).

    Args:
        name: a name of the table or an import path.
        table: name -> row.
        folder: where a user's module may lie, beside the current folder and the Python path.

    Returns:
        The table's row, or one made for the user's own.

    Raises:
        ParameterError: if there is no such algorithm, or its module cannot be imported.

    Example:
        >>> find("dspgd", {"dpsgd": None})
        Traceback (most recent call last):
        simnet.errors.ParameterError: found 'dspgd'; allowed: dpsgd, or an import path module:function; did you mean dpsgd?
    """
    if name in table:
        return table[name]
    module_name, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    if not module_name or not attribute:
        near = get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ParameterError(f"found {name!r}; allowed: {', '.join(table)}, or an import path module:function{hint}")
    try:
        with searched(folder):
            program = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # a user's module may raise anything while it is imported
        raise ParameterError(f"cannot import {name!r}: {type(error).__name__}: {error}") from error
    if not inspect.isgeneratorfunction(program):
        raise ParameterError(f"{name!r} is not a generator function; an algorithm is `def name(node, *, ...)` with yield")
    return own_entry(program)


@contextmanager
def searched(folder: Path | None) -> Iterator[None]:
    """Lets imports find modules in the current folder and in this one, until the block ends.

    Args:
        folder: the scenario's; None for the current folder alone.
    """
    before = list(sys.path)
    sys.path[:0] = [str(Path.cwd()), *([str(folder)] if folder else [])]
    try:
        yield
    finally:
        sys.path[:] = before
