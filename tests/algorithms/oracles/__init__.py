"""The matrix form of every algorithm in a few lines of NumPy, written from the papers: what the node programs must give.

An oracle is a generator of the models ``X [N, D]`` after each step. It takes the start, a `World`, the learning rate as
a function of the step, and the algorithm's parameters. Beside it stand the parameters with which the contract tests run
the algorithm; the first ones are its default.
"""

from collections.abc import Callable
from typing import Any

from tests.algorithms.oracles import (
    asynchronous,
    compression,
    corrections,
    federated,
    gossip,
    graphs,
    momentum,
    periodic,
    references,
)
from tests.algorithms.oracles.world import Models

FAMILIES = (references, gossip, corrections, compression, asynchronous, periodic, momentum, graphs, federated)
ORACLES: dict[str, Callable[..., Models]] = {name: oracle for family in FAMILIES for name, oracle in family.ORACLES.items()}
PARAMETERS: dict[str, list[dict[str, Any]]] = {name: rows for family in FAMILIES for name, rows in family.PARAMETERS.items()}
