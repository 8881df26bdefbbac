"""The network of a run: the sharing rule, and around it whatever else the scenario lets messages meet."""

from __future__ import annotations

from simnet.clock.clock import Clock
from simnet.clock.jitter import Jittered
from simnet.clock.loss import Unreliable, losses_of
from simnet.clock.network import Network
from simnet.clock.parameters import LinkParameters
from simnet.clock.varying import VaryingParameters
from simnet.clock.varying_network import VaryingNetwork
from simnet.scenario import Network as NetworkSpec


def build_network(
    spec: NetworkSpec, parameters: LinkParameters | VaryingParameters, clock: Clock, seed: int
) -> Network:
    """The network that a scenario describes; what it does not ask for costs nothing.

    A message meets loss first, each attempt then jitter, then the sharing rule.

    Args:
        spec: the scenario's `network`.
        parameters: latency and bandwidth of every link, limits of every machine.
        clock: the run's clock.
        seed: the run's seed.

    Returns:
        The network; machines use its `link` and `transmit`.
    """
    if isinstance(parameters, VaryingParameters):
        network: Network = VaryingNetwork(spec.sharing, parameters, clock)
    else:
        network = Network(spec.sharing, parameters, clock)
    if spec.jitter is not None:
        network.transmit = Jittered(network.transmit, spec.jitter, seed).carry
    if spec.loss is not None:
        unreliable = Unreliable(network.transmit, clock, losses_of(spec.loss, seed), spec.loss.timeout)
        network.layers.append(unreliable)
        network.transmit = unreliable.carry
    return network
