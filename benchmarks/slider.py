"""How fast the sliders of notebook 3 answer from a grid of 20 x 20 networks, and what the points of the grid cost.

Run `python benchmarks/slider.py` (`--help` names the options). The notebook runs in a kernel with a finer grid; then every
slider is moved from within, so that a browser's own drawing is not in the figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

import measure
import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "3_slow_and_far.ipynb"

FINER = """
latencies = sorted([*latencies, 1.5, 2, 4.5, 6, 8, 15, 20, 45, 60, 80, 150, 450, 650])
uplinks = sorted([*uplinks, 0.15, 0.2, 0.45, 0.6, 1.5, 2, 4.5, 6, 15, 20, 45, 60, 80])
"""

MOVES = """
import json
from time import perf_counter

def seconds_of(action):
    began = perf_counter()
    action()
    return perf_counter() - began

moves = [seconds_of(lambda: setattr(slider, "value", value)) for slider in (latency, uplink) for value in slider.options]
clock = [seconds_of(lambda: result.retime(network={"latency": "77 ms"})) for _ in range(5)]
whole = [seconds_of(lambda: simnet.run(result.scenario)) for _ in range(5)]
"""

TOLD = "print(json.dumps({'networks': len(grid), 'moves': moves, 'clock': clock, 'whole': whole}))"


def figures(is_finer: bool) -> dict[str, Any]:
    """Runs the notebook and moves its sliders.

    Args:
        is_finer: whether 13 latencies and 13 uplinks come to the notebook's seven and seven.

    Returns:
        The number of networks, and seconds of each move, of a clock run alone and of a whole run.
    """
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    (axes,) = [cell for cell in notebook.cells if cell.source.startswith("latencies = ")]
    axes.source += FINER if is_finer else ""
    notebook.cells += [nbformat.v4.new_code_cell(MOVES), nbformat.v4.new_code_cell(TOLD)]
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=7200, kernel_name="python3", resources=resources).execute()
    found: dict[str, Any] = json.loads(notebook.cells[-1].outputs[0].text)
    return found


def row(is_finer: bool) -> dict[str, Any]:
    """One line of the table.

    Args:
        is_finer: as in `figures`.
    """
    found = figures(is_finer)
    middle = {name: median(found[name]) for name in ("moves", "clock", "whole")}
    return {
        "networks": found["networks"],
        "answer, median [s]": middle["moves"],
        "slowest answer [s]": max(found["moves"]),
        "six runs, clock alone [s]": middle["clock"],
        "six whole runs [s]": middle["whole"],
        "whole / answer": middle["whole"] / middle["moves"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast the sliders of notebook 3 answer.")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    measure.report("Sliders of notebook 3", [row(False), row(True)], options.json)


if __name__ == "__main__":
    main()
