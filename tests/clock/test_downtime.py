"""Downtimes against lists that one can look through: whatever was asked before, the answers are the same."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.clock.downtime import STATES, Downtime, Spell, united

moments = st.integers(0, 24).map(float)


@st.composite
def spells(draw: st.DrawFn) -> Spell:
    start = draw(moments)
    length = draw(st.sampled_from([0.0, 1.0, 2.0, 5.0, 5.0, inf]) if draw(st.booleans()) else st.just(1.0))
    return Spell(start, start + length, draw(st.sampled_from(STATES)))


sources = st.lists(st.lists(spells(), max_size=5).map(sorted), max_size=4)
questions = st.lists(st.tuples(st.sampled_from(["at", "between", "fatal", "total"]), moments, moments), max_size=12)


def naive_union(given: list[Spell]) -> list[Spell]:
    """Merges any two spells that touch until no two do."""
    found = sorted(given)
    while pair := next(((a, b) for a in found for b in found if a is not b and a.start <= b.start <= a.end), None):
        a, b = pair
        found = [spell for spell in found if spell is not a and spell is not b]
        found.append(Spell(a.start, max(a.end, b.end), max(a.state, b.state, key=STATES.index)))
    return sorted(found)


@given(sources)
def test_spells_that_overlap_or_touch_are_one(causes: list[list[Spell]]) -> None:
    every = [spell for cause in causes for spell in cause]
    expected = naive_union(every)
    found = list(united(iter(sorted(every))))
    assert [(spell.start, spell.end) for spell in found] == [(spell.start, spell.end) for spell in expected]
    for one, other in zip(found, expected, strict=True):  # in which state a node never comes back is not looked at
        assert one.state == other.state or one.end == inf


@given(sources, questions)
def test_answers_do_not_depend_on_what_was_asked_before(
    causes: list[list[Spell]], asked: list[tuple[str, float, float]]
) -> None:
    every = [spell for cause in causes for spell in cause]
    expected = list(united(iter(sorted(every))))
    last = max([spell.start for spell in every if spell.is_fatal], default=-inf)
    downtime = Downtime([iter(cause) for cause in causes], last)
    for kind, one, other in asked:
        since, until = sorted((one, other))
        if kind == "at":
            here = next((spell for spell in expected if spell.start <= one < spell.end), None)
            assert downtime.at(one) == here
            assert downtime.up_again(one) == (one if here is None else here.end)
        elif kind == "between":
            touching = [s for s in expected if s.start <= until and (s.end > since or s.start >= since)]
            assert [s for s in downtime.between(since, until) if s.end > s.start] == [s for s in touching if s.end > s.start]
        elif kind == "fatal":
            assert downtime.next_fatal(one) == next((s for s in expected if s.start >= one and s.is_fatal), None)
        else:
            parts = [max(0.0, min(s.end, until) - max(s.start, since)) for s in expected]
            assert downtime.total_s(until, since) == pytest.approx(sum(parts))


def endless(period: float, down: float, state: str) -> Iterator[Spell]:
    start = 0.0
    while True:
        start += period
        yield Spell(start, start + down, state)


def test_a_fatal_spell_is_found_behind_any_number_of_others() -> None:
    """A spell that is already known, and after which all is as before, once hid those behind it."""
    downtime = Downtime([[Spell(2.0, 3.0)], [Spell(5.0, 6.0, "start")]], fatal_until=5.0)
    assert downtime.at(0.0) is None  # knows of the first one now
    assert downtime.next_fatal(0.0) == Spell(5.0, 6.0, "start")
    assert downtime.next_fatal(5.5) is None


@pytest.mark.parametrize("known", [0.0, 3.0, 1000.0])
def test_what_goes_on_for_ever_is_looked_at_only_as_far_as_needed(known: float) -> None:
    """Kept ones every 7 s, fatal ones every 50 s; the 7th of the one kind is over before the first of the other."""
    downtime = Downtime([endless(7.0, 0.5, "kept"), endless(50.0, 1.0, "neighbor")])
    downtime.at(known)
    assert downtime.next_fatal(0.0) == Spell(50.0, 51.0, "neighbor")
    assert downtime.next_fatal(50.5) == Spell(100.0, 101.0, "neighbor")
    assert downtime.total_s(70.0) == pytest.approx(9 * 0.5 + 1.0)
    assert Downtime([endless(7.0, 0.5, "kept")], fatal_until=-inf).next_fatal(0.0) is None


def test_what_is_lost_while_a_node_is_down_stays_lost() -> None:
    """So fatal ones are found even where all of them lie within others that would keep everything."""
    downtime = Downtime([endless(10.0, 9.0, "kept"), endless(12.0, 0.1, "start")])
    assert downtime.next_fatal(0.0) == Spell(10.0, 19.0, "start")


def test_a_spell_that_never_ends_is_the_last_one() -> None:
    downtime = Downtime([endless(3.0, 1.0, "kept"), [Spell(7.0, inf)]])
    assert downtime.between(0.0, 100.0) == [Spell(3.0, 4.0), Spell(6.0, inf)]
    assert downtime.up_again(7.0) == inf
    assert downtime.total_s(10.0) == 5.0
