"""Random scenarios survive being written and read; broken ones end in complaints and in nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simnet.errors import ScenarioError
from simnet.scenario import PRESETS, AlgorithmSchemas, Scenario, json_schema
from simnet.units import bytes_to_text, flop_rate_to_text, rate_to_text, seconds_to_text, speed_to_text

Read = Callable[..., Scenario]
Values = st.SearchStrategy[Any]

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
finite = st.floats(-1e6, 1e6)
shares = st.floats(0, 1)
counts = st.integers(1, 50)
times = st.floats(0, 1e5).map(seconds_to_text) | st.sampled_from(["50 ms", "1.5 s", "2 min", "1 h"])
positive_times = st.floats(1e-9, 1e5).map(seconds_to_text)
rates = st.floats(1, 1e12).map(rate_to_text) | st.sampled_from(["25 Mbit/s", "1 kB/s"])
words = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() and text.isprintable()
)


def mapping(required: dict[str, Values], **optional: Values) -> Values:
    return st.fixed_dictionaries(required, optional=optional)


def kind(word: str, required: dict[str, Values] | None = None, **optional: Values) -> Values:
    return mapping({"kind": st.just(word), **(required or {})}, **optional)


def quantities(numbers: Values, unit: str) -> Values:
    return st.one_of(
        numbers,
        mapping({"normal": mapping({"mean": numbers, "std": numbers})}),
        mapping({"lognormal": mapping({"median": numbers, "sigma": shares})}),
        mapping({"exponential": mapping({"mean": numbers})}),
        mapping({"file": words, "unit": st.just(unit)}),
    )


def over_time(numbers: Values, unit: str) -> Values:
    then = st.sampled_from(["hold", "repeat"])
    rows = st.lists(numbers, min_size=1, max_size=4).map(lambda values: [[f"{2 * k} s", v] for k, v in enumerate(values)])
    return mapping({"trace": words, "unit": st.just(unit)}, then=then) | mapping({"schedule": rows}, then=then)


topologies = st.one_of(
    st.sampled_from(["ring", "path", "complete", "star", "hypercube", "exponential", "torus"]),
    kind("torus", rows=counts),
    kind("random_regular", {"degree": counts}),
    kind("erdos_renyi", {"probability": st.floats(0.1, 1)}),
    kind("watts_strogatz", {"degree": st.integers(2, 9), "rewiring": shares}),
    kind("edges", {"edges": st.just([[0, 0]])}, directed=st.booleans()),
    kind("file", {"path": words}, directed=st.booleans()),
    st.sampled_from(["one_peer_exponential", "random_matching", "equi_dynamic", "base_graph", "hyper_hypercube", "epidemic"]),
    kind("equi_static", {"shifts": counts}, directed=st.booleans()),
    kind("equi_dynamic", shifts=counts, eta=st.floats(0.1, 1), directed=st.booleans()),
    kind("base_graph", degree=counts, simple=st.booleans()),
    kind("ring_lattice", {"reach": counts}, final=counts, pace=st.floats(0.1, 3), unit=st.sampled_from(["epoch", "step"])),
    kind("matcha", {"graph": st.sampled_from(["ring", {"kind": "star"}]), "budget": st.floats(0.1, 1)}),
    kind("epidemic", fanout=counts),
    kind("sequence", {"matrices": words | st.just([[[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]])}),
)
continuations = st.sampled_from(["repeat", "hold"])
gradient_times = times | st.just("measured") | mapping({"file": words, "unit": st.just("ms")}, then=continuations)
devices = st.sampled_from(["t4", {"name": "a100", "utilisation": 0.5}]) | mapping(
    {"flops": st.floats(1, 1e15).map(flop_rate_to_text)}, name=words, memory=st.floats(1, 1e12).map(bytes_to_text)
)
slowdowns = mapping(
    {"every": positive_times, "duration": quantities(times, "x").filter(lambda given: "file" not in given)},
    nodes=st.just([0]),
) | mapping({"from": st.just("1 s"), "until": st.just("2 s")})
slowdowns = st.builds(lambda given, factor: {**given, "factor": factor}, slowdowns, st.floats(0.1, 9))
models = st.one_of(
    st.sampled_from(["linear", "mlp", "cnn"]),
    kind("mlp", hidden=st.lists(counts, min_size=1, max_size=3)),
    kind("cnn", channels=st.lists(counts, min_size=1, max_size=3)),
    mapping({"factory": st.just("a.b:c")}, width=counts, deep=st.lists(finite | words, max_size=2)),
)
partitions = st.one_of(
    st.just("iid"), kind("label_sorted", shuffled=shares), kind("dirichlet", {"concentration": st.floats(0.01, 10)})
)
orders = st.one_of(
    st.sampled_from(["with_replacement", "random_reshuffling", "shuffle_once", "fixed", "herding", "grab"]),
    kind("grab", balance=st.sampled_from(["mean", "pair"])),
)
waits = st.sampled_from(["all", "none"]) | mapping({"deadline": positive_times})
schedules = st.one_of(
    st.floats(0, 1),
    mapping({"cosine": mapping({"start": shares, "steps": counts}, end=shares)}, warmup=st.integers(0, 9)),
    mapping({"step_decay": mapping({"start": shares, "at": st.lists(counts, max_size=3)}, factor=shares)}),
)


def data_set(word: str, required: dict[str, Values] | None = None, **optional: Values) -> Values:
    sizes = counts | st.just("full")
    shared = {"model": models, "partition": partitions, "batch_size": sizes, "order": orders, "l2": shares}
    return mapping({"dataset": st.just(word), **(required or {})}, **shared, **optional)


@st.composite
def problems(draw: st.DrawFn, nodes: int) -> Any:
    width = draw(st.integers(1, 3))
    rows = st.lists(st.lists(finite, min_size=width, max_size=width), min_size=nodes, max_size=nodes)
    return draw(
        st.one_of(
            data_set("digits", test_fraction=st.floats(0, 0.9)),
            data_set("gaussian_mixture", features=counts, classes=st.integers(2, 9), separation=shares),
            data_set("logistic", heterogeneity=shares, samples_per_node=counts),
            data_set("csv", {"path": words}, label=words),
            data_set("npz", {"path": words}),
            kind("quadratic", {"dimension": counts}, heterogeneity=shares, conditioning=st.floats(1, 100)),
            kind("quadratic", {"curvature": rows | rows.map(lambda given: given[:1])}, optimum=rows, noise=shares),
        )
    )


speeds = st.floats(1, 3e8).map(speed_to_text)
degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(list)


def networks(nodes: int) -> Values:
    each = st.lists(rates, min_size=nodes, max_size=nodes)
    still = rates | st.just("0 bit/s")
    limits = each | quantities(rates, "x").filter(lambda limit: "file" not in limit) | over_time(still, "kB/s")
    node, timeout = st.integers(0, nodes - 1), {"timeout": positive_times}
    changes = mapping(
        {"latency": times | over_time(times, "ms"), "uplink": still | over_time(still, "kB/s")},
        at=times,
        links=st.lists(st.tuples(node, node).map(list), max_size=2),
        nodes=st.lists(node, max_size=2),
        bandwidth=still,
    )
    bursts = mapping({"good_to_bad": shares, "bad_to_good": st.floats(0.1, 1), "loss_in_bad": st.floats(0, 0.9)})
    rows = st.lists(degrees, min_size=nodes, max_size=nodes)
    on_map = mapping({"positions": rows | words}, speed=speeds, base=times)
    groups = st.permutations(range(nodes)).map(lambda order: [order[:1], order[1:]])
    shared = mapping({"name": words, "bandwidth": rates, "between": groups}, duplex=st.sampled_from(["full", "half"]))
    facts: dict[str, Values] = {
        "sharing": st.sampled_from(["none", "queue", "fair"]),
        "routing": st.sampled_from(["direct", "hops"]),
        "latency": quantities(times, "ms") | on_map | over_time(times, "ms"),
        "bandwidth": quantities(rates, "Mbit/s") | over_time(still, "Mbit/s"),
        "shared": st.lists(shared, max_size=2, unique_by=lambda limit: limit["name"]) if nodes > 1 else st.just([]),
        "jitter": quantities(times, "ms").filter(lambda delay: isinstance(delay, dict) and "file" not in delay),
        "changes": st.lists(changes, max_size=2),
        "loss": mapping({"probability": shares, "then": st.just("drop")})
        | mapping({"probability": st.floats(0, 0.9), **timeout}, then=st.just("retransmit"))
        | mapping({"gilbert_elliott": bursts, **timeout}),
    }
    full = {"duplex": st.just("full"), "uplink": limits, "downlink": limits}
    place = st.sampled_from(["Oregon", "Ohio", "Tokyo", 1, 6])
    places = st.lists(place, min_size=nodes, max_size=nodes) | st.just({"Ohio": nodes})
    return st.one_of(
        mapping({}, **facts, **full),
        mapping({"duplex": st.just("half"), "uplink": limits}, **facts),
        mapping({"preset": st.sampled_from(list(PRESETS))}, **facts, **full),
        mapping({"preset": st.just("home-broadband"), "duplex": st.just("half")}, **facts),
        mapping({"preset": st.sampled_from(["world", "dtfm-4-worldwide"])}, **facts, **full, places=places),
    )


def faults(nodes: int) -> Values:
    node, at, until = st.integers(0, nodes - 1), {"at": st.just("5 s")}, st.just("7500 ms")
    some, states = {"nodes": st.lists(node, min_size=1, max_size=2)}, st.sampled_from(["kept", "neighbor", "start"])
    ends = st.permutations(range(nodes)).map(lambda order: order[:2])
    pairs = st.lists(ends, min_size=1, max_size=2)
    groups = st.permutations(range(nodes)).map(lambda order: [order[:1], order[1:]])
    random = {"up": positive_times, "down": positive_times}
    kinds = [
        kind("crash", {**some, **at}, until=until, state=states),
        kind("join", {**some, **at}, state=st.sampled_from(["neighbor", "start"])),
        kind("leave", {**some, **at}),
        kind("random_crashes", random, **some, state=states),
        kind("trace", {"path": words}, state=states),
    ]
    if nodes > 1:
        kinds += [
            kind("link_down", {"links": pairs, **at}, until=until),
            kind("random_outages", random, links=pairs),
            kind("partition", {"groups": groups, **at}, until=until),
        ]
    return st.lists(st.one_of(kinds), max_size=3)


def sweeps() -> Values:
    values = st.lists(finite | words | st.none() | st.booleans(), min_size=1, max_size=3)
    taken = {"name", "seed", "seeds", "expect", "sweep", "zip", "random", "best_of"}
    keys = words.filter(lambda word: word not in taken)
    ranges = st.sampled_from([{"uniform": [1, 5]}, {"log_uniform": [0.1, 2.0]}, {"uniform": ["1 ms", "2 s"]}])
    drawn = st.dictionaries(keys.map("drawn.{}".format), ranges, min_size=1, max_size=2)
    pairs = st.dictionaries(keys.map("zipped.{}".format), st.lists(finite, min_size=2, max_size=2), max_size=2)
    return st.builds(
        lambda grid, zipped, search, tuned: {**grid, **zipped, **search, **tuned},
        st.dictionaries(keys, values, max_size=2),
        st.just({}) | pairs.map(lambda lists: {"zip": lists}),
        st.just({}) | drawn.map(lambda ranges: {"random": {"count": 3, **ranges}}),
        st.just({}) | values.map(lambda lrs: {"best_of": {"lr": lrs, "by": "accuracy"}}),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    nodes = draw(st.integers(1, 4))
    entries = st.one_of(
        mapping({"name": st.just("dpsgd"), "lr": schedules}, order=st.sampled_from(["cta", "atc"]), wait=waits),
        mapping({"name": st.just("detag"), "lr": schedules}, eta=finite | st.just("auto"), gossip_rounds=counts),
        mapping({"name": st.just("moniqua"), "lr": schedules, "theta": finite}, seeds=st.lists(counts, max_size=2)),
        mapping({"name": st.just("some.module:algorithm"), "lr": schedules}),
    )
    matrix = st.lists(st.lists(finite, min_size=nodes, max_size=nodes), min_size=nodes, max_size=nodes)
    required: dict[str, Values] = {
        "nodes": st.just(nodes),
        "topology": topologies,
        "problem": problems(nodes),
        "algorithms": st.lists(entries, min_size=1, max_size=3),
        "run": mapping({"steps": counts}, epochs=st.floats(0.1, 9), simulated_time=positive_times, wait=waits)
        | mapping({"simulated_time": positive_times}, evaluate_every=counts),
    }
    optional: dict[str, Values] = {
        "name": words,
        "dtype": st.sampled_from(["float32", "float64"]),
        "threads": counts,
        "mixing": st.one_of(
            st.sampled_from(["metropolis", "uniform", "lazy"]),
            kind("uniform", self_weight=st.floats(0, 0.9), slack=st.floats(0.1, 1), lazy=st.booleans()),
            mapping({"matrix": matrix | words}),
        ),
        "network": networks(nodes),
        "faults": faults(nodes),
        "compute": mapping(
            {},
            jitter=st.sampled_from(["lognormal", "normal", "exponential"]).flatmap(lambda name: mapping({name: shares})),
            factors=st.lists(st.floats(0.1, 9), min_size=nodes, max_size=nodes),
            stragglers=mapping({"fraction": shares, "slowdown": st.floats(1, 9)}),
            trace=mapping({"file": words}, then=continuations),
            slowdowns=st.lists(slowdowns, min_size=1, max_size=3) | slowdowns,
            diurnal=mapping(
                {"period": positive_times, "amplitude": st.floats(0, 0.9)},
                phase=shares | st.just("random") | st.lists(shares, min_size=nodes, max_size=nodes),
            ),
            per_number=mapping({}, compress=times, mix=times),
            **draw(st.sampled_from([{}, {"time": gradient_times}, {"device": devices}])),
        ),
        "message": mapping({}, bits_per_number=st.floats(1, 64)),
        "record": mapping({}, models=st.booleans(), average_model=st.booleans()),
        "targets": mapping({}, accuracy=shares, train_loss=finite),
        "expect": st.lists(st.sampled_from(["all(idle_share < 0.5)", {"that": "any(steps > 3)", "seeds": "mean"}]), max_size=2),
        "sweep": sweeps(),
        **draw(st.sampled_from([{}, {"seed": counts}, {"seeds": st.lists(counts, min_size=1, unique=True)}])),
    }
    scenario: dict[str, Any] = draw(mapping(required, **optional))
    for i, entry in enumerate(scenario["algorithms"]):
        entry["label"] = f"{entry['name']} {i}"
    return scenario


@quick
@given(scenarios())
def test_what_is_written_reads_back_as_an_equal_scenario(read: Read, plain: dict[str, Any]) -> None:
    scenario = read(plain)
    text = scenario.to_yaml()
    assert read(text) == scenario
    assert read(text).to_yaml() == text
    assert read(scenario.to_plain()) == scenario
    assert scenario.seeds


@quick
@given(scenarios())
def test_the_json_schema_accepts_what_is_a_scenario(read: Read, schemas: AlgorithmSchemas, plain: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(json_schema(schemas))
    validator.validate(plain)
    validator.validate(read(plain).to_plain())


JARGON = ("Input should", "validation error", "pydantic", "Field required")
plain_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["50 ms", "ring", "all", "1 bit/s", "dpsgd", "kind", 10**400, -1, 0, float("nan"), b"x", {1}, 1j]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [here, *(place for key, inner in items for place in places(inner, (*here, key)))]


def mutate(value: Any, place: tuple[Any, ...], how: str, new: Any) -> Any:
    """The same value, but at one place a key is gone, is called differently, or holds something else."""
    if not place:
        return new
    key, *rest = place
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    changed: list[tuple[Any, Any]] = []
    for name, inner in pairs:
        if name != key:
            changed.append((name, inner))
        elif rest or how == "replace":
            changed.append((name, mutate(inner, tuple(rest), how, new)))
        elif how == "rename":
            changed.append((f"{name}"[:-1] + "x", inner))
    return dict(changed) if isinstance(value, dict) else [inner for _, inner in changed]


def outcome(read: Read, source: Any, prefixes: tuple[str, ...], **options: Any) -> None:
    """The source is read, or every line of the complaint says where."""
    try:
        assert isinstance(read(source, **options), Scenario)
    except ScenarioError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.startswith(prefixes) for line in lines), lines
        assert len(set(lines)) == len(lines)
        found = [word for word in JARGON if word in str(error) and word not in str(source) + str(options)]
        assert not found


@quick
@given(scenarios(), st.data())
def test_a_changed_scenario_is_read_or_complained_about(read: Read, plain: dict[str, Any], data: st.DataObject) -> None:
    source: Any = plain
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(source)))
        source = mutate(source, place, data.draw(st.sampled_from(["delete", "rename", "replace"])), data.draw(plain_values))
    if isinstance(source, dict):
        outcome(read, source, ("scenario: ",))
    try:
        text = json.dumps(source)
    except (TypeError, ValueError):
        return
    outcome(read, text, ("a.yaml:",), file="a.yaml")


@quick
@given(scenarios(), st.data())
def test_a_changed_text_is_read_or_complained_about(read: Read, plain: dict[str, Any], data: st.DataObject) -> None:
    text = read(plain).to_yaml()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        inserted = data.draw(st.text(max_size=4) | st.sampled_from([*"\n\t:-[]{}&*!|>'\"%@#,0", "\n  ", "<<: ", "!!set "]))
        text = text[:at] + inserted + text[at + data.draw(st.integers(0, 6)) :]
    outcome(read, text, ("a.yaml:",), file="a.yaml")


@quick
@given(st.text(max_size=60))
def test_any_text_is_read_or_complained_about(read: Read, text: str) -> None:
    outcome(read, text, ("a.yaml:",), file="a.yaml")


@quick
@given(scenarios(), st.data())
def test_any_override_is_applied_or_complained_about(read: Read, plain: dict[str, Any], data: st.DataObject) -> None:
    place = ".".join(str(key) for key in data.draw(st.sampled_from(places(plain))))
    path = data.draw(st.sampled_from([place, f"{place}.x", place[:-1]]) | st.text(max_size=6))
    outcome(read, plain, ("scenario: ", "--set "), overrides={path: data.draw(plain_values)})


@pytest.mark.parametrize("wrong", [{"nodes": "4"}, {"topology": {"kind": "rnig"}}, {"network": {"latency": 50}}])
def test_the_json_schema_refuses_mistakes(schemas: AlgorithmSchemas, wrong: dict[str, Any]) -> None:
    schema = json_schema(schemas)
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = {
        "nodes": 4,
        "topology": "ring",
        "problem": "digits",
        "algorithms": [{"name": "dpsgd", "lr": 0.1}],
        "run": {"steps": 1},
    }
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(plain)
    assert not validator.is_valid(plain | wrong)
    assert not validator.is_valid(plain | {"algorithms": [{"name": "dpsgd", "lr": 0.1, "eta": 1}]})
