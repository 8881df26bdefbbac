"""What gets through when nodes and links are down: closed forms, and against looking at every moment there is."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.clock.downtime import Spell
from simnet.clock.outages import Outages
from simnet.part import Part
from simnet.scenario import Crash, Join, Leave, LinkDown, NetworkPartition, RandomCrashes, RandomOutages

EDGES = [(0, 1), (1, 0), (1, 2), (2, 1)]


def outages(*faults: Any, seed: int = 1) -> Outages:
    return Outages(faults, 3, EDGES, seed, Path())


def made(kind: type[Part], **facts: Any) -> Any:
    """A fault; its times are in seconds."""
    return kind.model_validate({key: f"{fact} s" if isinstance(fact, float) else fact for key, fact in facts.items()})


def crash(at: float, until: float | None, state: str = "kept", node: int = 1) -> Any:
    return made(Crash, nodes=[node], at=at, until=until, state=state)


@pytest.mark.parametrize(
    ("since", "until", "is_through"),
    [
        (0.0, 1.9, True),
        (0.0, 2.0, False),  # who stops at this moment does not hear it any more
        (0.0, 3.9, False),
        (0.0, 4.0, True),  # who returns at this moment does
        (3.0, 5.0, True),
    ],
)
def test_a_node_that_keeps_what_it_has_misses_what_arrives_meanwhile(since: float, until: float, is_through: bool) -> None:
    down = outages(crash(2.0, 4.0))
    assert down.was_up(0, 1, since, until) == is_through
    assert down.was_up(1, 0, since, until)  # what it has handed to the network goes its way


@pytest.mark.parametrize(
    ("since", "until", "is_through"), [(1.0, 1.9, True), (1.0, 5.0, False), (3.0, 5.0, False), (4.0, 5.0, True)]
)
def test_a_node_that_restarts_never_gets_what_was_sent_before(since: float, until: float, is_through: bool) -> None:
    assert outages(crash(2.0, 4.0, "start")).was_up(0, 1, since, until) == is_through


@pytest.mark.parametrize(
    ("since", "until", "is_through"),
    [(0.0, 1.9, True), (0.0, 2.0, False), (1.0, 9.0, False), (3.0, 3.5, False), (3.9, 9.0, False), (4.0, 9.0, True)],
)
def test_a_link_loses_all_that_is_on_it(since: float, until: float, is_through: bool) -> None:
    for fault in (
        made(LinkDown, links=[[1, 0]], at=2.0, until=4.0),
        made(NetworkPartition, groups=[[0], [1]], at=2.0, until=4.0),
    ):
        assert outages(fault).was_up(0, 1, since, until) == outages(fault).was_up(1, 0, since, until) == is_through
        assert outages(fault).was_up(1, 2, since, until)  # no end of it, or in no group


def test_when_both_ends_and_the_link_are_up_again() -> None:
    """Each of the three goes down before the one before it has returned; 9 s is the first moment of all."""
    link = made(LinkDown, links=[[0, 1]], at=4.0, until=7.0)
    down = outages(crash(2.0, 5.0, node=0), link, crash(6.0, 9.0))
    assert [down.up_again(0, 1, 1.0, time) for time in (1.5, 2.0, 4.5, 9.0)] == [1.5, 9.0, 9.0, 9.0]
    assert down.up_again(0, 2, 1.0, 2.0) == 5.0


def test_nobody_sends_again_what_one_of_the_ends_has_forgotten() -> None:
    down = outages(crash(2.0, 5.0, "neighbor"))
    assert down.up_again(0, 1, since=1.0, time=3.0) == down.up_again(1, 0, since=1.0, time=3.0) == inf
    assert down.up_again(0, 1, since=5.0, time=6.0) == 6.0
    assert outages(made(Leave, nodes=[1], at=2.0)).up_again(0, 1, 1.0, 3.0) == inf
    assert outages(made(LinkDown, links=[[0, 1]], at=2.0)).up_again(0, 1, 1.0, 3.0) == inf


def test_who_joins_is_not_there_before() -> None:
    down = outages(made(Join, nodes=[2], at=3.0), crash(3.0, 4.0, node=2))
    assert [down.is_up(2, time) for time in (0.0, 2.9, 3.0, 3.9, 4.0)] == [False] * 4 + [True]
    assert down.nodes[2].between(0.0, 9.0) == [Spell(0.0, 4.0, "neighbor")]  # it touches: one spell, in the worse state


def test_random_faults_have_the_shares_that_were_said() -> None:
    """Up 3 s and down 1 s on average: down a quarter of the time; each node and link by itself."""
    random = {"up": 3.0, "down": 1.0}
    down = outages(made(RandomCrashes, **random), made(RandomOutages, **random))
    found = [downtime.total_s(40_000.0) / 40_000.0 for downtime in [*down.nodes.values(), *down.links.values()]]
    assert found == pytest.approx([0.25] * 5, abs=0.015)
    assert len(set(found)) == 5


moments = st.integers(0, 12).map(float)
spans = st.tuples(moments, st.integers(1, 4).map(float) | st.none(), st.sampled_from(["kept", "neighbor", "start"]))
grid = [k / 2 for k in range(60)]


@given(st.lists(st.tuples(st.sampled_from([0, 1]), spans), max_size=4), st.lists(spans, max_size=2), moments, moments)
def test_the_same_as_looking_at_every_moment(
    crashes: list[tuple[int, Any]], links: list[Any], one: float, other: float
) -> None:
    """All times are whole: between two of them nothing changes, so one look in the middle of each second is enough."""
    since, until = sorted((one, other))
    at_nodes = [(i, a, inf if s is None else a + s, state != "kept" or s is None) for i, (a, s, state) in crashes]
    at_links = [(a, inf if s is None else a + s) for a, s, _ in links]
    down = outages(
        *[crash(a, None if s is None else a + s, state, i) for i, (a, s, state) in crashes],
        *[made(LinkDown, links=[[0, 1]], at=a, until=None if s is None else a + s) for a, s, _ in links],
    )

    def is_down(node: int, time: float) -> bool:
        return any(i == node and start <= time < end for i, start, end, _ in at_nodes)

    def is_cut(time: float) -> bool:
        return any(start <= time < end for start, end in at_links)

    for node in (0, 1):
        assert [down.is_up(node, time) for time in grid] == [not is_down(node, time) for time in grid]
    between = [time for time in grid if since <= time <= until]
    restarted = any(is_down(1, t) and fatally(at_nodes, 1, t) for t in between)
    expected = not any(map(is_cut, between)) and not is_down(1, until) and not restarted
    assert down.was_up(0, 1, since, until) == expected
    free = [t for t in grid if t >= until and not (is_down(0, t) or is_down(1, t) or is_cut(t))]
    touched = [t for t in grid if since <= t <= (free[0] if free else 0)]
    forgotten = any(is_down(i, t) and fatally(at_nodes, i, t) for i in (0, 1) for t in touched)
    assert down.up_again(0, 1, since, until) == (free[0] if free and not forgotten else inf)


def fatally(spells: list[tuple[int, float, float, bool]], node: int, time: float) -> bool:
    """Whether anything is lost in the time that a node is down without a break, of which this is one moment."""
    own = [spell for spell in spells if spell[0] == node]
    here = [spell for spell in own if spell[1] <= time < spell[2]]
    while more := [s for s in own if s not in here and any(s[1] <= h[2] and h[1] <= s[2] for h in here)]:
        here += more
    return any(is_fatal for *_, is_fatal in here)
