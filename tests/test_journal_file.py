"""Reading a journal without the server: a copy, verified, and never while a server works in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from acd_protocol.journal_file import FILE_NAME, UnreadableJournal, read_copy
from acd_protocol.journal_records import DamagedRecord, Kind, encode_ticks, ticks_of
from server.journal.contract import Batch
from server.journal.lock import DirectoryLock
from server.journal.sqlite import SqliteJournal

TICKS = [(1_000, [("pbx-1", b'{"type":"agent.ready","agent":"a"}')]), (2_000, [])]


def written(directory: Path, *, closed: bool = True) -> SqliteJournal:
    journal = SqliteJournal(directory)
    epoch = journal.fence("test", journal.open(), 1)
    journal.append(epoch, 2, Batch(2_000, 1, encode_ticks(TICKS)))
    journal.seal(epoch, 3, 3_000)
    if closed:
        journal.close()
    return journal


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_a_server_wrote_is_read_and_left_as_it_was(tmp_path: Path) -> None:
    written(tmp_path)
    before = files(tmp_path)
    records = list(read_copy(tmp_path))
    assert [record.kind for record in records] == [Kind.FENCE, Kind.BATCH, Kind.SEAL]
    assert ticks_of(records[1]) == TICKS
    assert files(tmp_path) == before


def test_what_a_killed_server_left_in_the_log_is_read_too(tmp_path: Path) -> None:
    journal = written(tmp_path, closed=False)
    left = tmp_path / "left"
    left.mkdir()
    for path in tmp_path.glob(f"{FILE_NAME}*"):
        (left / path.name).write_bytes(path.read_bytes())
    journal.close()
    assert (left / f"{FILE_NAME}-wal").stat().st_size > 0
    assert len(list(read_copy(left))) == 3


def test_a_journal_in_which_a_server_works_is_not_read(tmp_path: Path) -> None:
    written(tmp_path)
    lock = DirectoryLock(tmp_path)
    with pytest.raises(UnreadableJournal, match="a server works in"):
        list(read_copy(tmp_path))
    lock.release()
    assert len(list(read_copy(tmp_path))) == 3


def test_a_directory_without_a_journal_and_a_file_of_another_program_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableJournal, match="there is no journal in"):
        list(read_copy(tmp_path))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    with pytest.raises(UnreadableJournal, match="no journal of this release"):
        list(read_copy(tmp_path))
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(UnreadableJournal, match="cannot be read"):
        list(read_copy(tmp_path))


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    written(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        (data,) = connection.execute("SELECT data FROM record WHERE seq=2").fetchone()
        connection.execute("UPDATE record SET data=? WHERE seq=2", (data[:-5] + b"\x00" + data[-4:],))
        connection.commit()
    with pytest.raises(DamagedRecord, match="at record 2"):
        list(read_copy(tmp_path))
