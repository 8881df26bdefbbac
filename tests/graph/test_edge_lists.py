"""Edges listed in a scenario or in a file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.graph import build_topology, edge_list, exponential, graph_file, ring

if TYPE_CHECKING:
    from pathlib import Path

    from simnet.graph import Graph

RING_EDGES = [(0, 1), (1, 2), (2, 3), (3, 0)]
DISTINCT_PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda edge: edge[0] != edge[1]))


def build_edges(n: int, edges: list[Any], directed: bool = False) -> Graph:
    return build_topology(SimpleNamespace(kind="edges", edges=edges, directed=directed), n)


def build_file(folder: Path, text: str, n: int = 4, name: str = "edges.csv", **parameters: Any) -> Graph:
    (folder / name).write_text(text, encoding="utf-8")
    return build_topology(SimpleNamespace(kind="file", path=name, **parameters), n, base=folder)


@given(DISTINCT_PAIRS)
def test_directed_edges_keep_their_direction_unless_all_have_both(edges: list[Any]) -> None:
    graph = edge_list(10, edges=edges, directed=True)
    one_way = any((v, u) not in edges for u, v in edges)
    assert graph.is_directed() == one_way
    assert set(graph.to_directed().edges) == set(edges)


@given(DISTINCT_PAIRS)
def test_an_undirected_list_may_name_an_edge_either_way(edges: list[Any]) -> None:
    graph = edge_list(10, edges=edges)
    assert nx.utils.graphs_equal(graph, edge_list(10, edges=[(v, u) for u, v in edges] + edges))


def test_edges_to_oneself_are_ignored() -> None:
    assert build_edges(2, [[0, 0], [0, 1], [1, 1]]).size() == 1
    assert not build_edges(2, [[0, 0], [0, 1], [1, 0]], directed=True).is_directed()


@pytest.mark.parametrize("edge", [[0, 4], [-1, 0], [0, 1, 2], [0], [0, 1.5]])
def test_an_edge_is_a_pair_of_nodes(edge: list[Any]) -> None:
    with pytest.raises(ParameterError, match=r"^edges: found .*; pairs of node numbers 0\.\.3 are allowed; correct it"):
        build_edges(4, [*RING_EDGES, edge])


@pytest.mark.parametrize(
    ("edges", "directed", "gap"),
    [
        ([(0, 1), (2, 3)], False, "from node 0 to node 2"),
        ([], False, "from node 0 to node 1"),
        ([(0, 1), (1, 2), (2, 0), (2, 3)], True, "from node 3 to node 0"),
    ],
)
def test_a_disconnected_graph_says_which_node_is_out_of_reach(edges: list[Any], directed: bool, gap: str) -> None:
    with pytest.raises(ParameterError, match=f"^kind: found edges with 4 nodes: no path leads {gap}; .*; add edges"):
        build_edges(4, edges, directed)


@pytest.mark.parametrize(
    "text",
    [
        "0,1\n1,2\n2,3\n3,0\n",
        "from, to\n0, 1\n1, 2\n\n2, 3\n3, 0",
        "# a ring\n0 1\n1\t2\n2;3 # the third\n  3 0  \n",
        "\ufeff0,1\r\n1,2\r\n2,3\r\n3,0\r\n",
    ],
)
def test_edge_lists_are_read_in_all_usual_spellings(tmp_path: Path, text: str) -> None:
    assert nx.utils.graphs_equal(build_file(tmp_path, text), ring(4))


def test_a_directed_edge_list_file(tmp_path: Path) -> None:
    graph = build_file(tmp_path, "0 1\n1 2\n2 0\n", n=3, name="cycle.txt", directed=True)
    assert set(graph.edges) == {(0, 1), (1, 2), (2, 0)}
    assert graph.is_directed()


@pytest.mark.parametrize("graph", [ring(5), exponential(5)])
def test_graphml_is_read_as_networkx_writes_it(tmp_path: Path, graph: Graph) -> None:
    nx.write_graphml(graph, tmp_path / "graph.graphml")
    read = graph_file(5, path="graph.graphml", base=tmp_path)
    assert nx.utils.graphs_equal(read, graph)
    assert list(read) == list(range(5))


def test_an_absolute_path_needs_no_base(tmp_path: Path) -> None:
    (tmp_path / "pair.csv").write_text("0,1\n")
    assert graph_file(2, path=tmp_path / "pair.csv").size() == 1


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("edges.csv", "0,1\n1,two\n", "found '1,two' in line 2; two node numbers are allowed; correct it"),
        ("edges.csv", "0,1,0.5\n", "found '0,1,0.5' in line 1; two node numbers"),
        ("edges.csv", "0,1\n1,9\n", r"found \[1, 9\]; pairs of node numbers 0\.\.3"),
        ("graph.graphml", "<graphml", r"cannot be read \(.*\); an edge list or a GraphML file is allowed"),
        ("graph.xml", "<html/>", r"cannot be read \(.*\)"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(ParameterError, match=f"^path: .*{name}:? {sentence}"):
        build_file(tmp_path, text, name=name)


def test_graphml_nodes_must_be_those_of_the_scenario(tmp_path: Path) -> None:
    nx.write_graphml(ring(5), tmp_path / "ring.graphml")
    nx.write_graphml(nx.relabel_nodes(ring(5), str), tmp_path / "same.graphml")
    nx.write_graphml(nx.relabel_nodes(ring(5), {0: "hub"}), tmp_path / "hub.graphml")
    assert graph_file(5, path="same.graphml", base=tmp_path).size() == 5
    with pytest.raises(ParameterError, match="found 5 nodes; "):
        graph_file(6, path="ring.graphml", base=tmp_path)
    with pytest.raises(ParameterError, match="found a node called 'hub'; "):
        graph_file(5, path="hub.graphml", base=tmp_path)


def test_an_unreadable_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    for name in ("nowhere.csv", "nowhere.graphml", "binary.csv", ".", "a\0b"):
        with pytest.raises(ParameterError, match=r"(?s)^path: .* cannot be read \(.+\); "):
            graph_file(3, path=name, base=tmp_path)
