from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from simnet.scenario import AlgorithmSchemas, Scenario, load, load_text, parameters_model
from simnet.schedule import Schedule

METRICS = ("accuracy", "train_loss", "test_loss", "consensus_distance")


def allreduce(node: Any, *, lr: Schedule, exchange: Literal["ring", "halving_doubling"] = "ring") -> Iterator[Any]:
    """All-reduce."""
    yield node, lr, exchange


def dpsgd(node: Any, *, lr: Schedule, order: Literal["cta", "atc"] = "cta") -> Iterator[Any]:
    yield node, lr, order


def detag(
    node: Any, *, lr: Schedule, gossip_rounds: Annotated[int, Field(ge=1)] = 2, eta: float | Literal["auto"] = "auto"
) -> Iterator[Any]:
    yield node, lr, gossip_rounds, eta


def moniqua(
    node: Any, *, lr: Schedule, theta: float, bits: Annotated[int, Field(ge=2, le=32)] = 8, seeds: tuple[int, ...] = ()
) -> Iterator[Any]:
    yield node, lr, theta, bits, seeds


def imported(path: str) -> Any:
    return parameters_model(dpsgd)


SCHEMAS = AlgorithmSchemas({f.__name__: parameters_model(f) for f in (allreduce, dpsgd, detag, moniqua)}, imported)


@pytest.fixture(scope="session")
def schemas() -> AlgorithmSchemas:
    return SCHEMAS


@pytest.fixture(scope="session")
def read() -> Callable[..., Scenario]:
    """Loads text or a mapping with the algorithms and metrics above."""

    def read(source: Any, **options: Any) -> Scenario:
        reader: Any = load_text if isinstance(source, str) else load
        return reader(source, algorithms=SCHEMAS, metrics=METRICS, **options)

    return read
