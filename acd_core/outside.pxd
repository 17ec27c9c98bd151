from libc.stdint cimport int32_t, int64_t
from acd_core.transitions cimport Transitions

cdef class OutsideContacts(Transitions):
    cdef int _report_outside(self, int32_t agent, str channel, int64_t contacts, int64_t until) except -1
    cdef int _outside_changed(self, int32_t agent) except -1
    cdef int32_t _withdraw_unfit(self, int32_t agent) except -2
