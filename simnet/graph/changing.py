"""Topologies that come with weights of their own, most of them with others in each step."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from simnet.errors import ParameterError
from simnet.graph.equitopo import equi_dynamic, equi_static
from simnet.graph.finite_time import base_graph, hyper_hypercube, one_peer_exponential
from simnet.graph.links import TOLERANCE, Weights
from simnet.graph.matchings import matcha
from simnet.graph.mixing import MixingSpec, build_mixing, slack
from simnet.graph.over_time import GraphSequence, graph_of
from simnet.graph.steps import epidemic, moving_lattice, random_matching, sequence
from simnet.graph.topologies import TopologySpec, build_topology
from simnet.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEQUENCES: Mapping[str, Callable[..., GraphSequence]] = {
    "one_peer_exponential": one_peer_exponential,
    "random_matching": random_matching,
    "equi_static": equi_static,
    "equi_dynamic": equi_dynamic,
    "hyper_hypercube": hyper_hypercube,
    "base_graph": base_graph,
    "ring_lattice": moving_lattice,
    "matcha": matcha,
    "epidemic": epidemic,
    "sequence": sequence,
}
"""The kinds with weights of their own; a ring lattice without a final reach is an ordinary graph."""


def has_own_weights(spec: TopologySpec) -> bool:
    """Whether a topology comes with its mixing matrices.

    Args:
        spec: a scenario's ``topology``.

    Returns:
        False for a plain graph, on which the rule of ``mixing`` gives the weights.

    Example:
        >>> from types import SimpleNamespace
        >>> [has_own_weights(SimpleNamespace(kind="ring_lattice", final=final)) for final in (None, 1)]
        [False, True]
    """
    return spec.kind in SEQUENCES and (spec.kind != "ring_lattice" or getattr(spec, "final", None) is not None)


def build_sequence(
    spec: TopologySpec, n: int, seed: int = 0, base: str | Path = ".", steps_per_epoch: float = 1.0
) -> GraphSequence:
    """The mixing matrices of all steps that a scenario's ``topology`` describes.

    Args:
        spec: has ``kind``, a key of ``SEQUENCES``, and the parameters of that function as attributes.
        n: number of nodes.
        seed: of the random kinds; step k draws from a stream of its own.
        base: the folder that relative paths start from.
        steps_per_epoch: of a node, in the mean.

    Returns:
        The sequence; there is only one matrix in it if the topology never changes.

    Raises:
        ParameterError: a parameter is impossible, or some node can never reach some other.

    Example:
        >>> from types import SimpleNamespace
        >>> graphs = build_sequence(SimpleNamespace(kind="base_graph", degree=2, simple=False), 5)
        >>> graphs.num_phases, graphs.spectrum().rho
        (3, 0.0)
    """
    function = SEQUENCES[spec.kind]
    known = {
        "rng": stream(seed, "topology", spec.kind),
        "draws": partial(stream, seed, "topology", spec.kind),
        "base": base,
        "steps_per_epoch": steps_per_epoch,
        "build": lambda graph: build_topology(graph, n, seed, base),
    }
    names = [name for name in inspect.signature(function).parameters if name != "n"]
    known |= {name: getattr(spec, name) for name in names if hasattr(spec, name)}
    try:
        found = function(n, **{name: known[name] for name in names if name in known})
        _ = found.graph
    except ParameterError as error:
        has_key = str(error).split()[0].endswith(":")
        raise ParameterError(str(error) if has_key else f"kind: {spec.kind} {error}") from None
    return found


def with_mixing(graphs: GraphSequence, spec: MixingSpec, kind: str, base: str | Path = ".") -> GraphSequence:
    """The sequence after what a scenario's ``mixing`` adds to it: ``lazy`` and ``slack``.

    Args:
        graphs: comes with weights of its own.
        spec: the scenario's ``mixing``.
        kind: of the topology.
        base: the folder that relative paths start from.

    Returns:
        The sequence, changed.

    Raises:
        ParameterError: mixing gives weights that are others.

    Example:
        >>> from types import SimpleNamespace
        >>> graphs = hyper_hypercube(4)
        >>> spec = SimpleNamespace(kind="uniform", self_weight=None, matrix=None, lazy=True, slack=None)
        >>> with_mixing(graphs, spec, "hyper_hypercube").at(0).diagonal().tolist()
        [0.75, 0.75, 0.75, 0.75]
    """
    has_other = spec.matrix is not None
    if spec.kind is not None:
        plain = _Plain(spec.kind, spec.self_weight)
        has_other = any(not _agree(weights, plain, base) for weights in graphs.examples)
    if has_other:
        found = "a matrix" if spec.matrix is not None else str(spec.kind)
        raise ParameterError(
            f"{'matrix' if spec.matrix is not None else 'kind'}: found {found} with topology {kind}, which comes with other "
            "weights; leave it out"
        )
    if spec.lazy:
        graphs = graphs.changed(lambda weights: slack(weights, 0.5))
    return graphs if spec.slack is None else graphs.changed(lambda weights: slack(weights, spec.slack or 1.0))


class _Plain:
    """A rule for the mixing matrix and nothing else."""

    matrix = None
    lazy = False
    slack = None

    def __init__(self, kind: str, self_weight: float | None) -> None:
        self.kind = kind
        self.self_weight = self_weight


def _agree(weights: Weights, rule: MixingSpec, base: str | Path) -> bool:
    """Whether a rule gives a matrix on the graph of its own links."""
    try:
        given = build_mixing(rule, graph_of([weights]), base)
    except ParameterError:
        return False
    return bool(abs(given - weights).max() <= TOLERANCE)
