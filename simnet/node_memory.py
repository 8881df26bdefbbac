"""How much memory a node needs for its model and buffers, found out by a short trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from simnet.algorithms import Entry
from simnet.clock.events import Message
from simnet.clock.links import Link
from simnet.errors import SimnetError
from simnet.execution import Run, quiet_collector
from simnet.problems.quadratic import Quadratic
from simnet.progress import Silent
from simnet.scenario import AlgorithmEntry, Compute, Device, Record
from simnet.setting import Setting
from simnet.units import format_size

STEPS = 12


@dataclass(frozen=True)
class NodeMemory:
    """What one node holds at its fullest moment.

    Args:
        vectors: its own of D numbers each: model, gradient, trackers, what it still sends; the mean over the nodes.
        received_bits: what arrives in one step at the node that receives most, as on the wire.
        bits: all of it.
    """

    vectors: float
    received_bits: float
    bits: float

    @property
    def num_bytes(self) -> int:
        """All of it in bytes."""
        return round(self.bits / 8)


def node_memory(setting: Setting, named: AlgorithmEntry, entry: Entry) -> NodeMemory | None:
    """What an algorithm makes each node hold: counted over a few steps in which every vector has one number.

    Vectors are counted that are alive at once when every operation is computed as soon as it is recorded. Training data and
    the activations inside a gradient are not counted.

    Args:
        setting: network, weights and problem.
        named: the scenario's entry.
        entry: the table's row.

    Returns:
        None, if the algorithm fails in the trial.
    """
    run = Run(tiny(setting), named, entry, "eager", Silent())
    received: Counter[int] = Counter()
    with quiet_collector():
        run.assemble()
        run.observer.latest.rows.clear()  # the initial models, which nobody holds but who evaluates them
        network: Any = run.nodes[0].network
        transmit = network.transmit

        def counted(link: Link, message: Message) -> None:
            received[link.receiver] += message.bits  # type: ignore[assignment]  # bits may be fractions
            transmit(link, message)

        network.transmit = counted
        try:
            run.run_clock()
        except SimnetError:
            return None
    num_nodes, problem = len(run.nodes), setting.problem
    steps = max(1.0, run.observer.total_steps / num_nodes)
    vectors = run.executor.peak_rows / num_nodes
    received_bits = max(received.values(), default=0) / steps * problem.num_parameters
    own_bits = 8 * torch.empty((), dtype=problem.dtype).element_size() * vectors * problem.num_parameters
    return NodeMemory(vectors, received_bits, own_bits + received_bits)


def tiny(setting: Setting) -> Setting:
    """The same setting with one parameter and a few steps; gradients of equal times.

    Args:
        setting: network, weights and problem.

    Returns:
        A setting whose problem is a quadratic on the CPU.
    """
    scenario, ones = setting.scenario, np.ones((setting.num_nodes, 1))
    steps = {"steps": STEPS, "epochs": None, "simulated_time": None, "evaluate_every": STEPS}
    changes = {
        "run": scenario.run.model_copy(update=steps),
        "compute": Compute.model_construct(time=setting.usual_seconds),
        "record": Record(),
        "targets": {},
        "init": None,
    }
    problem = Quadratic(ones, ones, dtype=setting.problem.dtype)
    return replace(setting, scenario=scenario.model_copy(update=changes), problem=problem, device=torch.device("cpu"))


def memory_notes(needs: dict[str, NodeMemory], devices: Sequence[Device]) -> list[str]:
    """Who needs more than a node's device has, one sentence for each algorithm.

    Args:
        needs: what each algorithm makes a node hold, by label.
        devices: of the nodes.

    Returns:
        The sentences.
    """
    notes = []
    for label, need in needs.items():
        short = [i for i, device in enumerate(devices) if device.memory is not None and device.memory < need.bits]
        if short:
            least = min(short, key=lambda i: devices[i].memory or 0.0)
            has = format_size(devices[least].memory or 0.0)
            more = f" ({len(short) - 1} more are too small)" if short[1:] else ""
            notes.append(f"{label}: a node's model and buffers take {format_size(need.bits)}; node {least} has {has}{more}")
    return notes
