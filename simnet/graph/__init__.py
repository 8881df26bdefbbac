"""Who talks to whom, with which weights, and how fast that averages: topologies, mixing matrices, spectra."""

from simnet.graph.changing import SEQUENCES, build_sequence, has_own_weights, with_mixing
from simnet.graph.common import Graph
from simnet.graph.edge_lists import edge_list, graph_file
from simnet.graph.equitopo import equi_dynamic, equi_static
from simnet.graph.explicit import read_matrix, topology_of
from simnet.graph.finite_time import base_graph, hyper_hypercube, one_peer_exponential
from simnet.graph.links import Weights
from simnet.graph.matchings import matcha
from simnet.graph.mixing import (
    MIXINGS,
    best_constant,
    build_mixing,
    is_column_stochastic,
    is_doubly_stochastic,
    is_row_stochastic,
    is_symmetric,
    lazy,
    max_degree,
    metropolis,
    push,
    slack,
    uniform,
)
from simnet.graph.over_time import GraphSequence
from simnet.graph.random_graphs import erdos_renyi, random_regular, watts_strogatz
from simnet.graph.spectrum import Spectrum, smallest_eigenvalue, spectral_gap
from simnet.graph.steps import epidemic, moving_lattice, random_matching, sequence
from simnet.graph.topologies import (
    TOPOLOGIES,
    build_topology,
    complete,
    exponential,
    hypercube,
    path,
    ring,
    ring_lattice,
    star,
    torus,
    torus_shape,
)
from simnet.graph.trees import Branch, spanning_tree

__all__ = [
    "MIXINGS",
    "SEQUENCES",
    "TOPOLOGIES",
    "Branch",
    "Graph",
    "GraphSequence",
    "Spectrum",
    "Weights",
    "base_graph",
    "best_constant",
    "build_mixing",
    "build_sequence",
    "build_topology",
    "complete",
    "edge_list",
    "epidemic",
    "equi_dynamic",
    "equi_static",
    "erdos_renyi",
    "exponential",
    "graph_file",
    "has_own_weights",
    "hyper_hypercube",
    "hypercube",
    "is_column_stochastic",
    "is_doubly_stochastic",
    "is_row_stochastic",
    "is_symmetric",
    "lazy",
    "matcha",
    "max_degree",
    "metropolis",
    "moving_lattice",
    "one_peer_exponential",
    "path",
    "push",
    "random_matching",
    "random_regular",
    "read_matrix",
    "ring",
    "ring_lattice",
    "sequence",
    "slack",
    "smallest_eigenvalue",
    "spanning_tree",
    "spectral_gap",
    "star",
    "topology_of",
    "torus",
    "torus_shape",
    "uniform",
    "watts_strogatz",
    "with_mixing",
]
