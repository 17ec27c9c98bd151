"""The default journal: a row of files that have their full size before they are written to.

A flush then has to write nothing but the record, which takes half as long as one of a file that grows; and nothing has
ever to be moved, so no append waits for anything but its own flush. The format is that of `acd_protocol.segments`.
"""

import contextlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

from acd_protocol import journal_records, segments
from acd_protocol.journal_records import DamagedRecord, tail_of
from acd_protocol.segments import HEAD_BYTES, TURN_BYTES, Chain, Segment, name_of
from server.errors import NO_ROOM, Corrupt, Fatal, Full, JournalError, StartError
from server.journal import files, records
from server.journal.chained import ChainedJournal
from server.journal.contract import Kind, Record, Tail
from server.segment_core import SegmentCore

__all__ = ["SegmentJournal"]

BYTES_MIN = 1 << 20
"""The size of a journal's first file; each next one is twice as large as the one before."""
BYTES_MAX = 16 << 20
"""Larger than this is only a file for a single record."""
_MARK_BYTES = 64 * 1024
_READ_BYTES = 128 * 1024
_BLOCK_BYTES = 4096
_DRAFT = ".new"
_SPARE = f"{segments.PREFIX}spare"


class SegmentJournal(SegmentCore, ChainedJournal):
    """See `server.journal.contract.Journal`. The directory must be locked by the caller."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self._segments: list[Segment] = []
        self._torn = False
        # Where some records are, by the file that they are in: a number and a place each, in rising order.
        self._marks: dict[Path, list[tuple[int, int]]] = {}
        self._marked = HEAD_BYTES  # the last of these places in the file that is written
        self._spare: tuple[int, int] | None = None
        self._await_spare: Callable[[], None] | None = None
        self._spare_failed = False

    @property
    def torn(self) -> bool:
        """See the contract."""
        return self._torn

    @property
    def stored_bytes(self) -> int:
        """See the contract."""
        return sum(path.stat().st_size for path in segments.found_in(self.directory))

    # -- opening and making -------------------------------------------------------------------------------------

    def open(self, trusted: Sequence[Tail] = ()) -> Tail:
        """See the contract."""
        try:
            self._remove_drafts()
            if not segments.found_in(self.directory):
                begin = Tail(files.new_identity())
                self._name([self._draft(begin, BYTES_MIN)])
            self._segments = segments.segments_of(segments.found_in(self.directory))
            self._start = self._segments[0].begin
            chain = Chain(self._segments, next(filter(self.holds, trusted), None))
            for _ in chain:
                pass
            reading = chain.reading
            self._tail, self._end, self._torn = reading.tail, reading.end, reading.torn
            self._size = reading.path.stat().st_size
            self._descriptor = files.open_to_write(reading.path)
        except DamagedRecord as damage:
            raise Corrupt(str(damage)) from damage
        except OSError as error:
            raise self._translated(error) from error
        return self._tail

    def restore(self, begin: Tail, stored: Iterable[bytes]) -> None:
        """Make a journal, where there is none, of records as they are stored; each is verified. Raises like `open`."""
        if segments.found_in(self.directory):
            raise StartError(f"there is a journal in {self.directory} already: restore into a new directory")
        drafts: list[Path] = []
        tail = first = begin
        parts: list[bytes] = []
        size = 0
        try:
            for data in stored:
                if parts and size + len(data) > BYTES_MAX:
                    drafts.append(self._draft(first, size, parts, turned=True))
                    first, parts, size = tail, [], 0
                _, tail = records.unpack(tail, data)
                parts.append(data)
                size += len(data)
            drafts.append(self._draft(first, size, parts))
            self._name(drafts)
        except OSError as error:
            raise self._translated(error) from error

    def discard(self) -> None:
        """Remove a journal that could not be restored."""
        self.close()
        with contextlib.suppress(OSError):
            self._remove_drafts()
            for path in segments.found_in(self.directory):
                path.unlink(missing_ok=True)

    def _remove_drafts(self) -> None:
        for path in self.directory.iterdir():
            if path.name.startswith(segments.PREFIX) and path.name.endswith(_DRAFT):
                path.unlink(missing_ok=True)

    def _draft(self, begin: Tail, payload: int, stored: Sequence[bytes] = (), *, turned: bool = False) -> Path:
        """A file with room for so much, durable but for its name."""
        size = _size_for(payload)
        draft = self.directory / (name_of(begin.seq + 1) + _DRAFT)
        data = b"".join((segments.head(begin, size), *stored))
        if turned:
            data += segments.turn(begin.seq + len(stored) + 1)
        descriptor = files.create(draft)
        try:
            files.reserve(descriptor, size)
            files.write(descriptor, data, 0)
            files.sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        finally:
            files.close(descriptor)
        return draft

    def _name(self, drafts: Sequence[Path]) -> None:
        """Give files their names. The first comes last: without it there is no journal."""
        for draft in reversed(drafts):
            draft.rename(draft.with_name(draft.name.removesuffix(_DRAFT)))
        files.sync_names(self.directory)

    def close(self) -> None:
        """See the contract."""
        descriptor, self._descriptor = self._descriptor, -1
        if self._await_spare is not None:
            self._await_spare()
            self._await_spare = None
        spare, self._spare = self._spare, None
        try:
            if descriptor >= 0:
                files.close(descriptor)
            if spare is not None:
                files.close(spare[0])
                self._spare_path.unlink(missing_ok=True)
        except OSError as error:
            raise self._translated(error) from error

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, after: Tail | None = None) -> Iterator[Record]:
        """See the contract."""
        try:
            for stored in Chain(self._segments, after):
                yield stored.record
        except DamagedRecord as damage:
            raise Corrupt(str(damage)) from damage
        except OSError as error:
            raise self._translated(error) from error

    def holds(self, tail: Tail) -> bool:
        """See the contract."""
        if tail.seq <= self._start.seq:
            return tail == self._start
        try:
            return any(tail_of(data) == tail for data in self.slice(tail.seq, 1))
        except DamagedRecord:
            return False

    def slice(self, from_seq: int, bytes_max: int) -> list[bytes]:
        """See the contract."""
        found: list[bytes] = []
        size = 0
        try:
            for data in self._stored_from(from_seq):
                found.append(data)
                size += len(data)
                if size >= bytes_max:
                    break
        except OSError as error:
            raise self._translated(error) from error
        return found

    def _stored_from(self, seq: int) -> Iterator[bytes]:
        """The records from a number on, as they are stored."""
        last = self._tail.seq if self._descriptor >= 0 else seq
        for segment in self._segments[segments.place_of(self._segments, seq - 1) :]:
            marked = self._mark_before(segment.path, seq)[1]
            for place, data in _records_in(segment.path, marked):
                number = journal_records.seq_at(data, 0)
                if number > last:
                    return
                if place > marked + _MARK_BYTES:
                    marked = self._mark(segment.path, number, place)
                if number >= seq:
                    yield data

    def _mark_before(self, path: Path, seq: int) -> tuple[int, int]:
        """How many marks of a file are of no later record than this, and the place of the last of them."""
        marks = self._marks.get(path, ())
        count = bisect_right(marks, seq, key=itemgetter(0))
        return count, marks[count - 1][1] if count else HEAD_BYTES

    def _mark(self, path: Path, seq: int, place: int) -> int:
        """Keep where a record is, unless it is known of one shortly before it; gives the place that is kept."""
        count, before = self._mark_before(path, seq)
        if place <= before + _MARK_BYTES:
            return before
        self._marks.setdefault(path, []).insert(count, (seq, place))
        return place

    # -- appending ----------------------------------------------------------------------------------------------

    def _write_again(self) -> None:
        """Write what the last file holds once more, and zeros behind it."""
        self._check_open()
        try:
            path = self._segments[-1].path
            for place in range(0, self._end, _READ_BYTES):
                files.write(self._descriptor, files.read(path, place, min(_READ_BYTES, self._end - place)), place)
            if self._torn:
                files.fill(self._descriptor, self._end, self._size)
            files.sync(self._descriptor)
            files.sync_names(self.directory)
        except OSError as error:
            raise self._translated(error) from error
        self._torn = False

    def _check_open(self) -> None:
        if self._descriptor < 0:
            raise Fatal(f"the journal in {self.directory} is not open")

    def _store(self, kind: Kind, epoch: int, time_ns: int, commands: int, payload: bytes) -> None:
        self._check_open()
        data, tail = records.pack(self._tail, kind, epoch, time_ns, commands, payload)
        try:
            if self._end + len(data) + TURN_BYTES > self._size:
                self._turn(len(data))
            files.write(self._descriptor, data, self._end)
            files.sync(self._descriptor)
        except OSError as error:
            raise self._translated(error) from error
        self._note(tail, len(data))

    def _look(self, place: int) -> None:
        """A record was added at `place`, and the file is filled up to where something may have to be done."""
        if place > self._marked + _MARK_BYTES:
            self._marked = self._mark(self._segments[-1].path, self._tail.seq, place)
        self._look_at = self._marked + _MARK_BYTES
        if self._await_spare is not None:
            return
        if self._end <= self._size // 2:
            self._look_at = min(self._look_at, self._size // 2)
            return
        size = _size_for(self._next_payload())
        with contextlib.suppress(RuntimeError):  # no further thread may be had: then it is made when it is needed
            self._await_spare = files.beside(lambda: self._make_spare(size))

    def _next_payload(self) -> int:
        """How many bytes of records the next file is to hold."""
        return min(BYTES_MAX, max(BYTES_MIN, 2 * self._size))

    @property
    def _spare_path(self) -> Path:
        return self.directory / f"{_SPARE}{_DRAFT}"

    def _make_spare(self, size: int) -> None:
        """Make the next file ready, so that none has to be waited for. Another thread's work; nothing depends on it."""
        descriptor = -1
        done = False
        try:
            descriptor = files.create(self._spare_path)
            files.fill(descriptor, 0, size, lambda: self._descriptor >= 0)
            done = self._descriptor >= 0
        except OSError:
            done = False
        if done:
            self._spare = (descriptor, size)
            return
        self._spare_failed = True
        with contextlib.suppress(OSError):
            self._spare_path.unlink(missing_ok=True)
            if descriptor >= 0:
                files.close(descriptor)

    def _turn(self, length: int) -> None:
        """Go on in a new file, in which a record of this length finds room.

        Raises:
            OSError: then nothing has changed, unless it was the flush that tells of the new file.
        """
        spare = self._spare
        begin = self._tail
        if spare is not None and HEAD_BYTES + length + TURN_BYTES > spare[1]:
            spare = None  # it will do for the next one
        if spare is not None:
            draft = self._spare_path
            files.write(spare[0], segments.head(begin, spare[1]), 0)
            files.sync(spare[0])
        else:
            draft = self._draft_with_room(begin, length)
        path = self.directory / name_of(begin.seq + 1)
        descriptor = files.open_to_write(draft)
        draft.rename(path)
        try:
            files.sync_names(self.directory)
            files.write(self._descriptor, segments.turn(begin.seq + 1), self._end)
        except OSError:
            path.rename(draft)  # a shorter record may find room where we are, and then another one begins the next file
            files.sync_names(self.directory)
            files.close(descriptor)
            raise
        files.sync(self._descriptor)
        files.close(self._descriptor)
        if spare is not None:
            files.close(spare[0])
        if spare is not None or self._spare_failed:
            self._spare = self._await_spare = None
            self._spare_failed = False
        self._descriptor, self._end, self._size = descriptor, HEAD_BYTES, path.stat().st_size
        self._marked = HEAD_BYTES
        self._look_at = 0
        self._segments.append(Segment(path, begin))

    def _draft_with_room(self, begin: Tail, length: int) -> Path:
        """The next file: smaller than it should be where the disk is nearly full, but large enough for one record."""
        payload = self._next_payload()
        while True:
            try:
                return self._draft(begin, max(length, payload))
            except OSError as error:
                if error.errno not in NO_ROOM or payload <= length:
                    raise
            payload //= 2

    def trim(self, upto_seq: int, before_ns: int, records_max: int) -> bool:  # noqa: ARG002 - files go as a whole
        """See the contract. A file is forgotten as a whole."""
        if not self._may_go(upto_seq, before_ns):
            return False
        try:
            oldest = self._segments.pop(0)
            self._start = self._segments[0].begin
            self._marks.pop(oldest.path, None)
            oldest.path.unlink()
            files.sync_names(self.directory)
        except OSError as error:
            raise self._translated(error) from error
        return self._may_go(upto_seq, before_ns)

    def _may_go(self, upto_seq: int, before_ns: int) -> bool:
        """Whether all of the oldest file is from up to a number and before a time."""
        if len(self._segments) < 2:
            return False
        begin = self._segments[1].begin
        return begin.seq <= upto_seq and begin.time_ns < before_ns

    def maintain(self, idle: bool) -> None:
        """See the contract: there is nothing to do."""

    def _translated(self, error: OSError) -> JournalError:
        """Our error for one of the system's."""
        if error.errno in NO_ROOM:
            return Full(f"the disk of {self.directory} is full: make room, then start the server again")
        return Fatal(
            f"the journal in {self.directory} cannot be read or written ({error.strerror or error}): check the disk"
        )


def _records_in(path: Path, place: int) -> Iterator[tuple[int, bytes]]:
    """The records of a file from a place on, and where they begin, unverified, up to the first place where none does."""
    data, at = b"", 0
    while True:
        length = journal_records.length_at(data, at)
        if not length or at + length > len(data):
            place, at = place + at, 0
            data = files.read(path, place, max(length, _READ_BYTES))
            length = journal_records.length_at(data, 0)
            if length > len(data):
                data = files.read(path, place, length)
            if not length or length > len(data):
                return
        yield place + at, data[at : at + length]
        at += length


def _size_for(payload: int) -> int:
    """The size of a file that holds so many bytes of records, in whole blocks."""
    return -(-(HEAD_BYTES + payload + TURN_BYTES) // _BLOCK_BYTES) * _BLOCK_BYTES
