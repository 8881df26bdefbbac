from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.report.style import COLORS, color, count_text, dashes, unit_for


@pytest.mark.parametrize(
    ("seconds", "symbol"),
    [(2e-5, "µs"), (0.02, "ms"), (1.0, "s"), (599.0, "s"), (600.0, "min"), (7200.0, "h"), (1e6, "d"), (0.0, "µs")],
)
def test_seconds_take_the_unit_that_people_use(seconds: float, symbol: str) -> None:
    assert unit_for("s", seconds).symbol == symbol


@given(st.floats(1, 1e20))
def test_bits_read_between_one_and_a_thousand(bits: float) -> None:
    assert 1 - 1e-9 <= bits / unit_for("bit", bits).factor < 1000 * (1 + 1e-9)


def test_counts_have_prefixes() -> None:
    assert [count_text(v) for v in (0, 10, 1500, 20_000, 3e6)] == ["0", "10", "1.5k", "20k", "3M"]


def test_the_first_28_algorithms_look_different() -> None:
    looks = {(color(k), dashes(k)) for k in range(4 * len(COLORS))}
    assert len(looks) == 4 * len(COLORS)
