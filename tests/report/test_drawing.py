"""How a topology is drawn: every edge once, every node in its place."""

from __future__ import annotations

import io
import math
from itertools import pairwise

import networkx as nx
import pytest

from simnet.graph import TOPOLOGIES, complete, exponential, hypercube, path, ring, star, torus
from simnet.graph.common import Graph
from simnet.report.drawing import draw_graph, layout


@pytest.mark.parametrize(
    ("graph", "kind", "num_arrows"),
    [
        (ring(16), "ring", 16),
        (torus(12), "torus", 24),
        (hypercube(16), "hypercube", 32),
        (star(9), "star", 8),
        (complete(8), "complete", 28),
        (exponential(8), "exponential", 20),  # 24 edges, of which the 4 diameters exist both ways
        (nx.petersen_graph(), "random_regular", 15),
        (nx.empty_graph(1), "ring", 0),
        (path(2), "edges", 1),
    ],
)
def test_every_edge_is_drawn_once(graph: Graph, kind: str, num_arrows: int) -> None:
    figure = draw_graph(graph, kind)
    assert figure is not None
    (axes,) = figure.axes
    assert len(axes.patches) == num_arrows
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(len(graph))]
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("kind", [*TOPOLOGIES, ""])
def test_no_two_nodes_lie_in_the_same_place(kind: str) -> None:
    graph = hypercube(16) if kind == "hypercube" else torus(16)
    places = layout(graph, kind)
    assert sorted(places) == list(range(16))
    assert min(math.dist(places[i], places[j]) for i in places for j in places if i < j) > 0.05


def test_a_ring_is_a_circle_with_node_0_on_top_and_a_torus_a_grid() -> None:
    places = [layout(ring(8), "ring")[i] for i in range(8)]
    assert places[0] == (0.0, 1.0)
    assert all(math.hypot(*place) == pytest.approx(1) for place in places)
    assert len({round(math.dist(a, b), 9) for a, b in pairwise(places)}) == 1
    assert layout(torus(12, rows=3), "torus", 3)[7] == (3.0, -1.0)  # row 1, column 3 of 4


def test_the_same_graph_is_drawn_the_same() -> None:
    assert layout(nx.petersen_graph(), "edges") == layout(nx.petersen_graph(), "edges")


@pytest.mark.parametrize(("graph", "is_drawn"), [(ring(256), True), (ring(257), False), (complete(80), False)])
def test_large_graphs_are_not_drawn(graph: Graph, is_drawn: bool) -> None:
    assert (draw_graph(graph, "ring") is not None) == is_drawn
