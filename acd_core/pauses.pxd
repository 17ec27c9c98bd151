from libc.stdint cimport int32_t
from acd_core.rests cimport Rests

cdef class Pauses(Rests):
    cdef int _stop_pause(self, int32_t agent) except -1
    cdef int _allowance_used(self, int32_t agent) except -1
    cdef int _change_pauses(self, object config) except -1
