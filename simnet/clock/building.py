"""The network of a run: the sharing rule, and around it whatever else the scenario lets messages meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simnet.clock.clock import Clock
from simnet.clock.jitter import Jittered
from simnet.clock.links import SharedLimit
from simnet.clock.loss import Unreliable, losses_of
from simnet.clock.network import Network
from simnet.clock.outages import Outages
from simnet.clock.parameters import LinkParameters
from simnet.clock.routing import Hops
from simnet.clock.series import as_series
from simnet.clock.sharing import Carry, SharingRule
from simnet.clock.varying import VaryingParameters
from simnet.clock.varying_network import VaryingNetwork
from simnet.scenario import Network as NetworkSpec

TIMEOUT = 1.0
"""Seconds until a message that met a fault is sent again, where the scenario says nothing of loss."""


def build_network(
    spec: NetworkSpec,
    parameters: LinkParameters | VaryingParameters,
    clock: Clock,
    seed: int,
    num_nodes: int,
    edges: Sequence[tuple[int, int]] = (),
    outages: Outages | None = None,
    watch: Callable[[SharingRule], None] | None = None,
) -> Network:
    """The network that a scenario describes; what it does not ask for costs nothing.

    From outside in, a message is cut into hops; each hop may be lost, and sent again; each attempt meets jitter, then the
    sharing rule.

    Args:
        spec: the scenario's `network`.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
        seed: the run's seed.
        num_nodes: n; machine n is a parameter server.
        edges: the topology's directed links, for ``routing: hops``.
        outages: which nodes and links are down when.
        watch: is called with the sharing rule, to see what it carries; None: nobody looks.

    Returns:
        The network; machines use its `link` and `transmit`.
    """
    shared = [SharedLimit(limit, num_nodes) for limit in spec.shared]
    make = VaryingNetwork if isinstance(parameters, VaryingParameters) else Network
    network: Network = make(spec.sharing, parameters, clock, spec.duplex, shared, watch)  # type: ignore[arg-type]  # of its own kind
    carry: Carry = network.rule.carry
    if spec.jitter is not None:
        carry = Jittered(carry, spec.jitter, seed).carry
    if spec.loss is not None or outages is not None:
        losses = losses_of(spec.loss, seed) if spec.loss is not None else None
        timeout = spec.loss.timeout if spec.loss is not None else TIMEOUT
        unreliable = Unreliable(carry, clock, losses, timeout, outages)
        network.layers.append(unreliable)
        carry = unreliable.carry
    network.transmit = carry
    if spec.routing == "hops":
        server = [(0, num_nodes), (num_nodes, 0)] if network.num_machines > num_nodes else []
        hops = [*edges, *server]
        network.hops = Hops(network.transmit, network.direct, hops, _latency_at_start(parameters), network.num_machines)
        network.layers.append(network.hops)
        network.transmit = network.hops.transmit
    return network


def _latency_at_start(parameters: LinkParameters | VaryingParameters) -> Callable[[int, int], float]:
    """Paths are chosen once, by what holds at the start."""
    return lambda sender, receiver: as_series(parameters.latency(sender, receiver)).at(0.0)
