"""How far a simulation has come, for a person: a live bar on a terminal, one plain line for each run elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from simnet.progress import Progress, Silent
from simnet.report.texts import steps_text
from simnet.units import format_seconds

_BETWEEN_UPDATES_S = 0.1
_WORTH_A_GUESS = 0.005
_BAR_WIDTH = 24


class _Position:
    """Where the whole simulation and its current run stand, and what follows from that."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.runs, self.finished = 1, 0
        self.began = self.run_began = now()
        self.label, self.seed = "", 0
        self.budget_steps: int | None = None
        self.budget_time: float | None = None
        self.steps = self.simulated_s = 0.0

    def start(self, label: str, seed: int, steps: int | None, simulated_time: float | None) -> None:
        self.label, self.seed = label, seed
        self.budget_steps, self.budget_time = steps, simulated_time
        self.steps = self.simulated_s = 0.0
        self.run_began = self.now()

    @property
    def fraction(self) -> float:
        """Of all runs together; the budget that a run meets first ends it."""
        own = [self.steps / self.budget_steps] if self.budget_steps else []
        own += [self.simulated_s / self.budget_time] if self.budget_time else []
        return min((self.finished + min(max(own, default=0.0), 1.0)) / max(self.runs, 1), 1.0)

    @property
    def ratio(self) -> float:
        """Simulated seconds per real second of the current run."""
        return self.simulated_s / max(self.now() - self.run_began, 1e-9)

    @property
    def remaining_s(self) -> float | None:
        """Real seconds until the end of all runs, as far as one can tell."""
        done = self.fraction
        return (self.now() - self.began) * (1 - done) / done if done > _WORTH_A_GUESS else None

    def details(self) -> list[str]:
        """What there is to say, the most important first."""
        steps = steps_text(self.steps) + (f"/{steps_text(self.budget_steps)}" if self.budget_steps else "")
        budget = f" of {format_seconds(self.budget_time)}" if self.budget_time else ""
        left = self.remaining_s
        return [
            f"step {steps}",
            f"{_clock(left)} left" if left is not None else "",
            f"{format_seconds(self.simulated_s)}{budget} simulated",
            f"{ratio_text(self.ratio)} real time" if self.simulated_s else "",
        ]


class LiveProgress:
    """One line at the bottom of a terminal: run, bar, steps, time left, simulated time, simulated/real ratio.

    Args:
        console: where.
        now: a clock [s].
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet; see the class."""
        self._position = _Position(now)
        self._shown = now()
        texts = [TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[detail]")]
        self._bar = Bar(texts[0], BarColumn(_BAR_WIDTH), texts[1], console=console, transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=1.0, detail="")

    def begin(self, runs: int) -> None:
        """Show the bar."""
        self._position.runs = runs
        self._bar.start()

    def start(self, label: str, seed: int, steps: int | None, simulated_time: float | None) -> None:
        """Name the run."""
        self._position.start(label, seed, steps, simulated_time)
        self._show()

    def advance(self, steps: float, simulated_s: float) -> None:
        """Move the bar, at most ten times a second."""
        self._position.steps, self._position.simulated_s = steps, simulated_s
        if self._position.now() - self._shown >= _BETWEEN_UPDATES_S:
            self._show()

    def finish(self, label: str, seed: int, status: str) -> None:
        """Count the run; one that failed leaves a line."""
        if status != "done":
            line = finished_line(label, seed, status, self._position.simulated_s)
            self._bar.console.print(line, markup=False, highlight=False)
        self._position.finished += 1
        self._position.budget_steps = self._position.budget_time = None
        self._show()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()

    def _show(self) -> None:
        position = self._position
        self._shown = position.now()
        current = min(position.finished + 1, position.runs)
        who = f"{position.label} (seed {position.seed}) {current}/{position.runs}"
        room = self._bar.console.width - len(who) - _BAR_WIDTH - 3
        detail = ""
        for piece in filter(None, position.details()):
            longer = f"{detail} · {piece}" if detail else piece
            if len(longer) > room:
                break
            detail = longer
        self._bar.update(self._task, completed=position.fraction, description=who, detail=detail, refresh=True)


class PlainProgress:
    """One plain line for each finished run, for logs.

    Args:
        console: where.
        now: a clock [s].
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet; see the class."""
        self._console = console
        self._position = _Position(now)

    def begin(self, runs: int) -> None:
        """Remember how many runs there are."""
        self._position.runs = runs

    def start(self, label: str, seed: int, steps: int | None, simulated_time: float | None) -> None:
        """Remember when the run began."""
        self._position.start(label, seed, steps, simulated_time)

    def advance(self, steps: float, simulated_s: float) -> None:
        """Remember where the run stands."""
        self._position.steps, self._position.simulated_s = steps, simulated_s

    def finish(self, label: str, seed: int, status: str) -> None:
        """Write the line."""
        position = self._position
        position.finished += 1
        line = finished_line(label, seed, status, position.simulated_s)
        real = format_seconds(position.now() - position.run_began)
        text = f"{line} in {real} ({ratio_text(position.ratio)} real time); {position.finished} of {position.runs} runs"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing to tidy up."""


def choose_progress(console: Console, quiet: bool = False) -> Progress:
    """The display that fits: none, a live bar on a terminal, plain lines elsewhere.

    Args:
        console: where it is to be shown.
        quiet: whether nothing is wanted.

    Returns:
        Something that implements ``Progress``.

    Example:
        >>> import io
        >>> type(choose_progress(Console(file=io.StringIO()))).__name__
        'PlainProgress'
    """
    if quiet:
        return Silent()
    return LiveProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(console)


def finished_line(label: str, seed: int, status: str, simulated_s: float) -> str:
    """The sentence about a run that ended.

    Args:
        label: the algorithm.
        seed: the seed.
        status: how it ended.
        simulated_s: its simulated time [s].

    Returns:
        The sentence, without a full stop.

    Example:
        >>> finished_line("dpsgd", 1, "done", 90.0)
        'dpsgd (seed 1): done; 90 s simulated'
    """
    return f"{label} (seed {seed}): {status}; {format_seconds(simulated_s)} simulated"


def ratio_text(ratio: float) -> str:
    """How many times faster than real time.

    Args:
        ratio: simulated seconds per real second.

    Returns:
        Two digits and a times sign.

    Example:
        >>> ratio_text(37.9), ratio_text(0.0321), ratio_text(12345.0)
        ('38x', '0.032x', '12000x')
    """
    return f"{float(f'{ratio:.2g}'):g}x" if ratio < 1 else f"{float(f'{ratio:.2g}'):.0f}x"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
