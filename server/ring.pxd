from acd_core.event_lines cimport EventLine
from libc.stdint cimport int64_t

cdef class EventRing:
    cdef readonly int64_t events_max
    cdef readonly int64_t bytes_max
    cdef readonly int64_t first_seq
    cdef readonly int64_t last_seq
    cdef readonly int64_t bytes
    cdef list events

    cdef int keep(self, EventLine event) except -1
