"""The journal, of whichever kind: what is appended comes back in order, only one writer can append, damage is no truth."""

import argparse
import json
from collections.abc import Iterator
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
from server.errors import Corrupt, DirectoryLocked, Fenced, StartError
from server.journal import records, segments
from server.journal.contract import Batch, Kind, Record, Tail
from server.journal.lock import DirectoryLock
from server.journal.segments import SegmentJournal
from server.journal.sqlite import SqliteJournal
from server.journal.stores import journal_in
from tests.support.damage import damage

TICKS: list[records.Tick] = [(1_000, [("pbx-1", b'{"type":"agent.ready","agent":"a"}'), ("pbx-2", b"{}")]), (2_000, [])]


def batch(time_ns: int = 2_000, payload: bytes = b"") -> Batch:
    return Batch(time_ns, 2, payload or records.encode_ticks(TICKS))


@pytest.fixture(params=["segments", "small segments", "sqlite"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of journal; of the one with files also with so small ones that a record or two fill them."""
    if request.param == "small segments":
        for name, size in (("BYTES_MIN", 256), ("BYTES_MAX", 256), ("_BLOCK_BYTES", 16)):
            monkeypatch.setattr(segments, name, size)
    return str(request.param).split()[-1]


@pytest.fixture
def journal(tmp_path: Path, kind: str) -> Iterator[SegmentJournal | SqliteJournal]:
    opened = journal_in(tmp_path, kind)
    opened.open()
    yield opened
    opened.close()


def fill(directory: Path, kind: str, batches: int = 3) -> None:
    """A journal with so many batches, closed."""
    journal = journal_in(directory, kind)
    epoch = journal.fence("node", journal.open(), 500)
    for number in range(batches):
        journal.append(epoch, 2 + number, batch(2_000 + number))
    journal.close()


def read_all(directory: Path) -> list[Record]:
    journal = journal_in(directory)
    try:
        journal.open()
        return list(journal.read())
    finally:
        journal.close()


def test_a_new_journal_is_empty_and_has_an_identity(tmp_path: Path, kind: str) -> None:
    tails = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        journal = journal_in(tmp_path / name, kind)
        tails.append(journal.open())
        journal.close()
    assert tails[0][1:] == (0, 0, bytes(8), 0, False)
    assert tails[0].uuid != tails[1].uuid


def test_what_was_appended_is_read_back_after_reopening(tmp_path: Path, kind: str) -> None:
    fill(tmp_path, kind)
    found = read_all(tmp_path)
    assert [(r.kind, r.seq, r.epoch, r.time_ns, r.commands) for r in found] == [
        (Kind.FENCE, 1, 1, 500, 0),
        (Kind.BATCH, 2, 1, 2_000, 2),
        (Kind.BATCH, 3, 1, 2_001, 2),
        (Kind.BATCH, 4, 1, 2_002, 2),
    ]
    assert found[0].payload == b"node"
    assert records.ticks_of(found[1]) == TICKS
    journal = journal_in(tmp_path, kind)
    assert journal.open()[1:3] == (4, 1)
    tail = journal_records.tail_of(journal.slice(2, 1)[0])
    assert journal.holds(tail)
    assert not journal.holds(tail._replace(hash=bytes(8)))
    assert [record.seq for record in journal.read(tail)] == [3, 4]
    journal.close()


@pytest.mark.parametrize(("epoch", "seq"), [(0, 2), (2, 2), (1, 1), (1, 3)])
def test_append_in_another_epoch_or_at_another_place_is_refused(
    journal: SegmentJournal | SqliteJournal, epoch: int, seq: int
) -> None:
    journal.fence("node", Tail(journal._tail.uuid), 1)
    with pytest.raises(Fenced):
        journal.append(epoch, seq, batch())
    assert [record.kind for record in journal.read()] == [Kind.FENCE]
    journal.append(1, 2, batch())


def test_fence_on_an_old_tail_is_refused_and_a_newer_fence_ends_the_older_epoch(
    journal: SegmentJournal | SqliteJournal,
) -> None:
    empty = journal._tail
    journal.fence("first", empty, 1)
    with pytest.raises(Fenced):
        journal.fence("second", empty, 1)
    assert journal.fence("second", journal._tail, 1) == 2
    with pytest.raises(Fenced):
        journal.append(1, 3, batch())


def test_seal_is_seen_until_something_follows(tmp_path: Path, kind: str) -> None:
    journal = journal_in(tmp_path, kind)
    epoch = journal.fence("node", journal.open(), 1)
    journal.seal(epoch, 2, 1)
    journal.close()
    assert journal.open().sealed
    journal.fence("node", journal._tail, 1)
    journal.close()
    assert not journal.open().sealed
    journal.close()


def test_ticks_that_catch_up_after_a_start_may_be_earlier_than_the_fence(tmp_path: Path, kind: str) -> None:
    """A server that was away for a day fires the deadlines of that day at their own instants, some at a time."""
    journal = journal_in(tmp_path, kind)
    epoch = journal.fence("node", journal.open(), 9_000)
    journal.append(epoch, 2, batch(2_000))
    journal.seal(epoch, 3, 3_000)
    journal.close()
    assert [record.time_ns for record in read_all(tmp_path)] == [9_000, 9_000, 9_000]
    assert records.ticks_of(read_all(tmp_path)[1]) == TICKS


def test_every_flipped_byte_of_every_record_is_found(tmp_path: Path, kind: str) -> None:
    fill(tmp_path, kind)
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


def test_newer_format_of_a_record_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_records, "FORMAT_VERSION", 2)
    data, _ = records.pack(Tail(bytes(16)), Kind.FENCE, 1, 0, 0, b"")
    monkeypatch.undo()
    with pytest.raises(Corrupt, match=r"format version 2.*newer release"):
        records.unpack(Tail(bytes(16)), data)


def test_directory_is_locked_against_a_second_holder(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path / "data")
    with pytest.raises(DirectoryLocked, match=r"process \d+.*--data or ACD_DATA"):
        DirectoryLock(tmp_path / "data")
    lock.release()
    DirectoryLock(tmp_path / "data").release()
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot be used"):
        DirectoryLock(tmp_path / "file" / "data")


def test_commands_of_the_shell_verify_count_and_dump(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    journal = journal_in(tmp_path, kind)
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
    damage(tmp_path, 2)
    status, _, err = acd_journal("verify")
    assert status == 1
    assert "record 2" in err
    for path in tmp_path.glob("journal*"):
        path.unlink()
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


def test_verify_tells_what_became_of_all_contacts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
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
    journal = journal_in(tmp_path, kind)
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
