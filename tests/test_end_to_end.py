"""Whole simulations as users start them: the same bytes everywhere, wrong input in any form, Ctrl-C in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simnet

ROOT = Path(__file__).parents[1]
SCENARIO = """\
# Does every run of this give the same bytes?
nodes: 6
seeds: [1, 2]
topology: {kind: random_regular, degree: 3}
network: {sharing: queue, latency: {lognormal: {median: 20 ms, sigma: 0.5}}, uplink: 5 Mbit/s, downlink: 20 Mbit/s}
compute: {time: 10 ms, jitter: {lognormal: 0.3}, stragglers: {fraction: 0.2, slowdown: 4}}
problem: {dataset: digits, model: {kind: mlp, hidden: [8]}, partition: {kind: dirichlet, concentration: 0.5}, batch_size: 8}
algorithms:
  - {name: sgd, lr: 0.1}
  - {name: allreduce, lr: 0.1, exchange: parameter_server, chunks: 3}
  - {name: dpsgd, lr: {cosine: {start: 0.2, steps: 20}, warmup: 3}}
  - {name: dpsgd, lr: 0.1, wait: none, label: newest}
  - {name: dpsgd, lr: 0.1, wait: {deadline: 15 ms}, label: deadline}
  - {name: detag, lr: 0.1, gossip_rounds: 2, eta: auto}
  - {name: moniqua, lr: 0.1, theta: 2.0, bits: 4, quantizer: stochastic}
  - {name: adpsgd, lr: 0.1}
run: {steps: 20, evaluate_every: 5}
targets: {accuracy: 0.3}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario with a bit of everything."""
    file = tmp_path / "everything.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    return file


def command(*arguments: object) -> list[str]:
    """The command line in a process of its own."""
    return [sys.executable, "-m", "simnet", *map(str, arguments)]


def test_the_same_bytes_twice_in_one_interpreter_and_in_another_process(scenario: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        simnet.run(scenario).save(tmp_path / name)
    done = subprocess.run(command("run", scenario, "--out", tmp_path / "third", "--quiet"), cwd=ROOT, check=False)
    assert done.returncode == 0
    tables = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("first", "second", "third")]
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0].splitlines()) == 1 + 8 * 2 * 5


def test_the_resolved_scenario_of_a_result_gives_the_same_result(scenario: Path, tmp_path: Path) -> None:
    result = simnet.run(scenario, seed=3)
    result.save(tmp_path / "result")
    again = simnet.run(tmp_path / "result" / "scenario.yaml")
    assert again.metrics.equals(result.metrics)
    assert list(again.summary["hash"]) == list(result.summary["hash"])


SLOW = """\
import time

def slow(node):
    "Slow: sleeps."
    for k in node.steps():
        time.sleep(0.01)
        yield node.gradient(node.x)
"""


WITH_CTRL_C = """\
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have been told to ignore it
runpy.run_module("simnet", run_name="__main__", alter_sys=True)
"""


def test_ctrl_c_leaves_the_finished_algorithms_on_disk(tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(SLOW, encoding="utf-8")
    file = tmp_path / "long.yaml"
    rest = "compute: {time: 1 ms}\nproblem: {kind: quadratic, dimension: 2}\nrun: {steps: 2000}\n"
    entries = "algorithms: [{name: sgd, lr: 0.1}, {name: 'sleepy:slow', label: slow}]\n"
    file.write_text(f"# How long?\nnodes: 2\ntopology: ring\n{entries}{rest}", encoding="utf-8")
    arguments = [sys.executable, "-c", WITH_CTRL_C, "run", str(file), "--out", str(tmp_path / "out")]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith("sgd (seed 0): done"):
            assert line.startswith("note: ")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 130
    assert "interrupted" in told
    assert "slow was not finished" in told
    assert set(simnet.load(tmp_path / "out").metrics["algorithm"]) == {"sgd"}


VALID: dict[str, Any] = {
    "nodes": 4,
    "topology": {"kind": "ring"},
    "network": {"sharing": "queue", "latency": "5 ms", "bandwidth": "1 Mbit/s"},
    "compute": {"time": "10 ms"},
    "problem": {"dataset": "digits", "model": "linear", "batch_size": 4},
    "algorithms": [{"name": "dpsgd", "lr": 0.1}, {"name": "moniqua", "lr": 0.1, "theta": 2.0}],
    "run": {"steps": 2},
}
PATHS: list[tuple[str | int, ...]] = [
    ("nodes",),
    ("topology",),
    ("topology", "kind"),
    ("mixing",),
    ("network", "latency"),
    ("network", "uplink"),
    ("compute", "factors"),
    ("compute", "stragglers"),
    ("problem", "dataset"),
    ("problem", "model"),
    ("problem", "partition"),
    ("problem", "batch_size"),
    ("algorithms", 0, "wait"),
    ("algorithms", 1, "bits"),
    ("algorithms", 1, "quantizer"),
    ("algorithms", 1, "name"),
    ("run", "steps"),
    ("run", "epochs"),
    ("run", "wait"),
    ("init",),
    ("seeds",),
    ("misspelt",),
]
plausible = st.sampled_from(
    [
        *("ring", "torus", "hypercube", "star", "exponential", "complete", "path", "lazy", "uniform", "best_constant"),
        *("none", "all", "5 ms", "0 s", "3 Mbit/s", "digits", "mlp", "cnn", "stochastic", "full", "os:getcwd", "no.such"),
        *({"kind": "random_regular", "degree": 3}, {"kind": "edges", "edges": [[0, 1], [2, 3]]}, {"deadline": "1 ms"}),
        *({"kind": "label_sorted"}, {"kind": "dirichlet", "concentration": 0.01}, {"matrix": [[1, 0], [0, 1]]}),
        *({"file": "none.csv", "unit": "ms"}, {"kind": "mlp", "hidden": [0]}, {"fraction": 1.0, "slowdown": 1e300}),
        *(["1 Mbit/s"] * 4, [1, 2, 3, 4], [[1.0] * 650], [[0.0] * 3] * 4, 1, 2, 3, 5, 10**6, 10**30, -1, 0.5, True, None),
    ]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), plausible | anything), min_size=1, max_size=3))
def test_whatever_stands_in_a_scenario_it_runs_or_is_refused_with_sentences(
    changes: list[tuple[tuple[str | int, ...], Any]],
) -> None:
    source = {key: dict(value) if isinstance(value, dict) else value for key, value in VALID.items()}
    source["algorithms"] = [dict(entry) for entry in VALID["algorithms"]]
    for path, value in changes:
        part: Any = source
        for key in path[:-1]:
            part = part[key] if isinstance(part, list) else part.setdefault(key, {})
            if not isinstance(part, dict | list):
                break
        else:
            part[path[-1]] = value
    if isinstance(source["nodes"], int) and source["nodes"] > 64:
        return
    complaints = refusal_of(source)
    assert complaints is None or (complaints and all(line.startswith("scenario: ") for line in complaints.splitlines()))


def refusal_of(source: dict[str, Any]) -> str | None:
    """Why a scenario is refused; None if it is not. Any other error is a bug."""
    try:
        simnet.prepare(source)
    except simnet.SimnetError as error:
        return str(error)
    return None
