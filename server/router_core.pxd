from acd_core.event_lines cimport LineTaker
from acd_core.json_text cimport JsonText
from server.counters cimport Counters
from server.ring cimport EventRing

cdef class RouterCore(LineTaker):
    cdef readonly EventRing ring
    cdef public dict receivers
    cdef public dict subscribers
    cdef Counters _counters
    cdef JsonText _line
    cdef str _client  # whose receiver was looked up last while events are handed out
    cdef object _receiver

    cpdef object hand_out(self, object machine)
    cdef object _receiver_of(self, str client)
