from libc.stdint cimport int32_t, int64_t
from acd_core.dump cimport Dumped

cdef class Engine(Dumped):
    cdef int32_t _agent_at(self, int64_t now, str agent) except -2
    cdef bint _disposes(self, int32_t leg) noexcept
    cdef int _set_emergency(self, int64_t now, str tenant, str queue, object reason) except -1
    cdef int32_t _contact_at(self, int64_t now, str contact) except -2
