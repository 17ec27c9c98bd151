"""The journal: what is appended comes back in order, only one writer can append, and damage is never read as truth."""

import argparse
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from acd_core.commands import (
    AgentLogin,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    OfferAccept,
)
from acd_core.config import Agent, Config, Queue, Tenant
from acd_protocol import journal_records
from acd_protocol.framing import encode
from server.cli.journal import COMMAND as JOURNAL_COMMAND
from server.errors import Corrupt, DirectoryLocked, Fenced, Full, JournalError, StartError
from server.journal import records, sqlite
from server.journal.contract import Batch, Kind, Record, Tail
from server.journal.lock import DirectoryLock
from server.journal.sqlite import FILE_NAME, SqliteJournal

TICKS: list[records.Tick] = [(1_000, [("pbx-1", b'{"type":"agent.ready","agent":"a"}'), ("pbx-2", b"{}")]), (2_000, [])]


def batch(time_ns: int = 2_000, payload: bytes = b"") -> Batch:
    return Batch(time_ns, 2, payload or records.encode_ticks(TICKS))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path)
    opened.open()
    yield opened
    opened.close()


def fill(directory: Path, batches: int = 3) -> None:
    """A journal with so many batches, closed."""
    journal = SqliteJournal(directory)
    epoch = journal.fence("node", journal.open(), 500)
    for number in range(batches):
        journal.append(epoch, 2 + number, batch(2_000 + number))
    journal.close()


def read_all(directory: Path) -> list[Record]:
    journal = SqliteJournal(directory)
    try:
        journal.open()
        return list(journal.read())
    finally:
        journal.close()


def test_a_new_journal_is_empty_and_has_an_identity(tmp_path: Path) -> None:
    tails = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        journal = SqliteJournal(tmp_path / name)
        tails.append(journal.open())
        journal.close()
    assert tails[0][1:] == (0, 0, bytes(8), 0, False)
    assert tails[0].uuid != tails[1].uuid


def test_what_was_appended_is_read_back_after_reopening(tmp_path: Path) -> None:
    fill(tmp_path)
    found = read_all(tmp_path)
    assert [(r.kind, r.seq, r.epoch, r.time_ns, r.commands) for r in found] == [
        (Kind.FENCE, 1, 1, 500, 0),
        (Kind.BATCH, 2, 1, 2_000, 2),
        (Kind.BATCH, 3, 1, 2_001, 2),
        (Kind.BATCH, 4, 1, 2_002, 2),
    ]
    assert found[0].payload == b"node"
    assert records.ticks_of(found[1]) == TICKS
    journal = SqliteJournal(tmp_path)
    assert journal.open()[1:3] == (4, 1)
    tail = journal_records.tail_of(journal.slice(2, 1)[0])
    assert journal.holds(tail)
    assert not journal.holds(tail._replace(hash=bytes(8)))
    assert [record.seq for record in journal.read(tail)] == [3, 4]
    journal.close()


@pytest.mark.parametrize(("epoch", "seq"), [(0, 2), (2, 2), (1, 1), (1, 3)])
def test_append_in_another_epoch_or_at_another_place_is_refused(journal: SqliteJournal, epoch: int, seq: int) -> None:
    journal.fence("node", Tail(journal._tail.uuid), 1)
    with pytest.raises(Fenced):
        journal.append(epoch, seq, batch())
    assert [record.kind for record in journal.read()] == [Kind.FENCE]
    journal.append(1, 2, batch())


def test_fence_on_an_old_tail_is_refused_and_a_newer_fence_ends_the_older_epoch(journal: SqliteJournal) -> None:
    empty = journal._tail
    journal.fence("first", empty, 1)
    with pytest.raises(Fenced):
        journal.fence("second", empty, 1)
    assert journal.fence("second", journal._tail, 1) == 2
    with pytest.raises(Fenced):
        journal.append(1, 3, batch())


def test_seal_is_seen_until_something_follows(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    epoch = journal.fence("node", journal.open(), 1)
    journal.seal(epoch, 2, 1)
    journal.close()
    assert journal.open().sealed
    journal.fence("node", journal._tail, 1)
    journal.close()
    assert not journal.open().sealed
    journal.close()


def test_ticks_that_catch_up_after_a_start_may_be_earlier_than_the_fence(tmp_path: Path) -> None:
    """A server that was away for a day fires the deadlines of that day at their own instants, some at a time."""
    journal = SqliteJournal(tmp_path)
    epoch = journal.fence("node", journal.open(), 9_000)
    journal.append(epoch, 2, batch(2_000))
    journal.seal(epoch, 3, 3_000)
    journal.close()
    assert [record.time_ns for record in read_all(tmp_path)] == [9_000, 9_000, 9_000]
    assert records.ticks_of(read_all(tmp_path)[1]) == TICKS


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


def test_every_flipped_byte_of_every_record_is_found(tmp_path: Path) -> None:
    fill(tmp_path)
    tail = Tail(bytes(16))
    for name in ("node", "other"):
        data, after = records.pack(tail, Kind.FENCE, tail.epoch + 1, 5, 0, name.encode())
        for index in range(len(data)):
            flipped = bytearray(data)
            flipped[index] ^= 0x10
            with pytest.raises(Corrupt, match=f"record {tail.seq + 1}"):
                records.unpack(tail, bytes(flipped))
        for length in range(len(data)):
            with pytest.raises(Corrupt):
                records.unpack(tail, data[:length])
        tail = after


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


def test_newer_formats_are_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA user_version=3")
    with pytest.raises(Corrupt, match=r"format version 3.*newer release"):
        read_all(tmp_path)
    monkeypatch.setattr(journal_records, "FORMAT_VERSION", 2)
    data, _ = records.pack(Tail(bytes(16)), Kind.FENCE, 1, 0, 0, b"")
    monkeypatch.undo()
    with pytest.raises(Corrupt, match=r"format version 2.*newer release"):
        records.unpack(Tail(bytes(16)), data)


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


def test_directory_is_locked_against_a_second_holder(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path / "data")
    with pytest.raises(DirectoryLocked, match=r"process \d+.*--data or ACD_DATA"):
        DirectoryLock(tmp_path / "data")
    lock.release()
    DirectoryLock(tmp_path / "data").release()
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot be used"):
        DirectoryLock(tmp_path / "file" / "data")


def test_commands_of_the_shell_verify_count_and_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = SqliteJournal(tmp_path)
    epoch = journal.fence("node", journal.open(), 500)
    command = b'{"type":"agent.ready","agent":"a-1"}'
    journal.append(epoch, 2, Batch(1_000, 1, records.encode_ticks([(1_000, [("pbx-1", command)]), (2_000, [])])))
    journal.seal(epoch, 3, 2_000)
    journal.close()

    def acd_journal(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        JOURNAL_COMMAND.add_arguments(parser)
        status = JOURNAL_COMMAND.run(parser.parse_args([*arguments, "--data", str(tmp_path)]))
        out, err = capsys.readouterr()
        return status, out, err

    status, out, _ = acd_journal("verify", "--json")
    verified = json.loads(out)
    assert status == 0
    assert (verified["records"], verified["commands"], verified["sealed"]) == (3, 1, True)
    status, out, _ = acd_journal("stats", "--json")
    assert [json.loads(out)[kind] for kind in ("fence", "batch", "seal")] == [1, 1, 1]
    status, out, _ = acd_journal("dump", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row.get("kind") for row in rows] == ["fence", None, "deadlines", "seal"]
    assert rows[1]["command"]["agent"] == "a-1"
    assert acd_journal("dump")[0] == 0
    lock = DirectoryLock(tmp_path)
    status, _, err = acd_journal("verify")
    lock.release()
    assert status == 2
    assert "another server" in err
    (tmp_path / FILE_NAME).write_bytes((tmp_path / FILE_NAME).read_bytes().replace(b"agent.ready", b"agent.pause"))
    status, _, err = acd_journal("verify")
    assert status == 1
    assert "record 2" in err
    (tmp_path / FILE_NAME).unlink()
    assert acd_journal("stats")[0] == 2


def test_record_that_follows_another_record_is_refused() -> None:
    """Such as one from a copy of the journal that went on by itself."""
    start = Tail(bytes(16))
    _, here = records.pack(start, Kind.FENCE, 1, 0, 0, b"here")
    _, copy = records.pack(start, Kind.FENCE, 1, 0, 0, b"copy")
    follower, _ = records.pack(copy, Kind.BATCH, 1, 0, 0, b"")
    assert records.unpack(copy, follower)[0].seq == 2
    with pytest.raises(Corrupt, match="record 2: it does not follow the record before it"):
        records.unpack(here, follower)


@pytest.mark.parametrize(
    ("kind", "epoch", "time_ns", "said"),
    [(Kind.BATCH, 2, 9, "its epoch"), (Kind.FENCE, 1, 9, "its epoch"), (Kind.BATCH, 1, 8, "its time")],
)
def test_record_of_a_wrong_epoch_or_an_earlier_time_is_refused(kind: Kind, epoch: int, time_ns: int, said: str) -> None:
    _, tail = records.pack(Tail(bytes(16)), Kind.FENCE, 1, 9, 0, b"")
    data, _ = records.pack(tail._replace(time_ns=0), kind, epoch, time_ns, 0, b"")
    with pytest.raises(Corrupt, match=said):
        records.unpack(tail, data)


def test_verify_tells_what_became_of_all_contacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Config(
        tenants=(Tenant(name="acme"),), queues=(Queue(tenant="acme", name="q"),), agents=(Agent(agent="a-1"),)
    )
    told: list[Command] = [
        ConfigApply(config=config),
        AgentLogin(agent="a-1", ready=True),
        *(ContactEnqueue(contact=f"c-{number}", tenant="acme", queue="q") for number in range(4)),
        OfferAccept(offer="o-1"),
        ContactComplete(contact="c-0"),
        ContactAbandon(contact="c-2"),
    ]
    journal = SqliteJournal(tmp_path)
    epoch = journal.fence("node", journal.open(), 500)
    lines = [("pbx-1", encode(command).rstrip()) for command in told]
    journal.append(epoch, 2, Batch(1_000, len(lines), records.encode_ticks([(1_000, lines)])))
    journal.close()
    parser = argparse.ArgumentParser()
    JOURNAL_COMMAND.add_arguments(parser)
    assert JOURNAL_COMMAND.run(parser.parse_args(["verify", "--json", "--data", str(tmp_path)])) == 0
    verified = json.loads(capsys.readouterr().out)
    sums = {name: verified[name] for name in ("entered", "answered", "abandoned", "ended", "live")}
    assert sums == {"entered": 4, "answered": 1, "abandoned": 1, "ended": 2, "live": 2}
