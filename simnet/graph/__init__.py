"""Who talks to whom, with which weights, and how fast that averages: topologies, mixing matrices, spectra."""

from simnet.graph.common import Graph
from simnet.graph.edge_lists import edge_list, graph_file
from simnet.graph.explicit import read_matrix, topology_of
from simnet.graph.links import Weights
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
    slack,
    uniform,
)
from simnet.graph.random_graphs import erdos_renyi, random_regular, watts_strogatz
from simnet.graph.spectrum import Spectrum, smallest_eigenvalue, spectral_gap
from simnet.graph.topologies import (
    TOPOLOGIES,
    build_topology,
    complete,
    exponential,
    hypercube,
    path,
    ring,
    star,
    torus,
    torus_shape,
)
from simnet.graph.trees import Branch, spanning_tree

__all__ = [
    "MIXINGS",
    "TOPOLOGIES",
    "Branch",
    "Graph",
    "Spectrum",
    "Weights",
    "best_constant",
    "build_mixing",
    "build_topology",
    "complete",
    "edge_list",
    "erdos_renyi",
    "exponential",
    "graph_file",
    "hypercube",
    "is_column_stochastic",
    "is_doubly_stochastic",
    "is_row_stochastic",
    "is_symmetric",
    "lazy",
    "max_degree",
    "metropolis",
    "path",
    "random_regular",
    "read_matrix",
    "ring",
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
]
