from libc.stdint cimport int32_t
from acd_core.state cimport State

cdef class Rests(State):
    cdef int _mind_rest(self, int32_t agent) except -1
    cdef int _stop_rest_timer(self, int32_t agent) except -1
    cdef int _close(self, int32_t agent) except -1
    cdef bint _rest_due(self, int32_t agent) except -1
    cdef bint _change_levels(self, object settings) except -1
    cdef int _judge_rests(self) except -1
    cdef bint _failed_too_often(self, int32_t agent) except -1
