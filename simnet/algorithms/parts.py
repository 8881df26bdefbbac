"""Parts that several algorithms share: pure functions of vectors, momentum and the moments of Adam among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import Field

from simnet.node import Node
from simnet.values import Vector
from simnet.values.adaptive import AdaptiveDirection, ClipNorm, SecondMoment

Decay = Annotated[float, Field(ge=0, lt=1)]
"""How much of the past is kept from step to step: a momentum, or the decay rate of an average."""


def clipped(node: Node, gradient: Vector, clip: float | None) -> Vector:
    """The gradient, no longer than `clip`: ``g min(1, clip / ||g||)``.

    Args:
        node: whose gradient it is.
        gradient: g, ``[D]``.
        clip: the largest norm; None for any.

    Returns:
        The clipped gradient, ``[D]``.
    """
    return gradient if clip is None else node.apply(ClipNorm(clip), gradient)


def heavy_ball(node: Node, before: Vector, gradient: Vector, momentum: float) -> Vector:
    """Heavy-ball momentum ``m <- beta m + g``.

    Args:
        node: who keeps it.
        before: m, ``[D]``.
        gradient: g, ``[D]``.
        momentum: beta.

    Returns:
        The new m, kept as a row.

    Reference: Polyak: Some methods of speeding up the convergence of iteration methods. 1964.
    """
    return node.keep(momentum * before + gradient)


def direction(m: Vector, gradient: Vector, momentum: float, nesterov: bool) -> Vector:
    """Where momentum steps: m, or ``g + beta m`` with Nesterov's, which looks one step ahead.

    Args:
        m: the momentum, which includes the gradient already, ``[D]``.
        gradient: g, ``[D]``.
        momentum: beta.
        nesterov: whether to look ahead.

    Returns:
        The direction, ``[D]``.

    Example:
        >>> from simnet.values import Row
        >>> m, g = Row.leaf(), Row.leaf()
        >>> direction(m, g, 0.9, nesterov=True).weights
        (1.0, 0.9)

    Reference: Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning. ICML 2013.
    """
    return gradient + momentum * m if nesterov else m


def rescale(rate: float, before: float) -> float:
    """By what ``rate * m`` changes when the rate does and m does not; 1 where the rate was zero.

    Algorithms that divide by the learning rate carry ``rate * m``, which exists for the rate zero too.

    Args:
        rate: of this step.
        before: of the step before.

    Returns:
        ``rate / before``.

    Example:
        >>> rescale(0.1, 0.2), rescale(0.1, 0.0)
        (0.5, 1.0)
    """
    return rate / before if before else 1.0


def mix_each(
    node: Node, own: tuple[Vector, ...], received: Mapping[int, tuple[Vector, ...]]
) -> tuple[Vector, ...]:
    """Row i of the mixing matrix applied to each of the vectors that travel in one message.

    Args:
        node: node i.
        own: its own vectors, ``[D]`` each.
        received: the neighbors', as `Node.exchange` gives them.

    Returns:
        As many weighted sums.
    """
    return tuple(
        node.mix(mine, {j: theirs[part] for j, theirs in received.items()}) for part, mine in enumerate(own)
    )


class Moments(NamedTuple):
    """First and second moment of the gradients, as Adam averages them.

    Attributes:
        m: average of g, ``[D]``.
        v: average of g^2, ``[D]``.
        t: how many gradients there are in them.
    """

    m: Vector
    v: Vector
    t: int = 0


def moments(
    node: Node, before: Moments, gradient: Vector, beta1: float, beta2: float, weight: float | None = None
) -> Moments:
    """One more gradient: ``m <- beta1 m + (1 - beta1) g`` and ``v <- beta2 v + (1 - beta2) g^2``.

    Args:
        node: who keeps them.
        before: m and v before.
        gradient: g, ``[D]``.
        beta1: decay rate of m.
        beta2: decay rate of v.
        weight: of g in m; None for 1 - beta1.

    Returns:
        The new moments, kept as rows.

    Reference: Kingma, Ba: Adam: A Method for Stochastic Optimization. ICLR 2015, Algorithm 1.
    """
    m = node.keep(beta1 * before.m + (1 - beta1 if weight is None else weight) * gradient)
    return Moments(m, node.apply(SecondMoment(beta2), before.v, gradient), before.t + 1)


def adam_direction(
    node: Node, now: Moments, beta1: float, beta2: float, eps: float, vhat: Vector | None = None
) -> Vector:
    """Adam's direction ``mh / (sqrt(vh) + eps)``, with ``mh = m / (1 - beta1^t)`` and ``vh = v / (1 - beta2^t)``.

    Args:
        node: whose moments they are.
        now: m and v after t gradients.
        beta1: decay rate of m.
        beta2: decay rate of v.
        eps: what keeps the denominator from zero.
        vhat: takes the place of vh; None for vh itself.

    Returns:
        The direction, ``[D]``.
    """
    v, correction = (now.v, 1 - beta2**now.t) if vhat is None else (vhat, 1.0)
    ratio = node.apply(AdaptiveDirection(eps=eps), now.m, v, constants=(correction,))
    return ratio / (1 - beta1**now.t)
