"""Runs the notebooks from top to bottom, each in a fresh kernel of the interpreter that runs this.

::

    python notebooks/run.py                # all of them: do they still run?
    python notebooks/run.py 1 3 --save     # these two, and their new outputs are kept in the files
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent
CELL_TIMEOUT_S = 600
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"


class ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the interpreter that runs this, whatever kernels are installed on the machine.

    Args:
        folder: takes the place of the user's settings, history and start-up files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """What starts a kernel.

        Args:
            kernel_name: of any kernel.

        Returns:
            This interpreter's own.
        """
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python", env={"IPYTHONDIR": str(self.folder)})


def notebooks(numbers: list[str] | None = None) -> list[Path]:
    """The notebooks, in their order.

    Args:
        numbers: which of them; all by default.

    Returns:
        Their files.
    """
    return sorted(path for path in FOLDER.glob("*.ipynb") if not numbers or path.name.partition("_")[0] in numbers)


def run(notebook: NotebookNode) -> NotebookClient:
    """Runs a notebook in the folder of the notebooks, in a fresh kernel that ends with it.

    Args:
        notebook: its outputs are replaced.

    Returns:
        The client that has run it, for what its widgets show.

    Raises:
        CellExecutionError: if a cell fails.
        CellTimeoutError: if one takes too long.
    """
    with TemporaryDirectory(prefix="simnet-notebook-") as name:
        folder = Path(name)
        connection = str(folder / "kernel.json")
        manager = AsyncKernelManager(kernel_spec_manager=ThisInterpreter(folder), connection_file=connection, transport="ipc")
        resources = {"metadata": {"path": str(FOLDER)}}
        client = NotebookClient(notebook, km=manager, timeout=CELL_TIMEOUT_S, record_timing=False, resources=resources)
        client.execute(cleanup_kc=True)
    return client


def stable(notebook: NotebookNode) -> NotebookNode:
    """Takes away what would differ after the next run: identities of cells and widgets, and versions.

    Args:
        notebook: is changed.

    Returns:
        The same notebook.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    for index, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{index}", nbformat.from_dict({})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    return notebook


def main() -> int:
    """Runs what the command line says.

    Returns:
        The exit status: 1 if a notebook fails.
    """
    parser = argparse.ArgumentParser(description="Runs the notebooks from top to bottom.")
    parser.add_argument("numbers", nargs="*", help="which: 1 3, for example; all by default")
    parser.add_argument("--save", action="store_true", help="keep the new outputs in the files")
    options = parser.parse_args()
    status = 0
    for path in notebooks(options.numbers):
        began = perf_counter()
        notebook = nbformat.read(path, as_version=4)
        try:
            run(notebook)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            status = 1
            continue
        if options.save:
            nbformat.write(stable(notebook), path)
        print(f"{path.name}: {perf_counter() - began:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
