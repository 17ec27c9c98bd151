from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.containers cimport Tagged

cdef class Roster:
    cdef list names           # by slot
    cdef Tagged *places       # the slots by the hashes of their names
    cdef int64_t place_capacity
    cdef int64_t size         # of those places
    cdef int32_t *order       # the slots; NULL while they are 0, 1 and so on
    cdef int64_t order_capacity
    cdef int64_t room
    cdef int64_t count

    cdef int64_t _home(self, uint32_t tag) noexcept nogil
    cdef int32_t find(self, str agent) noexcept
    cdef int add(self, int32_t slot) except -1
    cpdef list values(self)
    cpdef list items(self)
