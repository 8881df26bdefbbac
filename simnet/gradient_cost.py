"""What a gradient takes where the scenario does not say it: counted on a device, or measured on this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import torch

from simnet.problems import Problem
from simnet.scenario import Device
from simnet.units import format_flops, format_seconds

WARM_UP = 3
REPETITIONS = 15


@dataclass(frozen=True)
class GradientCost:
    """What one mini-batch gradient takes on the device of each node.

    Args:
        flops: floating-point operations, for each node.
        seconds: they over speed and utilisation, for each node.
        devices: of the nodes, in words.
    """

    flops: tuple[float, ...]
    seconds: tuple[float, ...]
    devices: tuple[str, ...]

    @property
    def kinds(self) -> list[dict[str, Any]]:
        """The different ones among the nodes, with how many nodes have each: plain values."""
        nodes = list(zip(self.devices, self.flops, self.seconds, strict=True))
        return [
            {"device": kind[0], "flops": kind[1], "seconds": kind[2], "nodes": nodes.count(kind)}
            for kind in dict.fromkeys(nodes)
        ]

    def describe(self) -> str:
        """One line for people, of the three kinds that most nodes are of."""
        kinds = sorted(self.kinds, key=lambda kind: -kind["nodes"])
        texts = [
            f"{format_flops(kind['flops'])} in {format_seconds(kind['seconds'])} on {kind['device']} ({kind['nodes']})"
            for kind in kinds[:3]
        ]
        return ", ".join(texts) + (f", and {len(kinds) - 3} more" if len(kinds) > 3 else "")


def devices_of(devices: Sequence[Device], num_nodes: int) -> list[Device]:
    """The device of each node, in order.

    Args:
        devices: as the scenario lists them, with counts that fit; one without a count is everybody's.
        num_nodes: n.

    Returns:
        n devices.

    Example:
        >>> fast, slow = Device(flops="2 Gflop/s", count=2), Device(flops="1 Gflop/s")
        >>> [device.flops for device in devices_of([fast, slow], 3)]
        [2000000000.0, 2000000000.0, 1000000000.0]
    """
    if len(devices) == 1:
        return [devices[0]] * num_nodes
    return [device for device in devices for _ in range(device.count or 1)]


def counted(problem: Problem, devices: Sequence[Device], seed: int) -> GradientCost:
    """Each node's floating-point operations over the speed and utilisation of its device.

    Args:
        problem: whose gradient it is.
        devices: one for each node.
        seed: decides which samples are looked at; no run notices.

    Returns:
        Operations and seconds.
    """
    counts: dict[int, float] = {}
    flops = []
    for i in range(len(devices)):
        samples_1b = first_samples(problem, i, seed)
        if len(samples_1b[0]) not in counts:
            counts[len(samples_1b[0])] = problem.gradient_flops(samples_1b)
        flops.append(counts[len(samples_1b[0])])
    speeds = [device.flops * device.utilisation for device in devices]
    return GradientCost(
        tuple(flops),
        tuple(count / speed for count, speed in zip(flops, speeds, strict=True)),
        tuple(named(device) for device in devices),
    )


def first_samples(problem: Problem, node: int, seed: int) -> torch.Tensor:
    """The sample ids of a node's first mini-batch, ``[1, b]``, from a stream of their own: no run notices.

    Args:
        problem: whose samples they are.
        node: its number.
        seed: of the stream.

    Returns:
        The ids, on the problem's device.
    """
    return torch.from_numpy(next(problem.draws(node, seed))[:1]).to(problem.device)


def named(device: Device) -> str:
    """A device in words.

    Args:
        device: with a name or without.

    Returns:
        Its name, or its speed.
    """
    return device.name or f"{format_flops(device.flops)}/s"


def measured(problem: Problem, seed: int, clock: Callable[[], float] = perf_counter) -> float:
    """Seconds of one mini-batch gradient of one model of node 0 on this computer: the median of several, when warm.

    Args:
        problem: whose gradient it is.
        seed: decides which samples are looked at.
        clock: tells real seconds.

    Returns:
        Seconds, to three digits: there is no more in it.
    """
    models_1D = problem.initial_model(seed)[None]
    samples_1b = first_samples(problem, 0, seed)
    out_1D = torch.empty_like(models_1D)
    taken = []
    for _ in range(WARM_UP + REPETITIONS):
        start = clock()
        problem.gradient(models_1D, samples_1b, out_1D)
        if problem.device.type == "cuda":
            torch.cuda.synchronize(problem.device)
        taken.append(clock() - start)
    return float(f"{median(taken[WARM_UP:]):.3g}")
