"""Snapshots while the server serves: when, by whom, and what may be trimmed then.

Decisions never wait for a snapshot. The engine is deterministic, so another process makes it: it begins with the last
snapshot, is sent the records since then, and writes the state that follows from them. The server only reads those records,
a slice at a time and between two appends; and when the snapshot is on the disk, it trims the journal in small pieces.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from acd_protocol import snapshot_file
from acd_protocol.snapshot_file import DamagedSnapshot, Found
from server.clock import NS_PER_S, monotonic_ns, wall_ns
from server.errors import Corrupt, JournalError
from server.log import note
from server.sequencer import Sequencer

SLICE_BYTES = 64 * 1024
"""So much of the journal is read between two appends."""
TRIM_RECORDS = 64
"""So many records are trimmed between two appends."""
TRIM_PAUSE_S = 0.02
LOOK_S = 1.0
RETRY_S = 5.0
RETRY_MOST_S = 300.0
"""After a snapshot that failed the next is tried so much later, and twice as much after each further one, up to this."""
HOUR_NS = 3600 * NS_PER_S
# Where there is no such command, the process lowers its priority itself, once it has started.
_NICE = (nice, "-n", "19") if (nice := shutil.which("nice")) else ()
_PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
"""Where the server might run when it began."""

Slices = Callable[[int], Awaitable[list[bytes]]]
"""The next records from a number on, in slices; none where the journal ends."""


Make = Callable[[Path, int, Slices], Awaitable[None]]
"""Makes a snapshot in a directory, of the state after a record that has one, or 0, and the records that follow."""


class SnapshotError(Exception):
    """No snapshot was made; the message says why."""


class BaseError(SnapshotError):
    """The same; and the fault is in the snapshot that it was to begin with, or in a record."""


class Snapshotter:
    """See the module.

    Args:
        directory: of the data.
        replayed: commands since the newest snapshot, as the recovery found.
        make: makes a snapshot; by default in another process.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        directory: Path,
        replayed: int,
        make: "Make | None" = None,
    ) -> None:
        self._sequencer = sequencer
        self._directory = directory
        self._make = make or make_in_child  # looked up now, so that a simulation can put its own
        self._commands_before = sequencer.commands_journaled - replayed
        self._task: asyncio.Task[None] | None = None
        self._unusable: set[int] = set()

    def start(self) -> None:
        """Look from now on whether one is due."""
        snapshot_file.remove_drafts(self._directory)
        self._note_newest(snapshot_file.found_in(self._directory))
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        retry_s = RETRY_S
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._due():
                continue
            try:
                await self.take()
                retry_s = RETRY_S
            except (SnapshotError, JournalError, OSError) as error:
                self._sequencer.counters.snapshots_failed += 1
                note(logging.WARNING, f"no snapshot was made: {error}", next_in_s=retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MOST_S)

    def _due(self) -> bool:
        limits = self._sequencer.limits
        if self._sequencer.phase != "serving" or not limits.snapshot_commands:
            return False
        commands = self._sequencer.commands_journaled - self._commands_before
        age_ns = wall_ns() - self._sequencer.counters.snapshot_taken_ns
        return commands >= limits.snapshot_commands or (commands > 0 and 0 < limits.snapshot_hours * HOUR_NS <= age_ns)

    async def take(self) -> None:
        """Have a snapshot made of everything that is durable now, then trim. Raises `SnapshotError`."""
        sequencer = self._sequencer
        commands = sequencer.commands_journaled
        upto = sequencer.journal_seq
        base = next((found.seq for found in self._found() if found.seq not in self._unusable), 0)
        started_ns = monotonic_ns()
        try:
            await self._make(self._directory, base, self._slices(upto))
        except BaseError:
            if base:
                self._unusable.add(base)  # next time from the one before
            else:
                self._unusable.clear()
            raise
        newest = next(iter(self._found()), None)
        if newest is None:
            raise SnapshotError(f"{self._directory} does not hold it")
        try:
            header = snapshot_file.read_header(newest.path)
        except DamagedSnapshot as damage:
            self._unusable.add(newest.seq)
            raise SnapshotError(str(damage)) from damage
        if header.seq != upto or not await sequencer.ask_journal(lambda journal: journal.holds(header.tail)):
            newest.path.unlink(missing_ok=True)
            raise SnapshotError(f"{newest.path} was not of record {upto} of this journal and was removed")
        self._commands_before = commands
        counters = sequencer.counters
        counters.snapshots += 1
        counters.snapshot_ns = monotonic_ns() - started_ns
        self._note_newest([newest])
        note(
            logging.INFO,
            "a snapshot was taken",
            journal_seq=header.seq,
            bytes=newest.bytes,
            took_ms=counters.snapshot_ns // 1_000_000,
        )
        await self._trim()
        self._unusable.clear()

    def _found(self) -> list[Found]:
        return snapshot_file.found_in(self._directory)

    def _note_newest(self, found: list[Found]) -> None:
        counters = self._sequencer.counters
        for one in found:
            try:
                header = snapshot_file.read_header(one.path)
            except DamagedSnapshot:
                continue
            counters.snapshot_taken_ns = header.taken_ns
            counters.snapshot_bytes = one.bytes
            counters.snapshot_seq = one.seq
            return
        counters.snapshot_taken_ns = wall_ns()

    def _slices(self, upto: int) -> Slices:
        async def read(seq: int) -> list[bytes]:
            if seq > upto:
                return []
            records = await self._sequencer.ask_journal(lambda journal: journal.slice(seq, SLICE_BYTES))
            return records[: upto - seq + 1]

        return read

    async def _trim(self) -> None:
        """Keep the newest snapshots, and of the journal what follows the oldest of them or is young enough."""
        found = [one for one in self._found() if one.seq not in self._unusable]
        for old in self._found():
            if old not in found[: snapshot_file.KEPT]:
                old.path.unlink(missing_ok=True)
        keep_hours = self._sequencer.limits.journal_hours
        if len(found) < snapshot_file.KEPT or not keep_hours:
            return
        upto = found[snapshot_file.KEPT - 1].seq
        before_ns = self._sequencer.clock.now() - int(keep_hours * HOUR_NS)
        more = True
        while more:
            await asyncio.sleep(TRIM_PAUSE_S)
            more = await self._sequencer.ask_journal(lambda journal: journal.trim(upto, before_ns, TRIM_RECORDS))


async def make_in_child(directory: Path, base: int, slices: Slices) -> None:
    """Send the records after `base` to a process of its own that writes the snapshot.

    Raises:
        BaseError: what it was given cannot be trusted.
        SnapshotError: it could not be written.
    """
    child = await asyncio.to_thread(_spawn, directory, base)
    assert child.stdin is not None
    try:
        seq = base + 1
        while records := await slices(seq):
            seq += len(records)
            fed = b"".join(len(record).to_bytes(4, "little") + record for record in records)
            await asyncio.to_thread(child.stdin.write, fed)
        _, said = await asyncio.to_thread(child.communicate)
    except BrokenPipeError:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.stdin = None
        _, said = await asyncio.to_thread(child.communicate)
    except BaseException:
        child.kill()
        await asyncio.to_thread(child.wait)
        raise
    if child.returncode:
        sentences = said.decode(errors="replace").strip().splitlines()
        sentence = sentences[-1] if sentences else f"the process that makes it ended with status {child.returncode}"
        raise (BaseError if child.returncode == Corrupt.exit_status else SnapshotError)(sentence)


def _spawn(directory: Path, base: int) -> "subprocess.Popen[bytes]":
    """Start the process. The loop has it done in a thread, by the standard library, which copies nothing of our memory.

    Its priority is the lowest from its first instruction on, for to start Python takes longer than a caller should wait where
    there is one processor for both; and where the server has real-time priority, the process has not. If somebody keeps our
    threads to some processors since we began, it may run on the others, too: where it takes turns with the loop, each
    turn costs the loop its caches.
    """
    words = ("journal", "snapshot", "--data", str(directory), "--fed-after", str(base))
    if hasattr(os, "SCHED_RESET_ON_FORK") and (policy := os.sched_getscheduler(0)) in {os.SCHED_FIFO, os.SCHED_RR}:
        os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, os.sched_getparam(0))
    with _anywhere():
        return subprocess.Popen(
            (*_NICE, sys.executable, "-m", "server", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "ACD_TOKEN": ""},
        )


@contextlib.contextmanager
def _anywhere() -> Iterator[None]:
    """What this thread starts meanwhile may run on all processors that the server began with."""
    if _PROCESSORS is None:
        yield
        return
    own = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # some of them may be taken from us since
        os.sched_setaffinity(0, _PROCESSORS)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, own)
