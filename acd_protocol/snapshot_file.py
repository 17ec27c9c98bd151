"""Snapshots: the state after some record of a journal, each in a file beside it.

::

    magic 'ACDS' · version u16 · header length u32 · header · crc32 of all before u32 · body · crc32 of all before u32

Integers are little-endian, header and body are MessagePack. A snapshot belongs to the record that its header names by
journal, number and hash. It gets its name when all of it is on the disk, so one that cannot be read is damaged; then the
one before it and more of the journal give the same state.
"""

import contextlib
import os
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from acd_protocol.journal_records import Tail

FORMAT_VERSION = 1
KEPT = 2
"""So many are kept: the newest, and the one before it in case that is damaged."""
_MAGIC = b"ACDS"
_START = struct.Struct("<4sHI")
_CRC = struct.Struct("<I")
_HEADER_BYTES_MAX = 65_536
_DRAFT = ".new"
_NAME = re.compile(r"snapshot-(\d{16})\.acd\Z")


class DamagedSnapshot(Exception):  # noqa: N818 - the name says what was found
    """A snapshot that cannot be read; the message says which, and what is wrong."""


class Header(Struct, frozen=True, kw_only=True):
    """What a snapshot tells of itself.

    Attributes:
        uuid, seq, epoch, hash, time_ns, sealed: of the last record that it holds, see `journal_records.Tail`.
        taken_ns: wall time at which it was taken.
        events: number of the last event; contacts, agents: how many there are.
        digest: of the state; an engine that was made of the body had the same.
    """

    uuid: bytes
    seq: int
    epoch: int
    hash: bytes
    time_ns: int
    sealed: bool
    taken_ns: int
    events: int
    contacts: int
    agents: int
    digest: str

    @property
    def tail(self) -> Tail:
        """The end of the journal as it was then."""
        return Tail(self.uuid, self.seq, self.epoch, self.hash, self.time_ns, self.sealed)


class Body(Struct, frozen=True, kw_only=True):
    """What a server goes on with.

    Attributes:
        engine: the dump of the engine.
        away: names of the clients that are away.
        events: the latest, oldest first: each as it was sent, with the clients that own its contact and its agent.
    """

    engine: bytes
    away: list[str]
    events: list[tuple[bytes, str, str]]


class Found(NamedTuple):
    """A snapshot in a directory."""

    path: Path
    seq: int
    bytes: int


def encode(header: Header, body: Body) -> bytes:
    """The bytes of a snapshot."""
    head = msgspec.msgpack.encode(header)
    begin = _START.pack(_MAGIC, FORMAT_VERSION, len(head)) + head
    data = b"".join((begin, _CRC.pack(zlib.crc32(begin)), msgspec.msgpack.encode(body)))
    return data + _CRC.pack(zlib.crc32(data))


def name_of(seq: int) -> str:
    """The name of the snapshot of a record."""
    return f"snapshot-{seq:016d}.acd"


def store(directory: Path, header: Header, data: bytes) -> Path:
    """Put a snapshot into a directory: all of it, or nothing. Raises `OSError`."""
    path = directory / name_of(header.seq)
    write_durably(path, data)
    return path


def found_in(directory: Path) -> list[Found]:
    """The snapshots in a directory, the newest first."""
    found = []
    for path in directory.iterdir():
        match = _NAME.match(path.name)
        if match:
            with contextlib.suppress(FileNotFoundError):
                found.append(Found(path, int(match[1]), path.stat().st_size))
    return sorted(found, key=lambda one: -one.seq)


def remove_drafts(directory: Path) -> None:
    """Remove what crashes left behind while they wrote snapshots."""
    for path in directory.iterdir():
        if _NAME.match(path.name.removesuffix(_DRAFT)) and path.name.endswith(_DRAFT):
            path.unlink(missing_ok=True)


def room_in(directory: Path) -> int:
    """Bytes that may still be written to its disk."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def read_header(path: Path) -> Header:
    """What a snapshot tells of itself. Only `read` tells whether all of it is sound. Raises `DamagedSnapshot`."""
    try:
        with path.open("rb") as file:
            return _header(path, file.read(_START.size + _HEADER_BYTES_MAX))[0]
    except OSError as error:
        raise DamagedSnapshot(f"the snapshot {path} cannot be read: {error.strerror or error}") from error


def read(path: Path) -> tuple[Header, Body]:
    """A whole snapshot. Raises `DamagedSnapshot`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedSnapshot(f"the snapshot {path} cannot be read: {error.strerror or error}") from error
    return _parsed(path, data)


def parse(data: bytes) -> Header:
    """The header of a snapshot that is sound. Raises `DamagedSnapshot`."""
    return _parsed("of the backup", data)[0]


def _parsed(path: Path | str, data: bytes) -> tuple[Header, Body]:
    header, start = _header(path, data)
    end = len(data) - _CRC.size
    if end < start or zlib.crc32(memoryview(data)[:end]) != _CRC.unpack_from(data, end)[0]:
        raise DamagedSnapshot(f"the snapshot {path} is damaged: its checksum is wrong")
    try:
        return header, msgspec.msgpack.decode(memoryview(data)[start:end], type=Body)
    except msgspec.DecodeError as error:
        raise DamagedSnapshot(f"the snapshot {path} cannot be read: {error}") from error


def _header(path: Path | str, data: bytes) -> tuple[Header, int]:
    if len(data) < _START.size or not data.startswith(_MAGIC):
        raise DamagedSnapshot(f"{path} is no snapshot")
    _, version, length = _START.unpack_from(data)
    if version > FORMAT_VERSION:
        raise DamagedSnapshot(
            f"the snapshot {path} has format version {version}, this release reads up to {FORMAT_VERSION}: "
            "start the newer release that wrote it"
        )
    end = _START.size + length
    if len(data) < end + _CRC.size or zlib.crc32(data[:end]) != _CRC.unpack_from(data, end)[0]:
        raise DamagedSnapshot(f"the snapshot {path} is damaged: the checksum of its header is wrong")
    try:
        return msgspec.msgpack.decode(data[_START.size : end], type=Header), end + _CRC.size
    except msgspec.DecodeError as error:
        raise DamagedSnapshot(f"the snapshot {path} is damaged: its header cannot be read ({error})") from error


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that is there in full, or not at all, whatever happens meanwhile. Raises `OSError`."""
    draft = path.with_name(f"{path.name}{_DRAFT}")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)  # on a disk that is full, half a file would keep it so
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
