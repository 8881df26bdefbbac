"""The trajectories in tests/data/algorithms.json, computed independently of simnet from matrix forms, are reproduced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simnet.algorithms import ALGORITHMS
from simnet.execution import ExecutorName
from tests.algorithms.cases import execute

DATA = Path(__file__).parents[1] / "data" / "algorithms.json"
VECTORS = [vector for vector in json.loads(DATA.read_text()) if vector["algorithm"]["name"] in ALGORITHMS]


def as_scenario(vector: dict[str, Any]) -> dict[str, Any]:
    W = np.array(vector["mixing"])
    links = [[int(j), int(i)] for i, j in np.argwhere(W) if i != j]
    return {
        "nodes": len(W),
        "dtype": "float64",
        "threads": 1,
        "topology": {"kind": "edges", "edges": links, "directed": True},
        "mixing": {"matrix": vector["mixing"]},
        "problem": {"kind": "quadratic", "curvature": vector["curvature"], "optimum": vector["optimum"], "noise": 0},
        "init": vector["init"],
        "record": {"models": True},
        "algorithms": [vector["algorithm"]],
        "run": {"steps": vector["steps"], "evaluate_every": 1},
    }


def test_there_are_vectors_of_the_first_algorithms() -> None:
    assert {vector["algorithm"]["name"] for vector in VECTORS} >= {"allreduce", "dpsgd", "detag", "moniqua"}


@pytest.mark.parametrize("executor", ["deferred", "eager"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vector_is_reproduced(vector: dict[str, Any], executor: ExecutorName) -> None:
    models = execute(as_scenario(vector), executor).models
    for step, expected in vector["models"].items():
        np.testing.assert_allclose(models[int(step)], expected, rtol=0, atol=1e-9)
