"""Checks that need more than the file itself: whether each algorithm can live with the network, its faults and W."""

from __future__ import annotations

from collections.abc import Callable

from simnet.algorithms import Entry
from simnet.clock import compute_times
from simnet.clock.outages import Outages
from simnet.clock.pace import longitudes
from simnet.clock.varying import link_parameters
from simnet.complaints import Complaints
from simnet.errors import ParameterError
from simnet.graph import GraphSequence, Weights, is_column_stochastic, is_doubly_stochastic, smallest_eigenvalue
from simnet.scenario import AlgorithmEntry, Constant, Deadline, Scenario, is_fatal
from simnet.scenario import Compute as ComputeSpec
from simnet.scenario import Network as NetworkSpec

_WAITS = {"all": "wait: all", "none": "wait: none", "deadline": "wait: {deadline: 200 ms}"}


def check_checkpoints(scenario: Scenario, complaints: Complaints) -> None:
    """Complains if a run is to be kept that has more state than its vectors.

    Args:
        scenario: what is asked.
        complaints: gets what is wrong.
    """
    order = getattr(getattr(scenario.problem, "order", None), "kind", None)
    if scenario.run.checkpoint_every and order in ("herding", "grab"):
        complaints.add(
            "run.checkpoint_every",
            f"found problem.order: {order}, whose decisions are not kept; allowed: orders that gradients do not decide; "
            "leave checkpoint_every out",
        )


def check_machines(scenario: Scenario, seed: int, entries: list[Entry], complaints: Complaints) -> None:
    """Reads the network's files for as many machines as the algorithms need: a parameter server is one more than n.

    Args:
        scenario: what is asked.
        seed: one of its seeds.
        entries: the table's row of each algorithm of the scenario.
        complaints: gets what is wrong.
    """
    needs_server = any(
        entry.server(named.parameters, scenario.nodes, 1.0)
        for named, entry in zip(scenario.algorithms, entries, strict=True)
    )
    with complaints.about("network"):
        network = scenario.network or NetworkSpec()
        link_parameters(network, scenario.nodes, scenario.nodes + needs_server, seed, scenario.base)
    with complaints.about("faults"):
        Outages(scenario.faults, scenario.nodes, (), seed, scenario.base)


def check_compute(scenario: Scenario, seed: int, complaints: Complaints) -> None:
    """Reads the files that compute times come from.

    Args:
        scenario: what is asked.
        seed: one of its seeds.
        complaints: what is wrong is added there.
    """
    spec, network, nodes = scenario.compute or ComputeSpec(), scenario.network or NetworkSpec(), scenario.nodes
    with complaints.about("network"):
        east = longitudes(spec, network, nodes, scenario.base)
        with complaints.about("compute"):
            compute_times(spec, nodes, seed, [0.0] * nodes, scenario.base, east)


def check_algorithm(
    scenario: Scenario,
    named: AlgorithmEntry,
    entry: Entry,
    rho: float | None,
    complain: Callable[[str], None],
) -> None:
    """Complains if an algorithm cannot live with its parameters, or with the waiting rule or the faults of a scenario.

    Args:
        scenario: what is asked.
        named: its entry of this algorithm.
        entry: the table's row of it.
        rho: ``||W - J||_2``; None if it was not computed.
        complain: called with each complaint.
    """
    try:
        entry.check(named.parameters, rho)
    except ParameterError as error:
        complain(str(error))
    if entry.linearizes and getattr(scenario.problem, "l2", None):
        complain(f"{named.label} needs a loss of the model's outputs alone, but problem.l2 is not 0; set it to 0")
    wait = named.wait or scenario.run.wait
    rule = "deadline" if isinstance(wait, Deadline) else wait
    if not entry.asynchronous and not entry.pooled and rule not in entry.tolerates:
        allowed = " or ".join(_WAITS[w] for w in entry.tolerates)
        complain(f"{named.label} needs {allowed}, but this scenario says wait: {rule}; give it a wait of its own")
    if drops(scenario) and not entry.pooled and (entry.asynchronous or rule == "all"):
        others = [_WAITS[w] for w in entry.tolerates if w != "all"]
        advice = " or ".join(["then: retransmit", *others])
        complain(f"{named.label} needs every message, but network.loss lets some of them drop; use {advice}")
    fatal = next((i for i, fault in enumerate(scenario.faults) if is_fatal(fault)), None)
    if fatal is not None and rule == "all" and not entry.asynchronous and not entry.pooled:
        others = [_WAITS[w] for w in entry.tolerates if w != "all"]
        advice = ", or ".join(["faults that end, with state: kept", *others])
        complain(f"{named.label} waits for all neighbors, but faults.{fatal} takes some of them out of step; use {advice}")
    if (entry.asynchronous or rule == "none") and not entry.pooled and not takes_time(scenario):
        complain(f"{named.label} never waits for a round, so gradients that take no time would never end; give compute.time")


def check_graphs(
    scenario: Scenario,
    named: AlgorithmEntry,
    entry: Entry,
    weights: Weights | None,
    sequence: GraphSequence | None,
    complain: Callable[[str], None],
) -> None:
    """Complains if an algorithm cannot live with the topology, or with the sums of the mixing matrices.

    Args:
        scenario: what is asked.
        named: its entry of the algorithm.
        entry: the table's row of it.
        weights: the mixing matrix, ``[n, n]``; None if it could not be built.
        sequence: that of each step, if they differ.
        complain: called with each complaint.
    """
    kind = "none" if scenario.topology is None else scenario.topology.kind
    if entry.topologies and kind not in entry.topologies and scenario.nodes > 1:
        complain(f"{named.label} needs topology {' or '.join(entry.topologies)}, but this scenario says {kind}; change it")
    if sequence is not None and entry.fixed_topology:
        complain(
            f"{named.label} needs the same neighbors in every step ({entry.fixed_topology}), but those of topology {kind} "
            "change; use another topology"
        )
    if weights is None or not entry.uses_topology:
        return
    examples = [weights] if sequence is None else sequence.examples
    if entry.sums == "rows and columns" and not all(map(is_doubly_stochastic, examples)):
        complain(
            f"{named.label} needs a doubly stochastic mixing matrix (rows and columns sum to 1); "
            "use mixing metropolis, max_degree or best_constant, or a regular graph"
        )
    if entry.sums in {"columns", "shares"} and not all(map(is_column_stochastic, examples)):
        complain(
            f"{named.label} needs a column stochastic mixing matrix (each node's shares sum to 1); "
            "use mixing push, metropolis, or a regular graph"
        )
    if entry.sums == "shares" and not all(W.data.min() >= 0 < W.diagonal().min() for W in examples):
        complain(
            f"{named.label} needs shares: no weight of the mixing matrix below 0, and more than 0 for each node itself; "
            "use mixing push or metropolis"
        )


def drops(scenario: Scenario) -> bool:
    """Whether messages get lost and nobody sends them again.

    Args:
        scenario: what is asked.

    Returns:
        True if the algorithms have to live with it.
    """
    loss = scenario.network.loss if scenario.network else None
    return loss is not None and loss.then == "drop"


def eigenvalue_notes(scenario: Scenario, entries: list[Entry], weights: Weights) -> list[str]:
    """Tells of algorithms that diverge with this mixing matrix, however small the learning rate is.

    Args:
        scenario: what is asked.
        entries: the table's row of each algorithm of the scenario.
        weights: the mixing matrix, ``[n, n]``.

    Returns:
        One sentence for each such algorithm.
    """
    pairs = list(zip(scenario.algorithms, entries, strict=True))
    if all(entry.lowest_eigenvalue <= -1 for entry in entries):
        return []
    lowest = smallest_eigenvalue(weights)
    return [
        f"{named.label}: the smallest eigenvalue of the mixing matrix is {lowest:.4g}; {entry.name} needs more than "
        f"{entry.lowest_eigenvalue:.4g}, or it diverges, however small lr is; use mixing: {{kind: lazy}}"
        for named, entry in pairs
        if lowest is not None and -1 < entry.lowest_eigenvalue >= lowest - 1e-9
    ]


def ideal_notes(scenario: Scenario) -> list[str]:
    """What a reader of the times has to know: which of them are zero because the scenario does not say.

    Args:
        scenario: what is asked.

    Returns:
        One sentence for each such time.
    """
    network, notes = scenario.network or NetworkSpec(), []
    limits = (network.bandwidth, network.uplink, network.downlink, network.jitter, *network.shared, *network.changes)
    if network.latency == Constant(value=0.0) and all(limit is None for limit in limits):
        notes.append("messages take no time: the scenario gives no latency and no bandwidth")
    if not takes_time(scenario):
        notes.append("gradients take no time: the scenario gives no compute.time")
    return notes


def takes_time(scenario: Scenario) -> bool:
    """Whether gradients take any time.

    Args:
        scenario: what is asked.

    Returns:
        Whether the scenario gives a time, a file of times or a device.
    """
    return scenario.compute is not None and scenario.compute.takes_time
