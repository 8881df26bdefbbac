"""Quantities as text: ``50 ms``, ``25 Mbit/s``, ``4 MB``. Inside simnet there are only seconds, bit/s, bits and m/s."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Final

SECONDS: Final[Mapping[str, Decimal]] = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
}
"""Units of time, each in seconds."""

RATES: Final[Mapping[str, Decimal]] = {
    "bit/s": Decimal(1),
    "kbit/s": Decimal("1e3"),
    "Mbit/s": Decimal("1e6"),
    "Gbit/s": Decimal("1e9"),
    "B/s": Decimal(8),
    "kB/s": Decimal("8e3"),
    "MB/s": Decimal("8e6"),
    "GB/s": Decimal("8e9"),
}
"""Units of bandwidth, each in bit/s."""

SIZES: Final[Mapping[str, Decimal]] = {
    "bit": Decimal(1),
    "kbit": Decimal("1e3"),
    "Mbit": Decimal("1e6"),
    "Gbit": Decimal("1e9"),
    "B": Decimal(8),
    "kB": Decimal("8e3"),
    "MB": Decimal("8e6"),
    "GB": Decimal("8e9"),
    "KiB": Decimal(8 * 2**10),
    "MiB": Decimal(8 * 2**20),
    "GiB": Decimal(8 * 2**30),
}
"""Units of size, each in bits."""

FLOP_RATES: Final[Mapping[str, Decimal]] = {
    "flop/s": Decimal(1),
    "Mflop/s": Decimal("1e6"),
    "Gflop/s": Decimal("1e9"),
    "Tflop/s": Decimal("1e12"),
    "Pflop/s": Decimal("1e15"),
}
"""Units of computing speed, each in floating-point operations per second."""

SPEEDS: Final[Mapping[str, Decimal]] = {"m/s": Decimal(1), "km/s": Decimal("1e3")}
"""Units of speed, each in m/s."""

_PATTERN = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?)\s*(\S*)\s*")
# Decimal, because 70 * 0.001 is not 0.07; no traps, because what is too large is infinite.
_EXACT = Context(prec=60, Emax=99999, Emin=-99999, traps=[])


def parse_seconds(text: str) -> float:
    """The duration that a text states, in seconds.

    Args:
        text: a number and a unit: ns, us, ms, s, min or h.

    Returns:
        The duration [s], the float nearest to what is written.

    Raises:
        ValueError: the unit is missing or unknown, or the number is negative or no number.

    Example:
        >>> parse_seconds("50 ms")
        0.05
        >>> parse_seconds("50")
        Traceback (most recent call last):
        ValueError: found '50' without a unit; allowed: a number and one of ns, us, ms, s, min, h, such as 50 ms
    """
    return parse(text, SECONDS, "50 ms")


def parse_rate(text: str) -> float:
    """The bandwidth that a text states, in bit/s.

    Args:
        text: a number and a unit: bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s or GB/s (1 B = 8 bit, k = 1000).

    Returns:
        The bandwidth [bit/s].

    Raises:
        ValueError: the unit is missing or unknown, or the number is negative or no number.

    Example:
        >>> parse_rate("25 Mbit/s")
        25000000.0
        >>> parse_rate("1 kB/s")
        8000.0
    """
    return parse(text, RATES, "25 Mbit/s")


def parse_size(text: str) -> float:
    """The size that a text states, in bits.

    Args:
        text: a number and a unit: bit, kbit, Mbit, Gbit, B, kB, MB, GB (k = 1000), KiB, MiB or GiB (Ki = 1024).

    Returns:
        The size [bit].

    Raises:
        ValueError: the unit is missing or unknown, or the number is negative or no number.

    Example:
        >>> parse_size("4 MB")
        32000000.0
    """
    return parse(text, SIZES, "4 MB")


def parse(text: str, units: Mapping[str, Decimal], example: str) -> float:
    """The quantity that a text states, in the unit whose value is one.

    Args:
        text: a number and a unit.
        units: the allowed units and their values.
        example: a well-formed text, for the message.

    Returns:
        A finite number, at least 0.

    Raises:
        ValueError: the unit is missing or unknown, or the number is negative, too large or no number.

    Example:
        >>> parse("2 min", SECONDS, "50 ms")
        120.0
    """
    found = f"found {text[:60]!r}"
    allowed = f"; allowed: a number and one of {', '.join(units)}, such as {example}"
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(found + allowed)
    number, unit = match.groups()
    if not unit:
        raise ValueError(f"{found} without a unit{allowed}")
    if unit not in units:
        raise ValueError(f"{found} with the unknown unit {unit[:20]}{allowed}{_nearest_unit(unit, units)}")
    value = float(_EXACT.multiply(Decimal(number), units[unit]))
    if value < 0 or value == float("inf"):
        raise ValueError(f"{found}; allowed: a finite quantity of at least 0")
    return value


def _nearest_unit(unit: str, units: Mapping[str, Decimal]) -> str:
    """A question that names the unit probably meant, or nothing."""
    spellings = {name.lower(): name for name in reversed(list(units))}
    close = difflib.get_close_matches(unit.lower().replace("ps", "bit/s"), spellings, n=1, cutoff=0.6)
    return f"; did you mean {spellings[close[0]]}?" if close else ""


def seconds_to_text(value: float) -> str:
    """A duration as text from which `parse_seconds` gives back exactly this float.

    Args:
        value: duration [s].

    Returns:
        A number and a unit from ns to s.

    Example:
        >>> seconds_to_text(0.05), seconds_to_text(1e-7), seconds_to_text(7200.0)
        ('50 ms', '100 ns', '7200 s')
    """
    return to_text(value, SECONDS, ("ns", "us", "ms", "s"), "s")


def rate_to_text(value: float) -> str:
    """A bandwidth as text from which `parse_rate` gives back exactly this float.

    Args:
        value: bandwidth [bit/s].

    Returns:
        A number and a unit from bit/s to Gbit/s.

    Example:
        >>> rate_to_text(25e6)
        '25 Mbit/s'
    """
    return to_text(value, RATES, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"), "bit/s")


def size_to_text(value: float) -> str:
    """A size as text from which `parse_size` gives back exactly this float.

    Args:
        value: size [bit].

    Returns:
        A number and a unit from bit to Gbit.

    Example:
        >>> size_to_text(32e6)
        '32 Mbit'
    """
    return to_text(value, SIZES, ("bit", "kbit", "Mbit", "Gbit"), "bit")


def bytes_to_text(value: float) -> str:
    """A size as text in bytes from which `parse_size` gives back exactly this float.

    Args:
        value: size [bit].

    Returns:
        A number and a unit from B to GB.

    Example:
        >>> bytes_to_text(192e9)
        '24 GB'
    """
    return to_text(value, SIZES, ("B", "kB", "MB", "GB"), "B")


def flop_rate_to_text(value: float) -> str:
    """A computing speed as text from which `parse` gives back exactly this float.

    Args:
        value: speed [flop/s].

    Returns:
        A number and a unit from flop/s to Tflop/s.

    Example:
        >>> flop_rate_to_text(35.6e12)
        '35.6 Tflop/s'
    """
    return to_text(value, FLOP_RATES, ("flop/s", "Mflop/s", "Gflop/s", "Tflop/s"), "flop/s")


def speed_to_text(value: float) -> str:
    """A speed as text from which `parse` gives back exactly this float.

    Args:
        value: speed [m/s].

    Returns:
        A number and a unit, m/s or km/s.

    Example:
        >>> speed_to_text(2e8)
        '200000 km/s'
    """
    return to_text(value, SPEEDS, ("m/s", "km/s"), "m/s")


def to_text(value: float, units: Mapping[str, Decimal], scale: tuple[str, ...], zero: str) -> str:
    """A quantity as text that is read back exactly.

    Args:
        value: a finite number.
        units: the units and their values.
        scale: the units to choose from, ascending, each a power of ten.
        zero: the unit of 0.

    Returns:
        The number in the largest unit that is not above it.

    Example:
        >>> to_text(1500.0, SIZES, ("bit", "kbit"), "bit")
        '1.5 kbit'
    """
    exact = Decimal(repr(float(value)))
    fitting = [unit for unit in scale if units[unit] <= abs(exact)]
    unit = zero if value == 0 else (fitting[-1] if fitting else scale[0])
    number = _EXACT.divide(exact, units[unit])
    is_long = not -4 <= number.adjusted() <= 15  # where a person would use an exponent
    return f"{number.normalize():{'e' if is_long and number else 'f'}} {unit}"


def format_seconds(value: float, digits: int = 3) -> str:
    """A duration for a person to read, rounded.

    Args:
        value: duration [s]; may be infinite.
        digits: significant digits.

    Returns:
        A number and a unit from ns to h.

    Example:
        >>> format_seconds(0.05), format_seconds(83.4), format_seconds(9000), format_seconds(float("inf"))
        ('50 ms', '83.4 s', '2.5 h', 'inf s')
    """
    if 120 <= abs(value) < float("inf"):  # two minutes; 83 s is easier to read than 1.39 min
        return _format(value, SECONDS, ("min", "h"), digits)
    return _format(value, SECONDS, ("ns", "us", "ms", "s"), digits, "s")


def format_rate(value: float, digits: int = 3) -> str:
    """A bandwidth for a person to read, rounded.

    Args:
        value: bandwidth [bit/s]; may be infinite.
        digits: significant digits.

    Returns:
        A number and a unit from bit/s to Gbit/s.

    Example:
        >>> format_rate(123456.0)
        '123 kbit/s'
    """
    return _format(value, RATES, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"), digits)


def format_size(value: float, digits: int = 3) -> str:
    """A size for a person to read, in bytes, rounded.

    Args:
        value: size [bit]; may be infinite.
        digits: significant digits.

    Returns:
        A number and a unit from bit to GB.

    Example:
        >>> format_size(32e6), format_size(4)
        ('4 MB', '4 bit')
    """
    return _format(value, SIZES, ("bit", "B", "kB", "MB", "GB"), digits)


def format_flops(value: float, digits: int = 3) -> str:
    """A number of floating-point operations for a person to read, rounded.

    Args:
        value: operations.
        digits: significant digits.

    Returns:
        A number and a unit from flop to Tflop.

    Example:
        >>> format_flops(161_792)
        '0.162 Mflop'
    """
    return _format(value, FLOP_RATES, ("Mflop/s", "Gflop/s", "Tflop/s"), digits).removesuffix("/s")


def _format(value: float, units: Mapping[str, Decimal], scale: tuple[str, ...], digits: int, zero: str = "") -> str:
    """The number in the largest unit of the scale in which, rounded, it is at least one."""
    if value == 0 or abs(value) == float("inf") or value != value:  # noqa: PLR0124 - not a number
        return f"{value:g} {zero or scale[0]}"
    rounded = abs(float(f"{value:.{digits}g}"))
    unit = [scale[0], *(unit for unit in scale if float(units[unit]) <= rounded)][-1]
    text = f"{value / float(units[unit]):.{digits}g}"
    return f"{float(text):.0f} {unit}" if "e" in text and 1 <= abs(float(text)) < 1e6 else f"{text} {unit}"
