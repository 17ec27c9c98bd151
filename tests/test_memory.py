"""Tables keep what they hold while they grow, from the allocator's memory into mappings and on."""

import gc
import os
from pathlib import Path

import pytest

from acd_core._probe import Grown

MEBIBYTE = 1 << 20
ITEMS = MEBIBYTE // 8
SIZES = (1, 1_000, 3 * ITEMS, 4 * ITEMS, 17 * ITEMS, 90 * ITEMS)


def resident() -> int:
    """Bytes of memory that this process takes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("sizes", [SIZES, (90 * ITEMS,), (1, 90 * ITEMS), (4 * ITEMS, 4 * ITEMS + 1)])
def test_what_is_held_stays_and_what_is_new_is_zero(sizes: tuple[int, ...]) -> None:
    grown = Grown()
    written: dict[int, int] = {}
    for size in sizes:
        before = grown.capacity
        grown.reserve(size)
        assert grown.capacity >= size
        assert {index: grown[index] for index in written} == written
        for index in {min(before, size - 1), size // 2, size - 1} - set(written):
            assert grown[index] == 0
            grown[index] = written[index] = index + 1


def test_many_grow_beside_each_other_in_any_order() -> None:
    tables = [Grown() for _ in range(40)]
    for size in (10, 5 * ITEMS, 6 * ITEMS, 25 * ITEMS):
        for number, table in enumerate(tables):
            table.reserve(size + number)
            table[size + number - 1] = number
    del tables[::2]
    gc.collect()
    for number, table in enumerate(tables):
        assert table[25 * ITEMS + 2 * number] == 2 * number + 1
        table.reserve(101 * ITEMS)
        assert table[25 * ITEMS + 2 * number] == 2 * number + 1


def test_room_that_is_not_used_takes_no_memory_and_what_ended_gives_it_back() -> None:
    before = resident()
    grown = Grown()
    grown.reserve(64 * ITEMS)
    assert grown.capacity >= 64 * ITEMS
    assert resident() - before < 16 * MEBIBYTE
    for index in range(0, 64 * ITEMS, 256):
        grown[index] = 1
    assert resident() - before > 60 * MEBIBYTE
    del grown
    gc.collect()
    assert resident() - before < 16 * MEBIBYTE
