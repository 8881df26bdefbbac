"""Graphs that adapt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.algorithms.oracles.world import Models

ORACLES: dict[str, Callable[..., Models]] = {}

PARAMETERS: dict[str, list[dict[str, Any]]] = {}
