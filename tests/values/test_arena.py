"""The arena: slots never overlap, are used again, and do not run out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.values.arena import Arena, is_consecutive


def arena_with(live: int, free: int) -> Arena:
    """The first `live` slots are taken, the next `free` ones are not."""
    arena = Arena(2, torch.float64, torch.device("cpu"))
    slots = arena.allocate(live + free)
    arena.freed += slots[live:]
    return arena


@pytest.mark.parametrize(("count", "free"), [(15, 10), (5, 3), (20, 11)])
def test_more_slots_than_are_free(count: int, free: int) -> None:
    assert len(arena_with(1, free).allocate(count)) == count


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_slots_are_used_once_at_a_time(data: st.DataObject) -> None:
    arena = Arena(1, torch.float64, torch.device("cpu"))
    blocks: list[list[int]] = []
    most = 0
    for number in range(data.draw(st.integers(1, 25), "calls")):
        count = data.draw(st.integers(1, 12), "count")
        slots = arena.allocate(count)
        live = [slot for block in blocks for slot in block]
        assert len(set(slots)) == count
        assert not set(slots) & set(live)
        assert not set(slots) & set(arena.freed)
        assert sorted([*slots, *live, *arena.freed]) == list(range(len(arena.data)))
        arena.write(slots, arena.output(slots).fill_(float(number)))
        blocks.append(slots)
        most = max(most, len(live) + count)
        assert arena.peak_rows == most
        for _ in range(data.draw(st.integers(0, 2), "frees")):
            if blocks:
                arena.freed += blocks.pop(data.draw(st.integers(0, len(blocks) - 1), "which"))
    # Memory stays within a small multiple of what was alive at once: room for a block in a row, and scattered slots.
    assert len(arena.data) <= 3 * most + 3 * 12


@settings(max_examples=20, deadline=None)
@given(wave=st.integers(1, 40), kept=st.integers(1, 4), waves=st.integers(5, 30))
def test_waves_of_one_size_need_no_growth(wave: int, kept: int, waves: int) -> None:
    """Each wave replaces the oldest one, as in a synchronous run; and every wave lies in one piece."""
    arena = Arena(1, torch.float32, torch.device("cpu"))
    live: list[list[int]] = []
    for _ in range(waves):
        slots = arena.allocate(wave)
        assert is_consecutive(slots)
        live.append(slots)
        if len(live) > kept:
            arena.freed += live.pop(0)
    assert len(arena.data) <= wave * (kept + 1)
    assert arena.peak_rows <= wave * (kept + 1)


def test_growth_keeps_what_is_there() -> None:
    arena = arena_with(3, 0)
    arena.data[:, :2] = torch.arange(6.0).view(3, 2)
    arena.freed.append(1)
    assert arena.allocate(4) == [3, 4, 5, 6]
    assert arena.block([0, 1, 2]).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert arena.allocate(1) == [1]


def test_blocks_in_a_row_are_views_and_others_copies() -> None:
    arena = arena_with(6, 0)
    arena.data[:, :2] = torch.arange(12.0).view(6, 2)
    assert arena.block([2, 3, 4]).data_ptr() == arena.data[2].data_ptr()
    assert arena.block([4, 2]).tolist() == [[8, 9], [4, 5]]
    in_place, fresh = arena.output([1, 2]), arena.output([5, 3])
    assert in_place.data_ptr() == arena.data[1].data_ptr()
    fresh[:, :2] = torch.tensor([[50.0, 51.0], [30.0, 31.0]])
    arena.write([5, 3], fresh)
    assert arena.data[5, :2].tolist() == [50, 51]
    assert arena.data[3, :2].tolist() == [30, 31]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("num_parameters", [1, 15, 16, 650])
def test_all_slots_are_aligned_alike(dtype: torch.dtype, num_parameters: int) -> None:
    arena = Arena(num_parameters, dtype, torch.device("cpu"))
    arena.allocate(5)
    places = [arena.block([slot]).data_ptr() % 64 for slot in range(5)]
    assert places == [places[0]] * 5
    assert arena.block([1, 2]).stride() == arena.block([3, 0]).stride()
