# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The latest events, as they were sent, for clients that missed some."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from acd_core.event_lines cimport EventLine, event_line

cdef enum:
    BLOCK_BYTES = 65_536


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
        self.keep(
            event.seq, PyBytes_AS_STRING(event.line), PyBytes_GET_SIZE(event.line), event.contact_client,
            event.agent_client, event.topic, event.tenant, event.agent,
        )

    cdef int keep(
        self, int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic,
        str tenant, str agent,
    ) except -1:
        """See `append`."""
        cdef Kept *kept
        if seq != self.last_seq + 1:
            raise AssertionError(f"event {seq} after {self.last_seq}")
        if self.last_seq - self.first_seq + 1 == self.events_max:
            self._drop_oldest()
        if self.block == NULL or self.block.used + length > self.block.capacity:
            self._open_block(length)
        kept = &self.events[seq % self.events_max]
        kept.block = self.block
        kept.line = <char *>(self.block + 1) + self.block.used
        kept.length = length
        memcpy(<char *>kept.line, line, length)
        self.block.used += length
        self.block.kept += 1
        Py_INCREF(contact_client)
        Py_INCREF(agent_client)
        Py_INCREF(topic)
        Py_INCREF(tenant)
        Py_INCREF(agent)
        kept.contact_client = <PyObject *>contact_client
        kept.agent_client = <PyObject *>agent_client
        kept.topic = <PyObject *>topic
        kept.tenant = <PyObject *>tenant
        kept.agent = <PyObject *>agent
        self.last_seq = seq
        self.bytes += length
        while self.bytes > self.bytes_max:
            self._drop_oldest()
        return 0

    cdef int _drop_oldest(self) except -1:
        cdef Kept *kept = &self.events[self.first_seq % self.events_max]
        cdef Block *block = kept.block
        self.first_seq += 1
        self.bytes -= kept.length
        block.kept -= 1
        if block.kept == 0:
            self._release(block)
        Py_DECREF(<str>kept.contact_client)
        Py_DECREF(<str>kept.agent_client)
        Py_DECREF(<str>kept.topic)
        Py_DECREF(<str>kept.tenant)
        Py_DECREF(<str>kept.agent)
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
        if not self.first_seq <= seq <= self.last_seq:
            raise AssertionError(f"event {seq} is not kept")
        kept = &self.events[seq % self.events_max]
        return event_line(
            seq, kept.line, kept.length, <str>kept.contact_client, <str>kept.agent_client, <str>kept.topic,
            <str>kept.tenant, <str>kept.agent,
        )
