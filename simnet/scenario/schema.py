"""The scenario: everything one file says, checked, with every default filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from simnet.errors import ParameterError
from simnet.part import Part
from simnet.scenario.expectations import Expectation, parse
from simnet.scenario.origin import Origin
from simnet.scenario.quantities import Text
from simnet.scenario.rows import Rows
from simnet.scenario.schema_compute import Compute
from simnet.scenario.schema_faults import Fault, endless, misfits
from simnet.scenario.schema_network import Messages, Mixing, Network
from simnet.scenario.schema_problem import Problem, Quadratic
from simnet.scenario.schema_run import ON_REQUEST_NAMES, AlgorithmEntry, Known, Record, Run
from simnet.scenario.schema_sweep import Sweep
from simnet.scenario.schema_topology import Edges, Topology
from simnet.scenario.writer import to_yaml
from simnet.sentences import Complaint, nearest, refusal, sentence, unknown_key

Seed = Annotated[int, Field(ge=0)]
MAX_NODES = 10_000_000
T = TypeVar("T")


class Scenario(Part):
    """One question about training: who talks to whom at what cost, on which problem, with which algorithms.

    Args:
        name: of the result's folder; by default the file's.
        nodes: n, the number of simulated machines.
        seed: of all random numbers, where ``seeds`` is not given.
        seeds: one run of every algorithm for each of them; by default the one seed.
        dtype: what numbers the models are computed with.
        threads: of the processor; changes sums in the last bits.
        topology: who talks to whom; None: where the mixing matrix is given, its entries say it.
        mixing: who gives which weight to whom.
        network: what a message costs in time; None: nothing.
        compute: what a gradient costs in time; None: nothing.
        faults: what fails when: nodes, links, the whole network.
        message: what a message costs in bits.
        problem: what is trained on what data.
        init: None, one initial model for all nodes, or one row for each node.
        record: what is kept beside the metrics.
        algorithms: what is compared.
        run: the budget and the waiting rule.
        targets: a value for some metrics; it is recorded when each is reached.
        expect: what must hold for the result.
        sweep: which keys of this scenario take which values.
    """

    name: Text = "scenario"
    nodes: Annotated[int, Field(ge=1, le=MAX_NODES)]
    seed: Seed = 0
    seeds: tuple[Seed, ...] = ()
    dtype: Literal["float32", "float64"] = "float32"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    topology: Topology | None = None
    mixing: Mixing = Mixing()
    network: Network | None = None
    compute: Compute | None = None
    faults: tuple[Fault, ...] = ()
    message: Messages = Messages()
    problem: Problem
    init: Rows | None = None
    record: Record = Record()
    algorithms: Annotated[tuple[AlgorithmEntry, ...], Field(min_length=1)]
    run: Run
    targets: dict[str, float] = Field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()
    sweep: Sweep = Sweep()

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def base(self) -> Path:
        """The folder that relative paths in the scenario start from."""
        return self._origin.base

    @property
    def question(self) -> str:
        """What it asks: the first comment line of its file, empty if there is none."""
        return self._origin.question

    def complain(self, path: str, message: str) -> str:
        """A complaint about one key of this scenario, with the file and line where it stands.

        Args:
            path: the dotted path of the key, such as ``topology.degree`` or ``algorithms.0.lr``; empty: the whole file.
            message: what was found; what is allowed; what to do.

        Returns:
            ``scenarios/ring16.yaml:7: topology.degree: ...``, with the line of the nearest key that the file has.
        """
        location = tuple(int(key) if key.isdigit() else key for key in path.split(".")) if path else ()
        return self._origin.complaint(location, message)

    def to_plain(self) -> dict[str, Any]:
        """The scenario as a file would have it: only mappings, lists, text and numbers; quantities as text.

        Returns:
            A mapping that `load` turns into an equal scenario.
        """
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """The scenario as a file, every default filled in, its question before it.

        Returns:
            YAML that `load` turns into an equal scenario. Relative paths are kept as they are.
        """
        head = f"# {self.question}\n" if self.question else ""
        return head + to_yaml(self.to_plain())

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Keys that exclude or need each other."""
        if given.get("seed") is not None and given.get("seeds") is not None:
            yield ("seeds",), "found seed and seeds; allowed: one of the two"
        mixing = given.get("mixing")
        has_matrix = isinstance(mixing, Mapping) and mixing.get("matrix") is not None
        is_misspelt = any(key not in cls.model_fields and nearest(key, ["topology"]) for key in given)
        if given.get("topology") is None and not has_matrix and given.get("nodes") != 1 and not is_misspelt:
            yield ("topology",), "missing; allowed: a kind such as {kind: ring}, or mixing: {matrix: [[...], ...]}"

    @field_validator("seeds")
    @classmethod
    def _resolve_seeds(cls, seeds: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        for i, seed in enumerate(seeds):
            if seed in seeds[:i]:
                raise refusal(((i,), f"found {seed} twice; allowed: each seed once"))
        return seeds or (info.data.get("seed", 0),)

    @field_validator("topology")
    @classmethod
    def _check_edges(cls, topology: Topology | None, info: ValidationInfo) -> Topology | None:
        nodes = info.data.get("nodes")
        if isinstance(topology, Edges) and nodes is not None:
            wrong = [(i, k) for i, edge in enumerate(topology.edges) for k, node in enumerate(edge) if node >= nodes]
            if wrong:
                i, k = wrong[0]
                found = f"found node {topology.edges[i][k]}; allowed: 0 to {nodes - 1}, since nodes is {nodes}"
                raise refusal((("edges", i, k), found))
        return topology

    @field_validator("mixing")
    @classmethod
    def _check_matrix(cls, mixing: Mixing, info: ValidationInfo) -> Mixing:
        nodes = info.data.get("nodes")
        if isinstance(mixing.matrix, tuple) and nodes is not None:
            rows, columns = len(mixing.matrix), len(mixing.matrix[0])
            if (rows, columns) != (nodes, nodes):
                raise refusal((("matrix",), f"found {rows} x {columns} numbers; allowed: {nodes} x {nodes}, as many as nodes"))
        return mixing

    @field_validator("network")
    @classmethod
    def _place_nodes(cls, network: Network | None, info: ValidationInfo) -> Network | None:
        nodes = info.data.get("nodes")
        if network is None or nodes is None:
            return network
        misfits = network.misfits(nodes)
        if misfits:
            raise refusal(*misfits)
        return network.placed(nodes)

    @field_validator("compute")
    @classmethod
    def _check_compute(cls, compute: Compute | None, info: ValidationInfo) -> Compute | None:
        nodes = info.data.get("nodes")
        found = list(compute.complaints(nodes)) if compute is not None and nodes is not None else []
        if found:
            raise refusal(*found)
        return compute

    @field_validator("faults")
    @classmethod
    def _check_faults(cls, faults: tuple[Fault, ...], info: ValidationInfo) -> tuple[Fault, ...]:
        nodes = info.data.get("nodes", MAX_NODES)
        if wrong := [((i, *place), text) for i, fault in enumerate(faults) for place, text in misfits(fault, nodes)]:
            raise refusal(*wrong)
        if found := endless(faults):
            raise refusal(*found)
        return faults

    @field_validator("problem")
    @classmethod
    def _check_arrays(cls, problem: Problem, info: ValidationInfo) -> Problem:
        arrays = {"curvature": problem.curvature, "optimum": problem.optimum} if isinstance(problem, Quadratic) else {}
        return _one_for_each_node(problem, {key: rows for key, rows in arrays.items() if rows and len(rows) > 1}, info)

    @field_validator("init")
    @classmethod
    def _check_init(cls, init: Rows | None, info: ValidationInfo) -> Rows | None:
        problem = info.data.get("problem")
        if init and isinstance(problem, Quadratic):
            width = problem.dimension or len((problem.curvature or init)[0])
            if len(init[0]) != width:
                raise refusal(
                    (
                        (),
                        f"found rows of {len(init[0])} numbers; allowed: {width}, as many as parameters",
                    )
                )
        return _one_for_each_node(init, {"": init} if init and len(init) > 1 else {}, info)

    @field_validator("algorithms")
    @classmethod
    def _check_labels(cls, algorithms: tuple[AlgorithmEntry, ...]) -> tuple[AlgorithmEntry, ...]:
        labels = [entry.label for entry in algorithms]
        twice = [i for i, label in enumerate(labels) if label in labels[:i]]
        if twice:
            raise refusal(
                *(((i, "label"), f"found {labels[i]} twice; allowed: each label once; give this one a label") for i in twice)
            )
        return algorithms

    @field_validator("run")
    @classmethod
    def _check_trace(cls, run: Run, info: ValidationInfo) -> Run:
        nodes, traced = info.data.get("nodes", MAX_NODES), (run.trace and run.trace.nodes) or ()
        for i, node in enumerate(traced):
            if node >= nodes:
                found = f"found node {node}; allowed: 0 to {nodes - 1}, since nodes is {nodes}"
                raise refusal((("trace", "nodes", i), found))
        return run

    @field_validator("targets", mode="wrap")
    @classmethod
    def _check_metrics(cls, given: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> dict[str, float]:
        known = (info.context or Known()).metrics
        wrong = [name for name in given if name not in known] if known is not None and isinstance(given, Mapping) else []
        found = [((name,), unknown_key(name, known or ()).replace("key", "metric", 1)) for name in wrong]
        asked = info.data.get("record", Record()).metrics
        unasked = [name for name in ON_REQUEST_NAMES if isinstance(given, Mapping) and name in given and name not in asked]
        found += [((name,), "is measured on request only; add it to record.metrics") for name in unasked]
        try:
            targets: dict[str, float] = handler(given)
        except ValidationError as error:
            raise refusal(*found, *((line["loc"], sentence(line)) for line in error.errors())) from None
        if found:
            raise refusal(*found)
        return targets

    @field_validator("expect")
    @classmethod
    def _check_expectations(cls, expect: tuple[Expectation, ...], info: ValidationInfo) -> tuple[Expectation, ...]:
        algorithms, targets = info.data.get("algorithms"), info.data.get("targets")
        found = []
        for i, expectation in enumerate(expect if algorithms is not None and targets is not None else ()):
            try:
                parse(expectation.that, [entry.label for entry in algorithms or ()], list(targets or ()))
            except ParameterError as error:
                found.append(((i,), str(error)))
        if found:
            raise refusal(*found)
        return expect

    @field_validator("sweep")
    @classmethod
    def _check_goal(cls, sweep: Sweep, info: ValidationInfo) -> Sweep:
        targets = info.data.get("targets")
        goal = sweep.best_of.goal if sweep.best_of is not None else None
        if goal is not None and targets is not None and goal not in targets:
            known = ", ".join(targets) or "none"
            raise refusal((("best_of", "by"), f"targets has no {goal}; there is: {known}; add it there"))
        return sweep

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Of seed and seeds the one that says all."""
        other = "seeds" if self.seeds == (self.seed,) else "seed"
        return {key: value for key, value in handler(self).items() if value is not None and key != other}


def _one_for_each_node(part: T, lists: Mapping[str, Sized], info: ValidationInfo) -> T:
    """The part itself, if every list in it has as many entries as there are nodes."""
    nodes = info.data.get("nodes")
    wrong = {key: len(values) for key, values in lists.items() if nodes is not None and len(values) != nodes}
    if wrong:
        raise refusal(
            *(((key,) if key else (), f"found {k} values; allowed: {nodes}, as many as nodes") for key, k in wrong.items())
        )
    return part
