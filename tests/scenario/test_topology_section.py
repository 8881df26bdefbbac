"""The section `topology`: graphs over time are read, written back, and complained about where they stand."""

from __future__ import annotations

from typing import Any

import pytest

from simnet.errors import ScenarioError
from simnet.scenario import load, load_text
from simnet.simulation import schemas

BASE = """nodes: 3
topology: {topology}
problem: {{kind: quadratic, dimension: 2}}
algorithms: [{{name: dpsgd, lr: 0.1}}]
run: {{steps: 4}}
"""


def read(topology: str, more: str = "") -> Any:
    return load_text(BASE.format(topology=topology) + more, algorithms=schemas())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("one_peer_exponential", {"kind": "one_peer_exponential", "order": "cyclic"}),
        ("{kind: ring_lattice, reach: 1}", {"kind": "ring_lattice", "reach": 1, "pace": 1.0, "unit": "epoch"}),
        ("{kind: matcha, graph: ring, budget: 1}", {"kind": "matcha", "graph": {"kind": "ring"}, "budget": 1.0}),
        (
            "{kind: sequence, matrices: [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]]}",
            {"kind": "sequence", "matrices": [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]},
        ),
        ("{kind: sequence, matrices: own.npy}", {"kind": "sequence", "matrices": "own.npy"}),
    ],
)
def test_what_is_read_is_written_back(text: str, told: dict[str, Any]) -> None:
    scenario = read(text)
    assert scenario.to_plain()["topology"] == told
    assert load(scenario.to_plain(), algorithms=schemas()).topology == scenario.topology


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{kind: base_graph, degre: 2}", "topology.degre: unknown key; did you mean degree?"),
        ("{kind: epidemic, fanout: 0}", "topology.fanout: found 0; allowed: a number >= 1"),
        ("{kind: equi_dynamic, eta: 0}", "topology.eta: found 0; allowed: a number > 0"),
        ("{kind: matcha, graph: {kind: tors}, budget: 1}", "topology.graph.kind: found 'tors'; allowed: ring, path"),
        ("{kind: matcha, graph: matcha, budget: 1}", "topology.graph: found 'matcha'; allowed: ring, path"),
        ("{kind: matcha, graph: ring}", "topology.budget: missing"),
        ("{kind: sequence, matrices: 3}", "topology.matrices: found 3; allowed: a list of matrices"),
        ("{kind: sequence, matrices: []}", "topology.matrices: found []; allowed: a list of matrices"),
        ("{kind: sequence, matrices: [[[1, a], [0, 1]]]}", "topology.matrices.0.0.1: found 'a'; allowed: a finite number"),
        ("{kind: sequence, matrices: [[[1], [0, 1]]]}", "topology.matrices.0.1: found 2 numbers; allowed: 1"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(text)
    assert complaint in str(error.value)


def test_the_fastest_weights_are_not_offered_and_the_message_says_why() -> None:
    with pytest.raises(ScenarioError, match="fdla needs a semidefinite solver, and simnet has none"):
        read("ring", "mixing: fdla\n")
