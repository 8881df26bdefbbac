"""What has moved away from a baseline: which algorithm, which metric, at which step first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, isnan

from simnet.experiment.baselines import Baseline, Tolerance, Trajectory, text_of
from simnet.result import Result


@dataclass(frozen=True)
class Change:
    """Where a run left its golden trajectory first.

    Args:
        algorithm: its label.
        seed: the run's seed.
        step: the first recorded one that is different; -1 if the whole run is.
        metric: which number moved most there, in tolerances; empty if the whole run is different.
        then, now: the recorded and the new one, as text.
        allowed: the largest distance between them, as text.
    """

    algorithm: str
    seed: int
    step: float
    metric: str
    then: str
    now: str
    allowed: str = ""

    def __str__(self) -> str:
        """Who, where and what, in one line."""
        who = f"{self.algorithm} (seed {self.seed})"
        if not self.metric:
            return f"{who}: {self.then}, now {self.now}"
        allowed = f"; allowed: ±{self.allowed}" if self.allowed else ""
        return f"{who}: {self.metric} at step {self.step:g} was {self.then}, is {self.now}{allowed}"


def changes(baseline: Baseline, result: Result) -> list[Change]:
    """What has moved.

    Args:
        baseline: the golden trajectories.
        result: the new ones.

    Returns:
        One for each run that is different, in the order in which they left their trajectories: by step, and among those of
        one step by how many tolerances they are away.
    """
    then = {(one.algorithm, one.seed): one for one in baseline.runs}
    now = {(one.algorithm, one.seed): one for one in result.records}
    found = [(0.0, Change(*who, -1, "", "in the baseline", "no such run")) for who in then if who not in now]
    found += [(0.0, Change(*who, -1, "", "not in the baseline", "there")) for who in now if who not in then]
    for who, trajectory in then.items():
        if who in now and (moved := first_change(trajectory, now[who].metrics, baseline)) is not None:
            found.append(moved)
    return [change for _, change in sorted(found, key=lambda item: (item[1].step, -item[0]))]


def first_change(
    trajectory: Trajectory, rows: Iterable[Mapping[str, float]], baseline: Baseline
) -> tuple[float, Change] | None:
    """Where a run leaves its golden trajectory.

    Args:
        trajectory: the golden one.
        rows: all evaluations of the run.
        baseline: has the tolerances.

    Returns:
        How many tolerances it is away there, and what moved most; None if it stays.
    """
    by_step = {row["step"]: row for row in rows}
    who = (trajectory.algorithm, trajectory.seed)
    for recorded in trajectory.rows():
        step = recorded["step"]
        if step not in by_step:
            return inf, Change(*who, step, "evaluation", "there", "not made")
        moved = [
            (excess, Change(*who, step, name, text_of(recorded.get(name)), text_of(by_step[step].get(name)), allowed(near)))
            for name in dict.fromkeys([*recorded, *by_step[step]])
            for near, excess in [distance(recorded.get(name), by_step[step].get(name), baseline.tolerance(name))]
            if excess > 1
        ]
        if moved:
            return max(moved, key=lambda item: item[0])
    return None


def allowed(near: float) -> str:
    """A distance as text.

    Args:
        near: what is allowed.

    Returns:
        Empty where it says nothing: around what was infinite or not measured.
    """
    return f"{near:.3g}" if isfinite(near) else ""


def distance(then: float | None, now: float | None, tolerance: Tolerance) -> tuple[float, float]:
    """How far a number has moved.

    Args:
        then: the recorded one; None: it was not measured.
        now: the new one; it is rounded as the recorded one was.
        tolerance: of its column.

    Returns:
        How far it may, and how many times as far it has; above 1 is too far.

    Example:
        >>> distance(0.5, 0.5300004, Tolerance(rel=0.02))
        (0.01, 3.0...)
    """
    if then is None or now is None:
        return inf, 0.0 if then is now else inf
    now = float(text_of(now))
    near = tolerance.around(then)
    if then == now or (isnan(then) and isnan(now)):
        return near, 0.0
    away = abs(then - now)
    return near, away / near if near and isfinite(away) else inf
