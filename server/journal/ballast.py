"""Room on the disk that is kept for the day on which it is full.

The file holds nothing. When an append finds no room it is given up and the append made again: the server goes on, says so,
and whoever looks after it has for as long as that room lasts to make more. Once there is enough the room is kept again.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from acd_protocol.snapshot_file import room_in
from server.errors import Full
from server.log import note

FILE_NAME = "ballast"
ROOM_FACTOR = 4
"""The room is kept only where so many times as much is free: it must not be what fills a disk."""

_T = TypeVar("_T")


class Ballast:
    """See the module.

    Args:
        directory: of the data.
        size: bytes that are kept; 0 for none.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._path = directory / FILE_NAME
        self._size = size

    @property
    def missing(self) -> bool:
        """Whether there is none, and should be."""
        return bool(self._size) and not self._path.exists()

    def take(self) -> bool:
        """Keep the room, if the disk has plenty; gives whether it is kept now."""
        if not self._size:
            return False
        try:
            if self._path.exists() and self._path.stat().st_size == self._size:
                return True
            if room_in(self._directory) < ROOM_FACTOR * self._size:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self.remove()
            return False
        return True

    def remove(self) -> None:
        """Keep nothing."""
        if not self._size:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def insist(self, work: Callable[[], _T]) -> _T:
        """Do something that needs room, again without the ballast if there was none. Raises what it raises the last time."""
        try:
            return work()
        except Full:
            if not self._size or self.missing:
                raise
            self.remove()
            note(
                logging.CRITICAL,
                f"the disk of {self._directory} is full: the {self._size >> 20} MiB that were kept for this day are given up. Make "
                "room now; without any the server ends",
            )
            return work()
