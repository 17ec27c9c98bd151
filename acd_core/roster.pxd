from libc.stdint cimport int32_t, int64_t
from acd_core.containers cimport TagTable

cdef class Roster:
    cdef list names           # by slot
    cdef TagTable slots       # by hash
    cdef int32_t *order       # the slots
    cdef int64_t capacity
    cdef int64_t count

    cdef int32_t find(self, str agent) noexcept
    cdef int make(self, int64_t count) except -1
    cdef int add(self, int32_t slot) except -1
    cpdef list values(self)
    cpdef list items(self)
