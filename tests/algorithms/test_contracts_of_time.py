"""What every algorithm of the table keeps, about time, bits and messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.algorithms.cases import ALL, DEFAULTS, Case, attempt, each, execute, promise, run, scenario, suited
from tests.algorithms.oracles.compressors import compressed_bits

N, D = 5, 3
M = 32.0 * D
"""Bits of a model."""

milliseconds = st.integers(0, 50).map(lambda t: f"{t} ms")
rates = st.integers(1, 50).map(lambda b: f"{b} kbit/s")
latencies = milliseconds | st.just({"lognormal": {"median": "10 ms", "sigma": 1.0}})
jitters = st.sampled_from([{"lognormal": 0.5}, {"normal": 0.3}, {"exponential": 1.0}])
compute_specs = st.fixed_dictionaries(
    {"time": milliseconds},
    optional={"jitter": jitters, "stragglers": st.just({"fraction": 0.3, "slowdown": 10})},
)
rates_over_time = st.tuples(rates, rates, st.sampled_from(["hold", "repeat"])).map(
    lambda given: {"schedule": [["0 s", given[0]], ["80 ms", "0 bit/s"], ["150 ms", given[1]]], "then": given[2]}
)
uneven_specs = st.fixed_dictionaries(
    {"time": milliseconds},
    optional={
        "jitter": jitters,
        "slowdowns": st.just([{"every": "90 ms", "duration": {"exponential": {"mean": "90 ms"}}, "factor": 5}])
        | st.just({"from": "20 ms", "until": "100 ms", "factor": 9, "nodes": [1, 2]}),
        "diurnal": st.just({"period": "200 ms", "amplitude": 0.8, "phase": "random"}),
        "per_number": st.just({"compress": "1 ms", "mix": "2 ms"}),
    },
)
"""Compute times that depend on when a gradient starts, and time for compressing and mixing."""
networks = st.fixed_dictionaries(
    {"sharing": st.sampled_from(["none", "queue", "fair"]), "latency": latencies},
    optional={
        "bandwidth": rates | rates_over_time,
        "uplink": rates | rates_over_time,
        "downlink": rates,
        "jitter": st.just({"exponential": "5 ms"}),
        "changes": st.just([{"at": "200 ms", "links": [[0, 1], [3, 2]], "bandwidth": "2 kbit/s", "latency": "1 s"}]),
        "loss": st.sampled_from([{"probability": 0.2}, {"gilbert_elliott": {"good_to_bad": 0.1, "bad_to_good": 0.2}}]).map(
            lambda loss: {**loss, "timeout": "70 ms"}
        ),
    },
)


@each([case for case in ALL if case.is_default or case.entry.synchronous])
def test_iterates_do_not_depend_on_the_clock(case: Case) -> None:
    source = scenario(case, noise=0.3, dtype="float32", steps=8)
    reference = execute(source)

    search = (
        [Phase.generate] if "clock" in case.entry.exceptions else list(Phase)
    )  # nobody needs the smallest exception

    @settings(max_examples=4, deadline=None, phases=search)
    @given(compute_specs | uneven_specs, networks)
    def check(compute: dict[str, Any], network: dict[str, Any]) -> None:
        if not case.entry.synchronous:
            compute = {**compute, "time": "20 ms"}  # without compute times it is refused
        outcome = execute({**source, "compute": compute, "network": network})
        assert outcome.models.tobytes() == reference.models.tobytes()
        assert outcome.summary["hash"] == reference.summary["hash"]

    promise(case, "clock", check)


def test_iterates_on_data_in_large_batches_do_not_depend_on_the_clock() -> None:
    """Mini-batches, a real model and float32: rows that are computed in other batches differ in their last bits."""
    mixture = {"dataset": "gaussian_mixture", "features": 5, "classes": 3, "samples_per_node": 40, "batch_size": 8}
    source = scenario(Case("dpsgd"), 8, steps=8, dtype="float32", run={"steps": 8, "evaluate_every": 4})
    source = {key: value for key, value in source.items() if key != "init"}
    source["problem"] = {**mixture, "model": {"kind": "mlp", "hidden": [6]}}
    slow = {
        "compute": {"time": "1 s", "jitter": {"exponential": 1.0}},
        "network": {"latency": {"exponential": {"mean": "3 s"}}},
    }
    outcomes = [execute(source), execute({**source, **slow})]
    assert outcomes[0].models.tobytes() == outcomes[1].models.tobytes()
    assert outcomes[0].summary["mean_gradient_batch"] == outcomes[1].summary["mean_gradient_batch"] == 8


def timed(case: Case, factor: float, sharing: str, **changes: Any) -> dict[str, Any]:
    """Everything that takes time takes `factor` times as long."""
    return scenario(
        case,
        compute={"time": f"{30 * factor} ms", "jitter": {"lognormal": 0.5}},
        network={
            "sharing": sharing,
            "latency": {"uniform": {"low": f"{factor} ms", "high": f"{9 * factor} ms"}},
            "bandwidth": {
                "schedule": [["0 s", f"{20 / factor} kbit/s"], [f"{40 * factor} ms", f"{5 / factor} kbit/s"]],
                "then": "repeat",
            },
            "jitter": {"lognormal": {"median": f"{4 * factor} ms", "sigma": 1.0}},
            "loss": {"probability": 0.1, "timeout": f"{50 * factor} ms"},
            "uplink": f"{14 / factor} kbit/s",
            "downlink": f"{16 / factor} kbit/s",
        },
        **changes,
    )


@pytest.mark.parametrize("sharing", ["queue", "fair"])
@each(ALL)
def test_doubling_all_durations_doubles_all_times(case: Case, sharing: str) -> None:
    def check() -> None:
        once, twice = execute(timed(case, 1.0, sharing)), execute(timed(case, 2.0, sharing))
        assert (twice.times == 2 * once.times).all()
        assert (once.times[1:] > 0).all()
        assert twice.models.tobytes() == once.models.tobytes()

    promise(case, "doubling", check)


@each([case for case in ALL if case.entry.synchronous])
def test_more_bandwidth_never_finishes_later(case: Case) -> None:
    @settings(max_examples=3, deadline=None)
    @given(compute_specs, latencies, st.tuples(*[st.integers(1, 30)] * 4), st.sampled_from(["none", "queue"]))
    def check(compute: dict[str, Any], latency: Any, kbits: tuple[int, ...], sharing: str) -> None:
        times = []
        for bandwidth, uplink in (kbits[:2], (kbits[0] + kbits[2], kbits[1] + kbits[3])):
            limits = {"bandwidth": f"{bandwidth} kbit/s", "uplink": f"{uplink} kbit/s"}
            network = {"sharing": sharing, "latency": latency, **limits}
            times.append(run(case, compute=compute, network=network).times)
        assert (times[1] <= times[0]).all()

    promise(case, "bandwidth", check)


Bits = float | np.ndarray | list[float]
"""Of all nodes in one step, or in each of six."""


def neighbors_hear(num_bits: Callable[[dict[str, Any]], float], n: int, parameters: dict[str, Any]) -> float:
    """Bits of one step when every node sends to both its neighbors on the ring."""
    return 2 * n * num_bits(parameters)


def reduced(n: int, parameters: dict[str, Any]) -> float:
    """Bits of one all-reduce: 2 (n - 1) / n M per node, or M each way between every node and the server."""
    return 2 * n * M if parameters.get("exchange") == "parameter_server" else 2 * (n - 1) * M


def at_the_end_of_phases(num_bits: float, n: int, parameters: dict[str, Any]) -> Bits:
    """As many rounds as a phase has steps, all in its last one."""
    rounds = parameters.get("gossip_rounds", 2)
    return np.resize([0.0] * (rounds - 1) + [rounds * 2 * n * num_bits], 6)


def detag_bits(n: int, parameters: dict[str, Any]) -> Bits:
    is_listing = parameters.get("order", "listing") == "listing"
    return 2 * n * 2 * M if is_listing else at_the_end_of_phases(2 * M, n, parameters)


def tracking_bits(n: int, parameters: dict[str, Any]) -> Bits:
    """Two vectors; with `full`, the first tracker is not mixed."""
    return 2 * n * M * np.array([1.0 if parameters.get("form") == "full" else 2.0, 2, 2, 2, 2, 2])


def defacto_bits(n: int, parameters: dict[str, Any]) -> Bits:
    """Four steps without messages, then the deepest node's, then those of the two above it; with n = 7 the phase is longer."""
    return [0, 0, 0, 0, M, 2 * M] if n == 4 else 0.0


def compressed(n: int, parameters: dict[str, Any]) -> float:
    return neighbors_hear(lambda given: compressed_bits(given["compressor"], D), n, parameters)


def after_exact_replicas(n: int, parameters: dict[str, Any]) -> Bits:
    """The models start apart, so the first message is a whole one."""
    return compressed(n, parameters) + 2 * n * M * np.eye(6)[0]


BITS: dict[str, Callable[[int, dict[str, Any]], Bits]] = {
    "sgd": lambda *_: 0.0,
    "allreduce": reduced,
    "cd_grab": reduced,
    "dpsgd": partial(neighbors_hear, lambda _: M),
    "sgp": partial(neighbors_hear, lambda _: M),
    "delayed_gradient": partial(neighbors_hear, lambda _: M),
    "ntk_dfl": partial(neighbors_hear, lambda _: 2 * M + D * (M + 2 * 32)),
    "detag": detag_bits,
    "d2": partial(neighbors_hear, lambda _: M),
    "exact_diffusion": lambda n, parameters: at_the_end_of_phases(M, n, {"gossip_rounds": 1, **parameters}),
    "extra": partial(neighbors_hear, lambda _: M),
    "gradient_tracking": tracking_bits,
    "gut": partial(neighbors_hear, lambda _: M),
    "defacto": defacto_bits,
    "relaysgd": lambda n, _: 2 * (n - 1) * (M + 32),
    "moniqua": partial(neighbors_hear, lambda parameters: D * parameters.get("bits", 8)),
    "moniqua_d2": partial(neighbors_hear, lambda parameters: D * parameters.get("bits", 8)),
    "choco": compressed,
    "deepsqueeze": compressed,
    "dcd": after_exact_replicas,
    "ecd": after_exact_replicas,
    "naive_quantized": compressed,
    "cd_adam": lambda n, parameters: compressed(n, parameters) * (np.arange(1, 7) % parameters.get("period", 1) == 0),
    "powergossip": partial(neighbors_hear, lambda parameters: M * parameters.get("iterations", 1)),
    "quantized_push_sum": lambda n, parameters: compressed(n, parameters) + 2 * n * 32,
}
"""Bits that all nodes send in one step, on a ring; those of adpsgd depend on who asks (test_adpsgd)."""


@pytest.mark.parametrize("n", [4, 7])
@each([case for case in ALL if case.name in BITS])
def test_bits_are_those_of_the_payloads(case: Case, n: int, request: pytest.FixtureRequest) -> None:
    def check() -> None:
        bits = run(case, n, d=D).column("bits_sent")
        each_step = np.broadcast_to(BITS[case.name](n, case.parameters), 6)
        np.testing.assert_allclose(bits, [0, *np.cumsum(each_step)], rtol=1e-12)

    promise(case, "bits", check)


def test_the_wire_has_its_own_precision() -> None:
    cases = [case for case in DEFAULTS if "compressor" not in case.parameters]
    bits = [run(case, 4, d=D, message={"bits_per_number": 16}).column("bits_sent")[-1] for case in cases]
    full = [run(case, 4, d=D).column("bits_sent")[-1] for case in cases]
    assert bits == [b if case.name.startswith("moniqua") else b / 2 for case, b in zip(cases, full, strict=True)]


QUITTER = '''
from dataclasses import fields
from functools import wraps
from itertools import takewhile
from simnet.algorithms import ALGORITHMS

ENTRY = ALGORITHMS["{name}"]

@wraps(ENTRY.program)
def quitter(node, **parameters):
    """Quitter: the algorithm, but node 1 ends after two steps."""
    if node.id == 1:
        node.steps = lambda: takewhile(lambda k: k < 2, type(node).steps(node))
    yield from ENTRY.program(node, **parameters)

quitter.__simnet__ = {{field.name: getattr(ENTRY, field.name) for field in fields(ENTRY) if field.name != "program"}}
'''


@each(ALL)
def test_a_stuck_exchange_is_explained(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a round hears who is missing; who never does goes on without the node that has left."""
    monkeypatch.syspath_prepend(tmp_path)
    module = f"quitter_{case.name}"
    (tmp_path / f"{module}.py").write_text(QUITTER.format(name=case.name))

    def check() -> None:
        own = Case(f"{module}:quitter", case.parameters)
        topology = suited(case.entry, "ring", 5)
        record = attempt(scenario(own, steps=9, compute={"time": "1 s"}, topology=topology)).record
        if case.entry.asynchronous or case.entry.pooled:
            assert (record.status, record.summary["steps"]) == ("done", 9)
        else:
            assert record.status == "stalled"
            assert " waits for message " in record.message
            assert re.search(r"nodes \[[015]\]", record.message)  # 1 has left; 0 and the server, 5, wait for it
            assert re.match(r"node \d in step \d \(t = \d+ s\) waits for", record.message)
            assert record.summary["steps"] == 2

    promise(case, "stall", check)


def test_a_message_that_nobody_sends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "deaf_and_dumb.py").write_text(
        "def wait(node, *, who: int):\n"
        "    for k in node.steps():\n"
        "        if node.id == 2 and k == 3:\n"
        "            yield node.receive(who, tag='hello')\n"
        "        yield node.gradient(node.x)\n"
    )
    source = scenario(Case("deaf_and_dumb:wait", {"who": 4}), compute={"time": "2 s"})
    del source["algorithms"][0]["lr"]
    record = attempt(source).record
    assert record.status == "stalled"
    told = r"node 2 in step 3 \(t = 12 s\) waits for message .*'hello'.* of nodes \[4\]; nothing can happen any more"
    assert re.fullmatch(told, record.message)
