from acd_core.event_lines cimport EventLine
from server.counters cimport Counters
from server.ring cimport EventRing

cdef class RouterCore:
    cdef readonly EventRing ring
    cdef public dict receivers
    cdef public dict subscribers
    cdef Counters _counters

    cpdef EventLine remember(self, EventLine event)
    cpdef object route(self, list events)
