from libc.stdint cimport int32_t
from acd_core.callbacks cimport Callbacks

cdef class Consults(Callbacks):
    cdef int _begin_consult(self, int32_t consult, object wishes) except -1
    cdef int32_t _about(self, int32_t consult) except -2
    cdef int _end_consult(self, int32_t contact) except -1
    cdef int _forget_consult(self, int32_t consult) except -1
    cdef int32_t _connected_leg(self, int32_t contact, str agent) noexcept
    cdef int32_t _talking(self, int32_t contact) noexcept
    cdef int _merge(self, int32_t consult, int32_t contact, bint transfer) except -1
    cdef int _leave(self, int32_t contact, int32_t leg) except -1
    cdef int _complete(self, int32_t contact, int reason) except -1
    cdef int _transfer(self, int32_t contact, int32_t target, bint keep_age, str only_agent) except -1
    cdef int _attempt_failed(self, int32_t contact, str cause) except -1
    cdef int _end(self, int32_t contact, int reason, int32_t agent) except -1
