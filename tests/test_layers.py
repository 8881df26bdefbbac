"""The rules of the house that a reader of one file cannot see: layers, sizes, no hidden state."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "simnet"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# From top to bottom; a part may import parts of its own line and of all lines below it.
LAYERS = [
    {"__init__", "__main__"},
    {"cli", "plugin"},
    {"report"},
    {"experiment"},
    {"simulation"},
    {"node_memory"},
    {"execution", "replay"},
    {"membership"},
    {"account"},
    {"evaluation", "accounting", "insight", "checkpoint"},
    {"setting", "places", "checks", "complaints", "gradient_cost"},
    {"algorithms"},
    {"node", "node_kinds", "node_values", "observer"},
    {"clock", "surroundings"},
    {"values"},
    {"problems"},
    {"graph"},
    {"scenario"},
    {"result"},
    {"metrics"},
    {"environment", "schedule", "units", "streams", "counter_random", "part", "sentences", "progress", "errors"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

# (module, what it imports) -> why this one import may go up.
UPWARD = {
    ("simnet.result", "simnet.report"): "Result.plot is a shorthand; who never plots never loads matplotlib",
    ("simnet.result", "simnet.experiment"): "Result.retime is a shorthand, too",
}

# The two planes: who decides when knows no tensors, who decides what knows no clock (part -> forbidden).
PLANES = {
    "clock": {"torch"},
    "values": {"simpy"},
    "problems": {"simpy"},
    "graph": {"simpy", "torch"},
    "scenario": {"simpy", "torch"},
    "algorithms": {"simpy"},
}

# (file below simnet/, call) -> why this use of a global generator does no harm.
GLOBAL_RANDOM = {
    ("problems/models.py", "torch.manual_seed"): "a module's start comes from it; inside fork_rng, so put back",
}

NUMPY_GENERATORS = {"Generator", "BitGenerator", "Philox", "SeedSequence"}
TORCH_SAMPLERS = {"bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn", "randperm"}
TORCH_SAMPLERS_WITHOUT_GENERATOR = {"manual_seed", "seed", "set_rng_state", "rand_like", "randint_like", "randn_like"}
IN_PLACE_SAMPLERS = {"bernoulli_", "cauchy_", "exponential_", "geometric_", "normal_", "random_", "uniform_"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """`simnet.graph.mixing` -> `graph`; `simnet` itself -> `__init__`."""
    return [*module.split("."), "__init__"][1]


NAMES = {name_of(path) for path in MODULES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, in full."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in NAMES else str(node.module)


def house_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "simnet"}


def dotted(node: ast.expr) -> str:
    """`np.random.rand` for that expression, `?.rand` where it does not start with a name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def where(path: Path, node: ast.stmt | ast.expr) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_part_has_a_layer() -> None:
    assert {part_of(name) for name in NAMES} <= set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    rank = RANK[part_of(name_of(path))]
    upward = {other for other in house_imports(path) if RANK[part_of(other)] < rank}
    assert {other for other in upward if not is_excused(name_of(path), other)} == set()


def is_excused(module: str, imported: str) -> bool:
    return any(below(module, low) and below(imported, high) for low, high in UPWARD)


def below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_every_exception_to_the_layers_is_used() -> None:
    edges = {(name_of(path), other) for path in MODULES for other in house_imports(path)}
    unused = {pair for pair in UPWARD if not any(below(a, pair[0]) and below(b, pair[1]) for a, b in edges)}
    assert unused == set()


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {
        name_of(path): {other for other in house_imports(path) if not is_excused(name_of(path), other)}
        for path in MODULES
    }
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) == len(set(order))


@pytest.mark.parametrize(("part", "forbidden"), PLANES.items(), ids=PLANES)
def test_the_two_planes_stay_apart(part: str, forbidden: set[str]) -> None:
    files = [path for path in MODULES if part_of(name_of(path)) == part]
    assert {name_of(path): roots & forbidden for path in files if (roots := import_roots(path)) & forbidden} == {}


def import_roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("folder", ["simnet", "tests", "benchmarks"])
def test_files_are_short(folder: str) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_line_prints(path: Path) -> None:
    prints = [where(path, call) for call in calls(path) if dotted(call.func) == "print"]
    assert part_of(name_of(path)) == "cli" or prints == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_global_random_state(path: Path) -> None:
    used = [
        f"{where(path, call)}: {dotted(call.func)}"
        for call in calls(path)
        if is_global_random(call) and (str(path.relative_to(PACKAGE)), dotted(call.func)) not in GLOBAL_RANDOM
    ]
    assert used == []
    assert "random" not in import_roots(path)
    assert {name for name in imports(path) if name.startswith(("numpy.random", "torch.random"))} == set()


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def is_global_random(call: ast.Call) -> bool:
    *owner, name = dotted(call.func).split(".")
    keywords = {keyword.arg for keyword in call.keywords}
    if owner in (["np", "random"], ["numpy", "random"]):
        return name not in NUMPY_GENERATORS
    if owner in (["torch"], ["torch", "random"], ["torch", "cuda"]):
        return name in TORCH_SAMPLERS_WITHOUT_GENERATOR or (name in TORCH_SAMPLERS and "generator" not in keywords)
    if owner and owner[0] in {"nx", "networkx"}:
        return ("random" in name or name.endswith("_rewiring")) and "seed" not in keywords
    if name in {"eigs", "eigsh", "svds"}:  # ARPACK starts at a random vector unless it is given one
        return "v0" not in keywords
    return bool(owner) and name in IN_PLACE_SAMPLERS and "generator" not in keywords


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("np.random.rand(3)", True),
        ("np.random.default_rng()", True),
        ("np.random.Generator(np.random.Philox(key=1))", False),
        ("torch.randn(3)", True),
        ("torch.randn(3, generator=g)", False),
        ("torch.manual_seed(1)", True),
        ("weights.normal_()", True),
        ("weights.normal_(generator=g)", False),
        ("nx.random_regular_graph(3, 8)", True),
        ("nx.random_regular_graph(3, 8, seed=s)", False),
        ("eigsh(W, k=2)", True),
        ("eigsh(W, k=2, v0=v)", False),
        ("rng.normal(3)", False),
    ],
)
def test_global_random_is_recognized(line: str, expected: bool) -> None:
    (expression,) = ast.parse(line).body
    assert isinstance(expression, ast.Expr)
    assert isinstance(expression.value, ast.Call)
    assert is_global_random(expression.value) == expected


def test_layers_are_listed_once() -> None:
    parts = [part for layer in LAYERS for part in layer]
    assert sorted(parts) == sorted(set(parts))
