"""Compressors: what makes a vector smaller, and how small.

A compressor is the type of an algorithm's parameter (``compressor: Compressor``); a file says ``compressor: sign`` or
``compressor: {kind: top_k, k: 10}``, and a node sends ``node.compress(compressor, vector)``.
"""

from __future__ import annotations

from typing import Annotated

from simnet.part import Choice
from simnet.values.compressors.base import CompressorPart, RandomCompressorPart, prepared
from simnet.values.compressors.low_rank import LowRank
from simnet.values.compressors.modulo import ModuloQuantizer, ModuloRecovery, WrapCount, centered_modulo
from simnet.values.compressors.quantizers import (
    FixedPoint,
    Identity,
    Natural,
    Qsgd,
    Sign,
    SignUnscaled,
    StochasticRounding,
    Terngrad,
)
from simnet.values.compressors.sparsifiers import RandomK, TopK

Compressor = Annotated[
    Identity | Qsgd | Terngrad | Sign | SignUnscaled | TopK | RandomK | Natural | StochasticRounding | FixedPoint | LowRank,
    Choice("kind"),
]
"""Any compressor, as a type of an algorithm's parameter."""

KINDS: tuple[type[CompressorPart], ...] = (
    *(Identity, Qsgd, Terngrad, Sign, SignUnscaled, TopK, RandomK, Natural, StochasticRounding, FixedPoint, LowRank),
)

COMPRESSORS: dict[str, type[CompressorPart]] = {part.model_fields["kind"].default: part for part in KINDS}
"""Every compressor by its kind, in the order of the manual."""

__all__ = [
    "COMPRESSORS",
    "Compressor",
    "CompressorPart",
    "FixedPoint",
    "Identity",
    "LowRank",
    "ModuloQuantizer",
    "ModuloRecovery",
    "Natural",
    "Qsgd",
    "RandomCompressorPart",
    "RandomK",
    "Sign",
    "SignUnscaled",
    "StochasticRounding",
    "Terngrad",
    "TopK",
    "WrapCount",
    "centered_modulo",
    "prepared",
]
