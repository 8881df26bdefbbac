"""How a run tells how far it has come: the simulation calls it, a display implements it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Whoever wants to know how far a simulation has come.

    The calls come in this order: ``begin``, then for each run ``start``, any number of ``advance``, ``finish``, and at
    the very end ``close`` (also after an error or Ctrl-C). They are made from one thread and have to return quickly.
    """

    def begin(self, runs: int) -> None:
        """A simulation starts.

        Args:
            runs: how many runs (algorithms times seeds) it consists of.
        """

    def start(self, label: str, seed: int, steps: int | None, simulated_time: float | None) -> None:
        """One run starts.

        Args:
            label: the algorithm's label.
            seed: the run's seed.
            steps: its budget of steps for each node, ``None`` if it has none.
            simulated_time: its budget of simulated seconds, ``None`` if it has none.
        """

    def advance(self, steps: float, simulated_s: float) -> None:
        """The run stands here now: positions since its start, not increments.

        Args:
            steps: steps completed so far, mean over the nodes.
            simulated_s: its simulated clock [s].
        """

    def finish(self, label: str, seed: int, status: str) -> None:
        """The run ended.

        Args:
            label: the algorithm's label.
            seed: the run's seed.
            status: ``done``, ``diverged``, ``stalled`` or ``failed``.
        """

    def close(self) -> None:
        """Nothing comes any more."""


class Silent:
    """The progress that nobody watches.

    Example:
        >>> progress: Progress = Silent()
        >>> progress.begin(runs=1)
        >>> progress.close()
    """

    def begin(self, runs: int) -> None:
        """A simulation starts; nothing is shown."""

    def start(self, label: str, seed: int, steps: int | None, simulated_time: float | None) -> None:
        """One run starts; nothing is shown."""

    def advance(self, steps: float, simulated_s: float) -> None:
        """The run stands here now; nothing is shown."""

    def finish(self, label: str, seed: int, status: str) -> None:
        """The run ended; nothing is shown."""

    def close(self) -> None:
        """Nothing comes any more."""
