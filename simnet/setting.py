"""The setting of a run: one seed's topology, mixing matrix and problem, on one device, checked against the algorithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import networkx as nx
import numpy as np
import torch

from simnet.algorithms import Entry
from simnet.checks import check_algorithm, check_checkpoints, check_compute, check_graphs, check_machines, takes_time
from simnet.clock import compute_times
from simnet.clock.compute import mean_recorded_time
from simnet.clock.outages import Outages
from simnet.clock.pace import longitudes
from simnet.complaints import Complaints
from simnet.errors import ParameterError
from simnet.gradient_cost import GradientCost, counted, devices_of
from simnet.graph import (
    Branch,
    Graph,
    GraphSequence,
    Spectrum,
    Weights,
    build_mixing,
    build_sequence,
    build_topology,
    has_own_weights,
    read_matrix,
    spanning_tree,
    spectral_gap,
    topology_of,
    with_mixing,
)
from simnet.places import asking_order, places_in, places_over_time
from simnet.problems import Problem, build_problem
from simnet.scenario import AlgorithmEntry, Scenario, TimesFile
from simnet.scenario import Compute as ComputeSpec
from simnet.scenario import Network as NetworkSpec
from simnet.surroundings import Place, Surroundings


@dataclass(frozen=True)
class Setting:
    """Everything that the algorithms of one seed share.

    Args:
        scenario: what is asked.
        seed: of every stream.
        device: where the values are computed.
        graph: who sends to whom; in some step, if that changes.
        weights: the mixing matrix W, ``[n, n]``; of the first step, if it changes.
        spectrum: its spectral gap.
        problem: losses and data.
        sequence: the mixing matrix of each step; None where it is always the same.
    """

    scenario: Scenario
    seed: int
    device: torch.device
    graph: Graph
    weights: Weights
    spectrum: Spectrum
    problem: Problem
    sequence: GraphSequence | None = None

    @property
    def num_nodes(self) -> int:
        """N."""
        return self.scenario.nodes

    @property
    def vector_bits(self) -> float:
        """Size of a model on the wire."""
        return self.problem.num_parameters * self.scenario.message.bits_per_number

    @property
    def network(self) -> NetworkSpec:
        """The links."""
        return self.scenario.network or NetworkSpec()

    @cached_property
    def outages(self) -> Outages | None:
        """When nodes and links are down; None if nothing ever is.

        Raises:
            ParameterError: if a trace cannot be read.
        """
        faults = self.scenario.faults
        return Outages(faults, self.num_nodes, self.edges, self.seed, self.scenario.base) if faults else None

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The topology's directed links."""
        return list(self.graph.to_directed().edges)

    @property
    def compute(self) -> ComputeSpec:
        """The compute times."""
        return self.scenario.compute or ComputeSpec()

    @cached_property
    def gradient_cost(self) -> GradientCost | None:
        """What a gradient takes on each node's device, if the scenario names any."""
        devices = self.compute.device
        return counted(self.problem, devices_of(devices, self.num_nodes), self.seed) if devices else None

    @property
    def usual_seconds(self) -> float:
        """What a gradient takes on average over the nodes, before jitter and whatever slows single nodes."""
        if self.gradient_cost is not None:
            return sum(self.gradient_cost.seconds) / self.num_nodes
        time = self.compute.time
        if isinstance(time, TimesFile):
            return mean_recorded_time(time, self.num_nodes, self.scenario.base)
        assert isinstance(time, float)  # what was to be measured has been
        return time

    def compute_times(self) -> list[Iterator[float]]:
        """For each node, the sequence of the times that its gradients take.

        Returns:
            n iterators over seconds.
        """
        base = self.gradient_cost.seconds if self.gradient_cost is not None else None
        east = longitudes(self.compute, self.network, self.num_nodes, self.scenario.base)
        return compute_times(self.compute, self.num_nodes, self.seed, base, self.scenario.base, east)

    @cached_property
    def pooled(self) -> Setting:
        """The same problem on one machine without a network."""
        alone = {"nodes": 1, "network": None, "compute": ComputeSpec.model_construct(time=self.usual_seconds)}
        scenario = self.scenario.model_copy(update=alone)
        graph, weights = nx.empty_graph(1), read_matrix([[1.0]], 1)
        problem = self.problem.pooled(self.num_nodes)
        return Setting(scenario, self.seed, self.device, graph, weights, Spectrum(0.0, 1.0, "closed form"), problem)

    @cached_property
    def initial_models(self) -> torch.Tensor:
        """The models at the start: ``[1, D]`` if all nodes start alike, else ``[n, D]``.

        Raises:
            ParameterError: if `init` has rows of another length than D.
        """
        init, problem = self.scenario.init, self.problem
        if init is None:
            return problem.initial_model(self.seed)[None]
        if len(init[0]) != problem.num_parameters:
            raise ParameterError(f"init: found {len(init[0])} numbers in a row; the model has {problem.num_parameters}")
        rows_ND = torch.tensor(init, dtype=problem.dtype, device=problem.device)
        return rows_ND.mean(dim=0, keepdim=True) if self.num_nodes == 1 else rows_ND

    @cached_property
    def starts_alike(self) -> bool:
        """Whether all nodes begin with the same model."""
        return bool((self.initial_models == self.initial_models[0]).all())

    @cached_property
    def places(self) -> list[Place]:
        """For each node its neighbors and their weights; those of the first step, if they change."""
        return places_in(self.weights)

    @cached_property
    def places_over_time(self) -> Callable[[int], list[Place]] | None:
        """The places in each step; None where they are always the same."""
        return None if self.sequence is None else places_over_time(self.sequence)

    @cached_property
    def may_ask(self) -> list[tuple[int, ...]]:
        """For each node whom it may ask."""
        return asking_order(self.graph)

    @cached_property
    def layers(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the model's tensors, in the order in which they lie in a flat vector."""
        flat_D = torch.empty(self.problem.num_parameters, dtype=self.problem.dtype, device=self.problem.device)
        return tuple(tuple(tensor.shape) for tensor in self.problem.state_dict(flat_D).values())

    def acquaintances(self, node: int) -> tuple[int, ...]:
        """Whose messages a node receives in some step.

        Args:
            node: its number.

        Returns:
            Their numbers, sorted.
        """
        return tuple(sorted(self.graph.predecessors(node) if isinstance(self.graph, nx.DiGraph) else self.graph[node]))

    @cached_property
    def branches(self) -> list[Branch]:
        """For each node its place in a spanning tree of the topology."""
        return spanning_tree(self.graph)

    def surroundings(self, node: int, wait: str | float, uses_tree: bool = False) -> Surroundings:
        """What a node is told about its place.

        Args:
            node: its number.
            wait: the algorithm's waiting rule, ``all`` or ``none``, or a deadline [s].
            uses_tree: whether the algorithm uses a spanning tree.

        Returns:
            Neighbors, weights and sizes [bit], as `Node` wants them.
        """
        return Surroundings(
            num_nodes=self.num_nodes,
            place=self.places[node],
            acquaintances=self.acquaintances(node),
            may_ask=self.may_ask[node],
            wait=wait,
            mini_batch=self.problem.mini_batch(node),
            layers=self.layers,
            vector_bits=self.vector_bits,
            number_bits=self.scenario.message.bits_per_number,
            rho=self.spectrum.rho,
            starts_alike=self.starts_alike,
            branch=self.branches[node] if uses_tree else None,
        )


def build_setting(scenario: Scenario, seed: int, device: torch.device, entries: list[Entry]) -> Setting:
    """Builds what one seed needs and checks that every algorithm can live with it.

    Args:
        scenario: what is asked.
        seed: one of its seeds.
        device: where the values are to be computed.
        entries: the table's row of each algorithm of the scenario, in its order.

    Returns:
        Topology, mixing matrix and problem of this seed.

    Raises:
        ScenarioError: with everything that is impossible, at once.
    """
    complaints = Complaints(scenario)
    found: dict[str, Any] = {}
    with complaints.about("problem"):
        dtype = {"float32": torch.float32, "float64": torch.float64}[scenario.dtype]
        found["problem"] = build_problem(scenario.problem, scenario.nodes, seed, dtype, device, scenario.base)
    found |= build_graphs(scenario, seed, found.get("problem"), complaints)
    spectrum = found.setdefault("spectrum", Spectrum(None, None, ""))
    check_times(scenario, seed, entries, spectrum.rho, complaints)
    for complain, named, entry in listed(scenario, entries, complaints):
        check_graphs(scenario, named, entry, found.get("weights"), found.get("sequence"), complain)
    complaints.raise_if_any()
    setting = Setting(scenario, seed, device, **found)
    with complaints.about("init"):
        _ = setting.initial_models
    complaints.raise_if_any()
    return setting


def build_graphs(scenario: Scenario, seed: int, problem: Problem | None, complaints: Complaints) -> dict[str, Any]:
    """Builds topology and mixing matrix.

    Args:
        scenario: what is asked.
        seed: one of its seeds.
        problem: says how long an epoch is; None if it could not be built.
        complaints: gets what is wrong.

    Returns:
        ``graph``, ``weights``, ``spectrum`` and ``sequence`` of a `Setting`, as far as they could be built.
    """
    spec, n, mixing = scenario.topology, scenario.nodes, scenario.mixing
    found: dict[str, Any] = {}
    if spec is not None and n > 1 and has_own_weights(spec):
        epoch = 1.0 if problem is None else float(np.mean([problem.epoch_length(i) for i in range(n)]))
        with complaints.about("topology"):
            graphs = build_sequence(spec, n, seed, scenario.base, epoch)
            with complaints.about("mixing"):
                graphs = with_mixing(graphs, mixing, spec.kind, scenario.base)
                found = {"graph": graphs.graph, "weights": graphs.at(0), "spectrum": graphs.spectrum()}
                if graphs.num_phases != 1:
                    found["sequence"] = graphs
        return found
    with complaints.about("mixing"):
        if spec is None and n > 1:
            found["graph"] = topology_of(read_matrix(mixing.matrix, n, scenario.base))
    with complaints.about("topology"):
        if n == 1:
            found["graph"] = nx.empty_graph(1)
        elif spec is not None:
            found["graph"] = build_topology(spec, n, seed, scenario.base)
    if "graph" in found:
        with complaints.about("mixing"):
            found["weights"] = build_mixing(mixing, found["graph"], scenario.base)
            found["spectrum"] = spectral_gap(found["weights"], topology=spec, mixing=mixing)
    return found


def check_times(scenario: Scenario, seed: int, entries: list[Entry], rho: float | None, complaints: Complaints) -> None:
    """Checks all that depends on how long things take, and on what fails.

    Args:
        scenario: what is asked.
        seed: one of its seeds.
        entries: the table's row of each algorithm of the scenario, in its order.
        rho: ``||W - J||_2``; None if it was not computed.
        complaints: gets what is wrong.
    """
    check_checkpoints(scenario, complaints)
    check_machines(scenario, seed, entries, complaints)
    check_compute(scenario, seed, complaints)
    if scenario.run.steps is None and scenario.run.epochs is None and not takes_time(scenario):
        complaints.add("run", "only simulated_time, but gradients take no time; give compute.time, steps or epochs")
    for complain, named, entry in listed(scenario, entries, complaints):
        check_algorithm(scenario, named, entry, rho, complain)


def listed(
    scenario: Scenario, entries: list[Entry], complaints: Complaints
) -> Iterator[tuple[Callable[[str], None], AlgorithmEntry, Entry]]:
    """The scenario's algorithms, and how to complain about each.

    Args:
        scenario: what is asked.
        entries: the table's row of each algorithm of the scenario, in its order.
        complaints: gets what is wrong.

    Yields:
        A function that is called with a complaint, the scenario's entry, the table's row.
    """
    for index, (named, entry) in enumerate(zip(scenario.algorithms, entries, strict=True)):
        yield partial(complaints.add, f"algorithms.{index}"), named, entry


def with_times(setting: Setting, scenario: Scenario, entries: list[Entry]) -> Setting:
    """The same topology, weights and problem where everything takes other times.

    Args:
        setting: of one seed.
        scenario: differs from that of the setting in network and compute only.
        entries: the table's row of each algorithm of the scenario, in its order.

    Returns:
        A setting without a look at the data again.

    Raises:
        ScenarioError: with everything that is impossible, at once.
    """
    complaints = Complaints(scenario)
    check_times(scenario, setting.seed, entries, setting.spectrum.rho, complaints)
    complaints.raise_if_any()
    return replace(setting, scenario=scenario)
