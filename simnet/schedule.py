"""Learning rates over the steps: a number, or a shape such as ``{cosine: {start: 0.1, steps: 500}, warmup: 20}``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simnet.part import Part
from simnet.sentences import Complaint, shown

Rate = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Cosine(Part):
    """Half a cosine from ``start`` to ``end``, without restarts.

    ``lr(k) = end + (start - end) (1 + cos(pi k / steps)) / 2`` for ``k < steps``, then ``end``.

    Args:
        start: the rate of the first step.
        end: the rate from step ``steps`` on.
        steps: how long it takes to get there.

    Example:
        >>> Cosine(start=0.2, steps=100)(50)
        0.1

    Reference:
        Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts, 2017, equation 5.
    """

    start: Rate
    end: Rate = 0.0
    steps: Count

    def __call__(self, step: int) -> float:
        """The rate at a step from 0."""
        if step >= self.steps:
            return self.end
        return self.end + (self.start - self.end) * (1.0 + math.cos(math.pi * step / self.steps)) / 2.0


class StepDecay(Part):
    """``start`` times ``factor`` for every ``every`` steps done, or for every step in ``at`` that is reached.

    Args:
        start: the rate of the first step.
        factor: of each drop, in [0, 1].
        every: steps from one drop to the next; ``lr(k) = start factor^floor(k / every)``.
        at: instead of ``every``, the steps that are the first with a lower rate.

    Example:
        >>> rate = StepDecay(start=1.0, factor=0.5, at=(10, 20))
        >>> rate(9), rate(10), rate(20)
        (1.0, 0.5, 0.25)
    """

    start: Rate
    factor: Annotated[float, Field(ge=0, le=1)] = 0.1
    every: Count | None = None
    at: tuple[Annotated[int, Field(ge=0)], ...] | None = None

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Exactly one of the two ways to say when."""
        if (given.get("every") is None) == (given.get("at") is None):
            found = "neither every nor at" if given.get("every") is None else "every and at"
            yield (), f"found {found}; allowed: either every: <steps> or at: [<step>, ...]"

    def __call__(self, step: int) -> float:
        """The rate at a step from 0."""
        drops = step // self.every if self.every is not None else sum(step >= drop for drop in self.at or ())
        return self.start * self.factor**drops


class InverseSqrt(Part):
    """``lr(k) = start / sqrt(1 + k / scale)``, the rate of the theory of stochastic gradients.

    Args:
        start: the rate of the first step.
        scale: steps after which the rate has fallen by a factor sqrt(2).

    Example:
        >>> InverseSqrt(start=1.0)(3)
        0.5

    Reference:
        Nemirovski, Juditsky, Lan, Shapiro: Robust stochastic approximation approach to stochastic programming, 2009.
    """

    start: Rate
    scale: Annotated[float, Field(gt=0)] = 1.0

    def __call__(self, step: int) -> float:
        """The rate at a step from 0."""
        return self.start / math.sqrt(1.0 + step / self.scale)


SHAPES = ("constant", "cosine", "step_decay", "inverse_sqrt")


class Schedule(Part):
    """A learning rate that may depend on the step; ``lr: Schedule`` in an algorithm's signature.

    In a file it is a number, or a mapping with exactly one shape and, if wanted, ``warmup``. While ``k < warmup`` the
    rate is multiplied by ``(k + 1) / warmup``.

    Args:
        constant: always this rate.
        cosine: see `Cosine`.
        step_decay: see `StepDecay`.
        inverse_sqrt: see `InverseSqrt`.
        warmup: the number of steps over which the rate grows linearly from almost 0.

    Raises:
        pydantic.ValidationError: with sentences, when there is not exactly one shape, or a value is impossible.

    Example:
        >>> lr = Schedule.of({"cosine": {"start": 0.1, "steps": 500}, "warmup": 20})
        >>> lr(0), round(lr(250), 12), lr(500)
        (0.005, 0.05, 0.0)
        >>> Schedule.of(0.1)(7)
        0.1

    Reference:
        Goyal et al., 2017, section 2.2 (gradual warm-up).
    """

    constant: Rate | None = None
    cosine: Cosine | None = None
    step_decay: StepDecay | None = None
    inverse_sqrt: InverseSqrt | None = None
    warmup: Annotated[int, Field(ge=0)] = 0

    spelling: ClassVar[str] = (
        f"a number, or a mapping with one of {', '.join(SHAPES)}, such as {{cosine: {{start: 0.1, steps: 500}}}}"
    )

    @classmethod
    def of(cls, given: Any) -> Schedule:
        """The schedule that a number or a mapping denotes.

        Args:
            given: what a file would say.

        Returns:
            The schedule.

        Raises:
            pydantic.ValidationError: when it denotes none.

        Example:
            >>> Schedule.of({"step_decay": {"start": 1.0, "factor": 0.5, "every": 10}})(20)
            0.25
        """
        return cls.model_validate(given)

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """A number is a constant rate."""
        del info
        return {"constant": given} if isinstance(given, (int, float)) and not isinstance(given, bool) else given

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Exactly one shape, unless a key is misspelt, which is complained about already."""
        shapes = [shape for shape in SHAPES if given.get(shape) is not None]
        if len(shapes) != 1 and (shapes or given.keys() <= {*SHAPES, "warmup"}):
            found = " and ".join(shapes) if shapes else shown(given)
            yield (), f"found {found}; allowed: exactly one of {', '.join(SHAPES)}"

    def __call__(self, step: int) -> float:
        """The rate of one step.

        Args:
            step: how many steps this node has done before, from 0.

        Returns:
            The rate.
        """
        rate = self.constant
        if rate is None:
            rate = (self.cosine or self.step_decay or self.inverse_sqrt)(step)  # type: ignore[misc]
        return rate if step >= self.warmup else rate * (step + 1) / self.warmup

    def growth(self, step: int) -> float:
        """What a vector is multiplied by that was in units of the rate of the step before, and shall be in those of this one.

        Args:
            step: from 0.

        Returns:
            ``lr(k) / lr(k - 1)``; one in the first step, and after a step whose rate was zero.

        Example:
            >>> Schedule.of({"step_decay": {"start": 1.0, "factor": 0.5, "every": 10}}).growth(10)
            0.5
        """
        before = self(step - 1) if step else 0.0
        return self(step) / before if before else 1.0

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        """A constant rate is written as a number."""
        if self.constant is not None and not self.warmup:
            return self.constant
        return {key: value for key, value in handler(self).items() if value is not None and (key, value) != ("warmup", 0)}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A number is allowed too."""
        return {"anyOf": [{"type": "number", "minimum": 0}, super().__get_pydantic_json_schema__(core, handler)]}
