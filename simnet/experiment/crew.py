"""Who does the runs of a sweep: this process alone, or the workers of a Dask cluster."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch

from simnet.errors import SimnetError
from simnet.experiment.parts import Columns
from simnet.experiment.planning import Unit
from simnet.experiment.work import Done, work

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECTION_TIME = "15 s"


class Crew(Protocol):
    """Takes runs, and says which of them are done."""

    @property
    def size(self) -> int:
        """How many are done at once."""

    def give(self, unit: Unit, is_urgent: bool) -> None:
        """One more run to do.

        Args:
            unit: which one.
            is_urgent: whether it goes before those that are not.
        """

    def done(self) -> Iterator[tuple[Unit, Done | Exception]]:
        """Everything that was given, as it gets done; more may be given meanwhile.

        Yields:
            A run, and how it went.
        """


class Alone:
    """This process, one run after the other.

    Args:
        folder: of the sweep.
        columns: of its tables.
    """

    def __init__(self, folder: str, columns: Columns) -> None:
        self.folder = folder
        self.columns = columns
        self.urgent: deque[Unit] = deque()
        self.others: deque[Unit] = deque()

    @property
    def size(self) -> int:
        """One."""
        return 1

    def give(self, unit: Unit, is_urgent: bool) -> None:
        """One more run to do."""
        (self.urgent if is_urgent else self.others).append(unit)

    def done(self) -> Iterator[tuple[Unit, Done | Exception]]:
        """Does the next run, and the next one."""
        while self.urgent or self.others:
            unit = (self.urgent or self.others).popleft()
            outcome: Done | Exception
            try:
                outcome = work(unit, self.folder, self.columns)
            except Exception as error:  # noqa: BLE001  reported by whoever asked
                outcome = error
            yield unit, outcome


class DaskCrew:
    """The workers of a Dask cluster.

    Args:
        client: connected with its scheduler.
        folder: of the sweep.
        columns: of its tables.
    """

    def __init__(self, client: Client, folder: str, columns: Columns) -> None:
        from distributed import as_completed  # noqa: PLC0415  only who sweeps loads Dask

        self.client = client
        self.folder = folder
        self.columns = columns
        self.units: dict[Any, Unit] = {}
        self.completed = as_completed(loop=client.loop)

    @property
    def size(self) -> int:
        """How many runs the workers do at once."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def give(self, unit: Unit, is_urgent: bool) -> None:
        """One more run to do."""
        future: Future[Done] = self.client.submit(work, unit, self.folder, self.columns, pure=False, priority=int(is_urgent))
        self.units[future.key] = unit
        self.completed.add(future)

    def done(self) -> Iterator[tuple[Unit, Done | Exception]]:
        """Waits for the next run, and the next one."""
        for future in self.completed:
            unit = self.units.pop(future.key)
            if future.status == "finished":
                yield unit, future.result()
            else:
                yield unit, future.exception() or SimnetError(f"the run was {future.status}")


@contextmanager
def crew(folder: str, columns: Columns, workers: int | None, scheduler: str | None, device_type: str) -> Iterator[Crew]:
    """Who does the runs, until the block ends.

    Args:
        folder: of the sweep.
        columns: of its tables.
        workers: processes on this machine; 0: this process alone; None: as many as there are processors, or GPUs.
        scheduler: the address of a Dask scheduler, instead.
        device_type: ``cpu`` or ``cuda``.

    Yields:
        A crew.

    Raises:
        SimnetError: if nobody answers at that address.
    """
    if scheduler is None and workers == 0:
        yield Alone(folder, columns)
        return
    from distributed import Client  # noqa: PLC0415

    with quiet_logs(), local_cluster(workers, device_type) if scheduler is None else no_cluster(scheduler) as address:
        try:
            client = Client(address, timeout=CONNECTION_TIME, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SimnetError(
                f"--scheduler: found {scheduler!r}, where no Dask scheduler answers ({error}); allowed: an address such as "
                "tcp://127.0.0.1:8786, which dask scheduler prints"
            ) from error
        with client:
            yield DaskCrew(client, folder, columns)


@contextmanager
def no_cluster(scheduler: str) -> Iterator[str]:
    """A cluster that somebody else started.

    Args:
        scheduler: its address.

    Yields:
        The same.
    """
    yield scheduler


@contextmanager
def local_cluster(workers: int | None, device_type: str) -> Iterator[Any]:
    """A scheduler in this process, and workers of one thread each in processes of their own, until the block ends.

    Workers are started as new programs, so that a script needs no ``if __name__ == "__main__"`` around its sweep.

    Args:
        workers: how many; None: as many as there are processors that this process may use, or GPUs.
        device_type: ``cuda`` gives each worker one GPU.

    Yields:
        The cluster.
    """
    from distributed import Scheduler, SpecCluster  # noqa: PLC0415
    from distributed.deploy.subprocess import SubprocessWorker  # noqa: PLC0415

    is_gpu = device_type == "cuda"
    num_gpus = max(1, torch.cuda.device_count()) if is_gpu else 0
    number = workers or num_gpus or len(os.sched_getaffinity(0))
    specs = {}
    for i in range(number):
        env = {"CUDA_VISIBLE_DEVICES": str(i % num_gpus)} if is_gpu else {}
        kwargs = {"host": "127.0.0.1", "nthreads": 1, "memory_limit": 0, "dashboard": False, "env": env}
        specs[i] = {"cls": SubprocessWorker, "options": {"worker_kwargs": {**kwargs, "silence_logs": logging.CRITICAL}}}
    head = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
    with SpecCluster(workers=specs, scheduler=head, silence_logs=logging.CRITICAL, name="simnet") as cluster:
        yield cluster


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Lets Dask say nothing of workers that come and go: what matters is reported with the runs."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
