from libc.stdint cimport int32_t, int64_t
from acd_core.configured cimport Configured

cdef class Decisions(Configured):
    cdef int64_t watched      # number of the offer whose making is wanted; 0 for none
    cdef readonly object witnessed

    cdef int _witness(self, int32_t contact, int32_t agent, bint agent_looked) except -1
    cdef int64_t _precedence(self, int32_t agent, int32_t owner) noexcept
