# cython: auto_pickle=False, autotestdict=False
"""The hot part of `server.journal.writer`: what each batch goes through that its lane can store."""

from libc.stdint cimport int64_t

from server.append_lane cimport AppendLane, store_at_once
from server.segment_core cimport SegmentCore

from server.append_lane import LaneFailed


cdef class WriterCore:
    """See `server.journal.writer.JournalWriter`.

    Attributes:
        at_once: whether most batches are durable when `submit` returns, since the journal is in memory.
        _segments: the journal, where its records are written without the thread.
        _staged: the record that is being stored without the thread.
        _batch: what is in it.
    """

    @property
    def _lane(self):
        return self.lane

    @_lane.setter
    def _lane(self, lane):
        self.lane = lane
        self.real_lane = lane if isinstance(lane, AppendLane) else None

    cpdef int64_t submit(self, object batch) except? -2:
        """Append `batch`, a `Batch`; no other may be under way.

        Gives the nanoseconds that it took if it is durable already, else -1: then `on_durable` will be called.
        """
        cdef SegmentCore journal = self._segments
        cdef bytes staged = None
        cdef int64_t took_ns
        if journal is not None and not self._errands:
            staged = journal.stage(self._epoch, self._seq + 1, batch)
        if staged is None:
            self._inbox.put(batch)
            return -1
        self._staged = staged
        self._batch = batch
        if self.lane is not None:
            if self.real_lane is not None:
                self.real_lane.start(journal._descriptor, staged, journal._end)
            else:
                self.lane.start(journal._descriptor, staged, journal._end)
            journal.foresee(staged)
            return -1
        try:
            took_ns = self._store(journal._descriptor, staged, journal._end)
        except LaneFailed as failure:
            self._lost(failure)
            return -1
        journal.foresee(staged)
        self._settle()
        return took_ns

    cpdef int64_t _store(self, int descriptor, bytes record, int64_t place) except? -2:
        """Write and flush in this thread; gives the nanoseconds that it took. Raises `LaneFailed`."""
        return store_at_once(descriptor, record, place)

    def _landed(self):
        """The lane is done with what it was given."""
        cdef int64_t took_ns
        try:
            took_ns = self.real_lane.finish() if self.real_lane is not None else self.lane.finish()
        except LaneFailed as failure:
            self._lost(failure)
            return
        self._settle()
        self._on_durable(took_ns)

    cpdef object _settle(self):
        """What was staged is durable."""
        cdef bytes staged = self._staged
        self._staged = None
        self._segments.settle(staged)
        self._seq += 1
        if self._put_off:
            self._go_on_errands()
