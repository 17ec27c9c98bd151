"""A disk that forgets: what is written is in the page cache, what is synced is on the platter.

A killed process leaves the page cache as it is. A power loss keeps what was synced, and of the rest whatever the seed
likes: none, all, some of the writes, some of them torn at a sector. The same holds for names in the directory.
"""

import errno
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from random import Random
from types import SimpleNamespace
from typing import Self

SECTOR = 512


class DiskError(Exception):
    """An operation failed. `full`: for lack of room."""

    def __init__(self, *, full: bool = False) -> None:
        super().__init__("full" if full else "EIO")
        self.full = full


@contextmanager
def as_os_error() -> Iterator[None]:
    """What the simulated disk cannot do, said as the system says it."""
    try:
        yield
    except DiskError as error:
        raise OSError(errno.ENOSPC if error.full else errno.EIO, str(error)) from error


class SimFile:
    """A file.

    Attributes:
        data: what a reader sees.
        synced: what a power loss cannot take.
        pending: writes `(offset, bytes)` and truncations `(size, None)` since then.
    """

    __slots__ = ("data", "pending", "synced")

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []


def _do(data: bytearray, offset: int, written: bytes | None) -> None:
    if written is None:
        del data[offset:]
        return
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(written)] = written


class SimDisk:
    """The disk of one machine.

    Attributes:
        boot: of the process that may use it; operations of earlier ones fail.
        full: whether a file that grows fails, but for `spare` bytes.
        eio_writes, eio_syncs: so many of the next writes or syncs fail.
        lies: whether a sync does nothing, as with a disk that keeps its cache for itself.
        kill_after: so many operations more are done, the next calls `on_kill` and fails; negative for never.
        killed: whether that has happened.
        operations: so far, by kind.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.entries: dict[str, SimFile] = {}
        self._durable_entries: dict[str, SimFile] = {}
        self.boot = 0
        self.full = False
        self.spare = 0
        self.eio_writes = 0
        self.eio_syncs = 0
        self.lies = False
        self.kill_after = -1
        self.killed = False
        self.on_kill: Callable[[], None] = lambda: None
        self.operations = {"write": 0, "sync": 0, "power loss": 0}

    def _operate(self, boot: int) -> None:
        if boot != self.boot or self.killed:
            raise DiskError
        if self.kill_after >= 0:
            self.kill_after -= 1
            if self.kill_after < 0:
                self.killed = True
                self.on_kill()
                raise DiskError

    def write(self, boot: int, file: SimFile, offset: int, data: bytes) -> None:
        """Write into the page cache. Raises `DiskError`; then some of it may be written."""
        self._operate(boot)
        self.operations["write"] += 1
        failure = None
        growth = offset + len(data) - len(file.data)
        if self.full and growth > self.spare:
            failure = DiskError(full=True)
        elif self.eio_writes:
            self.eio_writes -= 1
            failure = DiskError()
        if failure is not None:
            data = data[: self._rng.choice((0, 0, len(data) // 2))]
        elif self.full:
            self.spare -= max(0, growth)
        if data:
            file.pending.append((offset, data))
            _do(file.data, offset, data)
        if failure is not None:
            raise failure

    def truncate(self, boot: int, file: SimFile, size: int) -> None:
        """Cut a file."""
        self._operate(boot)
        file.pending.append((size, None))
        _do(file.data, size, None)

    def sync(self, boot: int, name: str, file: SimFile) -> None:
        """Make a file durable. When that fails, what was to be synced may never be: a later sync does not try again."""
        self._operate(boot)
        self.operations["sync"] += 1
        if self.eio_syncs:
            self.eio_syncs -= 1
            file.pending.clear()
            raise DiskError
        if self.lies:
            return
        for change in file.pending:
            _do(file.synced, *change)
        file.pending.clear()
        if name.endswith(("-wal", "-journal")):
            self._durable_entries[name] = file  # SQLite syncs the directory after it made one of these

    def open(self, boot: int, name: str, *, create: bool) -> SimFile:
        """The file of that name. Raises `DiskError` if there is none and `create` is not set."""
        self._operate(boot)
        file = self.entries.get(name)
        if file is None:
            if not create:
                raise DiskError
            file = self.entries[name] = SimFile()
        return file

    def delete(self, boot: int, name: str, *, durably: bool) -> None:
        """Remove a name."""
        self._operate(boot)
        self.entries.pop(name, None)
        if durably:
            self._durable_entries.pop(name, None)

    def rename(self, name: str, other: str) -> None:
        """Give a file another name."""
        self._operate(self.boot)
        self.entries[other] = self.entries.pop(name)

    def sync_directory(self) -> None:
        """Make all names durable."""
        self._operate(self.boot)
        self._durable_entries = dict(self.entries)

    def restarted(self) -> int:
        """The number of a new process, which finds what the last one left."""
        self.boot += 1
        self.kill_after = -1
        self.killed = False
        return self.boot

    def lose_power(self) -> None:
        """Keep what was synced, and of the rest what the seed likes."""
        rng = self._rng
        self.operations["power loss"] += 1
        self.boot += 1
        kept = rng.choice((0.0, 0.3, 0.7, 0.95, 1.0))
        names = self.entries if rng.random() < 0.5 else self._durable_entries
        files: dict[int, SimFile] = {}
        for file in {id(file): file for file in (*self.entries.values(), *self._durable_entries.values())}.values():
            left = files[id(file)] = SimFile()
            left.synced = bytearray(file.synced)
            for offset, data in file.pending:
                if rng.random() >= kept:
                    continue
                if data is not None and rng.random() < 0.3:
                    # The disk writes whole sectors, in any order.
                    for start in range(0, len(data), SECTOR):
                        if rng.random() < 0.5:
                            _do(left.synced, offset + start, data[start : start + SECTOR])
                    continue
                _do(left.synced, offset, data)
            left.data = bytearray(left.synced)
        self.entries = {name: files[id(file)] for name, file in names.items()}
        self._durable_entries = dict(self.entries)

    def used(self) -> int:
        """Bytes of all files."""
        return sum(len(file.data) for file in self.entries.values())

    def names(self) -> Iterable[str]:
        """Of all files."""
        return self.entries


class SimPath(PurePosixPath):
    """A path on the simulated disk: so much of `pathlib.Path` as the journal uses."""

    disk: SimDisk

    def exists(self) -> bool:
        return str(self) in self.disk.entries

    def iterdir(self) -> Iterator[Self]:
        for name in list(self.disk.entries):
            path = type(self)(name)
            if path.parent == self:
                yield path

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_size=len(self.disk.entries[str(self)].data))

    def open(self, _: str) -> io.BytesIO:
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        file = self.disk.entries.get(str(self))
        if file is None:
            raise FileNotFoundError(str(self))
        return bytes(file.data)

    def write_durably(self, data: bytes) -> None:
        """As `snapshot_file.write_durably` does."""
        disk, draft = self.disk, f"{self}.new"
        try:
            file = disk.open(disk.boot, draft, create=True)
            disk.truncate(disk.boot, file, 0)
            for start in range(0, len(data), 4096):
                disk.write(disk.boot, file, start, data[start : start + 4096])
            disk.sync(disk.boot, draft, file)
            disk.rename(draft, str(self))
            disk.sync_directory()
        except DiskError as error:
            with suppress(DiskError):
                disk.delete(disk.boot, draft, durably=False)
            raise OSError(str(error)) from error

    def unlink(self, missing_ok: bool = False) -> None:
        if not self.exists():
            if missing_ok:
                return
            raise FileNotFoundError(str(self))
        with as_os_error():
            self.disk.delete(self.disk.boot, str(self), durably=False)

    def rename(self, target: Self) -> Self:
        with as_os_error():
            self.disk.rename(str(self), str(target))
        return target
