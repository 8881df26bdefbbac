"""Partitions: every sample once, no empty node, and the heterogeneity that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.errors import ParameterError
from simnet.problems import partitions

PARTITIONS = {
    "iid": (partitions.iid, {}),
    "sorted": (partitions.label_sorted, {"shuffled": 0.0}),
    "half-sorted": (partitions.label_sorted, {"shuffled": 0.5}),
    "dirichlet": (partitions.dirichlet, {"concentration": 0.05}),
}


@pytest.mark.parametrize("name", PARTITIONS)
@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), data=st.data())
def test_every_sample_goes_to_one_node_and_no_node_is_empty(name: str, labels: list[int], data: st.DataObject) -> None:
    nodes = data.draw(st.integers(1, len(labels)))
    function, keywords = PARTITIONS[name]
    parts = function(np.array(labels), nodes, np.random.default_rng(data.draw(st.integers(0, 9))), **keywords)
    assert len(parts) == nodes
    assert min(map(len, parts)) >= 1
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    if name != "dirichlet":
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_sorted_labels_rise_from_node_to_node() -> None:
    labels = np.random.default_rng(1).integers(0, 10, 1000)
    parts = partitions.label_sorted(labels, 16, np.random.default_rng(1), shuffled=0.0)
    assert (np.diff(labels[np.concatenate(parts)]) >= 0).all()
    assert max(len(set(labels[part])) for part in parts) <= 3


def test_only_the_first_share_of_the_sorted_list_is_shuffled() -> None:
    labels = np.repeat(np.arange(10), 100)
    order = np.concatenate(partitions.label_sorted(labels, 10, np.random.default_rng(1), shuffled=0.25))
    assert set(order[:250]) == set(range(250))
    assert (order[250:] == np.arange(250, 1000)).all()
    assert (np.diff(labels[order[:250]]) < 0).any()


def test_shuffling_everything_is_iid() -> None:
    labels = np.repeat(np.arange(10), 100)
    parts = partitions.label_sorted(labels, 5, np.random.default_rng(1), shuffled=1.0)
    assert min(len(set(labels[part])) for part in parts) == 10


def test_a_small_concentration_is_more_heterogeneous() -> None:
    labels = np.repeat(np.arange(10), 200)

    def spread(concentration: float) -> float:
        parts = partitions.dirichlet(labels, 8, np.random.default_rng(1), concentration=concentration)
        counts = np.stack([np.bincount(labels[part], minlength=10) for part in parts])
        return float(counts.std())

    assert spread(0.1) > 1.5 * spread(1.0) > 3 * spread(100.0)


def test_dirichlet_fills_empty_nodes_from_the_largest() -> None:
    parts = partitions.dirichlet(np.zeros(20, dtype=np.int64), 20, np.random.default_rng(1), concentration=1e-3)
    assert [len(part) for part in parts] == [1] * 20


def test_more_nodes_than_samples_are_refused() -> None:
    with pytest.raises(ParameterError, match="partition: found 3 training samples for 4 nodes"):
        partitions.check_enough(3, 4)
