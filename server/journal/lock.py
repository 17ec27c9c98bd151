"""The lock that makes two servers on one data directory impossible."""

import contextlib
import fcntl
import os
from pathlib import Path

from acd_protocol.journal_file import LOCK_NAME
from server.errors import DirectoryLocked, StartError


class DirectoryLock:
    """Holds `DIRECTORY/lock` until `release`, or until the process ends in whatever way."""

    def __init__(self, directory: Path) -> None:
        """Create the directory if need be, and take the lock.

        Raises:
            DirectoryLocked: another process holds it.
            StartError: the directory cannot be created or written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StartError(
                f"the data directory {directory} cannot be used ({error.strerror}): "
                "choose another with --data or ACD_DATA"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            by = f" (process {holder})" if holder else ""
            raise DirectoryLocked(
                f"another server{by} works in the data directory {directory}: "
                "stop it, or choose another directory with --data or ACD_DATA"
            ) from error
        os.ftruncate(self._fd, 0)
        with contextlib.suppress(OSError):  # the number is for people; a disk that is full has no room for it
            os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let others in. The file stays: removing it would let two processes lock two files of one name."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
