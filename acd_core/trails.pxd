from libc.stdint cimport int32_t
from acd_core.places cimport Places

cdef class Trails(Places):
    cdef int _note(self, int32_t contact, str why, str to, int32_t agent, int32_t step) except -1
