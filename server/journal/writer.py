"""Who appends to the journal, so that the event loop never waits for a disk.

A batch for which there is room where the journal is being written is written and flushed by an `AppendLane`; what is
more than that, such as a new file, is the work of a thread that also runs errands. They never work at the same time.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from server.append_lane import AppendLane, LaneFailed
from server.clock import monotonic_ns
from server.errors import NO_ROOM, Fatal, Full, JournalError
from server.journal.ballast import Ballast
from server.journal.contract import Batch, Journal
from server.journal.segments import SegmentJournal
from server.writer_core import WriterCore

_T = TypeVar("_T")


class Errand:
    """Something that is asked of the journal between two appends."""

    def __init__(self, work: Callable[[Journal], Any], answer: "asyncio.Future[Any]") -> None:
        self.work = work
        self.answer = answer

    def settle(self, value: object, error: Exception | None) -> None:
        """Answer, in the loop's thread, if anybody still waits for it."""
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(value)
        else:
            self.answer.set_exception(error)


class JournalWriter(WriterCore):
    """Appends one batch at a time; the caller submits the next only after `on_durable`.

    Both callbacks run in the event loop's thread. After `on_failed` nothing more is appended.

    Args:
        journal: open and fenced; used by nobody else until `stop` is done.
        epoch: of the fence.
        seq: of the journal's last record.
        on_durable: called with the nanoseconds that the append took.
        on_failed: called with what went wrong.
        on_full: called when the last room was given up; before `on_durable` of what found no room.
        ballast: room for the day on which the disk is full.
    """

    def __init__(
        self,
        journal: Journal,
        epoch: int,
        seq: int,
        on_durable: Callable[[int], None],
        on_failed: Callable[[JournalError], None],
        on_full: Callable[[], None],
        ballast: Ballast,
    ) -> None:
        self._journal = journal
        self._epoch = epoch
        self._seq = seq
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._on_full = on_full
        self._ballast = ballast
        self._loop = asyncio.get_running_loop()
        self._seal_time_ns = 0
        self._ended = asyncio.Event()
        self._errands = 0
        self._put_off: list[Errand] = []
        self._segments = journal if isinstance(journal, SegmentJournal) else None
        self._begin()

    def _begin(self) -> None:
        self._inbox: queue.SimpleQueue[Batch | Errand | JournalError | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        if self._segments is not None:
            self.at_once = AppendLane.in_memory(self._segments.descriptor)
            if not self.at_once:
                self._lane = AppendLane()
                self._loop.add_reader(self._lane.fileno(), self._landed)

    @property
    def seq(self) -> int:
        """Number of the last durable record."""
        return self._seq

    # -- appends ------------------------------------------------------------------------------------------------

    def _lost(self, failure: LaneFailed) -> None:
        """What was staged was not stored. Where there is no room the thread tries again, since it can make some."""
        self._staged = None
        if failure.errno in NO_ROOM and not failure.flush:
            assert self._batch is not None
            self._inbox.put(self._batch)
            self._go_on_errands()
            return
        self._inbox.put(
            Fatal(f"the journal cannot be written ({failure}): check the disk, then start the server again")
        )

    # -- errands ------------------------------------------------------------------------------------------------

    def ask(self, work: Callable[[Journal], _T]) -> "asyncio.Future[_T]":
        """Have `work` done with the journal between two appends, which it holds up meanwhile; gives what it gives.

        Once an append has failed, or after `stop`, there is no answer any more.
        """
        answer: asyncio.Future[_T] = self._loop.create_future()
        self._errands += 1
        self._take_errand(Errand(work, answer))
        return answer

    def _take_errand(self, errand: Errand) -> None:
        if self._staged is None:
            self._inbox.put(errand)
        else:
            self._put_off.append(errand)

    def _go_on_errands(self) -> None:
        for errand in self._put_off:
            self._inbox.put(errand)
        self._put_off.clear()

    def _errand_done(self, errand: Errand, value: object, error: Exception | None) -> None:
        self._errands -= 1
        errand.settle(value, error)

    # -- the end ------------------------------------------------------------------------------------------------

    async def stop(self, seal_time_ns: int) -> None:
        """Append the SEAL, unless an append failed, and end the threads. Nothing may be under way."""
        self._seal_time_ns = seal_time_ns
        self._inbox.put(None)
        await self._ended.wait()
        self._thread.join()

    def _end(self, error: JournalError | None) -> None:
        """The thread has ended, with an error or without."""
        if self._lane is not None:
            self._loop.remove_reader(self._lane.fileno())
            self._lane.stop()
            self._lane = self._segments = None
        if error is not None:
            self._on_failed(error)
        self._ended.set()

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._work(self._inbox.get(), self._inbox.empty):
            pass

    def _work(self, order: Batch | Errand | JournalError | None, idle: Callable[[], bool]) -> bool:
        """Append a batch, or the SEAL for None, or go on an errand; False when nothing may follow."""
        failed: JournalError | None = None
        try:
            if isinstance(order, Errand):
                self._run_errand(order)
                return True
            if isinstance(order, JournalError):
                raise order
            if order is not None:
                self._append(order)
                self._maintain(idle())
                return True
            self._ballast.insist(lambda: self._journal.seal(self._epoch, self._seq + 1, self._seal_time_ns))
        except JournalError as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch cannot be called durable
            failed = Fatal(f"the journal failed in an unknown way ({error!r})")
        self._tell(self._end, failed)
        return False

    def _run_errand(self, errand: Errand) -> None:
        try:
            value, error = errand.work(self._journal), None
        except Fatal as fatal:
            self._tell(self._errand_done, errand, None, fatal)
            raise
        except Exception as failure:  # noqa: BLE001 - who asked is told
            value, error = None, failure
        self._tell(self._errand_done, errand, value, error)

    def _append(self, batch: Batch) -> None:
        started_ns = monotonic_ns()
        self._ballast.insist(lambda: self._journal.append(self._epoch, self._seq + 1, batch))
        self._seq += 1
        if self._ballast.spent:
            self._tell(self._on_full)
        self._tell(self._on_durable, monotonic_ns() - started_ns)

    def _maintain(self, idle: bool) -> None:
        """Housekeeping, unless there is no room for it: that loses nothing, and the room is for appends."""
        try:
            self._journal.maintain(idle)
        except Full:
            pass

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        """Call back in the event loop, unless it is gone: then nobody waits for it."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            pass
