from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from simnet.progress import Progress, Silent
from simnet.report.display import LiveProgress, PlainProgress, choose_progress


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def text_of(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def drive(progress: Progress, clock: Clock) -> None:
    progress.begin(2)
    for seed, status in ((1, "done"), (2, "diverged")):
        progress.start("moniqua [8 bit]", seed, 100, None)
        for step in range(0, 101, 10):
            clock.time += 1.0
            progress.advance(step, 3.0 * step)
        progress.finish("moniqua [8 bit]", seed, status)
    progress.close()


def test_without_a_terminal_each_finished_run_is_one_plain_line() -> None:
    console, clock = Console(file=io.StringIO(), width=20), Clock()
    drive(PlainProgress(console, clock), clock)
    assert text_of(console).splitlines() == [
        "moniqua [8 bit] (seed 1): done; 5 min simulated in 11 s (27x real time); 1 of 2 runs",
        "moniqua [8 bit] (seed 2): diverged; 5 min simulated in 11 s (27x real time); 2 of 2 runs",
    ]


@pytest.mark.parametrize("width", [60, 100, 140])
def test_a_terminal_shows_run_steps_ratio_and_remaining_time_as_far_as_there_is_room(width: int) -> None:
    console, clock = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None), Clock()
    drive(LiveProgress(console, clock), clock)
    lines = [line for line in re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]", text_of(console)) if line.strip()]
    assert max(map(len, lines)) <= width
    assert any("moniqua [8 bit] (seed 1) 1/2" in line for line in lines)
    assert any("step 50/100" in line for line in lines) is (width > 60)
    whole = " ".join(lines)
    if width == 140:
        assert "2.5 min simulated" in whole
        assert "x real time" in whole
        assert "0:1" in whole
    assert "(seed 2): diverged" in whole


def test_remaining_time_covers_all_runs() -> None:
    clock = Clock()
    progress = PlainProgress(Console(file=io.StringIO()), clock)
    progress.begin(4)
    progress.start("a", 1, 100, 50.0)
    clock.time = 10.0
    progress.advance(10, 25.0)
    position = progress._position
    assert position.fraction == pytest.approx(0.5 / 4)
    assert position.remaining_s == pytest.approx(70.0)


def test_the_display_fits_the_place() -> None:
    assert isinstance(choose_progress(Console(file=io.StringIO()), quiet=True), Silent)
    assert isinstance(choose_progress(Console(file=io.StringIO())), PlainProgress)
    terminal = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    assert isinstance(choose_progress(terminal), LiveProgress)
    assert isinstance(
        choose_progress(Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})), PlainProgress
    )


def test_closing_before_beginning_and_twice_is_harmless() -> None:
    progress = LiveProgress(Console(file=io.StringIO(), force_terminal=True))
    progress.close()
    progress.begin(1)
    progress.close()
    progress.close()
