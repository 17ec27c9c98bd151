"""`server.journal.files` over the simulated disk, and the lane that writes to it at some instant."""

import errno
from collections.abc import Callable
from random import Random

from server.append_lane import LaneFailed
from tests.simulation.disk import SimDisk, SimFile, SimPath, as_os_error

_PIECE = 4096


class SimFiles:
    """Stands where `server.journal.files` is found."""

    def __init__(self, disk: SimDisk, rng: Random) -> None:
        self._disk = disk
        self._rng = rng
        self._open: list[tuple[int, str, SimFile]] = []

    def _opened(self, path: SimPath, *, create: bool) -> int:
        with as_os_error():
            disk = self._disk
            file = disk.open(disk.boot, str(path), create=create)
            if create:
                disk.truncate(disk.boot, file, 0)
            self._open.append((disk.boot, str(path), file))
        return len(self._open) - 1

    def open_to_write(self, path: SimPath) -> int:
        """As the real one; so are all of these."""
        return self._opened(path, create=False)

    def create(self, path: SimPath) -> int:
        return self._opened(path, create=True)

    def reserve(self, descriptor: int, size: int) -> None:
        self.fill(descriptor, 0, size)

    def fill(self, descriptor: int, place: int, size: int, wanted: Callable[[], bool] = lambda: True) -> None:
        if wanted():
            self.write(descriptor, bytes(size - place), place)
            self.sync(descriptor)

    def write(self, descriptor: int, data: bytes, place: int) -> None:
        boot, _, file = self._open[descriptor]
        with as_os_error():
            for start in range(0, len(data), _PIECE):
                self._disk.write(boot, file, place + start, data[start : start + _PIECE])

    def read(self, path: SimPath, place: int, size: int) -> bytes:
        return path.read_bytes()[place : place + size]

    def sync(self, descriptor: int) -> None:
        with as_os_error():
            self._disk.sync(*self._open[descriptor])

    def close(self, descriptor: int) -> None:
        pass

    def sync_names(self, _: object) -> None:
        with as_os_error():
            self._disk.sync_directory()

    def beside(self, work: Callable[[], None]) -> Callable[[], None]:
        work()
        return lambda: None

    def new_identity(self) -> bytes:
        return self._rng.randbytes(16)


class SimLane:
    """`server.append_lane.AppendLane` without a thread: `later` calls what it is given after some time."""

    def __init__(self, files: SimFiles, later: Callable[..., object], landed: Callable[[], None]) -> None:
        self._files = files
        self._later = later
        self._landed = landed
        self._outcome = 0

    def start(self, descriptor: int, record: bytes, place: int) -> int:
        """As the real one; so are all of these."""
        self._later(self._store, descriptor, record, place)
        return 0

    def _store(self, descriptor: int, record: bytes, place: int) -> None:
        self._outcome = 0
        try:
            self._files.write(descriptor, record, place)
        except OSError as error:
            self._outcome = error.errno or errno.EIO
        else:
            try:
                self._files.sync(descriptor)
            except OSError as error:
                self._outcome = -(error.errno or errno.EIO)
        self._later(self._landed)

    def finish(self) -> int:
        if self._outcome:
            raise LaneFailed(self._outcome)
        return 1000
