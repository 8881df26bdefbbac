"""What a scenario expects of its result: comparisons such as ``detag.time_to.accuracy < 0.8 * dpsgd.time_to.accuracy``.

The grammar, parsed by hand so that nothing is ever evaluated as code::

    expectation  =  comparison  |  ("all" | "any") "(" comparison ")"
    comparison   =  sum ("<" | "<=" | ">" | ">=") sum
    sum          =  product (("+" | "-") product)*
    product      =  unary (("*" | "/") unary)*
    unary        =  "-" unary  |  number  |  quantity  |  "(" sum ")"
    quantity     =  [label "."] name

Inside ``all`` and ``any`` a quantity has no label: the comparison is made for each algorithm in turn. At least one quantity
must be there: what compares numbers alone could never fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simnet.errors import ParameterError
from simnet.metrics import METRICS
from simnet.part import Part
from simnet.sentences import Complaint, nearest

FIRST_REACHED = {"steps_to": "step", "time_to": "time_s", "bits_to": "bits_sent"}
"""The words before a metric that has a target, and what of its first evaluation there they stand for."""

TOTALS = ("steps", "epochs", "time_s", "bits_sent", "gradients", "messages", "idle_share", "mean_gradient_batch")
"""Entries of the summary that are one number."""

COUNTERS = "counters."

MOST_LETTERS = 500
MOST_NESTED = 20
"""Of signs and parentheses, one inside the other: the parser calls itself for each."""

Lookup = Callable[["Quantity"], float]


@dataclass(frozen=True)
class Number:
    """A number as it stands there.

    Args:
        value: the number.
    """

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
    """Two terms and what is done with them.

    Args:
        sign: ``+``, ``-``, ``*`` or ``/``.
        left, right: the terms.
    """

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
    spelling: ClassVar[str] = "a comparison, or a mapping with that and seeds or confidence"

    that: str
    seeds: Literal["all", "mean"] = "all"
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Two answers to the same question."""
        if given.get("seeds") is not None and given.get("confidence") is not None:
            yield ("confidence",), "found seeds and confidence; allowed: one of the two"

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        """The text alone, where it says all."""
        if self.confidence is not None:
            return {key: value for key, value in handler(self).items() if key != "seeds"}
        return self.that if self.seeds == "all" else {"that": self.that, "seeds": self.seeds}

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
        self.depth = 0
        self.is_general = False
        self.has_quantity = False

    def expectation(self) -> Comparison:
        """The whole text.

        Raises:
            ParameterError: if it is something else.
        """
        if len(self.text) > MOST_LETTERS:
            raise ParameterError(f"found {len(self.text)} letters; allowed: {MOST_LETTERS}; compare less at once")
        general = re.match(r"\s*(all|any)\s*\(", self.text)
        if general is None:
            found = self.comparison("one")
        else:
            self.place, self.is_general = general.end(), True
            found = self.comparison("all" if general[1] == "all" else "any")
            self.demand(")")
        if self.text[self.place :].strip():
            raise self.error("the end")
        if not self.has_quantity:
            form = "NAME" if self.is_general else "LABEL.NAME"
            raise ParameterError(f"found {self.text!r}, which is so in every result; allowed: a comparison with a {form} in it")
        return found

    def comparison(self, of: Literal["one", "all", "any"]) -> Comparison:
        """Two sums and a sign between them.

        Args:
            of: how many algorithms it is about.

        Returns:
            The comparison.

        Raises:
            ParameterError: if it is something else.
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
        """A number, a quantity, a sum in parentheses, or the negative of one of them.

        Raises:
            ParameterError: if it is none of them, or too many of them one inside the other.
        """
        if self.label() is not None:  # first, as a label may begin with a digit or a sign
            return self.quantity()
        if self.depth == MOST_NESTED:
            raise self.error(f"at most {MOST_NESTED} signs and parentheses one inside the other")
        self.depth += 1
        if self.take("-"):
            term: Term = Arithmetic("-", Number(0.0), self.unary())
        elif self.take("("):
            term = self.sum()
            self.demand(")")
        else:
            term = self.number() or self.quantity()
        self.depth -= 1
        return term

    def number(self) -> Number | None:
        """A number, if one comes next.

        Raises:
            ParameterError: if it is too large.
        """
        token = TOKEN.match(self.text, self.place)
        if token is None or not token["number"]:
            return None
        value = float(token["number"])
        if not isfinite(value):
            raise self.error("a number below 1.8e308")
        self.place = token.end()
        return Number(value)

    def label(self) -> str | None:
        """The label of an algorithm, if one and the name of a quantity come next; the longest, where several fit."""
        if self.is_general:
            return None
        rest = self.text[self.place :].lstrip()
        fitting = (label for label in self.labels if rest.startswith(label))
        return next((label for label in fitting if re.match(r"\.[A-Za-z_]", rest[len(label) :])), None)

    def quantity(self) -> Quantity:
        """A label and a name, or, inside ``all`` and ``any``, a name alone.

        Raises:
            ParameterError: if there is no such label or name.
        """
        label, rest = self.label(), self.text[self.place :].lstrip()
        if label is None and not self.is_general:
            raise self.unknown_label(rest)
        self.place = len(self.text) - len(rest) + (0 if label is None else len(label) + 1)
        word = re.match(r"[A-Za-z_][\w.]*", self.text[self.place :])
        if word is None:
            raise self.error("a quantity")
        self.check(word[0])
        self.place += word.end()
        self.has_quantity = True
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
        elif name not in METRICS and name not in TOTALS and not re.fullmatch(rf"{re.escape(COUNTERS)}\w+", name):
            label = next((label for label in self.labels if self.is_general and name.startswith(f"{label}.")), None)
            if label is not None:
                raise ParameterError(f"found {name}; allowed inside all and any: no label, such as {name[len(label) + 1 :]}")
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
        meant = f"{found}.steps" if found in self.labels else near
        hint = f"; did you mean {meant}?" if meant else ""
        return ParameterError(
            f"found {found!r} in {self.text!r}; allowed: a number, or LABEL.QUANTITY with a label of "
            f"{', '.join(sorted(self.labels))}{hint}"
        )
