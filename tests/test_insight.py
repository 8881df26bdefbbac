"""Metrics on request: closed forms on quadratics, invariants, histograms, and that nobody pays who does not ask."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import simnet
from simnet.cli import main
from simnet.clock import Program
from simnet.errors import ScenarioError
from simnet.insight import gini
from simnet.metrics import METRICS, ON_REQUEST
from simnet.node import Node
from tests.clock.building import prepared, scenario

NAMES = [metric.name for metric in ON_REQUEST]
AT_AVERAGE = ["critical_consensus_distance", "gradient_noise", "smoothness", "gradient_diversity", "heterogeneity"]
SECOND = {"time": "1 s"}
RNG = np.random.default_rng(1)
A, B, START = RNG.uniform(0.5, 1.5, (4, 3)), RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3))
QUADRATIC = {"kind": "quadratic", "curvature": A.tolist(), "optimum": B.tolist()}
DIGITS = {"dataset": "digits", "model": "linear", "batch_size": 8, "partition": {"kind": "dirichlet", "concentration": 0.3}}


def asking(*names: str, nodes: int = 4, algorithm: Any = "dpsgd", steps: int = 4, **changes: Any) -> dict[str, Any]:
    return scenario(nodes, algorithm, steps, **{"record": {"metrics": names, "models": True}, "compute": SECOND, **changes})


def measured(source: dict[str, Any], program: Any = None) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Each column by evaluation (NaN where it is missing), and the summary."""
    record = prepared(source, program=program).execute()
    assert record.status == "done", record.message
    names = {name for row in record.metrics for name in row}
    return {name: [row.get(name, math.nan) for row in record.metrics] for name in names}, record.summary


def test_gradients_of_quadratics_are_measured_exactly() -> None:
    result = simnet.run(asking(*AT_AVERAGE, problem=QUADRATIC, init=START.tolist(), algorithm={"name": "dpsgd", "lr": 0.2}))
    for row, models in zip(result.metrics.to_dict("records"), result.models("dpsgd"), strict=True):
        G = A * (models.mean(axis=0) - B)
        norm = np.linalg.norm(G.mean(axis=0))
        assert row["gradient_diversity"] == pytest.approx((G**2).sum() / (G.sum(axis=0) ** 2).sum(), rel=1e-12)
        assert row["heterogeneity"] == pytest.approx(math.sqrt(((G - G.mean(axis=0)) ** 2).sum(axis=1).mean()), rel=1e-12)
        assert row["smoothness"] == A.max()
        assert row["gradient_noise"] == pytest.approx(0, abs=1e-15)
        assert row["critical_consensus_distance"] == pytest.approx(norm / (math.sqrt(8) * A.max()), rel=1e-12)


def test_the_noise_and_the_schedule_enter_the_critical_distance() -> None:
    """sigma^2 is D noise^2; at a common optimum nothing else is left: Gamma^2 = lr(k) sigma^2 / (L n)."""
    problem = {"kind": "quadratic", "curvature": [[2.0] * 400], "optimum": [[0.0] * 400], "noise": 0.5}
    algorithm = {"name": "dpsgd", "lr": {"inverse_sqrt": {"start": 1e-9, "scale": 1}}}
    columns, _ = measured(asking(*AT_AVERAGE, problem=problem, algorithm=algorithm, steps=3))
    sigma = columns["gradient_noise"]
    assert sigma == pytest.approx([0.5 * math.sqrt(400)] * 4, rel=0.02)
    assert len(set(sigma)) == 4  # fresh samples at each evaluation
    expected = [math.sqrt(1e-9 / math.sqrt(1 + k) * sigma[k] ** 2 / (2 * 4)) for k in range(4)]
    assert columns["critical_consensus_distance"] == pytest.approx(expected, rel=1e-6)


def test_diversity_of_equal_nodes_is_one_over_n_and_opposed_nodes_have_infinite_diversity() -> None:
    alike = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[1.0]]}
    assert measured(asking("gradient_diversity", problem=alike))[0]["gradient_diversity"] == pytest.approx([0.25] * 5)
    opposed = {"kind": "quadratic", "curvature": [[1.0]], "optimum": [[1.0], [-1.0], [1.0], [-1.0]]}
    assert measured(asking("gradient_diversity", problem=opposed))[0]["gradient_diversity"][0] == math.inf


def test_gini_index() -> None:
    values = torch.from_numpy(RNG.uniform(size=7))
    pairs = (values[:, None] - values).abs().sum() / (2 * 7**2 * values.mean())
    assert gini(values) == pytest.approx(float(pairs), rel=1e-12)
    assert gini(torch.zeros(3)) == 0.0


def test_layers_are_looked_at_before_averaging() -> None:
    """On a complete graph adapt-then-combine makes all nodes equal; what they had averaged was not."""
    problem = DIGITS | {"model": {"kind": "mlp", "hidden": [5]}}
    source = asking("layer_variance", "layer_gini", topology="complete", problem=problem)
    source |= {"mixing": "uniform", "algorithms": [{"name": "dpsgd", "order": "atc", "lr": 0.5}]}
    result = simnet.run(source)
    last = result.metrics.iloc[-1]
    assert last["consensus_distance"] == pytest.approx(0, abs=1e-12)
    assert last["layer_variance"] > 1e-6
    table = result.layers("dpsgd")
    assert table["layer"].tolist() == ["0.weight", "0.bias", "2.weight", "2.bias"] * 5
    assert table[table["step"] == 4]["gini"].mean() == pytest.approx(last["layer_gini"])
    with pytest.raises(simnet.SimnetError, match=r"no recorded layers; write record: \{metrics"):
        simnet.run(source | {"record": {}}).layers("dpsgd")


def test_layers_of_models_that_are_averaged_later_are_the_models_own() -> None:
    result = simnet.run(asking("layer_variance", problem=QUADRATIC, init=START.tolist()))
    norms = np.linalg.norm(result.models("dpsgd"), axis=2)
    assert result.metrics["layer_variance"].tolist() == pytest.approx(norms.var(axis=1).tolist(), rel=1e-12)


def test_trackers_mean_is_what_they_track_and_at_a_fixed_point_so_is_each() -> None:
    algorithm = {"name": "detag", "lr": 0.2, "gossip_rounds": 2, "eta": 0.0}
    columns, _ = measured(asking("tracker_error", "tracker_drift", problem=QUADRATIC, algorithm=algorithm, steps=400))
    assert math.isnan(columns["tracker_error"][0])
    assert columns["tracker_drift"][2:] == pytest.approx([0] * 399, abs=1e-14)
    errors = columns["tracker_error"]
    assert errors[2] > 0.1
    assert errors[-1] < 1e-8


def replicating(off: float) -> Any:
    def program(node: Node) -> Program:
        for k in node.steps():
            received = yield node.exchange(node.x, tag=k)
            node.show("replica", node.x, of=node.id)
            for j in node.neighbors:
                node.show("replica", received[j] * (off if (node.id, j) == (2, 1) else 1.0), of=j)

    return program


@pytest.mark.parametrize(("off", "expected"), [(1.0, 0.0), (3.0, 2 * np.linalg.norm(START[1]))])
def test_replicas_are_compared_with_their_owners(off: float, expected: float) -> None:
    source = asking("replica_mismatch", problem=QUADRATIC, init=START.tolist(), steps=2)
    columns, _ = measured(source, replicating(off))
    assert columns["replica_mismatch"][1:] == pytest.approx([expected] * 2, abs=1e-14)


def test_messages_that_nobody_waits_for_are_as_old_as_they_travel() -> None:
    """Steps take 1 s and messages 2.5 s: in step k the newest is of step k - 3. Three nodes begin a step that is not needed."""
    source = asking("model_staleness", "gradient_staleness", network={"latency": "2500 ms"}, steps=50)
    columns, summary = measured(source | {"run": {"steps": 50, "evaluate_every": 25, "wait": "none"}})
    assert summary["staleness"] == {"models": {"3": 2 * (4 * 47 + 3)}, "gradients": {"0": 4 * 50}}
    assert columns["model_staleness"][1:] == [3.0, 3.0]


def test_pushed_messages_have_an_age() -> None:
    def program(node: Node) -> Program:
        for _ in node.steps():
            for j in node.neighbors:
                node.push(j, node.x)
            yield node.gradient(node.x)
            yield node.pushed()

    source = asking("model_staleness", network={"latency": "1500 ms"}, steps=9)
    _, summary = measured(source, program)
    assert summary["staleness"] == {"models": {"1": 4 * 2 * 8}}


def test_averages_while_a_gradient_is_computed_make_it_stale() -> None:
    """Of two nodes one asks the other once in each gradient: both average once between taking and applying it."""
    columns, summary = measured(asking("gradient_staleness", nodes=2, topology="path", algorithm="adpsgd", steps=10))
    assert summary["staleness"]["gradients"] == {"1": 20}
    assert columns["gradient_staleness"][-1] == 1.0


def test_synchronous_runs_have_no_stale_messages() -> None:
    columns, summary = measured(asking("model_staleness"))
    assert "model_staleness" not in columns
    assert "staleness" not in summary


def test_wrap_violations_are_counted_up_to_each_evaluation() -> None:
    algorithm = {"name": "moniqua", "theta": 0.2, "bits": 4}
    columns, summary = measured(asking("wrap_violations", algorithm=algorithm, steps=30))
    counts = columns["wrap_violations"][1:]
    assert counts == sorted(counts)  # at first all models are equal
    assert 0 == counts[0] < counts[-1] == summary["counters"]["wrap_violations"]


@pytest.mark.parametrize("algorithm", ["dpsgd", "moniqua", "detag", "adpsgd"])
def test_asking_changes_nothing_else(algorithm: str) -> None:
    entry = {"name": algorithm, **({"theta": 4.0} if algorithm == "moniqua" else {})}
    source = asking(problem=QUADRATIC | {"noise": 0.3}, algorithm=entry, steps=12, network={"latency": "300 ms"})
    plain = prepared(source)
    record = plain.execute()
    assert plain.insight is None
    assert {type(node) for node in plain.nodes} == {Node}
    asked = prepared(source | {"record": {"metrics": NAMES, "models": True}}).execute()
    assert asked.models.tobytes() == record.models.tobytes()
    assert asked.summary["hash"] == record.summary["hash"]
    assert [{k: v for k, v in row.items() if k not in NAMES} for row in asked.metrics] == record.metrics
    assert not set(NAMES) & set(record.metrics[-1])


def test_without_values_nothing_is_measured() -> None:
    run = prepared(asking(*NAMES), "off")
    assert run.execute().status == "done"
    assert run.insight is None


@pytest.mark.parametrize("executor", ["deferred", "eager"])
@pytest.mark.parametrize("algorithm", ["dpsgd", "adpsgd", "detag", "sgd"])
def test_everything_can_be_asked_of_a_real_problem(algorithm: str, executor: Any, tmp_path: Path) -> None:
    model = {"kind": "cnn", "channels": [2]} if algorithm == "dpsgd" else "linear"
    source = asking(*NAMES, algorithm=algorithm, problem=DIGITS | {"model": model}, steps=2, dtype="float32")
    result = simnet.run(source, executor=executor)
    missing = {name for name in NAMES if name not in result.metrics or math.isnan(result.metrics[name].iloc[-1])}
    tracked = set() if algorithm == "detag" else {"tracker_error", "tracker_drift"}
    assert missing == {"replica_mismatch", "model_staleness", "wrap_violations", *tracked}
    assert result.metrics["smoothness"].min() > 0
    result.save(tmp_path / "run")
    assert simnet.load(tmp_path / "run") == result
    assert result.plot("gradient_diversity").axes[0].get_ylabel() == METRICS["gradient_diversity"].label


@pytest.mark.parametrize("algorithm", ["dpsgd", "adpsgd"])
def test_nodes_that_come_and_go_do_not_disturb_it(algorithm: str) -> None:
    faults = [{"kind": "crash", "nodes": [1], "at": "2500 ms", "until": "5 s", "state": "start"}]
    wait = {"wait": {"deadline": "200 ms"}} if algorithm == "dpsgd" else {}
    columns, _ = measured(asking(*NAMES, algorithm=algorithm, problem=QUADRATIC, faults=faults, steps=9, run=wait))
    assert all(math.isfinite(value) for value in columns["critical_consensus_distance"])


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"record\.metrics\.0: found 'gradient_diversty'.*mean gradient_diversity\?"):
        simnet.run(asking("gradient_diversty"))
    with pytest.raises(ScenarioError, match=r"targets\.heterogeneity: is measured on request only; add it to record\.metrics"):
        simnet.run(asking("smoothness", targets={"heterogeneity": 1.0}))
    reached = simnet.run(asking("heterogeneity", targets={"heterogeneity": 100.0})).records[0].summary["targets"]
    assert reached["heterogeneity"]["step"] == 0


def test_the_list_says_what_is_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["list", "metrics"]) == 0
    marked = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "; on request" in line]
    assert marked == NAMES


def test_a_run_under_another_clock_keeps_what_was_measured() -> None:
    source = asking(*NAMES, problem=QUADRATIC, init=START.tolist())
    (retimed,) = (recalled := simnet.run(source).retime(network={"latency": "2 s"})).records
    (fresh,) = simnet.run(source | {"network": {"latency": "2 s"}}).records
    assert not recalled.recomputed
    assert retimed.metrics == fresh.metrics
    assert [retimed.summary[key] for key in ("layers", "staleness")] == [fresh.summary[key] for key in ("layers", "staleness")]
