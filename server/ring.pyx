# cython: auto_pickle=False, autotestdict=False
"""The latest events, as they were sent, for clients that missed some."""

from libc.stdint cimport int64_t

from acd_core.event_lines cimport EventLine


cdef class EventRing:
    """Holds the events `first_seq` .. `last_seq`; empty when `first_seq` is `last_seq + 1`.

    Args:
        events_max: most events kept.
        bytes_max: most bytes of their lines kept.
        last_seq: number of the latest event so far, which is not in the ring.
    """

    def __init__(self, int64_t events_max, int64_t bytes_max, int64_t last_seq=0):
        self.events_max = events_max
        self.bytes_max = bytes_max
        self.first_seq = last_seq + 1
        self.last_seq = last_seq
        self.events = [None] * events_max

    def __len__(self):
        return self.last_seq - self.first_seq + 1

    def append(self, EventLine event not None):
        """Keep an event, which must be the next; the oldest go when a limit is passed."""
        self.keep(event)

    cdef int keep(self, EventLine event) except -1:
        """See `append`."""
        cdef Py_ssize_t index = event.seq % self.events_max
        cdef EventLine oldest = <EventLine>self.events[index]
        if event.seq != self.last_seq + 1:
            raise AssertionError(f"event {event.seq} after {self.last_seq}")
        if oldest is not None:
            self.bytes -= len(oldest.line)
            self.first_seq += 1
        self.events[index] = event
        self.last_seq = event.seq
        self.bytes += len(event.line)
        while self.bytes > self.bytes_max:
            index = self.first_seq % self.events_max
            self.bytes -= len((<EventLine>self.events[index]).line)
            self.events[index] = None
            self.first_seq += 1
        return 0

    def __getitem__(self, int64_t seq):
        """The event of that number, which must be kept."""
        if not self.first_seq <= seq <= self.last_seq:
            raise AssertionError(f"event {seq} is not kept")
        return self.events[seq % self.events_max]
