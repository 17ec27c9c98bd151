"""How large the disk of the data directory is, and how much of it is free, so that whoever looks after it is told in time."""

import asyncio
import contextlib
import os
from pathlib import Path

from server.counters import Counters

PERIOD_S = 15.0


def size_and_room(directory: Path) -> tuple[int, int]:
    """Bytes that others than root may use of the disk that a directory is on, and those of them that are free, as `df` counts."""
    found = os.statvfs(directory)
    room = found.f_bavail * found.f_frsize
    return (found.f_blocks - found.f_bfree) * found.f_frsize + room, room


def count(directory: Path, counters: Counters) -> None:
    """Bring the counters up to date; a disk that does not tell leaves them as they are."""
    with contextlib.suppress(OSError):
        counters.disk_bytes, counters.disk_free_bytes = size_and_room(directory)


async def watch(directory: Path, counters: Counters) -> None:
    """Keep the counters up to date, for ever."""
    while True:
        await asyncio.sleep(PERIOD_S)
        await asyncio.to_thread(count, directory, counters)
