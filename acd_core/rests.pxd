from libc.stdint cimport int32_t
from acd_core.state cimport State

cdef class Rests(State):
    cdef bint _failed_too_often(self, int32_t agent) except -1
