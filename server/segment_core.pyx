# cython: auto_pickle=False, autotestdict=False
"""The hot part of `server.journal.segments`: where the next record of a journal goes, and what it is."""

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int64_t

from acd_protocol.record_bytes cimport fields_of, record_bytes, tail_after

from acd_protocol import journal_records, segments

cdef enum:
    # Fields of a Tail.
    SEQ = 1
    EPOCH = 2
    # Of a Batch.
    TIME_NS = 0
    COMMANDS = 1
    PAYLOAD = 2

cdef bytes magic = journal_records.MAGIC
cdef int version = journal_records.FORMAT_VERSION
cdef int kind_of_batch = journal_records.Kind.BATCH
cdef int64_t turn_bytes = segments.TURN_BYTES


cdef class SegmentCore:
    """See `server.journal.segments.SegmentJournal`.

    Attributes:
        _tail: of the last record.
        _descriptor: of the file that is being written; negative while it is not open.
        _end: where in that file the next record begins.
        _size: of that file.
    """

    def __cinit__(self):
        self._descriptor = -1

    @property
    def descriptor(self):
        """Of the file that is being written; negative while it is not open."""
        return self._descriptor

    cdef bytes stage(self, int64_t epoch, int64_t seq, object batch):
        """The next record, which is to be written at `_end`, and flushed; None if `append` must do it, or refuse it.

        `foresee` it before `settle`.
        """
        cdef tuple tail = fields_of(self._tail, EPOCH)
        cdef tuple fields = fields_of(batch, PAYLOAD)
        cdef bytes record
        if epoch != <int64_t>tail[EPOCH] or seq != <int64_t>tail[SEQ] + 1 or self._descriptor < 0:
            return None
        record = record_bytes(
            magic, version, tail, kind_of_batch, epoch, fields[TIME_NS], fields[COMMANDS], <bytes?>fields[PAYLOAD]
        )
        return record if self._end + PyBytes_GET_SIZE(record) + turn_bytes <= self._size else None

    cdef int foresee(self, bytes record) except -1:
        """Find out what tail the record that was staged makes, while it is being stored."""
        self._foreseen = tail_after(self._tail, record, False)
        return 0

    cdef int settle(self, bytes record) except -1:
        """What was staged is durable."""
        return self._note(self._foreseen, PyBytes_GET_SIZE(record))

    cpdef int _note(self, object tail, int64_t length) except -1:
        """A record of so many bytes was added."""
        cdef int64_t place = self._end
        self._tail = tail
        self._end = place + length
        if self._end > self._look_at:
            self._look(place)
        return 0
