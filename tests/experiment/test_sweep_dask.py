"""The same table, whoever does the runs: this process, one worker, two, a cluster elsewhere, or one that loses a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import simnet
from simnet.experiment import sweeping
from tests.experiment.sweeping import LATENCIES, SMALL, tables

SOURCE = {**SMALL, "seeds": [1, 2], "run": {"steps": 60, "evaluate_every": 20}}
GRID = {"network.latency": LATENCIES}


def swept(out: Path, **options: Any) -> simnet.Sweep:
    return simnet.sweep(**{"source": SOURCE, "grid": GRID, "device": "cpu", "out": out, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return tables(swept(tmp_path_factory.mktemp("sweep") / "whole", workers=0))


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler and its workers, each a program of its own, as on a cluster."""
    note = folder / "scheduler.json"
    options = ("--no-dashboard", "--scheduler-file", str(note))
    head = ["scheduler", "--host", "127.0.0.1", "--port", "0", *options]
    programs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "dask", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for words in (head, *[["worker", "--nthreads", "1", *options]] * workers)
    ]
    try:
        yield str(note)
    finally:
        for program in programs:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def address_of(note: str) -> str:
    for _ in range(600):
        try:
            return str(json.loads(Path(note).read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.1)
    raise TimeoutError(note)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_local_cluster_gives_the_same_table(workers: int, whole: tuple[str, str], tmp_path: Path) -> None:
    found = swept(tmp_path / "out", workers=workers)
    assert found.complete
    assert found.how == {"computed": 4 + 6, "retimed": 4 * 2}
    assert tables(found) == whole


def test_a_cluster_elsewhere_that_loses_a_worker_gives_the_same_table(
    whole: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, killed = sweeping.Foreman.note, []

    def noted(foreman: sweeping.Foreman, unit: Any, outcome: Any, size: int) -> None:
        note(foreman, unit, outcome, size)
        if len(foreman.how) and not killed:
            killed.append(outcome.process)
            os.kill(outcome.process, signal.SIGKILL)

    monkeypatch.setattr(sweeping.Foreman, "note", noted)
    with cluster(tmp_path, 2) as file:
        found = swept(tmp_path / "out", scheduler=address_of(file))
        assert killed
        assert found.complete
        assert found.failures == {}
        assert tables(found) == whole
        once_more = swept(tmp_path / "again", scheduler=address_of(file))
        assert tables(once_more) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="needs groups of processes")
def test_ctrl_c_leaves_what_is_finished_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text(json.dumps({**SOURCE, "run": {"steps": 4000}, "sweep": GRID}))
    words = ["sweep", "it.yaml", "--workers", "1", "--device", "cpu", "--out", "out"]
    program = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "simnet", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while program.poll() is None and not list(tmp_path.glob("out/summary/[0-9a-f]*.parquet")):
        time.sleep(0.1)
    os.killpg(program.pid, signal.SIGINT)
    _, told = program.communicate(timeout=120)
    assert program.returncode == 130, told
    assert "of 18 runs are in out; the same command goes on" in told
    assert "Traceback" not in told
