"""The setting of a run: one seed's topology, mixing matrix and problem, on one device, checked against the algorithms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import networkx as nx
import torch

from simnet.algorithms import Entry
from simnet.checks import check_algorithm, check_checkpoints, check_compute, check_machines, takes_time
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
    Spectrum,
    Weights,
    build_mixing,
    build_topology,
    read_matrix,
    spanning_tree,
    spectral_gap,
    topology_of,
)
from simnet.problems import Problem, build_problem
from simnet.scenario import Compute as ComputeSpec
from simnet.scenario import Network as NetworkSpec
from simnet.scenario import Scenario, TimesFile
from simnet.surroundings import Place, Surroundings


@dataclass(frozen=True)
class Setting:
    """Everything that the algorithms of one seed share.

    Args:
        scenario: what is asked.
        seed: of every stream.
        device: where the values are computed.
        graph: who sends to whom.
        weights: the mixing matrix W, ``[n, n]``.
        spectrum: its spectral gap.
        problem: losses and data.
    """

    scenario: Scenario
    seed: int
    device: torch.device
    graph: Graph
    weights: Weights
    spectrum: Spectrum
    problem: Problem

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
        """For each node its neighbors and their weights."""
        return places_in(self.graph, self.weights)

    @cached_property
    def may_ask(self) -> list[tuple[int, ...]]:
        """For each node whom it may ask."""
        return asking_order(self.graph)

    @cached_property
    def layers(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the model's tensors, in the order in which they lie in a flat vector."""
        flat_D = torch.empty(self.problem.num_parameters, dtype=self.problem.dtype, device=self.problem.device)
        return tuple(tuple(tensor.shape) for tensor in self.problem.state_dict(flat_D).values())

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


def asking_order(graph: Graph) -> list[tuple[int, ...]]:
    """Whom each node may ask, so that every edge is asked from one end and nobody waits in a circle.

    In a bipartite graph the larger side asks the other one; in any other the smaller node of an edge asks the larger.

    Args:
        graph: the topology; the direction of its edges plays no role.

    Returns:
        For each node the sorted tuple of neighbors that it may ask.

    Example:
        >>> asking_order(nx.cycle_graph(4)), asking_order(nx.cycle_graph(3))
        ([(1, 3), (), (1, 3), ()], [(1, 2), (2,), ()])
    """
    graph = graph.to_undirected()
    if nx.is_bipartite(graph):
        color = nx.bipartite.color(graph)
        ones = sum(color.values())
        active = color[0] if 2 * ones == len(graph) else int(2 * ones > len(graph))
        return [tuple(sorted(graph[i])) if color[i] == active else () for i in range(len(graph))]
    return [tuple(j for j in sorted(graph[i]) if j > i) for i in range(len(graph))]


def places_in(graph: Graph, weights: Weights) -> list[Place]:
    """For each node whom it hears and whom it tells, and with which weights.

    Args:
        graph: who sends to whom.
        weights: the mixing matrix W, ``[n, n]``.

    Returns:
        n places.

    Example:
        >>> places_in(nx.path_graph(2), read_matrix([[0.75, 0.25], [0.25, 0.75]], 2))[0]
        Place(neighbors=(1,), listeners=(1,), self_weight=0.75, weights=(0.25,), listener_weights=(0.25,))
    """
    rows, columns = weights.tocsr(), weights.tocsc()
    places = []
    for i in range(len(graph)):
        heard, told = stored(rows, i), stored(columns, i)
        neighbors = tuple(sorted(graph.predecessors(i) if isinstance(graph, nx.DiGraph) else graph.neighbors(i)))
        listeners = tuple(sorted(graph.successors(i))) if isinstance(graph, nx.DiGraph) else neighbors
        shares = tuple([told.get(j, 0.0) for j in listeners])
        places.append(Place(neighbors, listeners, heard.get(i, 0.0), tuple([heard.get(j, 0.0) for j in neighbors]), shares))
    return places


def stored(lines: Any, i: int) -> dict[int, float]:
    """One line of a sparse matrix: a row of a CSR matrix, a column of a CSC matrix.

    Args:
        lines: the matrix.
        i: which line.

    Returns:
        Index -> entry.
    """
    first, last = lines.indptr[i : i + 2]
    return dict(zip(lines.indices[first:last].tolist(), lines.data[first:last].tolist(), strict=True))


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
    found: dict[str, object] = {}
    with complaints.about("mixing"):
        if scenario.topology is None and scenario.nodes > 1:
            found["graph"] = topology_of(read_matrix(scenario.mixing.matrix, scenario.nodes, scenario.base))
    with complaints.about("topology"):
        if scenario.nodes == 1:
            found["graph"] = nx.empty_graph(1)
        elif scenario.topology is not None:
            found["graph"] = build_topology(scenario.topology, scenario.nodes, seed, scenario.base)
    if "graph" in found:
        with complaints.about("mixing"):
            found["weights"] = build_mixing(scenario.mixing, found["graph"], scenario.base)  # type: ignore[arg-type]
    with complaints.about("problem"):
        dtype = {"float32": torch.float32, "float64": torch.float64}[scenario.dtype]
        found["problem"] = build_problem(scenario.problem, scenario.nodes, seed, dtype, device, scenario.base)
    spectrum = Spectrum(None, None, "")
    if "weights" in found:
        spectrum = spectral_gap(found["weights"], topology=scenario.topology, mixing=scenario.mixing)  # type: ignore[arg-type]
    check_times(scenario, seed, entries, found.get("weights"), spectrum.rho, complaints)  # type: ignore[arg-type]
    complaints.raise_if_any()
    setting = Setting(scenario, seed, device, spectrum=spectrum, **found)  # type: ignore[arg-type]
    with complaints.about("init"):
        _ = setting.initial_models
    complaints.raise_if_any()
    return setting


def check_times(
    scenario: Scenario,
    seed: int,
    entries: list[Entry],
    weights: Weights | None,
    rho: float | None,
    complaints: Complaints,
) -> None:
    """Checks all that depends on how long things take, and on what fails.

    Args:
        scenario: what is asked.
        seed: one of its seeds.
        entries: the table's row of each algorithm of the scenario, in its order.
        weights: the mixing matrix; None if it could not be built.
        rho: ``||W - J||_2``; None if it was not computed.
        complaints: gets what is wrong.
    """
    check_checkpoints(scenario, complaints)
    check_machines(scenario, seed, entries, complaints)
    check_compute(scenario, seed, complaints)
    if scenario.run.steps is None and scenario.run.epochs is None and not takes_time(scenario):
        complaints.add("run", "only simulated_time, but gradients take no time; give compute.time, steps or epochs")
    for index, (named, entry) in enumerate(zip(scenario.algorithms, entries, strict=True)):
        complain = partial(complaints.add, f"algorithms.{index}")
        check_algorithm(scenario, named, entry, weights, rho, complain)


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
    check_times(scenario, setting.seed, entries, setting.weights, setting.spectrum.rho, complaints)
    complaints.raise_if_any()
    return replace(setting, scenario=scenario)
