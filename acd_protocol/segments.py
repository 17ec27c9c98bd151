"""The files in which the default journal keeps its records, one after the other, and how they are read.

A journal is a row of files, each named after its first record. A file begins with a head of one sector:

::

    magic 'ACDS' · version u16 · nothing u16 · journal uuid 16 bytes · size of the file u64 · seq u64 · epoch u64
    · hash 8 bytes · time_ns i64 · sealed u8 · crc32 of all before u32 · zeros

which holds the tail of the chain before the file's first record. Its records follow, packed as
`acd_protocol.journal_records` says, and then zeros to the end: a file has its full size before it is written to, so
that a flush has to write nothing but the record. Where the next file follows, the last record is followed by

::

    magic 'ACDN' · number of the next file's first record u64 · crc32 of both u32

What is found behind the last sound record of the last file can only be an append that did not get through: one is
under way at a time. If a sound record of this journal comes later all the same, the file is damaged.

Who reads beside a server may come to see that without any damage: files are read page by page, so a record that is written
meanwhile may be missing from an early page, and the one after it be there on a later page. Whoever has seen the later one sees
the earlier one when looking again. So a reader looks again, and complains only of what is still there.
"""

import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from acd_protocol import journal_records
from acd_protocol.journal_records import DamagedRecord, Stored, Tail

FORMAT_VERSION = 1
HEAD_BYTES = 512
"""So much of a file comes before its records."""
PREFIX = "journal-"
SUFFIX = ".acdj"
READ_ATTEMPTS = 5
"""So many times a reader looks which files there are."""
_MAGIC = b"ACDS"
_NEXT = b"ACDN"
_HEAD = struct.Struct("<4sHH16sQQQ8sqB")
_SUM = struct.Struct("<I")
_TURN = struct.Struct("<4sQ")
TURN_BYTES = _TURN.size + _SUM.size
"""So much room is left at the end of a file."""


class Segment(NamedTuple):
    """One file: where it is, and what comes before its first record."""

    path: Path
    begin: Tail


def name_of(first_seq: int) -> str:
    """The name of the file that begins with a record."""
    return f"{PREFIX}{first_seq:020d}{SUFFIX}"


def head(begin: Tail, size: int) -> bytes:
    """The beginning of a file of so many bytes whose first record follows `begin`."""
    fields = _HEAD.pack(
        _MAGIC, FORMAT_VERSION, 0, begin.uuid, size, begin.seq, begin.epoch, begin.hash, begin.time_ns, begin.sealed
    )
    return (fields + _SUM.pack(zlib.crc32(fields))).ljust(HEAD_BYTES, b"\0")


def turn(next_seq: int) -> bytes:
    """What tells that another file follows, which begins with record `next_seq`."""
    fields = _TURN.pack(_NEXT, next_seq)
    return fields + _SUM.pack(zlib.crc32(fields))


def begin_in(path: Path) -> Tail:
    """The tail that the head of a file tells of. Raises `DamagedRecord`, `OSError`."""
    with path.open("rb") as file:
        data = file.read(HEAD_BYTES)
    if len(data) < HEAD_BYTES or not data.startswith(_MAGIC):
        raise damaged(path, "it does not begin like one")
    _, version, _, uuid, size, seq, epoch, hash_, time_ns, sealed = _HEAD.unpack_from(data)
    if _SUM.unpack_from(data, _HEAD.size)[0] != zlib.crc32(data[: _HEAD.size]):
        raise damaged(path, "the checksum of its head is wrong")
    if version > FORMAT_VERSION:
        raise DamagedRecord(
            f"{path} has format version {version}, this release reads up to {FORMAT_VERSION}: start the newer release "
            "that wrote it"
        )
    if path.name != name_of(seq + 1):
        raise damaged(path, f"it holds record {seq + 1} and those after it: it was renamed")
    if path.stat().st_size < size:
        raise damaged(path, "it was cut off")
    return Tail(uuid, seq, epoch, hash_, time_ns, bool(sealed))


def found_in(directory: Path) -> list[Path]:
    """The files of a journal, in their order."""
    names = (path for path in directory.iterdir() if path.name.startswith(PREFIX) and path.name.endswith(SUFFIX))
    return sorted(names, key=lambda path: path.name)


def segments_of(paths: Iterable[Path]) -> list[Segment]:
    """The files with what their heads tell. Raises `DamagedRecord`, `OSError`."""
    segments = [Segment(path, begin_in(path)) for path in paths]
    for segment in segments[1:]:
        if segment.begin.uuid != segments[0].begin.uuid:
            raise damaged(segment.path, "it belongs to another journal")
    return segments


class Reading:
    """The records of one file, verified one by one.

    Attributes:
        tail: of the last record that was read.
        end: where the next one is, or would be.
        turned: whether the file says that another follows.
    """

    def __init__(self, segment: Segment, data: bytes) -> None:
        self.path = segment.path
        self.tail = segment.begin
        self.end = HEAD_BYTES
        self.turned = False
        self._data = data

    def look_again(self) -> None:
        """Read the file anew; iterating goes on where it ended. Raises `OSError`."""
        self._data = self.path.read_bytes()

    def pass_over(self, upto: Tail) -> None:
        """Go past a record without looking at those before it. Raises `DamagedRecord` if it is not there."""
        while length := journal_records.length_at(self._data, self.end):
            self.end += length
            if journal_records.seq_at(self._data, self.end - length) == upto.seq:
                self.tail = journal_records.tail_of(self._data[self.end - length : self.end])
                break
        if self.tail != upto:
            raise damaged(self.path, f"record {upto.seq} is not the one that is looked for")

    def __iter__(self) -> Iterator[Stored]:
        """The records as far as their checksums are right. Raises `DamagedRecord`."""
        while length := journal_records.length_at(self._data, self.end):
            data = self._data[self.end : self.end + length]
            if len(data) < length or not journal_records.is_whole(data):
                return
            before = self.tail
            record, self.tail = journal_records.unpack(before, data, whole=True)
            self.end += length
            yield Stored(before, record, self.tail, data)
        self.turned = self._data[self.end : self.end + TURN_BYTES] == turn(self.tail.seq + 1)

    @property
    def torn(self) -> bool:
        """Whether something is behind the last record that does not belong there."""
        return not self.turned and bool(self._data[self.end :].lstrip(b"\0"))

    @property
    def goes_on(self) -> bool:
        """Whether a sound record of this journal comes after one that is not."""
        place = self._data.find(journal_records.MAGIC, self.end + 1)
        while place >= 0:
            length = journal_records.length_at(self._data, place)
            if (
                length
                and journal_records.uuid_at(self._data, place) == self.tail.uuid
                and journal_records.seq_at(self._data, place) > self.tail.seq
                and journal_records.is_whole(self._data[place : place + length])
            ):
                return True
            place = self._data.find(journal_records.MAGIC, place + 1)
        return False

    def damage(self) -> DamagedRecord:
        """What is said of it when others come after what cannot be read."""
        return damaged(self.path, f"record {self.tail.seq + 1} cannot be read, and others come after it")


class Chain:
    """The records after a tail that some files hold, or all of them, through files that a server adds meanwhile.

    Attributes:
        segments: the files.
        reading: the last of them, once all was read; before, the one that is being read.
    """

    reading: Reading

    def __init__(self, segments: Iterable[Segment], after: Tail | None = None) -> None:
        self.segments = list(segments)
        self._after = after

    def __iter__(self) -> Iterator[Stored]:
        """Raises `DamagedRecord`, `OSError`."""
        after = self._after
        number = 0 if after is None else place_of(self.segments, after.seq)
        while number < len(self.segments):
            segment = self.segments[number]
            reading = self.reading = Reading(segment, segment.path.read_bytes())
            if after is not None and after != segment.begin:
                reading.pass_over(after)
            after = None
            yield from reading
            number += 1
            while problem := self._look_on(reading, number):
                last = reading.tail
                reading.look_again()
                yield from reading
                if reading.tail == last:
                    raise problem

    def _look_on(self, reading: Reading, number: int) -> DamagedRecord | None:
        """What speaks against how a file ends, beside what comes after it. Raises `DamagedRecord`, `OSError`."""
        if number == len(self.segments):
            if reading.goes_on:
                return reading.damage()
            if reading.turned:
                self.segments.append(following(reading))
        following_one = self.segments[number] if number < len(self.segments) else None
        if following_one is None or following_one.begin == reading.tail:
            return None
        if reading.torn:
            return reading.damage()
        return damaged(following_one.path, "it does not follow the file before it: one is missing, or was put there")


def place_of(segments: Sequence[Segment], seq: int) -> int:
    """Which of the files would hold the record after `seq`."""
    return max((place for place, one in enumerate(segments) if one.begin.seq <= seq), default=0)


def following(reading: Reading) -> Segment:
    """The file that a file says follows. Raises `DamagedRecord` if there is none, `OSError`."""
    path = reading.path.with_name(name_of(reading.tail.seq + 1))
    if not path.exists():
        if not reading.path.exists():  # a server trims its journal just now, the oldest first
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        raise DamagedRecord(f"{path} is missing: restore the data directory from a backup")
    return Segment(path, begin_in(path))


def read(directory: Path) -> Iterator[Stored]:
    """Every record of the journal in a directory, beside a server or not; what was read is made durable first.

    Raises:
        DamagedRecord: a record cannot be trusted.
        OSError: a file cannot be read, or was trimmed meanwhile.
    """
    for attempt in range(READ_ATTEMPTS):
        begun = False
        try:
            paths = found_in(directory)
            for path in paths[-1:]:
                flush(path)
            for stored in Chain(segments_of(paths)):
                begun = True
                yield stored
        except FileNotFoundError:  # a server trims its journal just now
            if begun or attempt == READ_ATTEMPTS - 1:
                raise
        else:
            return


def flush(path: Path) -> None:
    """Make durable what is in a file, whoever wrote it: a power loss must not take from a server what a reader knows."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def damaged(path: Path, problem: str) -> DamagedRecord:
    """What is said of a file that cannot be trusted."""
    return DamagedRecord(
        f"the journal is damaged in {path}: {problem}. Nothing was changed; keep a copy of the data directory, then "
        "restore it from a backup, or look at it with 'acd journal verify'"
    )
