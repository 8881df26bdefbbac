"""Time spent on compressing and mixing: a debt that is paid before the next computation starts and the next message leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simnet.node import Node
from simnet.node_kinds import ChargedNode, SilentNode, UnevenNode, node_maker
from simnet.scenario import Compute
from tests.clock.building import completion_times, prepared, scenario

D, STEPS = 4, 5
RING = {"sharing": "none", "latency": "3 s"}


def source(algorithm: Any, network: dict[str, str] = RING, time: str = "1 s", n: int = 3, **costs: str) -> dict[str, Any]:
    problem = {"kind": "quadratic", "dimension": D}
    return scenario(n, algorithm, STEPS, problem=problem, network=network, compute={"time": time, "per_number": costs})


def ends(*arguments: Any, **keys: Any) -> list[float]:
    """When node 0 has completed each of its steps."""
    return completion_times(source(*arguments, **keys))[:, 0].tolist()


def test_mixing_delays_what_is_sent_next() -> None:
    """Models travel 3 s, longer than a gradient takes; mixing 3 vectors of 4 numbers at 0.5 s delays the next ones by 6 s."""
    found = ends("dpsgd", mix="500 ms")
    assert found == pytest.approx([0, 3, 12, 21, 30, 39])  # step k: wait 6 s, then send, then 3 s


def test_mixing_delays_the_next_gradient() -> None:
    """Without a network the gradient is what everyone waits for."""
    assert ends("dpsgd", {}, mix="500 ms") == pytest.approx([0, 1, 8, 15, 22, 29])


def test_a_gradient_that_runs_already_is_not_held_up() -> None:
    """Moniqua quantizes and recovers its own model beside the gradient; two neighbors' models after it, before the next."""
    network = {"latency": "1 ms"}
    # gradient 1 s; the message leaves after 2 * 4 * 0.1 = 0.8 s and arrives long before it ends
    found = ends({"name": "moniqua", "theta": 9.0}, network, compress="100 ms")
    assert found[1] == pytest.approx(1.0)
    # 0.8 s to recover two models, then the gradient again: 1.8 s; the message leaves 0.8 + 0.8 s after the last step ended
    assert np.diff(found[1:]) == pytest.approx([1.8] * 4)


def test_compressing_delays_the_message() -> None:
    found = ends({"name": "moniqua", "theta": 9.0}, {"latency": "5 s"}, compress="100 ms")
    assert found == pytest.approx([0, 5.8, 12.4, 19.0, 25.6, 32.2])  # 0.8 s, 5 s; from then on 0.8 s more for the neighbors'


def test_a_gradient_that_waits_for_its_turn_has_not_been_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients and mixing take turns; evaluations come at any moment of the other nodes."""
    begun, original = [], Node.gradient

    def gradient(node: Node, x: Any) -> Any:
        begun.append(original(node, x))
        return begun[-1]

    monkeypatch.setattr(Node, "gradient", gradient)
    given = source("dpsgd", mix="500 ms")
    given["compute"]["factors"] = [1, 2, 3]
    record = prepared(given | {"run": {"wait": "none", "steps": 6, "evaluate_every": 1}}).execute()
    for row in record.metrics[1:]:
        time = row["time_s"]
        computed = sum(max(0.0, min(event.end, time) - event.start) for event in begun)
        assert row["idle_share"] == pytest.approx(1 - computed / (3 * time))


def test_an_algorithm_without_mixing_and_kernels_pays_nothing() -> None:
    assert ends("allreduce", mix="1 s", compress="1 s") == ends("allreduce")


def test_seconds_spent_are_counted_and_are_no_computing() -> None:
    run = prepared(source("dpsgd", mix="500 ms"))
    record = run.execute()
    assert [node.charged_s for node in run.nodes] == [6.0 * STEPS] * 3  # type: ignore[attr-defined]
    assert record.summary["idle_share"] == pytest.approx(1 - 5 / 39)
    assert record.summary["gradients"] == 3 * STEPS


def test_models_do_not_depend_on_what_mixing_takes() -> None:
    free, dear = (prepared(source("dpsgd", mix=mix)).execute() for mix in ("0 s", "1 s"))
    assert free.summary["hash"] == dear.summary["hash"]
    assert free.metrics[-1]["train_loss"] == dear.metrics[-1]["train_loss"]


def test_what_is_sent_while_busy_leaves_in_order() -> None:
    """Two messages of one link that leave at the same moment keep their order under `queue`, and bits count at once."""

    def program(node: Any) -> Any:
        for _ in node.steps():
            if node.id == 0:
                node.mix(node.x, {})
                for tag in ("first", "second"):
                    node.send(1, node.x, tag)
                assert node.bits_sent == 2 * 32 * D
                yield node.gradient(node.x)
            else:
                yield node.receive(0, "first")
                arrivals.append(node.now)
                yield node.receive(0, "second")
                arrivals.append(node.now)

    arrivals: list[float] = []
    plain = source("dpsgd", {"sharing": "queue", "bandwidth": "128 bit/s"}, n=2, mix="1 s")
    plain["run"] = {"steps": 1, "evaluate_every": 1}
    assert prepared(plain, "off", program).execute().status == "done"
    assert arrivals == [5.0, 6.0]  # leave at 4 s, 1 s each


def test_plain_nodes_stay_plain() -> None:
    assert node_maker(Node, Compute.model_validate({"time": "1 s", "per_number": {}})) is Node
    window = {"from": "0 s", "until": "1 s", "factor": 2}
    for compute, kinds in [
        ({"slowdowns": window}, {UnevenNode}),
        ({"per_number": {"mix": "1 s"}}, {ChargedNode}),
        ({"slowdowns": window, "per_number": {"mix": "1 s"}}, {UnevenNode, ChargedNode}),
    ]:
        run = prepared(scenario(3, compute={"time": "1 s", **compute}), "off")
        run.assemble()
        assert {kind for kind in (UnevenNode, ChargedNode) if isinstance(run.nodes[0], kind)} == kinds
        assert isinstance(run.nodes[0], SilentNode)


def test_a_gradient_after_a_debt_meets_the_speed_of_that_time() -> None:
    """The first gradient ends at 1 s; mixing 12 numbers takes till 7 s; from 6 s on everything takes twice as long."""
    plain = source("dpsgd", {}, mix="500 ms")
    plain["compute"]["slowdowns"] = {"from": "6 s", "until": "1 h", "factor": 2}
    assert completion_times(plain)[:3, 0].tolist() == pytest.approx([0, 1, 9])


def test_the_critical_path_counts_mixing_as_computing() -> None:
    """39 s: five messages of 3 s each, and mixing for 6 s before each but the first."""
    path = prepared(source("dpsgd", mix="500 ms")).execute().summary["critical_path"]
    assert path["time_s"] == pytest.approx(39)
    assert (path["computing"], path["on_links"]) == (pytest.approx(24 / 39), pytest.approx(15 / 39))
