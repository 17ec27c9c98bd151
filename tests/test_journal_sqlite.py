"""The journal in one SQLite file: what its pages, its log and its rows can suffer."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.errors import Corrupt, Full, JournalError
from server.journal import sqlite
from server.journal.contract import Record
from server.journal.sqlite import FILE_NAME, SqliteJournal
from tests.test_journal import batch
from tests.test_journal import fill as fill_any


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path)
    opened.open()
    yield opened
    opened.close()


def fill(directory: Path, batches: int = 3) -> None:
    """A journal with so many batches, closed."""
    fill_any(directory, "sqlite", batches)


def read_all(directory: Path) -> list[Record]:
    """Also of a directory that holds no journal any more."""
    journal = SqliteJournal(directory)
    try:
        journal.open()
        return list(journal.read())
    finally:
        journal.close()


def test_what_was_read_is_written_again_before_anything_is_built_on_it(tmp_path: Path) -> None:
    """After a flush that failed, pages that can be read may never reach the disk."""
    (tmp_path / "first").mkdir()
    fill(tmp_path / "first")
    journal = SqliteJournal(tmp_path / "first")
    epoch = journal.fence("node", journal.open(), 3_000)
    journal.append(epoch, journal._tail.seq + 1, batch(3_000))
    (tmp_path / "killed").mkdir()
    for path in (tmp_path / "first").iterdir():
        (tmp_path / "killed" / path.name).write_bytes(path.read_bytes())
    journal.close()

    log = tmp_path / "killed" / f"{FILE_NAME}-wal"
    again = SqliteJournal(tmp_path / "killed")
    tail = again.open()
    found = log.stat().st_size
    again.fence("node", tail, 4_000)
    assert 0 < log.stat().st_size < found  # what was in it is in the file, and only the FENCE is in it
    again.close()
    assert [record.seq for record in read_all(tmp_path / "killed")] == list(range(1, tail.seq + 2))


def test_log_of_sqlite_is_folded_in_and_does_not_grow(journal: SqliteJournal, tmp_path: Path) -> None:
    epoch = journal.fence("node", journal._tail, 1)
    for number in range(40):
        journal.append(epoch, 2 + number, batch(2_000, bytes(1024 * 1024)))
        journal.maintain(idle=True)
    assert (tmp_path / f"{FILE_NAME}-wal").stat().st_size < 2 * sqlite.CHECKPOINT_BYTES
    assert (tmp_path / FILE_NAME).stat().st_size > 30 * 1024 * 1024


def test_full_disk_stores_nothing_and_loses_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    journal = SqliteJournal(tmp_path)
    journal.open()
    assert journal._connection is not None
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(Full, match="make room"):
        journal.append(1, 5, batch(3_000, bytes(100_000)))
    journal.close()
    assert [record.seq for record in read_all(tmp_path)] == [1, 2, 3, 4]


def test_flipped_bytes_of_the_file_give_the_truth_or_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    fill(tmp_path / "good", batches=20)
    truth = read_all(tmp_path / "good")
    content = (tmp_path / "good" / FILE_NAME).read_bytes()
    refused = 0
    heads = {page + offset for page in range(0, len(content), 4096) for offset in range(16)}
    for index in sorted({*heads, *range(0, len(content), 41)}):
        damaged = tmp_path / str(index)
        damaged.mkdir()
        flipped = bytearray(content)
        flipped[index] ^= 0x01
        (damaged / FILE_NAME).write_bytes(flipped)
        try:
            assert read_all(damaged) == truth
        except JournalError:
            refused += 1
        shutil.rmtree(damaged)
    assert refused > 20


def test_every_flipped_bit_in_the_words_of_the_tables_is_found(tmp_path: Path) -> None:
    """`INTEGER PRIMARY KEY` with a letter wrong is a column in which no number stands."""
    (tmp_path / "good").mkdir()
    fill(tmp_path / "good", batches=3)
    truth = read_all(tmp_path / "good")
    content = (tmp_path / "good" / FILE_NAME).read_bytes()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    words = range(content.index(b"CREATE TABLE record"), content.index(b"NOT NULL)", content.index(b"data BLOB")) + 9)
    refused = 0
    for bit in range(8 * words.start, 8 * words.stop):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (damaged / FILE_NAME).write_bytes(flipped)
        try:
            assert read_all(damaged) == truth
        except JournalError:
            refused += 1
    assert refused == 8 * len(words)


def test_cut_off_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    fill(tmp_path / "good", batches=20)
    truth = read_all(tmp_path / "good")
    content = (tmp_path / "good" / FILE_NAME).read_bytes()
    for length in range(0, len(content), 97):
        damaged = tmp_path / str(length)
        damaged.mkdir()
        (damaged / FILE_NAME).write_bytes(content[:length])
        with pytest.raises(JournalError):
            read_all(damaged)
        shutil.rmtree(damaged)
    assert read_all(tmp_path / "good") == truth


def test_cut_off_log_of_sqlite_gives_a_prefix(tmp_path: Path) -> None:
    """What a torn write leaves after power was lost: SQLite takes the log up to its last whole commit."""
    (tmp_path / "good").mkdir()
    journal = SqliteJournal(tmp_path / "good")
    epoch = journal.fence("node", journal.open(), 500)
    for number in range(5):
        journal.append(epoch, 2 + number, batch())
    whole = list(journal.read())
    lengths = set()
    log = (tmp_path / "good" / f"{FILE_NAME}-wal").read_bytes()
    for length in range(0, len(log), 509):
        torn = tmp_path / str(length)
        torn.mkdir()
        shutil.copy(tmp_path / "good" / FILE_NAME, torn)
        (torn / f"{FILE_NAME}-wal").write_bytes(log[:length])
        found = read_all(torn)
        assert found == whole[: len(found)]
        lengths.add(len(found))
    journal.close()
    assert lengths == set(range(6))


def test_missing_swapped_and_foreign_records_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    fill(tmp_path / "other")
    changes = {
        "DELETE FROM record WHERE seq=3": "record 3",
        "UPDATE record SET data=(SELECT data FROM record WHERE seq=2) WHERE seq=3": "record 3",
        "UPDATE record SET data=zeroblob(100) WHERE seq=2": "record 2",
        "UPDATE record SET data='text' WHERE seq=2": "record 2",
        f"ATTACH '{tmp_path / 'other' / FILE_NAME}' AS other; "
        "UPDATE record SET data=(SELECT data FROM other.record WHERE seq=2) WHERE seq=2": "another journal",
    }
    for number, (change, said) in enumerate(changes.items()):
        directory = tmp_path / str(number)
        directory.mkdir()
        fill(directory)
        with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
            connection.executescript(change)
        with pytest.raises(Corrupt, match=said):
            read_all(directory)


def test_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(Corrupt, match="not a journal"):
        SqliteJournal(tmp_path).open()
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_emptied_or_missing_file_is_not_taken_for_a_new_journal(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    epoch = journal.fence("node", journal.open(), 1)
    journal.append(epoch, 2, batch())
    shutil.copytree(tmp_path, tmp_path / "copy")
    journal.close()
    (tmp_path / FILE_NAME).write_bytes(b"")
    with pytest.raises(Corrupt):
        SqliteJournal(tmp_path).open()
    (tmp_path / "copy" / FILE_NAME).unlink()
    with pytest.raises(Corrupt, match="is gone"):
        SqliteJournal(tmp_path / "copy").open()


def test_newer_format_is_refused_with_the_reason(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA user_version=3")
    with pytest.raises(Corrupt, match=r"format version 3.*newer release"):
        read_all(tmp_path)
