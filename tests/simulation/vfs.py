"""SQLite's door to the simulated disk: a VFS, by which the very library that the server uses reads and writes.

The structures are those of `sqlite3_vfs` and `sqlite3_io_methods`, version 1 (https://sqlite.org/c3ref/vfs.html). There
is no shared memory in it, so SQLite uses its write-ahead log here only as the server wants it to: exclusively.
"""

import ctypes as c
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.disk import DiskError, SimDisk, SimFile

OK, IOERR, FULL, CANTOPEN, NOTFOUND = 0, 10, 13, 14, 12
IOERR_READ, IOERR_SHORT_READ, IOERR_WRITE, IOERR_FSYNC = 266, 522, 778, 1034
_OPEN_CREATE = 0x4
_OPEN_DELETEONCLOSE = 0x8

_V, _I, _Q = c.c_void_p, c.c_int, c.c_int64


class _Methods(c.Structure):
    _fields_ = [
        ("iVersion", _I),
        ("xClose", c.CFUNCTYPE(_I, _V)),
        ("xRead", c.CFUNCTYPE(_I, _V, _V, _I, _Q)),
        ("xWrite", c.CFUNCTYPE(_I, _V, _V, _I, _Q)),
        ("xTruncate", c.CFUNCTYPE(_I, _V, _Q)),
        ("xSync", c.CFUNCTYPE(_I, _V, _I)),
        ("xFileSize", c.CFUNCTYPE(_I, _V, c.POINTER(_Q))),
        ("xLock", c.CFUNCTYPE(_I, _V, _I)),
        ("xUnlock", c.CFUNCTYPE(_I, _V, _I)),
        ("xCheckReservedLock", c.CFUNCTYPE(_I, _V, c.POINTER(_I))),
        ("xFileControl", c.CFUNCTYPE(_I, _V, _I, _V)),
        ("xSectorSize", c.CFUNCTYPE(_I, _V)),
        ("xDeviceCharacteristics", c.CFUNCTYPE(_I, _V)),
    ]


class _File(c.Structure):
    _fields_ = [("methods", c.POINTER(_Methods)), ("number", _Q)]


class _Vfs(c.Structure):
    _fields_ = [
        ("iVersion", _I),
        ("szOsFile", _I),
        ("mxPathname", _I),
        ("pNext", _V),
        ("zName", c.c_char_p),
        ("pAppData", _V),
        ("xOpen", c.CFUNCTYPE(_I, _V, c.c_char_p, c.POINTER(_File), _I, c.POINTER(_I))),
        ("xDelete", c.CFUNCTYPE(_I, _V, c.c_char_p, _I)),
        ("xAccess", c.CFUNCTYPE(_I, _V, c.c_char_p, _I, c.POINTER(_I))),
        ("xFullPathname", c.CFUNCTYPE(_I, _V, c.c_char_p, _I, _V)),
        ("xDlOpen", _V),
        ("xDlError", _V),
        ("xDlSym", _V),
        ("xDlClose", _V),
        ("xRandomness", c.CFUNCTYPE(_I, _V, _I, _V)),
        ("xSleep", c.CFUNCTYPE(_I, _V, _I)),
        ("xCurrentTime", c.CFUNCTYPE(_I, _V, c.POINTER(c.c_double))),
        ("xGetLastError", c.CFUNCTYPE(_I, _V, _I, _V)),
    ]


class _Open:
    """An open file: of which process, and whether it goes with the last that has it open."""

    __slots__ = ("boot", "disk", "file", "name", "passing")

    def __init__(self, disk: SimDisk, boot: int, name: str, file: SimFile, passing: bool) -> None:
        self.disk = disk
        self.boot = boot
        self.name = name
        self.file = file
        self.passing = passing


class SimVfs:
    """The VFS. There is one for all seeds, since SQLite keeps pointers to it; `disk` is the one of the seed."""

    def __init__(self, library: c.CDLL) -> None:
        self._library = library
        self.disk: SimDisk | None = None
        self._open_files: dict[int, _Open] = {}
        self._numbers = 0
        kinds: dict[str, Any] = dict(_Methods._fields_)  # type: ignore[arg-type]
        self._methods = _Methods(
            1,
            kinds["xClose"](self._close),
            kinds["xRead"](self._read),
            kinds["xWrite"](self._write),
            kinds["xTruncate"](self._truncate),
            kinds["xSync"](self._sync),
            kinds["xFileSize"](self._file_size),
            kinds["xLock"](lambda _file, _level: OK),
            kinds["xUnlock"](lambda _file, _level: OK),
            kinds["xCheckReservedLock"](self._zero),
            kinds["xFileControl"](lambda _file, _operation, _argument: NOTFOUND),
            kinds["xSectorSize"](lambda _file: 512),
            kinds["xDeviceCharacteristics"](lambda _file: 0),
        )
        kinds = dict(_Vfs._fields_)  # type: ignore[arg-type]
        self._vfs = _Vfs(
            1,
            c.sizeof(_File),
            512,
            None,
            b"acd-simulation",
            None,
            kinds["xOpen"](self._open),
            kinds["xDelete"](self._delete),
            kinds["xAccess"](self._access),
            kinds["xFullPathname"](self._full_pathname),
            None,
            None,
            None,
            None,
            kinds["xRandomness"](self._randomness),
            kinds["xSleep"](lambda _vfs, microseconds: microseconds),
            kinds["xCurrentTime"](self._current_time),
            kinds["xGetLastError"](lambda _vfs, _size, _text: 0),
        )

    @contextmanager
    def in_use(self, disk: SimDisk) -> Iterator[None]:
        """Every file that SQLite opens within the block is on `disk`."""
        library = self._library
        before = library.sqlite3_vfs_find(None)
        library.sqlite3_vfs_register(c.byref(self._vfs), 1)
        library.sqlite3_randomness(0, None)  # begin anew, with what our xRandomness gives
        self.disk = disk
        try:
            yield
        finally:
            self.disk = None
            self._open_files.clear()
            library.sqlite3_vfs_register(before, 1)
            library.sqlite3_randomness(0, None)

    # Each of these gives a code of SQLite's, and must not raise.

    def _open(self, _vfs: object, name: bytes | None, file: Any, flags: int, flags_out: Any) -> int:
        file[0].methods = None
        disk = self.disk
        if disk is None:
            return CANTOPEN
        try:
            if name is None:
                opened = SimFile()
            else:
                opened = disk.open(disk.boot, name.decode(), create=bool(flags & _OPEN_CREATE))
        except DiskError:
            return CANTOPEN
        self._numbers += 1
        passing = name is not None and bool(flags & _OPEN_DELETEONCLOSE)
        self._open_files[self._numbers] = _Open(disk, disk.boot, name.decode() if name else "", opened, passing)
        file[0].number = self._numbers
        file[0].methods = c.pointer(self._methods)
        if flags_out:
            flags_out[0] = flags
        return OK

    def _of(self, pointer: int) -> _Open | None:
        return self._open_files.get(_File.from_address(pointer).number)

    def _close(self, pointer: int) -> int:
        opened = self._open_files.pop(_File.from_address(pointer).number, None)
        if opened is not None and opened.passing:
            opened.disk.entries.pop(opened.name, None)
        return OK

    def _read(self, pointer: int, target: int, size: int, offset: int) -> int:
        opened = self._of(pointer)
        if opened is None or opened.boot != opened.disk.boot:
            return IOERR_READ
        data = bytes(opened.file.data[offset : offset + size])
        c.memmove(target, data, len(data))
        if len(data) == size:
            return OK
        c.memset(target + len(data), 0, size - len(data))
        return IOERR_SHORT_READ

    def _write(self, pointer: int, source: int, size: int, offset: int) -> int:
        opened = self._of(pointer)
        if opened is None:
            return IOERR_WRITE
        data = c.string_at(source, size)
        return _code(lambda: opened.disk.write(opened.boot, opened.file, offset, data), IOERR_WRITE)

    def _truncate(self, pointer: int, size: int) -> int:
        opened = self._of(pointer)
        if opened is None:
            return IOERR
        return _code(lambda: opened.disk.truncate(opened.boot, opened.file, size), IOERR)

    def _sync(self, pointer: int, _flags: int) -> int:
        opened = self._of(pointer)
        if opened is None:
            return IOERR_FSYNC
        return _code(lambda: opened.disk.sync(opened.boot, opened.name, opened.file), IOERR_FSYNC)

    def _file_size(self, pointer: int, out: Any) -> int:
        opened = self._of(pointer)
        if opened is None:
            return IOERR
        out[0] = len(opened.file.data)
        return OK

    def _zero(self, _pointer: int, out: Any) -> int:
        out[0] = 0
        return OK

    def _delete(self, _vfs: object, name: bytes, durably: int) -> int:
        disk = self.disk
        if disk is None:
            return IOERR
        return _code(lambda: disk.delete(disk.boot, name.decode(), durably=bool(durably)), IOERR)

    def _access(self, _vfs: object, name: bytes, _flags: int, out: Any) -> int:
        out[0] = int(self.disk is not None and name.decode() in self.disk.entries)
        return OK

    def _full_pathname(self, _vfs: object, name: bytes, size: int, out: int) -> int:
        if len(name) >= size:
            return CANTOPEN
        c.memmove(out, name + b"\0", len(name) + 1)
        return OK

    def _randomness(self, _vfs: object, size: int, out: int) -> int:
        c.memset(out, 7, size)
        return size

    def _current_time(self, _vfs: object, out: Any) -> int:
        out[0] = 2_461_000.5
        return OK


def _code(operation: Callable[[], None], code: int) -> int:
    try:
        operation()
    except DiskError as error:
        return FULL if error.full else code
    return OK


_vfs: SimVfs | None = None


def vfs() -> SimVfs:
    """The VFS of this process. Raises `RuntimeError` if Python's SQLite cannot be reached."""
    global _vfs
    if _vfs is None:
        import _sqlite3

        library = c.CDLL(getattr(_sqlite3, "__file__", None))
        if not hasattr(library, "sqlite3_vfs_register"):
            raise RuntimeError("this Python hides its SQLite, so there is no way to put another disk below it")
        library.sqlite3_vfs_find.restype = _V
        library.sqlite3_vfs_find.argtypes = [c.c_char_p]
        library.sqlite3_vfs_register.argtypes = [_V, _I]
        library.sqlite3_randomness.argtypes = [_I, _V]
        _vfs = SimVfs(library)
    return _vfs
