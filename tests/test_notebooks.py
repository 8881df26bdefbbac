"""The notebooks run; what is committed of them is complete and stable; the sliders answer from what was computed."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest
from nbformat import NotebookNode

from notebooks.run import METADATA, WIDGET, notebooks, run, stable

FILES = notebooks()
NAMES = [path.stem for path in FILES]
ROOT = FILES[0].parents[1]

MOVES = """
import json
from time import perf_counter

def refuse(*_, **__):
    raise AssertionError("something was computed")

def watched(original=plt.show):
    shown.append([plt.gca().get_title(), *(bar.get_width() for bar in plt.gca().patches)])
    original()

simnet.run = simnet.Result.retime = refuse
plt.show, shown, waited = watched, [], []
told = [[f"{a} ms, {b} Mbit/s: {seconds.loc[a, b].idxmin()} is first",
         *grid[a, b].summary["targets.accuracy.time_s"]] for a in (1, 30, 300) for b in (0.1, 3, 100)]
for a in (1, 30, 300):
    latency.value = a
    for b in (0.1, 3, 100):
        if (uplink.value, latency.value) != (b, a):
            began = perf_counter()
            uplink.value = b
            waited.append(perf_counter() - began)
print(json.dumps({"told": told, "shown": shown, "waited": waited}))
"""


@pytest.fixture(params=FILES, ids=NAMES)
def committed(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(request.param, as_version=4)


def test_there_are_seven() -> None:
    assert [name.partition("_")[0] for name in NAMES] == [str(number) for number in range(1, 8)]


def test_the_first_runs() -> None:
    notebook = nbformat.read(*notebooks(["1"]), as_version=4)
    earlier = [cell.pop("execution_count") for cell in notebook.cells if cell.cell_type == "code"]
    run(notebook)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == earlier


def test_the_third_runs_and_its_sliders_answer_in_a_second_from_the_grid() -> None:
    notebook = nbformat.read(*notebooks(["3"]), as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(MOVES))
    shown = run(notebook).widget_state.values()
    found = json.loads(notebook.cells[-1].outputs[0].text)
    assert median(found["waited"]) < 1
    assert all(case in found["shown"] for case in found["told"])
    (output,) = [state["outputs"] for state in shown if state.get("_model_name") == "OutputModel"]
    assert {"image/png"} <= output[-1].data.keys()


def test_the_outputs_are_committed(committed: NotebookNode) -> None:
    nbformat.validate(committed)
    cells = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_the_outputs_are_stable(committed: NotebookNode) -> None:
    assert committed.metadata == METADATA
    assert committed == stable(nbformat.from_dict(json.loads(json.dumps(committed))))
    text = json.dumps([output for cell in committed.cells for output in cell.get("outputs", [])])
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    assert WIDGET not in text
    assert not re.search(r"0x[0-9a-f]{6,}|/tmp/|/home/|/root/|site-packages|wall_s", text)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_notebook_is_small(path: Path) -> None:
    assert path.stat().st_size < 500_000


def test_there_is_no_logic(committed: NotebookNode) -> None:
    code = "\n".join(cell.source for cell in committed.cells if cell.cell_type == "code")
    nodes = list(ast.walk(ast.parse(code)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    allowed = {"simnet", "pandas", "matplotlib", "networkx", "ipywidgets", "collections", "typing"}
    assert {name.partition(".")[0] for name in modules} <= allowed
    assert not [node for node in nodes if isinstance(node, ast.While | ast.ClassDef)]


def test_the_readme_has_every_notebook() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path, notebook in zip(FILES, [nbformat.read(path, as_version=4) for path in FILES], strict=True):
        question = notebook.cells[0].source.partition("\n\n*")[2].partition("*")[0]
        assert f"| [{path.stem}](notebooks/{path.name}) | {question} |" in readme
