"""The words that an algorithm may use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from simnet.errors import AlgorithmError
from simnet.node import Node, Payload
from simnet.values import Combination, Row
from tests.clock.building import failure, prepared, scenario
from tests.values.recording import Sum


def nodes_of(nodes: int = 4, **changes: Any) -> list[Node]:
    run = prepared(scenario(nodes, **changes))
    run.assemble()
    return run.nodes


def test_facts() -> None:
    node = nodes_of(5)[0]
    assert (node.id, node.num_nodes, node.neighbors, node.listeners) == (0, 5, (1, 4), (1, 4))
    assert node.self_weight + sum(node.weights) == pytest.approx(1.0)
    assert (node.vector_bits, node.number_bits, node.now, node.step) == (32.0, 32.0, 0.0, 0)


def test_in_a_directed_graph_neighbors_send_and_listeners_receive() -> None:
    topology = {"kind": "edges", "edges": [[0, 1], [1, 2], [2, 0]], "directed": True}
    node = nodes_of(3, topology=topology)[1]
    assert (node.neighbors, node.listeners) == ((0,), (2,))


def test_mix_is_a_row_of_the_matrix_in_sorted_order() -> None:
    matrix = [[0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7]]
    node = nodes_of(3, mixing={"matrix": matrix})[1]
    models = {j: Row.leaf() for j in (2, 0)}
    mixed = node.mix(node.x, models)
    assert mixed.rows == (node.x, models[0], models[2])
    assert mixed.weights == (0.6, 0.3, 0.1)


def test_the_weight_of_a_missing_neighbor_goes_to_oneself() -> None:
    node = nodes_of(3, mixing={"matrix": [[0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7]]})[1]
    other = Row.leaf()
    mixed = node.mix(node.x, {2: other})
    assert mixed.rows == (node.x, other)
    assert mixed.weights == pytest.approx((0.9, 0.1))
    assert node.mix(node.x, {}).weights == pytest.approx((1.0,))


def test_what_goes_over_the_wire() -> None:
    node = nodes_of(message={"bits_per_number": 10.0}, problem={"kind": "quadratic", "dimension": 7})[0]
    total = node.x + node.x
    content, bits = node.pack(total)
    assert (type(content), bits) == (Row, 70.0)
    assert node.pack((node.x, 3, 0.5))[1] == 70 + 10 + 10
    assert node.pack(Payload("bits", 3.0)) == ("bits", 3.0)
    with pytest.raises(AlgorithmError, match="a dict has no size on the wire"):
        node.pack({})


def test_keep_makes_one_row() -> None:
    node = nodes_of()[0]
    total = node.x + 2 * node.x
    kept = node.keep(total)
    assert isinstance(kept, Row)
    assert node.keep(kept) is kept
    assert node.keep(total) is kept
    assert (kept + kept).rows == (kept, kept)


def test_the_model_is_one_row_whatever_is_assigned() -> None:
    node = nodes_of()[0]
    node.x = node.x - 0.5 * node.x
    assert isinstance(node.x, Row)
    assert isinstance(node.x + node.zeros, Combination)


def test_a_sum_that_grows_from_step_to_step_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simnet.values.recorder.MOST_TERMS", 20)

    def growing(node: Node) -> Iterator[Any]:
        velocity = node.zeros
        for _ in node.steps():
            gradient = node.gradient(node.x)
            yield gradient
            velocity = velocity + gradient.value
            node.x = node.x - 0.01 * velocity

    source = scenario(2, steps=50, topology="path")
    message = failure(prepared(source, program=growing))
    assert re.search(r"node 0 in step \d+ .* a sum has grown to 21 vectors; .* node\.keep", message)


def test_a_number_is_there_at_once_and_takes_no_time() -> None:
    seen: list[tuple[float, float]] = []

    def deciding(node: Node) -> Iterator[Any]:
        for _ in node.steps():
            gradient = node.gradient(node.x)
            yield gradient
            node.x = node.x - 0.5 * gradient.value
            value = yield node.number(node.measure(Sum(), node.x))
            seen.append((node.now, value))

    source = scenario(1, steps=2, problem={"kind": "quadratic", "optimum": [[4.0]]}, compute={"time": "1 s"})
    prepared(source, program=deciding).execute()
    assert seen == [(1.0, 2.0), (2.0, 3.0)]


def test_tallies_add_up_in_the_summary() -> None:
    def counting(node: Node) -> Iterator[Any]:
        for _ in node.steps():
            yield node.gradient(node.x)
            node.tally("units", node.measure(Sum(), node.x))

    record = prepared(scenario(3, steps=4, init=[[1.0], [2.0], [3.0]]), program=counting).execute()
    assert record.summary["counters"]["units"] == 4 * 6


def test_a_shared_sum_is_computed_once() -> None:
    nodes = nodes_of(3)
    rows = [node.x for node in nodes]
    totals = [node.same_for_all(rows[i - 1] + rows[i] + rows[i - 2]) for i, node in enumerate(nodes)]
    assert totals[0] is totals[1] is totals[2]


def test_a_locked_node_must_not_change_its_model() -> None:
    def cheating(node: Node) -> Iterator[Any]:
        node.answer = lambda _, theirs: theirs
        for _ in node.steps():
            if node.may_ask:
                event = node.ask(node.may_ask[0], node.x, then=lambda _: None)
                node.x = node.x / 2
                yield event
            yield node.gradient(node.x)

    message = failure(prepared(scenario(2, topology="path", network={"latency": "1 s"}), program=cheating))
    assert re.search(r"node 0 in step 0 .* changes its model while its own atomic question", message)


def test_an_error_in_an_algorithm_says_where() -> None:
    def broken(node: Node) -> Iterator[Any]:
        for k in node.steps():
            yield node.gradient(node.x)
            if (node.id, k) == (2, 1):
                raise ZeroDivisionError("by me")

    message = failure(prepared(scenario(compute={"time": "1 s"}), program=broken))
    assert re.search(r"node 2 in step 1 \(t = 2 s\): ZeroDivisionError: by me .*test_node.py:\d+", message)


def test_nodes_have_random_numbers_of_their_own() -> None:
    first, again, other = (nodes_of(seed=seed) for seed in (1, 1, 2))
    numbers = [[node.rng.random() for node in nodes] for nodes in (first, again, other)]
    assert numbers[0] == numbers[1]
    assert len(np.unique(numbers[0] + numbers[2])) == 8
    assert first[0].shared_key("purpose", 3) == first[1].shared_key("purpose", 3) != first[0].shared_key("purpose", 4)
