"""The journal in a row of files: what they can suffer, alone and together, and how one follows the other."""

import errno
import os
import select
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from acd_protocol import journal_records
from acd_protocol import segments as form
from acd_protocol.journal_file import read_copy
from acd_protocol.journal_records import DamagedRecord
from acd_protocol.segments import HEAD_BYTES, found_in
from server.append_lane import AppendLane, LaneFailed
from server.errors import NO_ROOM, Corrupt, Fatal, Full, StartError
from server.journal import files, segments
from server.journal.contract import Kind, Record, Tail
from server.journal.segments import SegmentJournal
from server.journal.stores import journal_in, kind_in
from tests.support.damage import place_of
from tests.test_journal import batch, fill, read_all


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a few records fill."""
    for name, size in (("BYTES_MIN", 700), ("BYTES_MAX", 1400), ("_BLOCK_BYTES", 64)):
        monkeypatch.setattr(segments, name, size)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SegmentJournal]:
    opened = SegmentJournal(tmp_path)
    opened.fence("node", opened.open(), 1)
    yield opened
    opened.close()


def test_slices_of_a_file_from_before_a_restart_are_found_without_reading_it_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "segments", 3_000)
    journal = SegmentJournal(tmp_path)
    journal.open()
    taken: list[int] = []
    real = files.read

    def counted(path: Path, place: int, size: int) -> bytes:
        data = real(path, place, size)
        taken.append(len(data))
        return data

    monkeypatch.setattr(files, "read", counted)
    seq, slices = 1, 0
    while found := journal.slice(seq, 4_096):
        assert [journal_records.seq_at(data, 0) for data in found] == list(range(seq, seq + len(found)))
        seq += len(found)
        slices += 1
    journal.close()
    assert seq >= 3_002
    assert slices > 50
    assert sum(taken) < slices * 4 * segments._MARK_BYTES


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("begun", [False, True])
def test_who_begins_to_read_when_files_are_trimmed_begins_with_those_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    fill(tmp_path, "segments", 40)
    first, second, third = found_in(tmp_path)[:3]
    real = Path.read_bytes

    def trimmed_under_it(path: Path) -> bytes:
        if path == (second if begun else first):
            first.unlink(missing_ok=True)
            second.unlink()
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", trimmed_under_it)
    if begun:
        with pytest.raises(FileNotFoundError):
            list(form.read(tmp_path))
    else:
        least = int(third.name.removeprefix(form.PREFIX).removesuffix(form.SUFFIX))
        assert [stored.record.seq for stored in form.read(tmp_path)] == list(range(least, 42))


def copy_of(directory: Path, name: str) -> Path:
    target = directory.with_name(name)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(directory, target)
    return target


@pytest.mark.usefixtures("small")
def test_one_file_follows_the_other(tmp_path: Path) -> None:
    fill(tmp_path, "segments", 40)
    found = found_in(tmp_path)
    assert len(found) > 4
    assert [record.seq for record in read_all(tmp_path)] == list(range(1, 42))
    firsts = [int(path.name.removeprefix(form.PREFIX).removesuffix(form.SUFFIX)) for path in found]
    for path, first in zip(found, firsts, strict=True):
        assert place_of(tmp_path, first)[:2] == (path, HEAD_BYTES)
    journal = SegmentJournal(tmp_path)
    tails = []
    journal.open()
    for stored in form.read(tmp_path):
        tails.append(stored.tail)
        assert journal.holds(stored.tail)
        assert not journal.holds(stored.tail._replace(hash=b"elsewher"))
        assert [record.seq for record in journal.read(stored.tail)] == list(range(stored.tail.seq + 1, 42))
        assert journal.slice(stored.tail.seq, 1) == [stored.data]
    assert len(journal.slice(1, 1 << 30)) == 41
    journal.close()
    for tail in tails:
        assert journal.open([tail._replace(hash=b"elsewher"), tail]) == tails[-1]
        journal.close()


def test_a_record_larger_than_any_file_gets_one_of_its_own(
    journal: SegmentJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "BYTES_MAX", 1 << 21)
    sizes = [100, 9 << 20, 100, 100]
    for number, size in enumerate(sizes):
        journal.append(1, 2 + number, batch(2_000, bytes(size)))
    journal.close()
    assert [len(record.payload) for record in read_all(tmp_path)[1:]] == sizes
    assert len(found_in(tmp_path)) == 2


def test_the_next_file_is_made_ready_before_it_is_needed(
    journal: SegmentJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Callable[[], None]] = []
    reserved: list[int] = []

    def beside(work: Callable[[], None]) -> Callable[[], None]:
        made.append(work)
        return lambda: None

    def reserve(descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)
        reserved.append(size)

    monkeypatch.setattr(files, "beside", beside)
    monkeypatch.setattr(files, "reserve", reserve)
    for number in range(5):
        journal.append(1, 2 + number, batch(2_000, bytes(200_000)))
        while made:
            made.pop()()
    assert len(found_in(tmp_path)) == 1
    journal.append(1, 7, batch(2_000, bytes(200_000)))
    assert len(found_in(tmp_path)) == 2
    assert not reserved, "the file was there"
    journal.close()
    assert len(read_all(tmp_path)) == 7
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.usefixtures("small")
def test_where_no_thread_may_be_had_the_next_file_is_made_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beside(work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(files, "beside", beside)
    fill(tmp_path, "segments", 20)
    assert len(found_in(tmp_path)) > 2
    assert [record.seq for record in read_all(tmp_path)] == list(range(1, 22))


def test_an_append_that_did_not_get_through_is_not_there(tmp_path: Path) -> None:
    """Whatever part of its sectors the disk has written, in any order."""
    source = tmp_path / "source"
    source.mkdir()
    fill(source, "segments", 5)
    path, begin, end = place_of(source, 6)
    whole = path.read_bytes()
    rng = Random(5)
    for number in range(60):
        torn = bytearray(whole)
        for place in range(begin, end):
            if rng.random() < (number + 1) / 60:
                torn[place] = 0
        if torn == whole:
            continue
        copy = copy_of(source, "copy")
        (copy / path.name).write_bytes(torn)
        assert [record.seq for record in read_all(copy)] == [1, 2, 3, 4, 5]
        assert [record.seq for record in read_copy(copy)] == [1, 2, 3, 4, 5]
        journal = SegmentJournal(copy)
        epoch = journal.fence("node", journal.open(), 9_000)
        journal.append(epoch, 7, batch(9_000, b"short"))
        journal.close()
        assert [(record.seq, record.kind) for record in read_all(copy)][5:] == [(6, Kind.FENCE), (7, Kind.BATCH)]


@pytest.mark.usefixtures("small")
def test_flipped_bytes_give_the_truth_or_a_refusal_or_take_the_last_record_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    fill(source, "segments", 16)
    truth = read_all(source)
    assert len(found_in(source)) >= 3
    refused = shorter = 0
    for path in found_in(source):
        content = path.read_bytes()
        for index in range(0, len(content), 3):
            copy = copy_of(source, "copy")
            flipped = bytearray(content)
            flipped[index] ^= 0x01
            (copy / path.name).write_bytes(flipped)
            try:
                found = read_all(copy)
            except Corrupt:
                refused += 1
                assert (copy / path.name).read_bytes() == flipped
                continue
            assert found in (truth, truth[:-1])
            shorter += found != truth
    _, begin, end = place_of(source, len(truth))
    assert shorter <= (end - begin) / 3 + 1
    assert refused > 400


def test_cut_off_files_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    fill(source, "segments", 5)
    (path,) = found_in(source)
    content = path.read_bytes()
    for length in (*range(0, 4000, 97), len(content) - 1):
        copy = copy_of(source, "copy")
        (copy / path.name).write_bytes(content[:length])
        with pytest.raises(Corrupt):
            read_all(copy)


@pytest.mark.usefixtures("small")
def test_missing_exchanged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    for directory in (source, other):
        directory.mkdir()
        fill(directory, "segments", 40)
    names = [path.name for path in found_in(source)]

    def missing(copy: Path) -> None:
        (copy / names[2]).unlink()

    def last_missing(copy: Path) -> None:
        (copy / names[-1]).unlink()

    def renamed(copy: Path) -> None:
        (copy / names[2]).rename(copy / names[2].replace("0000", "0001", 1))

    def exchanged(copy: Path) -> None:
        (copy / names[1]).write_bytes((copy / names[2]).read_bytes())

    def foreign(copy: Path) -> None:
        shutil.copy(other / names[1], copy / names[1])

    def emptied(copy: Path) -> None:
        (copy / names[-1]).write_bytes(b"")

    def newer(copy: Path) -> None:
        data = bytearray((copy / names[-1]).read_bytes())
        data[4] = 9
        (copy / names[-1]).write_bytes(data)

    changes = {
        missing: "does not follow the file before it",
        last_missing: "is missing",
        renamed: "was renamed",
        exchanged: "was renamed",
        foreign: "belongs to another journal",
        emptied: "does not begin like one",
        newer: "checksum of its head",
    }
    for change, said in changes.items():
        copy = copy_of(source, "copy")
        change(copy)
        with pytest.raises(Corrupt, match=said):
            read_all(copy)


def test_a_newer_format_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "FORMAT_VERSION", 2)
    fill(tmp_path, "segments")
    monkeypatch.undo()
    with pytest.raises(Corrupt, match=r"format version 2.*newer release"):
        read_all(tmp_path)


@pytest.mark.usefixtures("small")
def test_a_kill_at_any_operation_of_the_disk_keeps_what_was_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns of files included; and the next server goes on."""
    operations = ("create", "reserve", "write", "sync", "close", "sync_names", "open_to_write")

    class Killed(Exception):  # noqa: N818
        pass

    monkeypatch.setattr(files, "beside", lambda work: lambda: None)
    for upto in range(400):
        left = upto

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def operate(*args: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return real(*args)

            return operate

        data = tmp_path / str(upto)
        data.mkdir()
        appended = 0
        with monkeypatch.context() as patched:
            for name in operations:
                patched.setattr(files, name, counted(getattr(files, name)))
            journal = SegmentJournal(data)
            try:
                epoch = journal.fence("node", journal.open(), 1)
                appended = 1
                for number in range(15):
                    journal.append(epoch, 2 + number, batch(2_000, bytes(90)))
                    appended += 1
            except Killed:
                pass
        if left >= 0:
            assert appended == 16
            break
        again = SegmentJournal(data)
        tail = again.open()
        assert appended <= tail.seq <= appended + 1
        epoch = again.fence("node", tail, 3_000)
        again.append(epoch, tail.seq + 2, batch(3_000))
        again.close()
        assert [record.seq for record in read_all(data)] == list(range(1, tail.seq + 3))
        shutil.rmtree(data)
    else:
        pytest.fail("it never ended")


@pytest.mark.parametrize("error", sorted(NO_ROOM), ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["reserve", "write"])
def test_full_disk_stores_nothing_and_loses_nothing(
    journal: SegmentJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: int
) -> None:
    def full(descriptor: int, data: object, place: int = 0) -> None:
        if name == "write":
            os.pwrite(descriptor, bytes(memoryview(data)[:50]), place)  # type: ignore[arg-type]
        raise OSError(error, "no room")

    journal.append(1, 2, batch(2_000, bytes(900_000)))
    with monkeypatch.context() as patched:
        patched.setattr(files, "beside", lambda work: lambda: None)
        patched.setattr(files, name, full)
        with pytest.raises(Full, match="make room"):
            journal.append(1, 3, batch(3_000, bytes(900_000)))
    copy = copy_of(tmp_path, tmp_path.name + "-copy")
    assert [record.seq for record in read_all(copy)] == [1, 2]
    journal.append(1, 3, batch(3_000, b"small"))
    journal.append(1, 4, batch(3_000, bytes(900_000)))
    journal.close()
    assert [record.seq for record in read_all(tmp_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("then", [bytes(900_000), b"small"], ids=["again", "smaller"])
def test_no_room_to_say_that_it_goes_on_in_the_next_file_leaves_all_as_it_was(
    journal: SegmentJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: bytes, *, ready: bool
) -> None:
    """Disks that write anew what is written over may need room for it."""
    made: list[Callable[[], None]] = []

    def beside(work: Callable[[], None]) -> Callable[[], None]:
        made.append(work)
        return lambda: None

    def full(descriptor: int, data: bytes, place: int) -> None:
        if bytes(data) == form.turn(3):
            raise OSError(errno.ENOSPC, "no room")
        write(descriptor, data, place)

    write = files.write
    monkeypatch.setattr(files, "beside", beside)
    journal.append(1, 2, batch(2_000, bytes(900_000)))
    while made and ready:
        made.pop()()
    with monkeypatch.context() as patched:
        patched.setattr(files, "write", full)
        with pytest.raises(Full, match="make room"):
            journal.append(1, 3, batch(3_000, bytes(900_000)))
    assert len(found_in(tmp_path)) == 1
    copy = copy_of(tmp_path, tmp_path.name + "-copy")
    assert [record.seq for record in read_all(copy)] == [1, 2]
    journal.append(1, 3, batch(3_000, then))
    journal.append(1, 4, batch(3_000, bytes(900_000)))
    journal.close()
    assert [record.seq for record in read_all(tmp_path)] == [1, 2, 3, 4]


def test_a_disk_that_fails_ends_it(journal: SegmentJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(files, "sync", failing)
        with pytest.raises(Fatal, match="check the disk"):
            journal.append(1, 2, batch())


def test_what_was_read_is_written_again_before_anything_is_built_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "segments", 3)
    (path,) = found_in(tmp_path)
    end = place_of(tmp_path, 4)[2]
    before = path.read_bytes()[:end]
    written: dict[int, bytes] = {}
    write = files.write

    def noting(descriptor: int, data: bytes, place: int) -> None:
        written[place] = bytes(data)
        write(descriptor, data, place)

    monkeypatch.setattr(files, "write", noting)
    journal = SegmentJournal(tmp_path)
    tail = journal.open()
    assert not written
    journal.fence("node", tail, 9_000)
    journal.close()
    assert b"".join(written[place] for place in sorted(written)).startswith(before)


def test_a_journal_read_beside_its_writer_is_a_beginning_of_it(
    journal: SegmentJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "BYTES_MAX", 4096)
    found: list[list[Record]] = []
    for number in range(300):
        journal.append(1, 2 + number, batch(2_000, bytes(5_000)))
        if number % 60 == 0:
            reader = read_copy(tmp_path, beside_server=True)
            first = next(reader)
            journal_seq = 2 + number
            found.append([first, *reader])
            assert [record.seq for record in found[-1]] == list(range(1, journal_seq + 1))
    assert len(found_in(tmp_path)) > 1


@pytest.mark.usefixtures("small")
def test_reading_goes_on_in_files_that_are_added_meanwhile(journal: SegmentJournal, tmp_path: Path) -> None:
    for number in range(3):
        journal.append(1, 2 + number, batch(2_000, bytes(100)))
    known = form.segments_of(found_in(tmp_path))
    for number in range(3, 30):
        journal.append(1, 2 + number, batch(2_000, bytes(100)))
    assert len(found_in(tmp_path)) > len(known) + 1
    assert [stored.record.seq for stored in form.Chain(known)] == list(range(1, 32))


def test_a_directory_keeps_the_kind_of_journal_that_it_has(tmp_path: Path) -> None:
    assert kind_in(tmp_path / "nowhere") is None
    for kind, other in (("segments", "sqlite"), ("sqlite", "segments")):
        data = tmp_path / kind
        data.mkdir()
        assert kind_in(data) is None
        fill(data, kind)
        assert kind_in(data) == kind
        assert type(journal_in(data, other)) is type(journal_in(data, kind))
        assert len(read_all(data)) == 4
    both = tmp_path / "both"
    shutil.copytree(tmp_path / "sqlite", both)
    shutil.copytree(tmp_path / "segments", both, dirs_exist_ok=True)
    with pytest.raises(StartError, match="two journals"):
        journal_in(both)


def test_restored_journal_has_no_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "BYTES_MAX", 600)
    source, target = tmp_path / "source", tmp_path / "target"
    for directory in (source, target):
        directory.mkdir()
    fill(source, "segments", 9)
    stored = [one.data for one in form.read(source)]
    begin = Tail(next(iter(form.read(source))).before.uuid)

    def cut_off() -> Iterator[bytes]:
        yield from stored[:6]
        assert found_in(target) == []
        raise KeyboardInterrupt

    journal = SegmentJournal(target)
    with pytest.raises(KeyboardInterrupt):
        journal.restore(begin, cut_off())
    journal.discard()
    assert list(target.iterdir()) == []
    journal.restore(begin, iter(stored))
    assert len(found_in(target)) > 2
    assert read_all(target) == read_all(source)
    with pytest.raises(StartError, match="already"):
        journal.restore(begin, iter(stored))


def test_the_lane_writes_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = files.create(path)
    lane = AppendLane()
    try:
        for place, text in ((0, b"first"), (5, b"second"), (4096, b"x" * 100_000)):
            lane.start(descriptor, text, place)
            assert _readable(lane.fileno())
            assert lane.finish() > 0
            assert path.read_bytes()[place : place + len(text)] == text
        assert AppendLane.at_once(descriptor, b"FIRST", 0) > 0
        assert path.read_bytes().startswith(b"FIRSTsecond")
        files.close(descriptor)
        lane.start(descriptor, b"nowhere", 0)
        assert _readable(lane.fileno())
        with pytest.raises(LaneFailed) as failed:
            lane.finish()
        assert (failed.value.errno, failed.value.flush) == (errno.EBADF, False)
        with pytest.raises(LaneFailed):
            AppendLane.at_once(descriptor, b"nowhere", 0)
    finally:
        lane.stop()
    for name, expected in (("/proc/self/status", False), ("/dev/null", True)):
        with Path(name).open("rb") as file:
            assert AppendLane.in_memory(file.fileno()) is expected


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 5)[0])


# Beside a server


def _records_seen(directory: Path, monkeypatch: pytest.MonkeyPatch, looks: list[bytes]) -> list[int]:
    """Numbers of the records that a reader finds who sees the only file like this at first, like that when it looks again."""
    left = list(looks)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", lambda _: left.pop(0) if len(left) > 1 else left[0])
        return [stored.record.seq for stored in form.read(directory)]


def _with_pages_of(older: bytes, newer: bytes, *pages: int) -> bytes:
    """What a reader sees of a file that is written to while it reads: some pages as they were before."""
    seen = bytearray(newer)
    for page in pages:
        seen[page * PAGE : (page + 1) * PAGE] = older[page * PAGE : (page + 1) * PAGE]
    return bytes(seen)


PAGE = 4096


def test_what_is_appended_between_two_pages_of_a_read_is_no_damage(
    journal: SegmentJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    for number in range(120):
        if number % 40 == 0:
            looks.append(found_in(tmp_path)[0].read_bytes())
        journal.append(1, 2 + number, batch(2_000 + number, bytes([number]) * 300))
    older, middle = looks[1:]
    newer = found_in(tmp_path)[0].read_bytes()
    everything = list(range(1, 122))
    misled = 0
    for page in range(len(middle.rstrip(b"\0")) // PAGE + 1):
        seen = _with_pages_of(older, middle, page)
        reading = form.Reading(form.segments_of(found_in(tmp_path))[0], seen)
        before = [stored.record.seq for stored in reading]
        assert before == everything[: len(before)]
        if reading.goes_on:
            misled += 1
            assert _records_seen(tmp_path, monkeypatch, [seen, middle]) == everything[:81]
            again = _with_pages_of(middle, newer, len(middle.rstrip(b"\0")) // PAGE + 1)
            assert _records_seen(tmp_path, monkeypatch, [seen, again, newer]) == everything
            with pytest.raises(DamagedRecord, match=f"record {len(before) + 1} cannot be read"):
                _records_seen(tmp_path, monkeypatch, [seen])
        else:
            assert len(before) >= 41
            assert _records_seen(tmp_path, monkeypatch, [seen]) == before
    assert misled > 2


@pytest.mark.usefixtures("small")
def test_a_file_that_looks_cut_short_before_the_next_one_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "segments", 12)
    first = found_in(tmp_path)[0]
    whole = first.read_bytes()
    begin, end = place_of(tmp_path, 2)[1:]
    stale = whole[:begin] + bytes(end - begin) + whole[end:]
    looks = {first: [stale, whole]}
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: looks[path].pop(0) if looks.get(path) else real(path))
    assert [stored.record.seq for stored in form.read(tmp_path)] == list(range(1, 14))
    assert not looks[first]


def test_a_file_that_was_trimmed_under_a_reader_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / form.name_of(1)
    reading = form.Reading(form.Segment(path, Tail(bytes(16), seq=5)), b"")
    with pytest.raises(FileNotFoundError):
        form.following(reading)
    path.touch()
    with pytest.raises(DamagedRecord, match="is missing"):
        form.following(reading)
