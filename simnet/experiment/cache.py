"""Values that have been computed once: a folder of records, each under the hash of all that determines it."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np

from simnet.algorithms import Entry
from simnet.errors import OutputError
from simnet.execution import Run
from simnet.experiment.identity import depends_on_clock
from simnet.experiment.retime import recalled
from simnet.progress import Silent
from simnet.result import RunRecord
from simnet.scenario import AlgorithmEntry
from simnet.setting import Setting
from simnet.simulation import limited_threads

How = Literal["computed", "retimed", "reused"]

CHECK_BYTES = 16
GROUPS = ("average_model", "numbers")
"""Arrays of a record under names."""


class Cache:
    """Records in a folder, one file each; a file is written whole or not at all, and checked when it is read.

    Args:
        folder: where they lie; it is made when the first one is written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = Cache(Path(folder))
        ...     cache.write("key", RunRecord("dpsgd", 1, "done", "", [{"step": 0}], {"steps": 0}))
        ...     cache.read("key").metrics, cache.read("other key")
        ([{'step': 0}], None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> RunRecord | None:
        """The record under this key.

        Args:
            key: the hash of all that determines it.

        Returns:
            None if there is none, or a damaged one.
        """
        try:
            content = self.path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refusal(self.folder, error) from error
        check, body = content[:CHECK_BYTES], content[CHECK_BYTES:]
        return decoded(body) if check == _check(body) else None

    def write(self, key: str, record: RunRecord) -> None:
        """Keeps a record, in place of the one that is there.

        Args:
            key: the hash of all that determines it.
            record: less its timeline, which is of one clock only.

        Raises:
            OutputError: if it cannot be written.
        """
        body = encoded(record)
        write_whole(self.path(key), lambda path: void(path.write_bytes(_check(body) + body)))

    def path(self, key: str) -> Path:
        """Where a record lies.

        Args:
            key: the hash of all that determines it.

        Returns:
            The path of its file.
        """
        return self.folder / f"{key}.npz"


def cached(cache: Cache, key: str, setting: Setting, named: AlgorithmEntry, entry: Entry) -> tuple[RunRecord, How]:
    """The record of a run, its values computed only where they are not known already.

    Values that do not depend on the clock are taken from the cache once the clock has run and the hash of all operations
    has proved them to be those of this run. Of any other run the whole record is kept, under a key that says the clock.

    Args:
        cache: where values are kept.
        key: the hash of all that determines the values (see `identity.of_values`).
        setting: of the run's seed.
        named: the scenario's entry of the algorithm.
        entry: the table's row of it.

    Returns:
        The record, and how it was come by: ``computed``, ``retimed``, or ``reused`` as it is.

    Raises:
        OutputError: if the cache cannot be read or written.
    """
    memory = cache.read(key)
    with limited_threads(setting.scenario.threads):
        if memory is not None and depends_on_clock(setting.scenario, named, entry):
            return replace(memory, algorithm=named.label), "reused"
        if memory is not None and (record := recalled(setting, named, entry, memory)) is not None:
            return record, "retimed"
        record = Run(setting, named, entry, "deferred", Silent()).execute()
    if record.status != "failed":
        cache.write(key, record)
    return record, "computed"


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Writes one file, whole or not at all, whoever else writes it at the same moment.

    Args:
        path: of the file; its folder is made if need be.
        write: is called with another path beside it, whose name begins with a dot.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".new-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        new = Path(name)
        try:
            write(new)
            new.replace(path)
        finally:
            with suppress(FileNotFoundError):
                new.unlink()
    except OSError as error:
        raise _refusal(path.parent, error) from error


def encoded(record: RunRecord) -> bytes:
    """A record as bytes: JSON and plain arrays, in NumPy's format.

    Args:
        record: whose timeline is left out.

    Returns:
        What `decoded` reads.
    """
    names = ("algorithm", "seed", "status", "message", "metrics", "summary")
    head = json.dumps({name: getattr(record, name) for name in names})
    arrays = {f"{group}/{name}": array for group in GROUPS for name, array in (getattr(record, group) or {}).items()}
    arrays |= {} if record.models is None else {"models": record.models}
    content = io.BytesIO()
    np.savez(content, head=np.frombuffer(head.encode(), dtype=np.uint8), **arrays)
    return content.getvalue()


def decoded(content: bytes) -> RunRecord:
    """A record out of bytes.

    Args:
        content: as `encoded` wrote them.

    Returns:
        A record that equals that one, bit for bit.

    Example:
        >>> record = RunRecord("dpsgd", 1, "done", "", [{"step": 0}], {}, models=np.zeros((1, 2, 3)))
        >>> decoded(encoded(record)) == record
        True
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays: Mapping[str, Any] = {name: file[name] for name in file.files}
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if rest:
            groups.setdefault(group, {})[rest] = array
    head: dict[str, Any] = json.loads(arrays["head"].tobytes())
    head |= {"models": arrays.get("models"), **{group: groups.get(group) for group in GROUPS}}
    return RunRecord(**head)


def void(_: object) -> None:
    """Forget a return value, where a callback must return nothing."""


def _check(body: bytes) -> bytes:
    return blake2b(body, digest_size=CHECK_BYTES).digest()


def _refusal(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"{folder}: cannot be read or written ({error.strerror or error}); free the place or choose another")
