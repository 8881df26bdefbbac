"""The one table of parameters for the contract tests, and the small scenarios that they run.

A new algorithm needs its parameters (the first ones are the default) and its matrix form in `oracles`.
Shapes: ``N`` nodes, ``D`` parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
import pytest

from simnet.algorithms import ALGORITHMS, Entry
from simnet.execution import ExecutorName, Run
from simnet.graph import SEQUENCES
from simnet.progress import Silent
from simnet.result import RunRecord
from simnet.simulation import limited_threads, prepare
from tests.algorithms.oracles import PARAMETERS

CONTRACTS = (
    *("mean", "matrix", "clock", "sgd", "single", "bits", "consensus", "doubling", "bandwidth", "eager", "bytes"),
    "stall",
)
"""The names that `Entry.exceptions` may use."""

LR = 0.05
NO_GRADIENTS = 1e-200
"""A curvature whose gradients vanish beside any number of ordinary size."""


@dataclass(frozen=True)
class Case:
    """One algorithm of the table with parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        return ALGORITHMS[self.name]

    @property
    def is_default(self) -> bool:
        return self.parameters == PARAMETERS.get(self.name, [{}])[0]

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.parameters.items())])


ALL = [Case(name, row) for name in ALGORITHMS for row in PARAMETERS.get(name, [{}])]
DEFAULTS = [case for case in ALL if case.is_default]


def each(cases: list[Case]) -> pytest.MarkDecorator:
    """Runs a test once for each case."""
    return pytest.mark.parametrize("case", cases, ids=str)


def promise(case: Case, contract: str, check: Callable[[], object]) -> None:
    """The check passes, or fails with the default parameters if the algorithm's row says that it does."""
    assert contract in CONTRACTS
    if contract not in case.entry.exceptions:
        check()
    elif case.is_default:
        with pytest.raises(AssertionError):
            check()


def arrays(n: int, d: int = 3, seed: int = 1) -> dict[str, np.ndarray]:
    """A random quadratic with unequal curvatures, and different initial models: each ``[N, D]``."""
    rng = np.random.default_rng((n, d, seed))
    curvature, optimum = rng.uniform(0.5, 1.5, (n, d)), rng.standard_normal((n, d))
    return {"curvature": curvature, "optimum": optimum, "init": rng.standard_normal((n, d))}


def scenario(case: Case, n: int = 5, *, steps: int = 6, noise: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A small float64 scenario on a ring, with the models of every step recorded.

    `curvature`, `optimum`, `init`, `d` and `lr` change the problem; whatever else is a key of the scenario.
    """
    lr, every = changes.pop("lr", LR), changes.pop("evaluate_every", 1)
    given = arrays(n, changes.pop("d", 3)) | {key: changes.pop(key) for key in arrays(1) if key in changes}
    shape = np.broadcast_shapes((n, 1), *[np.shape(value) for value in given.values()])
    rows = {key: np.broadcast_to(value, shape).tolist() for key, value in given.items()}
    source = {
        "nodes": n,
        "seed": 1,
        "dtype": "float64",
        "threads": 1,
        "topology": "ring" if n > 2 else "complete",
        "compute": {"time": "1 s"},
        "init": rows.pop("init"),
        "problem": {"kind": "quadratic", "noise": noise, **rows},
        "record": {"models": True},
        "algorithms": [{"name": case.name, "label": "it", "lr": lr, **case.parameters}],
        "run": {"steps": steps, "evaluate_every": every},
        **changes,
    }
    if case.name in ALGORITHMS:
        source["topology"] = suited(case.entry, source["topology"], n)
    return source


def suited(entry: Entry, topology: Any, n: int) -> Any:
    """The topology itself, or, where the algorithm is for one kind only, the nearest of that kind."""
    kind = topology["kind"] if isinstance(topology, dict) else topology
    if n == 1 or not entry.topologies or kind in entry.topologies:
        return topology
    if "matcha" in entry.topologies:
        topology = "ring" if kind in SEQUENCES else topology
        return {"kind": "matcha", "graph": topology, "budget": 1.0 if isinstance(topology, str) else 0.6}
    moving = {"final": 1, "pace": 0.5, "unit": "step"} if topology != "complete" else {}
    return {"kind": "ring_lattice", "reach": n // 2, **moving}


@dataclass(frozen=True)
class Outcome:
    """What the tests look at after a run: models ``[evaluations, N, D]``, times [s], and the whole record."""

    record: RunRecord

    @property
    def models(self) -> np.ndarray:
        assert self.record.models is not None
        return self.record.models

    @property
    def means(self) -> np.ndarray:
        return self.models.mean(axis=1)

    def column(self, name: str) -> np.ndarray:
        return np.array([row[name] for row in self.record.metrics])

    @property
    def times(self) -> np.ndarray:
        return self.column("time_s")

    @property
    def summary(self) -> dict[str, Any]:
        return self.record.summary


def attempt(source: dict[str, Any], executor: ExecutorName = "deferred") -> Outcome:
    """Runs a scenario with one algorithm, however it ends.

    This is what `simnet.run` does, without its description of the machine, which takes longer than these small runs.
    """
    plan = prepare(source, device="cpu")
    with limited_threads(plan.scenario.threads):
        return Outcome(Run(plan.setting, plan.scenario.algorithms[0], plan.entries[0], executor, Silent()).execute())


def execute(source: dict[str, Any], executor: ExecutorName = "deferred") -> Outcome:
    """Runs a scenario with one algorithm to its end."""
    outcome = attempt(source, executor)
    assert outcome.record.status == "done", outcome.record.message
    return outcome


def run(case: Case, n: int = 5, **changes: Any) -> Outcome:
    """Runs `scenario` with these changes."""
    return execute(scenario(case, n, **changes))


def mixing_over_time(source: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """The mixing matrix of each step of a scenario."""
    setting = prepare(source, device="cpu").setting
    return lambda step: (setting.sequence.at(step) if setting.sequence else setting.weights).toarray()


def random_graph(n: int, extra: int, seed: int) -> nx.Graph:
    """A random connected graph: a random tree and some more edges."""
    rng = np.random.default_rng(seed)
    graph = nx.Graph([(i, int(rng.integers(i))) for i in range(1, n)])
    graph.add_edges_from((int(i), int(j)) for i, j in rng.integers(n, size=(extra, 2)) if i != j)
    return graph


def edges(graph: nx.Graph) -> dict[str, Any]:
    """A graph as a scenario's topology."""
    return {"kind": "edges", "edges": [list(edge) for edge in graph.edges]}


def metropolis(graph: nx.Graph) -> np.ndarray:
    """Metropolis weights, written once more."""
    n = len(graph)
    W = np.zeros((n, n))
    for i, j in graph.edges:
        W[i, j] = W[j, i] = 1 / (1 + max(graph.degree[i], graph.degree[j]))
    return W + np.diag(1 - W.sum(axis=1))
