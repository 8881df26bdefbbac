"""What a scenario says about its topology: who talks to whom, always or in each step anew."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from simnet.part import Choice, Part
from simnet.scenario.disturbances import NodeId, Share
from simnet.scenario.quantities import Text
from simnet.scenario.rows import read_rows
from simnet.sentences import complaints_of, refusal, shown


class Ring(Part):
    """Every node has the two next to it as neighbors, cyclically."""

    kind: Literal["ring"] = "ring"


class Path(Part):
    """A ring with one edge cut."""

    kind: Literal["path"] = "path"


class Torus(Part):
    """A grid that is closed in both directions.

    Args:
        rows: a divisor of the number of nodes; None: as square as can be.
    """

    kind: Literal["torus"] = "torus"
    rows: Annotated[int, Field(ge=1)] | None = None


class Complete(Part):
    """Everyone talks to everyone."""

    kind: Literal["complete"] = "complete"


class Star(Part):
    """Node 0 talks to all others."""

    kind: Literal["star"] = "star"


class Hypercube(Part):
    """Nodes whose binary numbers differ in one digit are neighbors."""

    kind: Literal["hypercube"] = "hypercube"


class ExponentialGraph(Part):
    """The directed graph in which node i sends to i + 1, i + 2, i + 4, ... (modulo n)."""

    kind: Literal["exponential"] = "exponential"


class RandomRegular(Part):
    """A random graph in which all nodes have equally many neighbors.

    Args:
        degree: how many.
    """

    kind: Literal["random_regular"] = "random_regular"
    degree: Annotated[int, Field(ge=1)]


class ErdosRenyi(Part):
    """Every pair of nodes is connected with the same probability; drawn again until the graph is connected.

    Args:
        probability: of each edge.
    """

    kind: Literal["erdos_renyi"] = "erdos_renyi"
    probability: Annotated[float, Field(gt=0, le=1)]


class WattsStrogatz(Part):
    """A ring lattice with randomly rewired edges.

    Args:
        degree: neighbors of each node before rewiring.
        rewiring: probability of each edge to be rewired.
    """

    kind: Literal["watts_strogatz"] = "watts_strogatz"
    degree: Annotated[int, Field(ge=2)]
    rewiring: Share


class Edges(Part):
    """The edges themselves.

    Args:
        edges: pairs ``[from, to]`` of node numbers from 0.
        directed: whether ``[0, 1]`` lets only node 0 send to node 1.
    """

    kind: Literal["edges"] = "edges"
    edges: tuple[tuple[NodeId, NodeId], ...]
    directed: bool = False


class GraphFile(Part):
    """An edge list or a GraphML file.

    Args:
        path: relative to the scenario's folder.
        directed: for edge lists, as in `Edges`.
    """

    kind: Literal["file"] = "file"
    path: Text
    directed: bool = False


class EquiStatic(Part):
    """A random circulant graph with weights of its own: n W = I + (n - 1) P, with P the mean of random cyclic shifts.

    Args:
        shifts: M, how many are drawn; rho falls like sqrt(log(n) / M), whatever n.
        directed: whether nodes send along the shifts only; if not, W is (W + W^T) / 2.
    """

    kind: Literal["equi_static"] = "equi_static"
    shifts: Annotated[int, Field(ge=1)]
    directed: bool = True


class EquiDynamic(Part):
    """In each step one random cyclic shift, or the matching that it gives, with weights of its own.

    Args:
        shifts: draw that many once, and in each step one of them; None: in each step one of all n - 1.
        eta: of W = (1 - eta) I + eta A, with A the shift's own matrix.
        directed: whether node i sends to i + shift; if not, pairs (i, i + shift) that are both free average.
    """

    kind: Literal["equi_dynamic"] = "equi_dynamic"
    shifts: Annotated[int, Field(ge=1)] | None = None
    eta: Annotated[float, Field(gt=0, le=1)] = 0.5
    directed: bool = True


class OnePeerExponential(Part):
    """In step k node i sends to i + 2^(k mod tau) only, tau = ceil(log2 n), and both halves count the same.

    Args:
        order: of the tau shifts: ``cyclic``, or ``shuffled`` anew every tau steps.
    """

    kind: Literal["one_peer_exponential"] = "one_peer_exponential"
    order: Literal["cyclic", "shuffled"] = "cyclic"


class RandomMatching(Part):
    """In each step the nodes pair up at random, and pairs average; of an odd number one node is left alone."""

    kind: Literal["random_matching"] = "random_matching"


class HyperHypercube(Part):
    """Groups of n_1, n_2, ... nodes average one after the other, n = n_1 n_2 ...: exact consensus after each round.

    Args:
        degree: k, the most neighbors in a step; no prime factor of n may exceed k + 1.
    """

    kind: Literal["hyper_hypercube"] = "hyper_hypercube"
    degree: Annotated[int, Field(ge=1)] = 1


class BaseGraph(Part):
    """The Base-(k+1) graph: exact consensus after a few steps for any number of nodes.

    Args:
        degree: k, the most neighbors in a step.
        simple: the simple Base-(k+1) graph, which is never shorter.
    """

    kind: Literal["base_graph"] = "base_graph"
    degree: Annotated[int, Field(ge=1)] = 1
    simple: bool = False


class RingLattice(Part):
    """Every node has the k next to it on each side as neighbors; k may change as training goes on.

    Args:
        reach: k, at the start.
        final: the last k, larger or smaller; None: k stays.
        pace: by how much k moves per unit of time, in whole neighbors: k = reach -+ floor(pace t) until final.
        unit: of the time t.
    """

    kind: Literal["ring_lattice"] = "ring_lattice"
    reach: Annotated[int, Field(ge=1)]
    final: Annotated[int, Field(ge=1)] | None = None
    pace: Annotated[float, Field(gt=0)] = 1.0
    unit: Literal["epoch", "step"] = "epoch"


class Epidemic(Part):
    """In each step every node sends to random others; each keeps an equal share, so that shares (columns) sum to one.

    Args:
        fanout: to how many.
    """

    kind: Literal["epidemic"] = "epidemic"
    fanout: Annotated[int, Field(ge=1)] = 1


def _read_matrices(given: Any) -> Any:
    if isinstance(given, str):
        return given
    if not isinstance(given, list | tuple) or not given:
        raise refusal(((), f"found {shown(given)}; allowed: a list of matrices, each a list of rows, or the path of a file"))
    matrices = []
    for i, rows in enumerate(given):
        try:
            matrices.append(read_rows(rows))
        except ValidationError as error:
            raise refusal(*(((i, *place), text) for place, text in complaints_of(error))) from None
    return tuple(matrices)


def _numbers(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": _numbers(depth - 1), "minItems": 1} if depth else {"type": "number"}


Matrices = Annotated[
    tuple[tuple[tuple[float, ...], ...], ...] | Text,
    BeforeValidator(_read_matrices),
    WithJsonSchema({"anyOf": [_numbers(3), {"type": "string"}]}),
]
"""Matrices one after the other, or the path of a file that holds them."""


class Sequence(Part):
    """Mixing matrices of your own, one for each step, over and over again.

    Args:
        matrices: a list of n x n weights (row = receiver), or the path of an NPY file with an array [steps, n, n].
    """

    kind: Literal["sequence"] = "sequence"
    matrices: Matrices


StaticTopology = Annotated[
    Ring
    | Path
    | Torus
    | Complete
    | Star
    | Hypercube
    | ExponentialGraph
    | RandomRegular
    | ErdosRenyi
    | WattsStrogatz
    | Edges
    | GraphFile,
    Choice("kind"),
]


class Matcha(Part):
    """Matchings of a graph, each active at random: what matters most for the mean to spread is active most often.

    Args:
        graph: the graph that is cut into matchings.
        budget: expected share of active matchings, in (0, 1].
    """

    kind: Literal["matcha"] = "matcha"
    graph: StaticTopology
    budget: Annotated[float, Field(gt=0, le=1)]


Topology = Annotated[
    Ring
    | Path
    | Torus
    | Complete
    | Star
    | Hypercube
    | ExponentialGraph
    | RandomRegular
    | ErdosRenyi
    | WattsStrogatz
    | RingLattice
    | EquiStatic
    | Edges
    | GraphFile
    | OnePeerExponential
    | RandomMatching
    | EquiDynamic
    | HyperHypercube
    | BaseGraph
    | Matcha
    | Epidemic
    | Sequence,
    Choice("kind"),
]
