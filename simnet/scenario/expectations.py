"""What a scenario expects of its result: comparisons such as ``detag.time_to.accuracy < 0.8 * dpsgd.time_to.accuracy``.

The grammar, parsed by hand so that nothing is ever evaluated as code::

    expectation  =  comparison  |  ("all" | "any") "(" comparison ")"
    comparison   =  sum ("<" | "<=" | ">" | ">=") sum
    sum          =  product (("+" | "-") product)*
    product      =  unary (("*" | "/") unary)*
    unary        =  "-" unary  |  number  |  quantity  |  "(" sum ")"
    quantity     =  [label "."] name

Inside ``all`` and ``any`` a quantity has no label: the comparison is made for each algorithm in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simnet.errors import ParameterError
from simnet.metrics import METRICS
from simnet.part import Part
from simnet.sentences import nearest

FIRST_REACHED = {"steps_to": "step", "time_to": "time_s", "bits_to": "bits_sent"}
"""The words before a metric that has a target, and what of its first evaluation there they stand for."""

TOTALS = ("steps", "epochs", "time_s", "bits_sent", "gradients", "messages", "idle_share", "mean_gradient_batch")
"""Entries of the summary that are one number."""

COUNTERS = "counters."

Lookup = Callable[["Quantity"], float]


@dataclass(frozen=True)
class Number:
    """A number as it stands there."""

    value: float

    def __call__(self, lookup: Lookup) -> float:
        """The number."""
        del lookup
        return self.value


@dataclass(frozen=True)
class Quantity:
    """One number of a run's summary.

    Args:
        label: of the algorithm; None inside ``all`` and ``any``.
        name: such as ``time_to.accuracy``, ``bits_sent``, ``consensus_distance``, ``counters.wrap_violations``.
    """

    label: str | None
    name: str

    def __call__(self, lookup: Lookup) -> float:
        """What it is in a result."""
        return lookup(self)


@dataclass(frozen=True)
class Arithmetic:
    """Two terms and what is done with them."""

    sign: str
    left: Term
    right: Term

    def __call__(self, lookup: Lookup) -> float:
        """The result; dividing by zero gives an infinity or, for 0 / 0, no number."""
        left, right = self.left(lookup), self.right(lookup)
        if self.sign == "/":
            return left / right if right else left * float("inf")
        return left + right if self.sign == "+" else left - right if self.sign == "-" else left * right


Term = Number | Quantity | Arithmetic


@dataclass(frozen=True)
class Comparison:
    """What is expected.

    Args:
        left, right: what is compared.
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        of: ``one`` comparison, or one for ``all`` or ``any`` algorithm.
    """

    left: Term
    sign: str
    right: Term
    of: Literal["one", "all", "any"] = "one"


class Expectation(Part):
    """One thing that must hold: its text, or a mapping that says for which seeds.

    Args:
        that: a comparison, such as ``moniqua.bits_sent < dpsgd.bits_sent / 3.9``.
        seeds: ``all`` (it holds for each seed), ``mean`` (for the means over the seeds).
        confidence: instead of `seeds`, that the difference has this sign, by a one-sided paired t-test over the seeds.

    Example:
        >>> Expectation.model_validate("all(consensus_distance < 1e-3)").seeds
        'all'
    """

    word_key: ClassVar[str | None] = "that"
    form: ClassVar[str] = "a comparison, or a mapping with that and seeds or confidence"

    that: str
    seeds: Literal["all", "mean"] = "all"
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        """The text alone, where it says all."""
        if self.seeds == "all" and self.confidence is None:
            return self.that
        return {key: value for key, value in handler(self).items() if value is not None}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The text alone is enough."""
        return {"anyOf": [{"type": "string"}, super().__get_pydantic_json_schema__(core, handler)]}


TOKEN = re.compile(r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|(?P<sign><=|>=|[-+*/()<>]))")


def parse(text: str, labels: Collection[str], targets: Collection[str]) -> Comparison:
    """Reads an expectation.

    Args:
        text: as the scenario has it.
        labels: of its algorithms.
        targets: the metrics that it has targets for.

    Returns:
        What is to be compared.

    Raises:
        ParameterError: if it cannot be read, or names what there is not.

    Example:
        >>> parse("detag.time_to.accuracy < 2 * dpsgd.steps", ["detag", "dpsgd"], ["accuracy"]).right
        Arithmetic(sign='*', left=Number(value=2.0), right=Quantity(label='dpsgd', name='steps'))
    """
    return Parser(text, labels, targets).expectation()


class Parser:
    """Reads one expectation from left to right.

    Args:
        text, labels, targets: see `parse`.
    """

    def __init__(self, text: str, labels: Collection[str], targets: Collection[str]) -> None:
        self.text = text
        self.labels = sorted(labels, key=len, reverse=True)
        self.targets = targets
        self.place = 0
        self.is_general = False

    def expectation(self) -> Comparison:
        """The whole text.

        Raises:
            ParameterError: if it is something else.
        """
        general = re.match(r"\s*(all|any)\s*\(", self.text)
        if general is None:
            found = self.comparison("one")
        else:
            self.place, self.is_general = general.end(), True
            found = self.comparison("all" if general[1] == "all" else "any")
            self.demand(")")
        if self.text[self.place :].strip():
            raise self.error("the end")
        return found

    def comparison(self, of: Literal["one", "all", "any"]) -> Comparison:
        """Two sums and a sign between them.

        Args:
            of: how many algorithms it is about.
        """
        left = self.sum()
        sign = self.take("<=", ">=", "<", ">")
        if sign is None:
            raise self.error("<, <=, > or >=")
        return Comparison(left, sign, self.sum(), of)

    def sum(self) -> Term:
        """One product, or several with + or - between them."""
        term = self.product()
        while (sign := self.take("+", "-")) is not None:
            term = Arithmetic(sign, term, self.product())
        return term

    def product(self) -> Term:
        """One factor, or several with * or / between them."""
        term = self.unary()
        while (sign := self.take("*", "/")) is not None:
            term = Arithmetic(sign, term, self.unary())
        return term

    def unary(self) -> Term:
        """A number, a quantity, a sum in parentheses, or the negative of one of them."""
        if self.take("-"):
            return Arithmetic("-", Number(0.0), self.unary())
        if self.take("("):
            term = self.sum()
            self.demand(")")
            return term
        token = TOKEN.match(self.text, self.place)
        if token is not None and token["number"]:
            self.place = token.end()
            return Number(float(token["number"]))
        return self.quantity()

    def quantity(self) -> Quantity:
        """A label and a name, or, inside ``all`` and ``any``, a name alone.

        Raises:
            ParameterError: if there is no such label or name.
        """
        rest = self.text[self.place :].lstrip()
        self.place = len(self.text) - len(rest)
        label = next((label for label in self.labels if rest.startswith(f"{label}.")), None)
        if self.is_general:
            label = None
        elif label is None:
            raise self.unknown_label(rest)
        else:
            self.place += len(label) + 1
        word = re.match(r"[A-Za-z_][\w.]*", self.text[self.place :])
        if word is None:
            raise self.error("a quantity")
        self.check(word[0])
        self.place += word.end()
        return Quantity(label, word[0])

    def check(self, name: str) -> None:
        """Refuses what no summary has.

        Args:
            name: of a quantity.

        Raises:
            ParameterError: if it is none.
        """
        first, _, metric = name.partition(".")
        if first in FIRST_REACHED:
            if metric not in self.targets:
                known = ", ".join(self.targets) or "none"
                raise ParameterError(f"found {name}, but targets has no {metric or 'metric'}; there is: {known}; add it there")
        elif name not in METRICS and name not in TOTALS and not name.startswith(COUNTERS):
            allowed = [*TOTALS, *METRICS, *(f"{word}.METRIC" for word in FIRST_REACHED), f"{COUNTERS}NAME"]
            near = nearest(name, [*TOTALS, *METRICS])
            raise ParameterError(
                f"found {name}; allowed: {', '.join(allowed)}" + (f"; did you mean {near}?" if near else "")
            )

    def take(self, *signs: str) -> str | None:
        """One of these signs, if it comes next.

        Args:
            signs: any.

        Returns:
            The sign, which is then behind us; None if something else comes.
        """
        token = TOKEN.match(self.text, self.place)
        if token is None or token["sign"] not in signs:
            return None
        self.place = token.end()
        return token["sign"]

    def demand(self, sign: str) -> None:
        """Goes on behind a sign.

        Args:
            sign: that has to come now.
        """
        if self.take(sign) is None:
            raise self.error(sign)

    def error(self, allowed: str) -> ParameterError:
        """The complaint about what comes next.

        Args:
            allowed: what should.
        """
        rest = self.text[self.place :].strip()
        where = f"after {self.text[: self.place].strip()!r}" if self.place else "at the beginning"
        return ParameterError(f"found {rest or 'the end'!r} {where} of {self.text!r}; allowed: {allowed}")

    def unknown_label(self, rest: str) -> ParameterError:
        """The complaint about a label that there is not.

        Args:
            rest: the text from there on.
        """
        word = re.match(r"[\w:-]*", rest)
        found = word[0] if word and word[0] else rest or "the end"
        near = nearest(found, self.labels)
        hint = f"; did you mean {near}?" if near else ""
        return ParameterError(
            f"found {found!r} in {self.text!r}; allowed: a number, or LABEL.QUANTITY with a label of "
            f"{', '.join(sorted(self.labels))}{hint}"
        )
