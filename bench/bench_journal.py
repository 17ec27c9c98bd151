"""The journal by itself: appends of one, some and many commands, what a flush of the disk costs, and recovery.

An append is durable when it returns, and only one is under way at a time; so its cost is that of one flush, and what
counts is how many commands share it. Recovery reads and verifies a whole journal and applies every command in it, or it
begins with a snapshot. The limits that it is held to: 10 s for a tail of 1,000,000 commands, and 5 s for a snapshot of 100,000
agents and 1,000,000 waiting contacts.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from acd_protocol.journal_records import Tail
from acd_protocol.snapshot_file import store
from acd_sim.load.floor import Shape
from bench.measure import measure, quantiles
from bench.sizes import Size
from bench.workload import CLIENT, Step, record
from server.journal.contract import Batch
from server.journal.records import encode_ticks
from server.journal.segments import SegmentJournal
from server.journal.stores import KINDS, journal_in
from server.recovery import Replica, recover, replay

COMMANDS_PER_BATCH = 64
EVENTS_KEPT = 65_536
PAGE = bytes(4096)


def batch_of(steps: list[Step]) -> Batch:
    """One tick with all these commands."""
    now = steps[-1].now
    return Batch(now, len(steps), encode_ticks([(now, [(CLIENT, step.line) for step in steps])]))


class Writer:
    """A new journal that can be appended to."""

    def __init__(self, directory: Path, kind: str = "segments") -> None:
        directory.mkdir()
        self.journal = journal_in(directory, kind)
        tail = self.journal.open()
        self._epoch = self.journal.fence("bench", tail, 1)
        self._seq = tail.seq + 1

    def append(self, batch: Batch) -> None:
        """Append a batch, with the housekeeping that the server does."""
        self._seq += 1
        self.journal.append(self._epoch, self._seq, batch)
        self.journal.maintain(False)


@pytest.mark.parametrize("kind", KINDS)
def bench_append(benchmark: Any, size: Size, group: int, kind: str, tmp_path: Path) -> None:
    steps = record(Shape(20, 4), 1, max(100, group)).segments[0]
    batch = batch_of(steps[:group])
    writer = Writer(tmp_path / "journal", kind)

    def append_all() -> None:
        for _ in range(size.appends):
            writer.append(batch)

    measure(
        benchmark,
        iter([append_all] * 3),
        3,
        group="journal",
        unit="command",
        kind=kind,
        units=size.appends * group,
        commands_per_append=group,
        bytes_per_append=len(batch.payload),
    )
    writer.journal.close()


def bench_flush(benchmark: Any, size: Size, tmp_path: Path) -> None:
    flushes: list[int] = []

    def flush() -> None:
        with (tmp_path / "file").open("ab", buffering=0) as file:
            for _ in range(size.appends):
                started = time.perf_counter_ns()
                file.write(PAGE)
                os.fdatasync(file.fileno())
                flushes.append(time.perf_counter_ns() - started)

    measure(benchmark, iter([flush] * 3), 3, group="flush", unit="flush", units=size.appends)
    benchmark.extra_info["flush_ns"] = quantiles(flushes)


def bench_recovery(benchmark: Any, size: Size, tmp_path: Path) -> None:
    recording = record(Shape(1_000, 64) if size.name != "tiny" else Shape(20, 4), 1, size.replayed)
    writer = Writer(tmp_path / "journal")
    steps = recording.setup + recording.segments[0]
    for start in range(0, len(steps), COMMANDS_PER_BATCH):
        writer.append(batch_of(steps[start : start + COMMANDS_PER_BATCH]))
    writer.journal.close()

    def replay() -> None:
        journal = SegmentJournal(tmp_path / "journal")
        recovered = recover(journal, EVENTS_KEPT)
        journal.close()
        assert recovered.commands == len(steps)

    measure(
        benchmark,
        iter([replay] * 3),
        3,
        group="recovery",
        unit="command",
        units=len(steps),
        commands_per_batch=COMMANDS_PER_BATCH,
    )


def bench_restart(benchmark: Any, size: Size, tmp_path: Path) -> None:
    replica = Replica(EVENTS_KEPT)
    steps = record(size.restored, 0, 1).setup
    for start in range(0, len(steps), COMMANDS_PER_BATCH):
        for step in steps[start : start + COMMANDS_PER_BATCH]:
            replay(replica.machine, replica.away, (step.now, [(CLIENT, step.line)]), 1)
        replica.events.extend(replica.machine.take_lines())
    begin = Tail(os.urandom(16), 1, 1, bytes(8), steps[-1].now)
    header, data = replica.snapshot(begin)
    del replica, steps
    store(tmp_path, header, data)
    SegmentJournal(tmp_path).restore(begin, ())

    def restart() -> None:
        journal = SegmentJournal(tmp_path)
        recovered = recover(journal, EVENTS_KEPT, snapshots=tmp_path)
        journal.close()
        assert recovered.snapshot == 1
        assert recovered.machine.domain().contacts == header.contacts

    measure(
        benchmark,
        iter([restart] * 3),
        3,
        group="restart",
        unit="row",
        units=header.contacts + header.agents,
        agents=header.agents,
        contacts=header.contacts,
        bytes=len(data),
    )
