"""Room on the disk that is kept for the day on which it is full.

The file holds nothing. When an append finds no room most of it is given up and the append made again: the server goes on,
says so, and whoever looks after it has for as long as that room lasts to make more. When that is used up too, the rest is
given up, so that all that was applied still becomes durable, and the server changes nothing more: see
`server.sequencer.Sequencer.hold`. Once there is enough the room is kept again.
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
REST = 4
"""One part in so many is the rest, for what is under way when everything else is full."""
REST_FACTOR = 2
"""The rest is kept again, and the server goes on, where so many times as much is free."""

_T = TypeVar("_T")


class Ballast:
    """See the module.

    Args:
        directory: of the data.
        size: bytes that are kept; 0 for none.

    Attributes:
        spent: whether the rest was given up, and not even that could be kept again.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._path = directory / FILE_NAME
        self._size = size
        self._rest = size // REST
        self.spent = False

    @property
    def _kept(self) -> int:
        """Bytes that are kept now."""
        try:
            return self._path.stat().st_size if self._size else 0
        except FileNotFoundError:
            return 0

    def _room(self) -> int:
        """Bytes that are free on the disk."""
        return room_in(self._directory)

    def _keep(self, size: int) -> None:
        """Keep so much from here on. Raises `OSError` if there is no room for it."""
        if not size:
            self._path.unlink(missing_ok=True)
            return
        with self._path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)

    @property
    def keeps(self) -> bool:
        """Whether the rest, at least, is kept."""
        return self._kept >= self._rest

    @property
    def missing(self) -> bool:
        """Whether less is kept than should be."""
        return self._kept < self._size

    def take(self) -> bool:
        """Keep the room, if the disk has plenty, or else the rest of it; gives whether all of it is kept now."""
        if not self._size:
            return False
        kept = self._kept
        if kept == self._size:
            return True
        room = self._room() + kept
        if room >= ROOM_FACTOR * self._size:
            size = self._size
        elif kept < self._rest and room >= REST_FACTOR * self._rest:
            size = self._rest
        else:
            return False
        try:
            self._keep(size)
        except OSError:
            self.remove()
            return False
        self.spent = False
        return size == self._size

    def remove(self) -> None:
        """Keep nothing."""
        if not self._size:
            return
        with contextlib.suppress(OSError):
            self._keep(0)

    def insist(self, work: Callable[[], _T]) -> _T:
        """Do something that needs room, again each time that more was given up. Raises what it raises the last time."""
        while True:
            try:
                return work()
            except Full:
                if not self._give_up():
                    raise

    def _give_up(self) -> bool:
        """Make room on a disk that has none; gives whether there was something to give up."""
        kept = self._kept
        if not kept:
            return False
        try:
            self._keep(self._rest if kept > self._rest else 0)
        except OSError:
            return False
        self.spent = kept <= self._rest
        note(
            logging.CRITICAL,
            f"the disk of {self._directory} is full: the {(kept - self._kept) >> 20} MiB that were kept for this day are given up. "
            + ("Nothing can be changed any more until there is room" if self.spent else "Make room now"),
        )
        return True
