"""Real processes killed, stopped and starved of disk; real files damaged byte by byte: little here, all of it by `make faults`."""

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from acd_protocol import snapshot_file
from acd_protocol.journal_records import Record
from acd_protocol.segments import found_in
from server.errors import Full, JournalError
from server.journal import segments
from server.journal.ballast import Ballast
from server.journal.contract import Batch
from server.journal.records import Tick, encode_ticks
from server.journal.segments import SegmentJournal
from server.journal.sqlite import FILE_NAME, SqliteJournal
from server.journal.stores import KINDS, journal_in
from server.recovery import recover
from tests.faults.shim import Shim
from tests.faults.sizes import FULL, full_or, tell
from tests.faults.traffic import Traffic
from tests.support.damage import place_of
from tests.support.line_client import LineClient
from tests.support.server_process import ServerProcess
from tests.support.wait import patient, until

pytestmark = pytest.mark.timeout(full_or(3600, 600))

LOG_NAME = f"{FILE_NAME}-wal"


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


def free_port() -> int:
    """A port that a server can be started on again and again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Restarted:
    """A server on one port and one directory, started again by us."""

    def __init__(self, data: Path, port: int = 0, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.port = port or free_port()
        self._environment = environment
        self.process = self._made()

    def _made(self) -> ServerProcess:
        return ServerProcess(self.data, "--port", str(self.port), environment=self._environment)

    async def start(self) -> None:
        """Once more."""
        self.process = self._made()
        await self.process.start()


@asynccontextmanager
async def restarted(data: Path, environment: dict[str, str] | None = None) -> AsyncIterator[Restarted]:
    server = Restarted(data, environment=environment)
    await server.start()
    try:
        yield server
    finally:
        await server.process.kill()


# Processes


async def test_killed_and_stopped_at_any_time_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    rng = Random(7)
    rounds = full_or(60, 6)
    counts = {"kill -9": 0, "SIGTERM": 0, "SIGSTOP": 0}
    async with restarted(tmp_path) as server:
        async with Traffic(server.port) as traffic:
            for number in range(rounds):
                before = traffic.acknowledged
                await until(lambda before=before: traffic.acknowledged > before + 20, 30)  # type: ignore[misc]
                await asyncio.sleep(rng.uniform(0, 0.3))
                how = ("kill -9", "SIGSTOP", "kill -9", "SIGTERM")[number % 4]
                counts[how] += 1
                if how == "SIGSTOP":
                    server.process.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(rng.choice((0.1, 1, full_or(5, 1))))
                    server.process.send_signal(signal.SIGCONT)
                elif how == "kill -9":
                    await server.process.kill()
                    await server.start()
                else:
                    assert await server.process.stop() == 0
                    await server.start()
        assert await server.process.stop() == 0
    replay = traffic.judge(tmp_path)
    assert traffic.acknowledged > 20 * rounds
    tell(f"{counts}: {traffic.acknowledged:,} commands acknowledged, 0 lost, {len(replay.events):,} events, 0 lost")


async def test_server_stopped_for_longer_than_clients_wait_goes_on_where_it_was(tmp_path: Path) -> None:
    async with restarted(tmp_path) as server:
        async with Traffic(server.port, seed=2) as traffic:
            await until(lambda: traffic.acknowledged > 50)
            server.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(5)  # clients give a connection up after three silent heartbeats of a second
            server.process.send_signal(signal.SIGCONT)
            before = traffic.acknowledged
            await until(lambda: traffic.acknowledged > before + 100, 30)
        await server.process.stop()
    traffic.judge(tmp_path)
    tell(f"stopped for 5 s: {traffic.acknowledged:,} commands acknowledged, 0 lost")


# The disk


@pytest.mark.parametrize(
    ("kind", "operation", "error", "said"),
    [
        *((kind, "pwrite", errno.EIO, "check the disk") for kind in KINDS),
        *((kind, "sync", errno.EIO, "check the disk") for kind in KINDS),
        *((kind, "pwrite", errno.ENOSPC, "make room") for kind in KINDS),
        ("segments", "pwrite", errno.EDQUOT, "make room"),  # which SQLite takes for any fault of the disk
    ],
)
async def test_disk_that_fails_ends_the_server_and_nothing_acknowledged_is_lost(
    tmp_path: Path, kind: str, operation: str, error: int, said: str
) -> None:
    shim = Shim(tmp_path)
    rounds = full_or(10, 2)
    file = "journal-0" if kind == "segments" else "journal.sqlite"
    async with restarted(tmp_path / "data", {**shim.environment, "ACD_JOURNAL": kind}) as server:
        async with Traffic(server.port) as traffic:
            for number in range(rounds):
                before = traffic.acknowledged
                await until(lambda before=before: traffic.acknowledged > before + 20, 30)  # type: ignore[misc]
                shim.order(operation, error, skip=number, count=1000, file=file)
                assert await server.process.exit_status() == 1
                assert said in server.process.stderr
                shim.relent()
                await server.start()
        assert await server.process.stop() == 0
    assert shim.faults >= rounds
    traffic.judge(tmp_path / "data")
    tell(
        f"{operation} fails with {errno.errorcode[error]}, {rounds} times: {traffic.acknowledged:,} acknowledged, 0 lost"
    )


async def test_short_writes_are_completed(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    async with restarted(tmp_path / "data", shim.environment) as server:
        async with Traffic(server.port) as traffic:
            shim.order("pwrite", 0, count=200)
            await until(lambda: shim.faults == 200, 60)
            before = traffic.acknowledged
            await until(lambda: traffic.acknowledged > before + 50, 30)
        assert await server.process.stop() == 0
    traffic.judge(tmp_path / "data")
    tell(f"200 short writes: {traffic.acknowledged:,} acknowledged, 0 lost")


@contextmanager
def disk_of(size: str, directory: Path) -> Iterator[Path]:
    """A file system of this size."""
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk_of("16m", tmp_path / "small") as directory:
        yield directory


async def test_disk_that_is_full_stops_the_server_with_a_sentence_and_room_lets_it_go_on(small_disk: Path) -> None:
    rounds = full_or(5, 1)
    ballast = small_disk / "ballast"
    async with restarted(small_disk / "data") as server:
        async with Traffic(server.port) as traffic:
            for _ in range(rounds):
                before = traffic.acknowledged
                await until(lambda before=before: traffic.acknowledged > before + 20, 30)  # type: ignore[misc]
                room = os.statvfs(small_disk)
                ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - 65_536)))
                assert await server.process.exit_status() == 1
                assert "make room" in server.process.stderr
                ballast.unlink()
                await server.start()
        assert await server.process.stop() == 0
    traffic.judge(small_disk / "data")
    tell(f"disk of 16 MiB full {rounds} times: {traffic.acknowledged:,} commands acknowledged, 0 lost")


async def test_disk_that_is_full_leaves_the_server_the_room_that_was_kept_for_that_day(tmp_path: Path) -> None:
    with disk_of("48m", tmp_path / "disk") as disk:
        data, filling = disk / "data", disk / "filling"
        kept = data / "ballast"
        async with ServerProcess(data, "--limit", f"ballast_bytes={8 << 20}") as server:
            async with Traffic(server.port) as traffic:
                await until(lambda: kept.exists() and kept.stat().st_size == 8 << 20, 30)
                assert await _metric(server, "acd_ballast_missing") == 0
                room = os.statvfs(disk)
                filling.write_bytes(bytes(room.f_bavail * room.f_bsize - 131_072))
                await until(lambda: server.said("that were kept for this day are given up"), 60)
                assert kept.stat().st_size == 2 << 20, "the rest of it is for later"
                before = traffic.acknowledged
                await until(lambda: traffic.acknowledged > before + 100, 30)
                async with asyncio.timeout(patient(30)):
                    while await _metric(server, "acd_ballast_missing") != 1:
                        pass
                filling.unlink()
                await until(lambda: kept.stat().st_size == 8 << 20, 30)
            assert await server.stop() == 0
        assert not kept.exists()
        traffic.judge(data)
    tell(f"a full disk with room kept: {traffic.acknowledged:,} acknowledged, 0 lost")


def _fill(disk: Path, spare: int = 65_536) -> None:
    """Take what room there is, but for some."""
    room = os.statvfs(disk)
    with (disk / "filling").open("ab") as filling:
        filling.write(bytes(max(0, room.f_bavail * room.f_bsize - spare)))


async def _keep_full(disk: Path) -> None:
    """Take each room that somebody makes, for ever."""
    while True:
        _fill(disk)
        await asyncio.sleep(0.05)


async def test_full_disk_without_any_room_left_is_read_only_until_there_is_room(tmp_path: Path) -> None:
    with disk_of("48m", tmp_path / "disk") as disk:
        data, kept = disk / "data", disk / "data" / "ballast"
        async with ServerProcess(data, "--limit", f"ballast_bytes={8 << 20}") as server:
            async with Traffic(server.port) as traffic:
                await until(lambda: kept.exists() and kept.stat().st_size == 8 << 20, 30)
                for _ in range(full_or(5, 1)):
                    await _held_by_a_full_disk(server, traffic, disk)
            assert await server.stop() == 0
        traffic.judge(data)
    tell(f"no room at all on the disk, then room: {traffic.acknowledged:,} acknowledged, 0 lost")


async def _held_by_a_full_disk(server: ServerProcess, traffic: Traffic, disk: Path) -> None:
    """Fill the disk until the server holds, look at what it still does, and make room."""
    watcher = await LineClient.connect(server.port, "watcher")
    assert (await watcher.ask("subscribe", topics=["agent"]))["type"] == "ok"
    held, gone_on = _told(server, "commands are refused from here on"), _told(server, "commands are taken")
    filling = asyncio.create_task(_keep_full(disk))
    try:
        await until(lambda: _told(server, "commands are refused from here on") > held, 60)
    finally:
        filling.cancel()
        await asyncio.wait([filling])
    assert not (disk / "data" / "ballast").exists()
    refused = await watcher.ask("contact.enqueue", contact="late", tenant="acme", queue="support")
    assert refused["code"] == "journal_full"
    seq = (await watcher.ask("ping"))["seq"]
    assert (await watcher.ask("list", what="queues"))["result"]
    assert (await watcher.ask("explain", agent="pbx-0-a0"))["result"]
    await asyncio.sleep(0.5)
    assert (await watcher.ask("ping"))["seq"] == seq, "nothing changes, and no deadline fires"
    late = await LineClient.connect(server.port, "latecomer")
    assert (await late.ask("stats"))["result"]["domain"]["contacts"] >= 0
    await late.close()
    assert await _metric(server, "acd_read_only") == 1
    assert await _metric(server, "acd_ready") == 0
    assert await _ready(server) == (503, {"state": "read_only"})
    assert not traffic.history.sent[-1].answer or traffic.history.sent[-1].answer[0] == "journal_full"  # type: ignore[index]
    (disk / "filling").unlink()
    await until(lambda: _told(server, "commands are taken") > gone_on, 30)
    assert (disk / "data" / "ballast").exists()
    assert await _ready(server) == (200, {"state": "serving"})
    before = traffic.acknowledged
    await until(lambda: traffic.acknowledged > before + 50, 30)
    await watcher.event("agent.changed")
    await watcher.close()


async def test_start_on_a_full_disk_is_read_only_until_there_is_room(tmp_path: Path) -> None:
    with disk_of("48m", tmp_path / "disk") as disk:
        data, filling = disk / "data", disk / "filling"
        # The other kind has room for the FENCE in the file that it is writing.
        keeping = ("--journal", "sqlite", "--limit", f"ballast_bytes={8 << 20}", "--port", str(free_port()))
        traffic = Traffic(int(keeping[-1]))
        async with ServerProcess(data, *keeping) as server, traffic:
            await until(lambda: traffic.acknowledged > 200, 30)
            await server.kill()
            (data / "ballast").unlink()
            _fill(disk, 0)
            async with ServerProcess(data, *keeping) as held:
                assert held.said("commands are refused from here on")
                assert await _ready(held) == (503, {"state": "read_only"})
                reader = await LineClient.connect(held.port, "reader")
                assert (await reader.ask("stats"))["result"]["server"]["journal_seq"] > 1
                assert (await reader.ask("list", what="agents"))["result"]
                assert (await reader.ask("agent.pause", agent="pbx-0-a0"))["code"] == "journal_full"
                filling.unlink()
                await until(lambda: held.said("commands are taken"), 30)
                before = traffic.acknowledged
                await until(lambda: traffic.acknowledged > before + 50, 30)
                assert await _ready(held) == (200, {"state": "serving"})
                await traffic.__aexit__()
                assert await held.stop() == 0
        traffic.judge(data)
    tell(f"started on a full disk, then room: {traffic.acknowledged:,} acknowledged, 0 lost")


async def _ready(server: ServerProcess) -> tuple[int, dict[str, str]]:
    def asked() -> tuple[int, dict[str, str]]:
        try:
            answer = urlopen(f"http://127.0.0.1:{server.metrics_port}/readyz")
        except HTTPError as refusal:
            answer = refusal
        return answer.status, json.loads(answer.read())

    return await asyncio.to_thread(asked)


def test_room_is_kept_only_where_there_is_plenty(tmp_path: Path) -> None:
    with disk_of("4m", tmp_path / "disk") as disk:
        greedy, modest, none = Ballast(disk, 2 << 20), Ballast(disk, 1 << 19), Ballast(disk, 0)
        assert not greedy.take()
        assert greedy.missing
        assert not none.take()
        assert not none.missing
        assert modest.take()
        assert modest.take(), "it is there already"
        assert not modest.missing
        answers = iter((Full("no room"), Full("no room"), Full("no room")))
        kept: list[tuple[int, bool]] = []

        def work() -> None:
            kept.append(((disk / "ballast").stat().st_size if (disk / "ballast").exists() else 0, modest.spent))
            raise next(answers)

        with pytest.raises(Full):
            modest.insist(work)
        assert kept == [(1 << 19, False), (1 << 17, False), (0, True)], "most of it, then the rest, then it is told"
        assert modest.missing
        assert modest.take()
        assert not modest.spent
        assert not modest.missing
        filling = disk / "filling"
        filling.write_bytes(bytes(3 << 20))
        answers = iter((Full("no room"), Full("no room")))
        with pytest.raises(StopIteration):
            modest.insist(work)
        assert modest.spent
        assert not modest.take(), "the rest is kept again, for there is not room for all"
        assert not modest.spent
        assert modest.missing


async def _metric(server: ServerProcess, name: str) -> float:
    text = await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics").read().decode())
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


SNAPSHOTS_OFTEN = ("--limit", "snapshot_commands=40")


@pytest.mark.parametrize(("operation", "error"), [("write", errno.EIO), ("write", errno.ENOSPC), ("sync", errno.EIO)])
async def test_disk_that_fails_under_a_snapshot_costs_the_snapshot_and_nothing_else(
    tmp_path: Path, operation: str, error: int
) -> None:
    shim = Shim(tmp_path)
    data = tmp_path / "data"
    failures = full_or(3, 1)
    async with ServerProcess(data, *SNAPSHOTS_OFTEN, environment=shim.environment) as server:
        async with Traffic(server.port) as traffic:
            await until(lambda: len(snapshot_file.found_in(data)) == 1, 30)
            (first,) = snapshot_file.found_in(data)
            shim.order(operation, error, count=1000, file="snapshot-")
            await until(lambda: _told(server, "no snapshot was made") >= failures, 60)
            assert os.strerror(error) in server.stderr
            before = traffic.acknowledged
            await until(lambda: traffic.acknowledged > before + 50, 30)
            shim.relent()
            await until(lambda: snapshot_file.found_in(data)[0].seq > first.seq, 60)
        assert not list(data.glob("snapshot-*.new"))
        assert await server.stop() == 0
    assert shim.faults >= failures
    traffic.judge(data)
    assert _recovered_from(data) > first.seq
    tell(
        f"{operation} of a snapshot fails with {errno.errorcode[error]}: {traffic.acknowledged:,} acknowledged, 0 lost"
    )


async def test_disk_without_room_for_a_snapshot_keeps_what_room_there_is_for_the_journal(tmp_path: Path) -> None:
    with disk_of("100m", tmp_path / "disk") as disk:
        data, ballast = disk / "data", disk / "ballast"
        ballast.write_bytes(bytes(40 << 20))
        async with ServerProcess(data, *SNAPSHOTS_OFTEN) as server:
            async with Traffic(server.port) as traffic:
                await until(lambda: server.said("there is no room for a snapshot"), 30)
                before = traffic.acknowledged
                await until(lambda: traffic.acknowledged > before + 50, 30)
                assert not snapshot_file.found_in(data)
                ballast.unlink()
                await until(lambda: len(snapshot_file.found_in(data)) == 1, 60)
            assert await server.stop() == 0
        traffic.judge(data)
        assert _recovered_from(data)
    tell(f"no room for a snapshot, then room: {traffic.acknowledged:,} acknowledged, 0 lost")


def _told(server: ServerProcess, words: str) -> int:
    return sum(words in entry["message"] for entry in server.log)


def _recovered_from(data: Path) -> int:
    """Record of the snapshot that a start begins with."""
    journal = journal_in(data)
    try:
        return recover(journal, 0, snapshots=data).snapshot
    finally:
        journal.close()


# Files


TICKS: list[Tick] = [(1_000, [("pbx-1", b'{"type":"agent.ready","agent":"a"}')]), (2_000, [])]


class SmallJournal:
    """A journal of a few records, some in the file and some in SQLite's log, as a kill leaves it.

    Attributes:
        file, log: their bytes.
        records: what they hold.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        journal = SqliteJournal(directory)
        epoch = journal.fence("node", journal.open(), 500)
        for number in range(3):
            journal.append(epoch, 2 + number, Batch(2_000, 1, encode_ticks(TICKS)))
        journal.close()
        journal = SqliteJournal(directory)
        epoch = journal.fence("node", journal.open(), 2_000)
        for number in range(3):
            journal.append(epoch, 6 + number, Batch(2_000, 1, encode_ticks(TICKS)))
        self.records = list(journal.read())
        self.file = (directory / FILE_NAME).read_bytes()
        self.log = (directory / LOG_NAME).read_bytes()
        journal.close()
        self.target = directory.parent / "damaged"
        self.target.mkdir()

    def read(self, file: bytes, log: bytes) -> list[Record] | None:
        """What a journal of these bytes shows; None if it is refused."""
        (self.target / FILE_NAME).write_bytes(file)
        (self.target / LOG_NAME).write_bytes(log)
        journal = SqliteJournal(self.target)
        try:
            journal.open()
            return list(journal.read())
        except JournalError:
            return None
        finally:
            try:
                journal.close()
            except JournalError:
                pass  # it may be damaged in a way that shows when it is closed


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallJournal:
    return SmallJournal(tmp_path_factory.mktemp("files") / "good")


def places(length: int) -> Iterator[int]:
    """Every byte; or one in many, at a stride that meets all of a page's parts."""
    return iter(range(0, length, full_or(1, 97)))


def flipped(data: bytes, index: int) -> bytes:
    """`data` with one bit wrong."""
    return data[:index] + bytes([data[index] ^ (1 << index % 8)]) + data[index + 1 :]


def test_undamaged_journal_is_whole(small: SmallJournal) -> None:
    assert small.read(small.file, small.log) == small.records
    assert len(small.records) == 8


def test_any_flipped_byte_of_the_file_gives_the_truth_or_a_refusal(small: SmallJournal) -> None:
    outcomes = {True: 0, False: 0}
    for index in places(len(small.file)):
        found = small.read(flipped(small.file, index), small.log)
        assert found is None or found == small.records, index
        outcomes[found is None] += 1
    assert outcomes[True]
    tell(f"{sum(outcomes.values()):,} flipped bytes of the file: {outcomes[True]:,} refused, 0 wrong")


def test_any_flipped_byte_of_the_log_gives_a_prefix_or_a_refusal(small: SmallJournal) -> None:
    tried = refused = 0
    for index in places(len(small.log)):
        found = small.read(small.file, flipped(small.log, index))
        assert found is None or found == small.records[: len(found)], index
        tried += 1
        refused += found is None
    tell(f"{tried:,} flipped bytes of the log: {refused:,} refused, the others a prefix, 0 wrong")


def test_file_cut_off_anywhere_is_refused_or_whole(small: SmallJournal) -> None:
    tried = refused = 0
    for length in places(len(small.file)):
        found = small.read(small.file[:length], small.log)
        assert found is None or found == small.records, length
        tried += 1
        refused += found is None
    assert refused
    tell(f"the file cut off at {tried:,} places: {refused:,} refused, 0 wrong")


def test_log_cut_off_anywhere_gives_a_prefix(small: SmallJournal) -> None:
    lengths = set()
    tried = 0
    for length in places(len(small.log)):
        found = small.read(small.file, small.log[:length])
        assert found is not None
        assert found == small.records[: len(found)], length
        lengths.add(len(found))
        tried += 1
    assert len(lengths) > 2
    tell(f"the log cut off at {tried:,} places: each time a prefix")


def test_the_whole_of_it_is_asked_for_by_name() -> None:
    assert os.environ.get("ACD_FAULTS", "") in {"", "full"}, "ACD_FAULTS is 'full' or not there"
    assert full_or(True, False) is FULL


class SmallFiles:
    """A journal of a few records in several files, as a kill leaves it.

    Attributes:
        files: their bytes, by name, in their order.
        records: what they hold.
        last: the place of the last record in the last file.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        journal = SegmentJournal(directory)
        epoch = journal.fence("node", journal.open(), 500)
        for number in range(24):
            journal.append(epoch, 2 + number, Batch(2_000, 1, encode_ticks(TICKS)))
        self.records = list(journal.read())
        self.files = {path.name: path.read_bytes() for path in found_in(directory)}
        _, *self.last = place_of(directory, len(self.records))
        journal.close()
        self.target = directory.parent / "damaged"
        self.target.mkdir()

    def read(self, name: str, data: bytes) -> list[Record] | None:
        """What the journal shows when one of the files has these bytes; None if it is refused."""
        for other, sound in self.files.items():
            (self.target / other).write_bytes(data if other == name else sound)
        journal = SegmentJournal(self.target)
        try:
            journal.open()
            return list(journal.read())
        except JournalError:
            return None
        finally:
            journal.close()


@pytest.fixture
def several(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> SmallFiles:
    for name, size in (("BYTES_MIN", 700), ("BYTES_MAX", 1400), ("_BLOCK_BYTES", 64)):
        monkeypatch.setattr(segments, name, size)
    return SmallFiles(tmp_path_factory.mktemp("files") / "good")


def test_any_flipped_byte_of_the_files_gives_the_truth_or_a_refusal_or_takes_what_no_flush_confirmed(
    several: SmallFiles,
) -> None:
    """The last record of a journal without a SEAL cannot be told from an append that did not get through."""
    outcomes = {"refused": 0, "whole": 0, "shorter": 0}
    assert len(several.files) >= 3
    for name, content in several.files.items():
        for index in places(len(content)):
            found = several.read(name, flipped(content, index))
            if found is None:
                outcomes["refused"] += 1
            elif found == several.records:
                outcomes["whole"] += 1
            else:
                assert found == several.records[:-1], (name, index)
                assert name == list(several.files)[-1]
                assert several.last[0] <= index < several.last[1]
                outcomes["shorter"] += 1
    assert outcomes["refused"]
    tell(f"flipped bytes of the files: {outcomes}, 0 wrong")


def test_files_cut_off_anywhere_are_refused(several: SmallFiles) -> None:
    tried = 0
    for name, content in several.files.items():
        for length in places(len(content)):
            assert several.read(name, content[:length]) is None, (name, length)
            tried += 1
    tell(f"the files cut off at {tried:,} places: all refused")
