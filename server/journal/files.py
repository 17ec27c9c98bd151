"""What the journal asks of a file system, in one place, so that a made-up one can stand in for it."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

_ZEROS = bytes(256 * 1024)
"""So much is written at once of a file that is made ready beside appends, which must not wait long for the disk."""
_PAUSE_S = 0.0005
"""And then others may have the processor for so long: where the disk is memory, nothing else would make it wait."""


def open_to_write(path: Path) -> int:
    """A descriptor of a file that is there. Raises `OSError`, like all of these."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def create(path: Path) -> int:
    """A descriptor of a new, empty file; one that is there is emptied."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)


def reserve(descriptor: int, size: int) -> None:
    """Give a file its room at once. It reads as zeros; each flush of what is then written costs more."""
    os.posix_fallocate(descriptor, 0, size)


def fill(descriptor: int, place: int, size: int, wanted: Callable[[], bool] = lambda: True) -> None:
    """Write zeros from `place` up to `size`, durably, for as long as it is wanted, and let others have disk and processor."""
    while place < size and wanted():
        piece = _ZEROS[: size - place]
        write(descriptor, piece, place)
        sync(descriptor)
        place += len(piece)
        time.sleep(_PAUSE_S)


def write(descriptor: int, data: bytes, place: int) -> None:
    """Write all of `data`."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, memoryview(data)[done:], place + done)


def read(path: Path, place: int, size: int) -> bytes:
    """So many bytes from a place on, or fewer where the file ends."""
    with path.open("rb") as file:
        file.seek(place)
        return file.read(size)


def sync(descriptor: int) -> None:
    """Make durable what was written."""
    os.fdatasync(descriptor)


def close(descriptor: int) -> None:
    """Let go of a file."""
    os.close(descriptor)


def sync_names(directory: Path) -> None:
    """Make durable how the files in a directory are named."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def beside(work: Callable[[], None]) -> Callable[[], None]:
    """Do something that takes long in a thread of its own; gives what waits for its end."""
    thread = threading.Thread(target=work, name="journal files", daemon=True)
    thread.start()
    return thread.join


def new_identity() -> bytes:
    """16 bytes that no other journal has."""
    return os.urandom(16)
