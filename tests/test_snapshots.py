"""Snapshots: a start from one gives what the whole journal gives, whatever is damaged, missing or cut off on the way."""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from acd_core import Engine
from acd_protocol import snapshot_file
from acd_protocol.framing import encode
from acd_protocol.journal_file import begin_of_copy
from acd_protocol.journal_records import tail_of
from server import backup, snapshotter
from server.cli.journal import COMMAND
from server.config import Settings
from server.doctor import check_snapshots
from server.errors import Corrupt, StartError
from server.journal import segments
from server.journal.contract import Batch
from server.journal.records import Tick, encode_ticks
from server.journal.stores import KINDS, journal_in
from server.recovery import EVENTS_KEPT, Replica, recover
from server.snapshotter import BaseError, Slices, SnapshotError, Snapshotter
from tests.support.damage import damage, lose_after
from tests.support.journals import MemoryJournal
from tests.support.line_client import LineClient
from tests.support.lockstep import as_sent
from tests.support.rig import rig
from tests.support.server_process import ROOT, ServerProcess
from tests.support.streams import Stream
from tests.support.wait import patient, until

STEPS = 400
FILE_RECORDS_MAX = 60
"""So many records are in one of the small files at most."""


def quiet(_: int) -> None:
    """Nobody wants to know how far it is."""


@pytest.fixture
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


@pytest.fixture(scope="module")
def ticks() -> list[Tick]:
    """What a random stream makes a server journal."""
    engine = Engine()
    stream = Stream(Random(11), 8)
    found: list[Tick] = []
    for now, client, command in islice(iter(stream), STEPS):
        if command is None:
            engine.advance(now)
            found.append((engine.now, []))
        else:
            sent = as_sent(command)
            sent.apply(engine, now, client)
            found.append((engine.now, [(client, encode(sent).rstrip())]))
        stream.note(engine.take_events())
    return found


def fill(directory: Path, ticks: list[Tick], kind: str = "segments") -> None:
    """Journal ticks, one a batch, in a new epoch."""
    directory.mkdir(exist_ok=True)
    journal = journal_in(directory, kind)
    tail = journal.open()
    epoch = journal.fence("node", tail, 1)
    for seq, tick in enumerate(ticks, start=tail.seq + 2):
        journal.append(epoch, seq, Batch(tick[0], len(tick[1]), encode_ticks([tick])))
    journal.close()


@pytest.fixture(params=KINDS)
def data(tmp_path: Path, ticks: list[Tick], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with two snapshots and what followed them. Files are small, so that there are many."""
    monkeypatch.setattr(segments, "BYTES_MIN", 4096)
    monkeypatch.setattr(segments, "BYTES_MAX", 8192)
    directory = tmp_path / "data"
    for begin, end in ((0, 150), (150, 300), (300, STEPS)):
        fill(directory, ticks[begin:end], request.param)
        if end < STEPS:
            backup.take_snapshot(directory, quiet)
    return directory


def state(directory: Path, *, whole: bool = False) -> tuple[str, int, list[Any], set[str], int]:
    """What a server would go on with: digest, last event, events to be sent again, who is away, commands replayed."""
    journal = journal_in(directory)
    try:
        recovered = recover(journal, EVENTS_KEPT, snapshots=None if whole else directory)
    finally:
        journal.close()
    recovered.machine.check()
    return (
        recovered.machine.digest(),
        recovered.machine.seq,
        [(event.line, event.contact_client, event.agent_client, event.topic) for event in recovered.events],
        recovered.away,
        recovered.commands,
    )


def trim_all(directory: Path, upto: int, records_max: int = 7) -> None:
    journal = journal_in(directory)
    journal.open()
    while journal.trim(upto, 1 << 62, records_max):
        pass
    journal.close()


def seqs(directory: Path) -> list[int]:
    return [found.seq for found in snapshot_file.found_in(directory)]


def test_a_start_from_a_snapshot_gives_what_the_whole_journal_gives(data: Path) -> None:
    whole, quick = state(data, whole=True), state(data)
    assert quick[:4] == whole[:4]
    assert quick[4] < whole[4] / 3


def test_a_damaged_snapshot_falls_back_to_the_one_before(data: Path) -> None:
    whole = state(data, whole=True)
    newest, older = snapshot_file.found_in(data)
    sound = newest.path.read_bytes()
    rng = Random(4)
    for place in [0, 5, 12, 40, len(sound) - 1, *(rng.randrange(len(sound)) for _ in range(25))]:
        newest.path.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << rng.randrange(8)]) + sound[place + 1 :])
        assert state(data)[:4] == whole[:4]
    for length in (0, 3, 60, len(sound) - 1):
        newest.path.write_bytes(sound[:length])
        assert state(data)[:4] == whole[:4]
    older.path.write_bytes(b"ACDS")
    assert state(data) == whole


def test_what_was_trimmed_is_in_the_snapshots(data: Path) -> None:
    whole = state(data, whole=True)
    newest, older = seqs(data)
    trim_all(data, older)
    assert state(data)[:4] == whole[:4]
    snapshot_file.found_in(data)[0].path.write_bytes(b"")
    assert state(data)[:4] == whole[:4], "from the older one and the longer tail"
    snapshot_file.found_in(data)[1].path.unlink()
    with pytest.raises(Corrupt, match=r"begins after record \d+, and no snapshot"):
        state(data)
    assert newest > older


def test_trimming_can_be_cut_off_anywhere(data: Path) -> None:
    whole = state(data, whole=True)
    older = seqs(data)[1]
    journal = journal_in(data)
    journal.open()
    more = True
    while more:
        more = journal.trim(older, 1 << 62, 40)
        journal.close()
        assert state(data)[:4] == whole[:4]
        journal.open()
    assert older - FILE_RECORDS_MAX < journal.begin.seq <= older
    assert not journal.trim(older, 1 << 62, 40)
    journal.close()


def test_young_records_are_kept(data: Path, ticks: list[Tick]) -> None:
    journal = journal_in(data)
    journal.open()
    while journal.trim(seqs(data)[1], ticks[0][0], 64):
        pass
    assert journal.begin.seq <= 1, "the FENCE, if it is in a file of its own"
    journal.close()


def test_records_behind_a_snapshot_are_verified(data: Path) -> None:
    newest = seqs(data)[0]
    damage(data, newest + 5)
    with pytest.raises(Corrupt, match=rf"damaged .*record {newest + 5}\b"):
        state(data)


def test_a_journal_that_lost_its_end_is_refused(data: Path) -> None:
    newest = seqs(data)[0]
    lose_after(data, newest - 3)
    with pytest.raises(Corrupt, match=rf"ends at record {newest - 3}.*holds record {newest}.*lost its end"):
        state(data)


def test_a_snapshot_of_another_journal_is_refused(data: Path, tmp_path: Path, ticks: list[Tick]) -> None:
    other = tmp_path / "other"
    fill(other, ticks[:50])
    shutil.copy(snapshot_file.found_in(data)[0].path, other)
    with pytest.raises(Corrupt, match="belongs to another journal"):
        state(other)


def test_a_draft_left_by_a_crash_harms_nobody(data: Path) -> None:
    whole = state(data, whole=True)
    (data / "snapshot-0000000000000399.acd.new").write_bytes(b"ACDS half of it")
    assert state(data)[:4] == whole[:4]
    backup.take_snapshot(data, quiet)
    assert len(seqs(data)) == 3


def test_a_newer_format_is_said_to_be_one(data: Path) -> None:
    path = snapshot_file.found_in(data)[0].path
    path.write_bytes(path.read_bytes()[:4] + (99).to_bytes(2, "little") + path.read_bytes()[6:])
    with pytest.raises(snapshot_file.DamagedSnapshot, match=r"format version 99.*newer release"):
        snapshot_file.read(path)


def test_the_process_that_is_fed_makes_the_same_snapshot(data: Path) -> None:
    """As a server does it: the records go through a pipe, after the snapshot that it names."""
    newest = seqs(data)[0]
    journal = journal_in(data)
    journal.open()
    records = journal.slice(newest + 1, 1 << 30)
    journal.close()
    fed = b"".join(len(record).to_bytes(4, "little") + record for record in records)
    for base, sent in ((newest, fed), (0, b"")):
        done = subprocess.run(
            [sys.executable, "-m", "server", "journal", "snapshot", "--data", data, "--fed-after", str(base), "--json"],
            input=sent,
            capture_output=True,
            cwd=ROOT,
            timeout=patient(60),
            check=False,
        )
        assert done.returncode == (0 if sent else 2), done.stderr
    shown = snapshot_file.read_header(snapshot_file.found_in(data)[0].path)
    assert shown.tail == tail_of(records[-1])
    assert shown.digest == state(data, whole=True)[0]
    damaged = fed[:-30] + b"x" + fed[-29:]
    with pytest.raises(Corrupt):
        backup.take_fed_snapshot(data, newest, io.BytesIO(damaged))


def journal_command(*words: str) -> int:
    """`acd journal` with these words."""
    parser = argparse.ArgumentParser()
    COMMAND.add_to(parser.add_subparsers())
    return COMMAND.run(parser.parse_args(["journal", *words]))


@pytest.mark.parametrize("real_time", [False, True])
def test_the_process_lets_everybody_else_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, real_time: bool
) -> None:
    asked = tmp_path / "python"
    tell = "import os, sys; print(os.nice(0), os.sched_getscheduler(0), file=sys.stderr)"
    asked.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{tell}'\n")
    asked.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(asked))

    def said() -> bytes:
        if real_time:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        child = snapshotter._spawn(tmp_path, 0)
        return child.communicate()[1]

    with ThreadPoolExecutor(1) as threads:  # whose priority is that of this one thread
        try:
            assert threads.submit(said).result() == b"19 %d\n" % os.SCHED_OTHER
        except PermissionError:
            pytest.skip("this user may not have real-time priority")


@pytest.mark.skipif(
    snapshotter._PROCESSORS is None or len(snapshotter._PROCESSORS) < 2, reason="there is one processor for all"
)
def test_the_process_may_leave_the_processor_that_the_server_is_kept_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "python"
    asked.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c 'import os, sys; print(*os.sched_getaffinity(0), file=sys.stderr)'\n"
    )
    asked.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(asked))
    everywhere = os.sched_getaffinity(0)

    def said() -> tuple[bytes, set[int]]:
        os.sched_setaffinity(0, {min(everywhere)})
        child = snapshotter._spawn(tmp_path, 0)
        return child.communicate()[1], os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as threads:
        told, kept_to = threads.submit(said).result()
    assert set(map(int, told.split())) == everywhere
    assert kept_to == {min(everywhere)}, "the thread itself stays where it was kept"


def test_the_journal_is_exported_and_imported(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trim_all(data, seqs(data)[1])
    journal = journal_in(data)
    journal.open()
    begin = journal.begin.seq
    journal.close()
    assert begin
    whole = state(data)
    archive, restored = tmp_path / "today.acdx", tmp_path / "restored"
    assert journal_command("export", str(archive), "--data", str(data), "--json") == 0
    sums = json.loads(capsys.readouterr().out)
    assert sums["snapshots"] == 2
    assert journal_command("import", str(archive), "--data", str(restored), "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == whole[0]
    assert state(restored) == whole
    assert journal_command("verify", "--data", str(restored), "--json") == 0
    assert json.loads(capsys.readouterr().out)["snapshots"] == sorted(seqs(data))
    assert journal_command("stats", "--data", str(restored), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["trimmed"] == begin
    assert shown["batch"] + shown["fence"] == sums["records"]
    assert journal_command("export", str(archive), "--data", str(data)) == 2
    assert "is there already" in capsys.readouterr().err
    assert journal_command("import", str(archive), "--data", str(restored)) == 2
    assert "is not empty" in capsys.readouterr().err
    assert journal_command("import", "--data", str(restored)) == 2
    assert "needs a FILE" in capsys.readouterr().err


def test_the_drill_of_the_page_works(data: Path, tmp_path: Path) -> None:
    """Backup and restore as docs/operating.md shows them, but for the places and the server that goes on for ever."""
    page = (ROOT / "docs" / "operating.md").read_text()
    section = page.partition("### Backup and restore")[2].partition("\n## ")[0]
    shown = [line.removeprefix("$ ") for line in section.splitlines() if line.startswith("$ acd ")]
    assert [line.split()[1:3] for line in shown][:3] == [
        ["journal", "export"],
        ["journal", "import"],
        ["journal", "verify"],
    ]
    places = {"/backup": tmp_path, "/var/lib/acd-restored": tmp_path / "restored", "/var/lib/acd": data}
    for line in shown[:-1]:
        here = line
        for shown_place, place in places.items():
            here = here.replace(shown_place, str(place))
        done = subprocess.run(
            [sys.executable, "-m", "server", *here.split()[1:]],
            cwd=ROOT,
            capture_output=True,
            timeout=patient(60),
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
    assert state(tmp_path / "restored") == state(data)


def test_a_damaged_backup_is_refused_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "today.acdx"
    backup.export(data, archive, quiet)
    sound = archive.read_bytes()
    rng = Random(9)
    for number in range(25):
        place = rng.randrange(len(sound))
        cut = number % 2
        archive.write_bytes(sound[:place] if cut else sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
        with pytest.raises((Corrupt, StartError)):
            backup.restore(archive, tmp_path / "restored")
        assert [path.name for path in (tmp_path / "restored").glob("*")] in ([], ["lock"])
        shutil.rmtree(tmp_path / "restored", ignore_errors=True)


def test_a_snapshot_that_lies_is_found(data: Path, ticks: list[Tick]) -> None:
    """Its checksums are right, and its state is not that of the journal."""
    newest = snapshot_file.found_in(data)[0]
    header, _ = snapshot_file.read(newest.path)
    replica = Replica(0)
    replica.machine.advance(ticks[0][0])
    _, lie = replica.snapshot(header.tail)
    newest.path.write_bytes(lie)
    assert journal_command("verify", "--data", str(data)) == 1


def test_doctor_looks_at_snapshots(data: Path, tmp_path: Path) -> None:
    newest = snapshot_file.found_in(data)[0]
    newest.path.write_bytes(b"")
    bad, fine = check_snapshots(Settings(data=data))
    assert (bad.level, fine.level) == ("bad", "fine")
    assert "of record" in fine.text
    (none,) = check_snapshots(Settings(data=tmp_path / "nowhere"))
    assert none.level == "fine"


async def test_the_snapshot_to_begin_with_is_given_up_only_if_the_fault_is_in_it(data: Path) -> None:
    newest, older = seqs(data)
    said = iter((SnapshotError, SnapshotError, SnapshotError, BaseError, SnapshotError, BaseError, BaseError))
    bases = []

    async def make(_: Path, base: int, __: Slices) -> None:
        bases.append(base)
        raise next(said, SnapshotError)("the disk is full, or a byte is not what it was")

    async with rig(MemoryJournal()) as made:
        snapshotter = Snapshotter(made.sequencer, data, 0, make)
        for _ in range(8):
            with pytest.raises(SnapshotError):
                await snapshotter.take()
    assert bases == [newest, newest, newest, newest, older, older, 0, newest]


def test_a_start_removes_the_drafts_of_snapshots_and_nothing_else(data: Path) -> None:
    kept = sorted(path.name for path in data.iterdir())
    (data / "snapshot-0000000000000399.acd.new").write_bytes(b"ACDS half of it")
    snapshot_file.remove_drafts(data)
    assert sorted(path.name for path in data.iterdir()) == kept


@pytest.mark.usefixtures("connections_closed")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_takes_snapshots_trims_and_starts_from_them(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    options = ("--limit", "snapshot_commands=40", "--limit", "journal_hours=0.000001", "--journal", kind)
    note = {"note": "x" * 15_000}  # so that a file is full before the older snapshot
    async with ServerProcess(data, *options) as server:
        client = await LineClient.connect(server.port, "pbx")
        await client.ask("config.apply", config={"tenants": [{"name": "acme"}], "queues": [QUEUE]})
        for number in range(3):
            for contact in range(45):
                name = f"c-{number}-{contact}"
                await client.ask("contact.enqueue", contact=name, tenant="acme", queue="support", attributes=note)
            await until(lambda count=number: len(snapshots_said(server)) > count, 30)  # type: ignore[misc]
        await until(lambda: len(seqs(data)) == 2 and begin_of_copy(data).seq > 0, 30)
        backup.take_snapshot(data, quiet)  # beside the server
        sums = backup.export(data, tmp_path / "online.acdx", quiet)
        await server.kill()
    assert sums.snapshots >= 1
    journal = journal_in(data)
    journal.open()
    assert 0 < journal.begin.seq <= seqs(data)[-1]
    journal.close()
    assert backup.restore(tmp_path / "online.acdx", tmp_path / "restored").machine.domain().waiting == 135
    async with ServerProcess(data) as server:
        client = await LineClient.connect(server.port, "pbx")
        assert (await client.ask("stats"))["result"]["domain"]["waiting"] == 135
        assert server.said("recovered from its journal")
        assert await server.stop() == 0


QUEUE = {"tenant": "acme", "name": "support"}


def snapshots_said(server: ServerProcess) -> list[dict[str, Any]]:
    return [entry for entry in server.log if entry.get("message") == "a snapshot was taken"]
