"""The topology as a picture: a ring as a circle, a torus as a grid, a hypercube as a cube."""

from __future__ import annotations

import math
from collections.abc import Mapping

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from simnet.graph import Graph, torus_shape
from simnet.report import style

MOST_NODES, MOST_EDGES = 256, 2048
"""Beyond these a drawing shows nothing but ink."""

Places = Mapping[int, tuple[float, float]]

_CIRCLES = {"ring", "path", "complete", "exponential", "watts_strogatz"}
_MOST_NAMES = 64
_FEW_NODES = 32
_LONG = 1.5  # steps of the grid: an edge beyond joins opposite borders


def draw_graph(graph: Graph, kind: str = "", rows: int | None = None) -> Figure | None:
    """Who talks to whom.

    Args:
        graph: the topology; a directed one is drawn with arrows.
        kind: of the scenario's topology, which says how to lay it out.
        rows: of a torus, if the scenario says so.

    Returns:
        The figure; None if there are more than 256 nodes or 2048 edges.

    Example:
        >>> figure = draw_graph(nx.cycle_graph(4), "ring")
        >>> len(figure.axes[0].patches), draw_graph(nx.complete_graph(100), "complete") is None
        (4, True)
    """
    if graph.number_of_nodes() > MOST_NODES or graph.number_of_edges() > MOST_EDGES:
        return None
    figure = style.PaperFigure(figsize=(4.6, 4.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.margins(0.08)
    places = layout(graph, kind, rows)
    _draw_edges(axes, graph, places, bends=kind == "torus")
    _draw_nodes(axes, places)
    return figure


def layout(graph: Graph, kind: str = "", rows: int | None = None) -> Places:
    """Where each node is drawn.

    Args:
        graph: the topology.
        kind: of the scenario's topology.
        rows: of a torus, if the scenario says so.

    Returns:
        Places in a plane; those of graphs without a shape of their own come out of their distances (Kamada, Kawai 1989).

    Example:
        >>> layout(nx.empty_graph(4), "torus")[3]
        (1.0, -1.0)
    """
    n = graph.number_of_nodes()
    if kind == "torus":
        columns = torus_shape(n, rows)[1]
        return {i: (float(i % columns), -float(i // columns)) for i in range(n)}
    if kind == "hypercube":
        return {i: _corner(i, max(1, n.bit_length() - 1)) for i in range(n)}
    if kind == "star":
        return {0: (0.0, 0.0), **_circle(range(1, n))}
    if kind in _CIRCLES or n <= 2:
        return _circle(range(n))
    undirected = graph.to_undirected()
    found = nx.kamada_kawai_layout(undirected, pos=nx.circular_layout(undirected))
    return {i: (float(x), float(y)) for i, (x, y) in found.items()}


def _circle(nodes: range) -> dict[int, tuple[float, float]]:
    """Clockwise, the first one on top."""
    angles = [2 * math.pi * k / max(len(nodes), 1) for k in range(len(nodes))]
    return {i: (math.sin(angle), math.cos(angle)) for i, angle in zip(nodes, angles, strict=True)}


def _corner(number: int, bits: int) -> tuple[float, float]:
    """A corner of a cube seen from a corner: every bit is a direction of its own, the higher the longer."""
    x, y = 0.0, 0.0
    for k in range(bits):
        if number >> k & 1:
            length, angle = 1 + 0.35 * k, math.pi * (k + 0.25) / (bits + 0.5)
            x, y = x + length * math.cos(angle), y + length * math.sin(angle)
    return x, y


def _draw_edges(axes: Axes, graph: Graph, places: Places, *, bends: bool) -> None:
    both_ways = {(i, j) for i, j in graph.edges if graph.is_directed() and graph.has_edge(j, i)}
    width = 1.2 if graph.number_of_edges() <= 4 * _FEW_NODES else 0.5
    shrink = math.sqrt(_area(len(places))) / 2
    for i, j in graph.edges:
        if (i, j) in both_ways and i > j:
            continue  # drawn with the edge the other way round
        is_long = bends and math.dist(places[i], places[j]) > _LONG
        look = "-" if not graph.is_directed() else "<|-|>" if (i, j) in both_ways else "-|>"
        arrow = FancyArrowPatch(
            places[i],
            places[j],
            arrowstyle=look,
            mutation_scale=9,
            connectionstyle=f"arc3,rad={0.18 if is_long else 0.0}",
            shrinkA=shrink,
            shrinkB=shrink,
            color="#9A9A9A",
            linewidth=width,
            zorder=1,
        )
        axes.add_patch(arrow)


def _draw_nodes(axes: Axes, places: Places) -> None:
    xy = np.array([places[i] for i in sorted(places)])
    axes.scatter(xy[:, 0], xy[:, 1], s=_area(len(places)), color=style.COLORS[0], linewidth=0, zorder=2)
    for i in sorted(places) if len(places) <= _MOST_NAMES else ():
        size = style.TICK_SIZE if len(places) <= _FEW_NODES else 5.5
        axes.text(*places[i], str(i), color="white", fontsize=size, ha="center", va="center", zorder=3)


def _area(num_nodes: int) -> float:
    """Of a node's disc [square points]."""
    return 260.0 if num_nodes <= _FEW_NODES else 120.0 if num_nodes <= _MOST_NAMES else 24.0
