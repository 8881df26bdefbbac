"""A result's folder: written whole or not at all, and read back bit for bit."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from simnet.errors import OutputError
from simnet.metrics import AXES, METRICS
from simnet.result.record import RunRecord

FORMAT = 1
MARKERS = ("summary.json", "scenario.yaml")
CHECKPOINT = "checkpoint"
"""What an interrupted run keeps in its folder, so that it can go on."""

_OWN_FILES = {
    *MARKERS,
    *("environment.json", "metrics.csv", "models.npz", "average_model.npz", "classes.csv", "figures", "report"),
    *("timeline.npz", "trace.json", "numbers.npz"),
}
_DAMAGE = (
    AttributeError,
    BadZipFile,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    StopIteration,
    TypeError,
    ValueError,
    YAMLError,
)
_GROUPS = ("average_model", "timeline", "numbers")
"""Arrays of a run under names, in a file for each group."""

_TEXTS = {"algorithm", "status", "message", "hash", "how"}
_NUMBER_TABLES = {"final", "targets", "wall_s", "counters"}


def check_output(directory: str | Path) -> None:
    """Refuse, before anything runs, a folder that ``Result.save`` would refuse.

    Args:
        directory: where a result is to be written.

    Raises:
        OutputError: it is a file, a folder with something else in it, or not writable.

    Example:
        >>> check_output(__file__ + "/runs")
        Traceback (most recent call last):
        simnet.errors.OutputError: ...: nothing can be written in ...; choose another folder with --out
    """
    target = Path(directory).resolve()
    try:
        if target.exists() and not target.is_dir():
            raise OutputError(f"{directory}: is a file; name a folder")
        found = {entry.name for entry in target.iterdir()} if target.is_dir() else set()
        if found - {CHECKPOINT} and not all((target / m).is_file() for m in MARKERS):
            raise OutputError(
                f"{directory}: holds something that is not a simnet result; allowed are a new or empty folder and one "
                "with a previous result; choose another with --out"
            )
        nearest = next(folder for folder in target.parents if folder.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise OutputError(f"{directory}: nothing can be written in {nearest}; choose another folder with --out")
    except OSError as error:
        raise _cannot_write(directory, error) from error


def write_folder(directory: str | Path, fill: Callable[[Path], None]) -> None:
    """Make one folder; it appears whole or not at all.

    Args:
        directory: the folder; a previous simnet result there is replaced, files that simnet did not write stay.
        fill: called with an empty folder beside it, which then takes its place.

    Raises:
        OutputError: it cannot be written there. What was there before is untouched, as after any other error.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_folder(Path(folder, "a", "b"), lambda new: (new / "summary.json").touch())
        ...     os.listdir(Path(folder, "a", "b"))
        ['summary.json']
    """
    check_output(directory)
    target = Path(directory).resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{target.name[:80]}.", dir=target.parent))
    except OSError as error:
        raise _cannot_write(directory, error) from error
    try:
        (holder / "new").mkdir()
        fill(holder / "new")
        _swap(holder, target)
    except OSError as error:
        raise _cannot_write(directory, error) from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_texts(folder: Path, scenario_yaml: str, environment: object, class_table: pd.DataFrame | None) -> None:
    """Write what describes the runs: scenario.yaml, environment.json, classes.csv.

    Args:
        folder: where.
        scenario_yaml: the resolved scenario.
        environment: plain values.
        class_table: samples per class of each node, if there are classes.
    """
    (folder / "scenario.yaml").write_text(scenario_yaml, encoding="utf-8", newline="")
    _write_json(folder / "environment.json", environment)
    if class_table is not None:
        class_table.to_csv(folder / "classes.csv", index_label="node", lineterminator="\n")


def write_records(folder: Path, records: Sequence[RunRecord], head: Mapping[str, Any]) -> None:
    """Write what the runs left: metrics.csv, summary.json, and the recorded models and timelines.

    Args:
        folder: where.
        records: the runs.
        head: what summary.json says of all of them.
    """
    _write_metrics(folder / "metrics.csv", records)
    models = {_run_key(record): record.models for record in records if record.models is not None}
    groups = {name: _of_all_runs(records, [getattr(record, name) for record in records]) for name in _GROUPS}
    for name, arrays in {"models": models, **groups}.items():
        if arrays:
            _write_arrays(folder / f"{name}.npz", arrays)
    _write_json(folder / "summary.json", {"format": FORMAT, **head, "runs": [_encoded(r.summary) for r in records]})


def _of_all_runs(records: Sequence[RunRecord], groups: Sequence[Mapping[str, np.ndarray] | None]) -> dict[str, np.ndarray]:
    """Named arrays of every run under names that say whose they are."""
    return {
        f"{_run_key(record)}/{quote(name, safe='')}": array
        for record, group in zip(records, groups, strict=True)
        for name, array in (group or {}).items()
    }


def _cannot_write(directory: str | Path, error: OSError) -> OutputError:
    return OutputError(f"{directory}: cannot be written ({_sentence(error)}); free the place or choose another folder")


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _swap(holder: Path, target: Path) -> None:
    """Put ``holder/new`` where the target is, keeping what simnet did not write there; undo it if that fails."""
    new, old = holder / "new", holder / "old"
    if not target.exists():
        new.rename(target)
        return
    moved: list[str] = []
    try:
        target.rename(old)
        for entry in sorted(old.iterdir()):
            if entry.name not in _OWN_FILES and not (new / entry.name).exists():
                moved.append(entry.name)
                entry.rename(new / entry.name)
        new.rename(target)
    finally:
        if not target.exists():
            for name in moved:
                if (new / name).exists():
                    (new / name).rename(old / name)
            old.rename(target)


def metric_columns(records: Sequence[RunRecord]) -> list[str]:
    """Order the columns that these records have: axes, known metrics, then the rest as first met.

    Args:
        records: the runs.

    Returns:
        Names of columns, without ``algorithm`` and ``seed``.

    Example:
        >>> metric_columns([RunRecord("a", 1, "done", "", [{"accuracy": 0.5, "step": 0}], {})])
        ['step', 'accuracy']
    """
    found = dict.fromkeys(name for record in records for row in record.metrics for name in row)
    known = [*AXES, *METRICS]
    return [*(name for name in known if name in found), *(name for name in found if name not in known)]


def _write_metrics(path: Path, records: Sequence[RunRecord]) -> None:
    columns = metric_columns(records)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["algorithm", "seed", *columns])
        for record in records:
            for row in record.metrics:
                cells = (repr(row[name]) if name in row else "" for name in columns)
                writer.writerow([record.algorithm, record.seed, *cells])


def _read_metrics(path: Path) -> dict[tuple[str, int], list[dict[str, float]]]:
    rows: dict[tuple[str, int], list[dict[str, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        *keys, columns = *(header := next(reader))[:2], header[2:]
        if keys != ["algorithm", "seed"]:
            raise ValueError(f"{path.name} begins with {header[:2]}")
        for label, seed, *cells in reader:
            row = {name: _number(cell) for name, cell in zip(columns, cells, strict=True) if cell}
            rows.setdefault((label, int(seed)), []).append(row)
    return rows


def _number(cell: str) -> float:
    return int(cell) if re.fullmatch(r"-?\d+", cell) else float(cell)


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_groups(path: Path) -> dict[str, dict[str, np.ndarray]]:
    groups: dict[str, dict[str, np.ndarray]] = {}
    for key, array in _read_arrays(path).items():
        run, name = key.rsplit("/", 1)
        groups.setdefault(run, {})[unquote(name)] = array
    return groups


def read_folder(directory: str | Path) -> dict[str, Any]:
    """Read what ``write_folder`` and the two writers left.

    Args:
        directory: the folder.

    Returns:
        The arguments of ``Result``.

    Raises:
        OutputError: it is not there, or is no complete simnet result.

    Example:
        >>> read_folder("nowhere")
        Traceback (most recent call last):
        simnet.errors.OutputError: nowhere: no simnet result there (summary.json is missing); name a folder of runs/
    """
    folder = Path(directory)
    for marker in MARKERS:
        if not (folder / marker).is_file():
            raise OutputError(f"{directory}: no simnet result there ({marker} is missing); name a folder of runs/")
    try:
        return _read(folder)
    except _DAMAGE as error:
        raise OutputError(f"{directory}: damaged simnet result ({_sentence(error)}); run it again") from error


def _read(folder: Path) -> dict[str, Any]:
    head = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    text = (folder / "scenario.yaml").read_bytes().decode()
    return {
        "records": _read_records(folder, head["runs"]),
        "scenario": dict(YAML(typ="safe").load(text)),
        "scenario_yaml": text,
        "environment": json.loads((folder / "environment.json").read_text(encoding="utf-8")),
        "class_table": _read_classes(folder),
        "complete": head["complete"],
        "planned": head["planned"],
    }


def _read_records(folder: Path, runs: list[dict[str, Any]]) -> list[RunRecord]:
    rows = _read_metrics(folder / "metrics.csv")
    models = _read_arrays(folder / "models.npz")
    groups = {name: _read_groups(folder / f"{name}.npz") for name in _GROUPS}
    records = []
    for run in runs:
        summary = _decoded(run)
        label, seed, status, message = (summary[name] for name in ("algorithm", "seed", "status", "message"))
        record = RunRecord(label, seed, status, message, rows.get((label, seed), []), summary)
        key = _run_key(record)
        arrays: dict[str, Any] = {"models": models, **groups}
        records.append(replace(record, **{name: found.get(key) for name, found in arrays.items()}))
    return records


def _run_key(record: RunRecord) -> str:
    return f"{record.algorithm}/{record.seed}"


def _read_classes(folder: Path) -> pd.DataFrame | None:
    path = folder / "classes.csv"
    return pd.read_csv(path, index_col="node") if path.exists() else None


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="")


def _encoded(value: Any, numbers: bool = False) -> Any:
    """Numbers that JSON lacks: an infinity is null where only numbers stand, and a word elsewhere; NaN is a word."""
    if isinstance(value, dict):
        return {key: _encoded(item, numbers or key in _NUMBER_TABLES) for key, item in value.items()}
    if isinstance(value, list):
        return [_encoded(item, numbers) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if numbers and value > 0 else repr(value)
    return value


def _decoded(value: Any, numbers: bool = False, text: bool = False) -> Any:
    if isinstance(value, dict):
        return {k: _decoded(v, numbers or k in _NUMBER_TABLES, k in _TEXTS) for k, v in value.items()}
    if isinstance(value, list):
        return [_decoded(item, numbers, text) for item in value]
    if value is None and numbers:
        return math.inf
    return float(value) if not text and value in ("inf", "-inf", "nan") else value
