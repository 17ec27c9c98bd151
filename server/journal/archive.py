"""A journal as one file, to be kept elsewhere and restored from: the newest snapshot, and every record that is needed.

::

    magic 'ACDX' · version u16 · length u32 and the begin of the chain
    · for each record: 'R' · length u64 · its bytes · for each snapshot: 'S' · length u64 · its bytes · 'E' · length u64
    · blake2b-128 of all before

What is exported is verified on the way: no file comes of a journal that a server could not start from.
"""

import hashlib
import os
import struct
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from acd_protocol.journal_file import begin_as_stored, begin_of
from acd_protocol.journal_records import DamagedRecord, Tail
from server.errors import Corrupt, StartError

FORMAT_VERSION = 1
_MAGIC = b"ACDX"
_START = struct.Struct("<4sHI16s")
_PART = struct.Struct("<cQ")
_SUM_BYTES = 16
_PART_BYTES_MAX = 1 << 36


class Sums(NamedTuple):
    """What an archive holds: snapshots, records, and the number of the last one."""

    snapshots: int
    records: int
    last_seq: int


class ArchiveWriter:
    """Writes an archive to `path`, which appears when it is complete. Raises `OSError`."""

    def __init__(self, path: Path, begin: Tail) -> None:
        self.path = path
        self._draft = path.with_name(f"{path.name}.new")
        self._file = self._draft.open("wb")
        self._sum = hashlib.blake2b(digest_size=_SUM_BYTES)
        stored = begin_as_stored(begin)
        self._write(_START.pack(_MAGIC, FORMAT_VERSION, len(stored), begin.uuid) + stored)

    def _write(self, data: bytes) -> None:
        self._sum.update(data)
        self._file.write(data)

    def add(self, kind: bytes, data: bytes) -> None:
        """Add a snapshot, `b"S"`, or a record, `b"R"`; records in their order, then snapshots."""
        self._write(_PART.pack(kind, len(data)))
        self._write(data)

    def finish(self) -> None:
        """All is in it: make it durable, and let it appear."""
        self._write(_PART.pack(b"E", _SUM_BYTES))
        self._file.write(self._sum.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.rename(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def give_up(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        with suppress(FileNotFoundError):
            self._draft.unlink()


def begin_in(path: Path) -> Tail:
    """What comes before the first record of an archive. Raises `Corrupt`, `StartError`."""
    with _opened(path) as file:
        return _begin(path, file)[0]


def parts_of(path: Path) -> Generator[tuple[bytes, bytes], None, None]:
    """The snapshots and records of an archive: kind and bytes. Its sum is checked at the end. Raises `Corrupt`."""
    with _opened(path) as file:
        _, head = _begin(path, file)
        total = hashlib.blake2b(head, digest_size=_SUM_BYTES)
        while True:
            head = file.read(_PART.size)
            if len(head) != _PART.size:
                raise _cut(path)
            kind, length = _PART.unpack(head)
            total.update(head)
            if kind == b"E":
                if file.read(_SUM_BYTES + 1) != total.digest():
                    raise Corrupt(f"{path} is damaged: its checksum is wrong. Use another backup")
                return
            if kind not in {b"S", b"R"} or length > _PART_BYTES_MAX:
                raise Corrupt(f"{path} is damaged: it holds a part of no known kind. Use another backup")
            data = file.read(length)
            if len(data) != length:
                raise _cut(path)
            total.update(data)
            yield kind, data


def closing_parts(path: Path) -> "closing[Generator[tuple[bytes, bytes], None, None]]":
    """`parts_of`, whose file is closed at the end of the block."""
    return closing(parts_of(path))


def _cut(path: Path) -> Corrupt:
    return Corrupt(f"{path} is not complete: it was cut off. Use another backup")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror or error}") from error


def _begin(path: Path, file: BinaryIO) -> tuple[Tail, bytes]:
    head = file.read(_START.size)
    if len(head) != _START.size or not head.startswith(_MAGIC):
        raise Corrupt(f"{path} is no export of a journal: give a file that 'acd journal export' wrote")
    _, version, length, uuid = _START.unpack(head)
    if version > FORMAT_VERSION:
        raise Corrupt(
            f"{path} has format version {version}, this release reads up to {FORMAT_VERSION}: use the newer release"
        )
    stored = file.read(length)
    try:
        return begin_of(uuid, stored), head + stored
    except DamagedRecord as damage:
        raise Corrupt(f"{path} is damaged: its beginning cannot be read. Use another backup") from damage
