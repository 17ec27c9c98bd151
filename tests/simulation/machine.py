"""The server's machine: the real server over a made-up disk, network and clock, started again whenever it ends.

`Node.installed` puts the made-up parts where the server finds the real ones. Nothing of the server is left out but
what no client sees: the metrics' own port, the audit trail's file, and the collector of garbage.
"""

import asyncio
import io
import logging
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest import mock

import server.clock
import server.journal.segments
import server.journal.sqlite
import server.sequencer
import server.service
import server.snapshotter
from acd_protocol import snapshot_file
from acd_protocol.journal_records import Tail
from server.audit import AuditTrail
from server.backup import take_fed_snapshot
from server.config import Settings
from server.errors import Corrupt, DirectoryLocked, JournalError, ServerError
from server.journal.ballast import Ballast
from server.journal.contract import Batch, Journal, Record
from server.journal.segments import SegmentJournal
from server.journal.sqlite import SqliteJournal
from server.journal.stores import KINDS
from server.journal.writer import Errand, JournalWriter
from server.log import logger
from server.service import Service, running
from server.snapshotter import BaseError, Slices, SnapshotError
from tests.simulation.disk import SECTOR, SimDisk, SimPath
from tests.simulation.files import SimFiles, SimLane
from tests.simulation.loop import NS, PROCESS, Process, SimLoop
from tests.simulation.network import Listener, Network
from tests.simulation.trace import Trace
from tests.simulation.vfs import vfs

WALL_NS = 1_800_000_000 * NS
DATA = "/data"


class SimWriter(JournalWriter):
    """The journal's writer without threads: each append happens at one instant, some time after it was asked for."""

    node: "Node"

    def _begin(self) -> None:
        self._appends = 0
        self._inbox = cast("Any", self)  # it has what is used of one
        self.at_once = isinstance(self._journal, SegmentJournal) and self.node.in_memory
        if isinstance(self._journal, SegmentJournal) and not self.at_once:
            later = lambda work, *args: self._loop.call_later(self.node.append_s(), work, *args)  # noqa: E731
            self._lane = cast("Any", SimLane(self.node.files, later, self._landed))

    def put(self, order: Batch | Errand | JournalError | None) -> None:
        """What the thread would get."""
        if order is None or isinstance(order, Batch):
            assert self._appends == 0, "a second append was asked for while one was under way"
            self._appends += 1
        self._loop.call_later(self.node.append_s(), self._step, order)

    def _step(self, order: Batch | Errand | JournalError | None) -> None:
        if order is None or isinstance(order, Batch):
            self._appends -= 1
        if not self._ended.is_set():
            self._work(order, lambda: self.node.rng.random() < 0.5)

    def _store(self, descriptor: int, record: bytes, place: int) -> int:
        lane = SimLane(self.node.files, lambda work, *args: work(*args), lambda: None)
        lane.start(descriptor, record, place)
        return lane.finish()

    def _append(self, batch: Batch) -> None:
        super()._append(batch)
        self.node.trace.note("journal", self._seq, batch.payload)

    def _settle(self) -> None:
        batch = self._batch
        assert batch is not None
        super()._settle()
        self.node.trace.note("journal", self._seq, batch.payload)

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_later(self.node.rng.uniform(0.00001, 0.002), callback, *args)

    def _end(self, error: JournalError | None) -> None:
        self._lane = None
        super()._end(error)

    async def stop(self, seal_time_ns: int) -> None:
        self._seal_time_ns = seal_time_ns
        self._inbox.put(None)
        await self._ended.wait()


def keeping(kind: type[SegmentJournal] | type[SqliteJournal]) -> type[Any]:
    """A kind of journal, of which what is trimmed is kept, so that all that ever happened can be judged."""

    class Keeping(kind):  # type: ignore[misc, valid-type]
        trimmed: dict[int, Record]

        def trim(self, upto_seq: int, before_ns: int, records_max: int) -> bool:
            before = self.begin.seq
            for record in self.read():
                if record.seq > max(before + records_max, upto_seq):
                    break
                self.trimmed[record.seq] = record
            return bool(super().trim(upto_seq, before_ns, records_max))

    return Keeping


JOURNALS = {kind: keeping(journal) for kind, journal in KINDS.items()}


class SimBallast(Ballast):
    """The room that is kept, on a disk that is either full, but for what was given up of this, or not."""

    held = 0

    @property
    def _kept(self) -> int:
        return self.held

    def _room(self) -> int:
        disk = SimPath.disk
        return disk.spare if disk.full else 1 << 40

    def _keep(self, size: int) -> None:
        disk = SimPath.disk
        if disk.full:
            disk.spare += self.held - size
        self.held = size


class SimLock:
    """The lock on the data directory: a dead process holds nothing."""

    holder: Process | None = None

    def __init__(self, directory: object) -> None:
        if SimLock.holder is not None and SimLock.holder.alive:
            raise DirectoryLocked("two servers live on one disk")
        SimLock.holder = PROCESS.get()

    def release(self) -> None:
        """Let others in."""
        SimLock.holder = None


class SimMetrics:
    """The metrics' port, which nobody asks."""

    port = 7411

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def start(self) -> None:
        """As the real one does."""

    async def stop(self) -> None:
        """As the real one does."""

    def show(self, source: object) -> None:
        """As the real one does."""


class SimAudit(AuditTrail):
    """The audit trail without its file, which is written beside the journal and promises less."""

    def __init__(self, _: object) -> None:
        self.working = True
        self.failures = 0

    def _say(self, *_: object, **__: object) -> None:
        pass

    def reopen(self) -> None:
        """As the real one does."""

    def close(self) -> None:
        """As the real one does."""


class _Log(logging.Handler):
    """Keeps what the server says of faults of its own."""

    def __init__(self, node: "Node") -> None:
        super().__init__(logging.ERROR)
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        process = PROCESS.get(None)
        if process is not None and not process.alive:
            return
        if record.levelno >= logging.CRITICAL and record.exc_info is None:
            self._node.failures.append(record.getMessage())
            return
        self._node.problems.append(f"the log says: {logging.Formatter().format(record)}")


class Node:
    """The server, its machine, and who starts it again.

    Attributes:
        service: what serves now; None while nothing does.
        process: the one that runs, or ran last.
        problems: faults of the server's own.
        failures: why it ended by itself.
        starts, kills: how often.
        slow_s: how long an append may take.
        wall_offset_ns: how wrong the machine's clock is.
        checkpoint_bytes: size of SQLite's log at which it is folded in, and of the files of the other journal.
        files: where the journal's files are.
        in_memory: whether appends take no time, so that the server does them at once.
        gone: set while no server runs.
        trimmed: records that were trimmed from the journal, by number.
        snapshots: how many were taken.
        down: whether it is not to be started again.
    """

    def __init__(
        self, loop: SimLoop, network: Network, disk: SimDisk, rng: Random, settings: Settings, trace: Trace
    ) -> None:
        self.loop = loop
        self.network = network
        self.disk = disk
        self.rng = rng
        self.trace = trace
        self.settings = settings
        self.service: Service | None = None
        self.process = Process("server")
        self.process.kill()
        self.problems: list[str] = []
        self.failures: list[str] = []
        self.starts = 0
        self.kills = 0
        self.slow_s = 0.003
        self.wall_offset_ns = 0
        self.checkpoint_bytes = rng.choice((20_000, 200_000))
        self.files = SimFiles(disk, rng)
        self.in_memory = Random(settings.node).random() < 1 / 4
        self.down = True
        self.trimmed: dict[int, Record] = {}
        self.snapshots = 0
        self._journals: list[Journal] = []
        self._stop: asyncio.Event | None = None
        self.gone = asyncio.Event()

    # -- what the server finds where the real thing would be ----------------------------------------------------

    def monotonic_ns(self) -> int:
        """Like `time.monotonic_ns`."""
        return self.loop.now_ns

    def time_ns(self) -> int:
        """Like `time.time_ns`."""
        return WALL_NS + self.loop.now_ns + self.wall_offset_ns

    @contextmanager
    def installed(self) -> Iterator[None]:
        """See the module."""
        time = types.SimpleNamespace(
            monotonic_ns=self.monotonic_ns, time_ns=self.time_ns, perf_counter_ns=self.loop.perf_counter_ns
        )
        directory = types.SimpleNamespace(
            O_RDONLY=0,
            open=lambda *_: 0,
            fsync=self.files.sync_names,
            close=lambda _: None,
        )
        chance = types.SimpleNamespace(uuid4=lambda: types.SimpleNamespace(bytes=self.rng.randbytes(16)))
        quiet = types.SimpleNamespace(collect=lambda: 0, freeze=lambda: None)
        stopwatch = server.clock.monotonic_ns
        SimWriter.node = self
        SimLock.holder = None
        SimPath.disk = self.disk
        self.disk.on_kill = self.kill
        handler = _Log(self)
        with ExitStack() as stack:
            put = stack.enter_context
            for name, module in list(sys.modules.items()):
                if name.startswith("server") and getattr(module, "monotonic_ns", None) is stopwatch:
                    put(mock.patch.object(module, "monotonic_ns", self.loop.perf_counter_ns))
            put(mock.patch.object(server.clock, "time", time))
            put(mock.patch.object(server.journal.sqlite, "os", directory))
            put(mock.patch.object(server.journal.sqlite, "uuid", chance))
            put(mock.patch.object(server.journal.sqlite, "CHECKPOINT_BYTES", self.checkpoint_bytes))
            put(mock.patch.object(server.journal.sqlite, "CHECKPOINT_FORCED_BYTES", 2 * self.checkpoint_bytes))
            put(mock.patch.object(server.journal.segments, "files", self.files))
            put(mock.patch.object(server.journal.sqlite, "files", self.files))
            put(mock.patch.object(server.journal.segments, "BYTES_MIN", self.checkpoint_bytes // 20))
            put(mock.patch.object(server.journal.segments, "BYTES_MAX", self.checkpoint_bytes // 10))
            put(mock.patch.object(server.journal.segments, "_BLOCK_BYTES", SECTOR))
            put(mock.patch.object(server.sequencer, "JournalWriter", SimWriter))
            put(mock.patch.object(server.service, "DirectoryLock", SimLock))
            put(mock.patch.object(server.service, "Ballast", SimBallast))
            put(mock.patch.object(server.service, "MetricsServer", SimMetrics))
            put(mock.patch.object(server.service, "AuditTrail", SimAudit))
            put(mock.patch.object(server.service, "gc", quiet))
            put(mock.patch.object(server.service, "raise_file_limit", return_value=1_000_000))
            put(mock.patch.object(server.service, "bind", lambda host, port: Listener(self.network, (host, port))))
            put(mock.patch.multiple(logger, handlers=[handler], propagate=False, level=logging.ERROR))
            logger.manager._clear_cache()  # type: ignore[attr-defined]
            stack.callback(logger.manager._clear_cache)  # type: ignore[attr-defined]
            put(mock.patch.object(snapshot_file, "write_durably", lambda path, data: path.write_durably(data)))
            put(mock.patch.object(snapshot_file, "room_in", return_value=1 << 40))
            put(mock.patch.object(server.snapshotter, "make_in_child", self._make_snapshot))
            put(mock.patch.object(server.snapshotter, "LOOK_S", 0.1))
            put(mock.patch.object(server.snapshotter, "RETRY_S", 0.5))
            put(vfs().in_use(self.disk))
            yield

    def append_s(self) -> float:
        """How long the next append takes."""
        return self.rng.uniform(0.0001, self.slow_s)

    # -- its life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server; and again, whenever it ends, until `stop`."""
        self.down = False
        self.starts += 1
        self.gone.clear()
        self.disk.restarted()
        process = self.process = Process("server")
        self.trace.note("start", self.starts)
        self.loop.start(process, self._main(process))

    async def _main(self, process: Process) -> None:
        stop = self._stop = asyncio.Event()
        try:
            async with running(self.settings, self._journal) as service:
                self.service = service
                service.sequencer.failed.add_done_callback(lambda _: stop.set())
                await stop.wait()
        except ServerError as error:
            self.trace.note("exit", str(error))
        if process.alive:
            self._ended()

    async def _make_snapshot(self, directory: Path, base: int, slices: Slices) -> None:
        """What the process does that makes a snapshot; it ends with the server that started it."""
        fed = bytearray()
        seq = base + 1
        while records := await slices(seq):
            seq += len(records)
            for record in records:
                fed += len(record).to_bytes(4, "little") + record
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        try:
            take_fed_snapshot(directory, base, io.BytesIO(bytes(fed)))
        except Corrupt as damage:
            raise BaseError(str(damage)) from damage
        except ServerError as error:
            raise SnapshotError(str(error)) from error
        self.snapshots += 1

    def damage_snapshot(self) -> None:
        """A byte of the newest snapshot is flipped, if the one before it is sound."""
        found = snapshot_file.found_in(data_directory())
        if len(found) < 2:
            return
        try:
            snapshot_file.read(found[1].path)
        except snapshot_file.DamagedSnapshot:
            return
        file = self.disk.entries[str(found[0].path)]
        place = self.rng.randrange(len(file.data))
        for data in (file.data, file.synced):
            if place < len(data):
                data[place] ^= 1 << self.rng.randrange(8)

    def _journal(self, directory: Path) -> Journal:
        journal: Any = JOURNALS[self.settings.journal](directory)
        journal.trimmed = self.trimmed
        # Closing a journal is a last write to it, so those of the killed must not be closed by the way.
        self._journals.append(journal)
        return cast("Journal", journal)

    def _ended(self) -> None:
        """The process is gone; have another one soon."""
        process = self.process
        process.kill()
        self.service = None
        self.gone.set()
        if not self.down:
            self.loop.call_later(self.rng.uniform(0.05, 1.0), self._start_again, process, context=_CARETAKER)

    def _start_again(self, process: Process) -> None:
        if self.process is process and not self.down:
            self.start()

    def kill(self) -> None:
        """`kill -9`."""
        if self.process.alive:
            self.kills += 1
            self.trace.note("kill")
            self._ended()
            self.network.killed(self.process)

    def lose_power(self) -> None:
        """The machine stops, and comes back."""
        if self.process.alive:
            self.kills += 1
            self.trace.note("power loss")
            self._ended()
            self.network.unplugged(self.process)
            self.disk.lose_power()

    def terminate(self) -> None:
        """SIGTERM."""
        if self._stop is not None:
            self._stop.set()

    async def stop(self) -> None:
        """SIGTERM, and no other start."""
        self.down = True
        self.terminate()
        await self.gone.wait()

    def let_go(self) -> None:
        """The end: close what killed processes left open, while SQLite's way to the disk is still there."""
        self.down = True
        for journal in self._journals:
            with suppress(ServerError):
                journal.close()

    def read_journal(self) -> tuple[Tail, list[Any]]:
        """What is on the disk, read by nobody's process while no server runs."""
        self.disk.restarted()
        journal = KINDS[self.settings.journal](data_directory())
        self._journals.append(journal)
        tail = journal.open()
        begin = journal.begin.seq
        records = [*(self.trimmed[seq] for seq in range(1, begin + 1)), *journal.read()]
        journal.close()
        return tail, records


def data_directory() -> Path:
    """Where the journal is."""
    return cast("Path", SimPath(DATA))


_CARETAKER = Process("caretaker").context
