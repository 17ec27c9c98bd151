# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The latest events, as they were sent, for clients that missed some."""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from acd_core.event_lines cimport EventLine, Told, event_line, told_of

cdef extern from "Python.h":  # of a pointer, so that nothing else is done than that
    void Py_INCREF(PyObject *thing)
    void Py_DECREF(PyObject *thing)

cdef enum:
    BLOCK_BYTES = 65_536


cdef inline void keep_name(PyObject *name, PyObject **place) noexcept:
    Py_INCREF(name)
    place[0] = name


cdef class EventRing:
    """Holds the events `first_seq` .. `last_seq`; empty when `first_seq` is `last_seq + 1`.

    Their lines lie one behind the other in a few blocks of memory, so that keeping one touches nothing that is cold.

    Args:
        events_max: most events kept.
        bytes_max: most bytes of their lines kept.
        last_seq: number of the latest event so far, which is not in the ring.
    """

    def __init__(self, int64_t events_max, int64_t bytes_max, int64_t last_seq=0):
        if self.events != NULL:
            raise RuntimeError("a ring is made once")
        self.events_max = events_max
        self.bytes_max = bytes_max
        self.first_seq = last_seq + 1
        self.last_seq = last_seq
        self.place = self.first_seq % events_max
        self.events = <Kept *>calloc(events_max, sizeof(Kept))
        if self.events == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.events != NULL:
            while self.first_seq <= self.last_seq:
                self._drop_oldest()
        free(self.events)
        free(self.block)
        free(self.spare)

    def __len__(self):
        return self.last_seq - self.first_seq + 1

    def append(self, EventLine event not None):
        """Keep an event, which must be the next; the oldest go when a limit is passed."""
        cdef Told told = told_of(event)
        self.keep(&told, 1)

    cdef int keep(self, Told *told, Py_ssize_t count) except -1:
        """The same for some events in a row, whose lines lie one behind the other."""
        cdef Py_ssize_t length = told[count - 1].line + told[count - 1].length - told[0].line
        cdef Py_ssize_t place
        if count == 1 or count > self.events_max or self.block == NULL or self.block.used + length > self.block.capacity:
            for place in range(count):
                self._keep_lines(&told[place], 1, told[place].length)
        else:
            self._keep_lines(told, count, length)
        return 0

    cdef int _keep_lines(self, Told *told, Py_ssize_t count, Py_ssize_t length) except -1:
        """The same for no more than there may be, which fit into a block."""
        cdef Told *event = told
        cdef Told *end = told + count
        cdef Kept *kept
        cdef Block *block
        cdef const char *line
        if told.seq != self.last_seq + 1 or end[-1].seq != self.last_seq + count:
            self._refuse(told.seq)
        while self.last_seq - self.first_seq + 1 + count > self.events_max:
            self._drop_oldest()
        block = self.block
        if block == NULL or block.used + length > block.capacity:
            self._open_block(length)
            block = self.block
        line = <const char *>(block + 1) + block.used
        memcpy(<char *>line, told.line, length)
        block.used += length
        block.kept += count
        self.bytes += length
        self.last_seq += count
        kept = &self.events[self.place]
        self.place += count
        if self.place >= self.events_max:
            self.place -= self.events_max
        while event < end:
            kept.block = block
            kept.line = line
            kept.length = event.length
            line += event.length
            keep_name(event.contact_client, &kept.contact_client)
            keep_name(event.agent_client, &kept.agent_client)
            keep_name(event.topic, &kept.topic)
            keep_name(event.tenant, &kept.tenant)
            keep_name(event.agent, &kept.agent)
            event += 1
            kept += 1
            if kept == self.events + self.events_max:
                kept = self.events
        while self.bytes > self.bytes_max:
            self._drop_oldest()
        return 0

    cdef int _refuse(self, int64_t seq) except -1:
        raise AssertionError(f"event {seq} after {self.last_seq}")

    cdef int _drop_oldest(self) except -1:
        cdef Kept *kept = &self.events[self.first_seq % self.events_max]
        cdef Block *block = kept.block
        self.first_seq += 1
        self.bytes -= kept.length
        block.kept -= 1
        if block.kept == 0:
            self._release(block)
        Py_DECREF(kept.contact_client)
        Py_DECREF(kept.agent_client)
        Py_DECREF(kept.topic)
        Py_DECREF(kept.tenant)
        Py_DECREF(kept.agent)
        return 0

    cdef int _open_block(self, Py_ssize_t length) except -1:
        """Go on in a block with room for so many bytes."""
        cdef Block *block = self.spare
        cdef Block *former
        if block != NULL and length <= block.capacity:
            self.spare = NULL
        else:
            block = <Block *>malloc(sizeof(Block) + max(length, <Py_ssize_t>BLOCK_BYTES))
            if block == NULL:
                raise MemoryError
            block.capacity = max(length, <Py_ssize_t>BLOCK_BYTES)
        block.used = 0
        block.kept = 0
        former, self.block = self.block, block
        if former != NULL and former.kept == 0:
            self._release(former)
        return 0

    cdef void _release(self, Block *block) noexcept:
        """Nothing in a block is kept any more."""
        if block == self.block:
            block.used = 0
        elif self.spare == NULL and block.capacity == BLOCK_BYTES:
            self.spare = block
        else:
            free(block)

    def __getitem__(self, int64_t seq):
        """The event of that number, which must be kept."""
        cdef Kept *kept
        cdef Told told
        if not self.first_seq <= seq <= self.last_seq:
            raise AssertionError(f"event {seq} is not kept")
        kept = &self.events[seq % self.events_max]
        told.seq = seq
        told.line = kept.line
        told.length = kept.length
        told.contact_client = kept.contact_client
        told.agent_client = kept.agent_client
        told.topic = kept.topic
        told.tenant = kept.tenant
        told.agent = kept.agent
        return event_line(&told)
