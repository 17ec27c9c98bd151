from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.containers cimport TagTable
from acd_core.ids cimport Ids
from acd_core.tables cimport Tables

cdef class Live:
    cdef Tables tables
    cdef Ids ids              # by slot
    cdef TagTable slots       # by hash

    cdef int32_t find(self, str contact) noexcept
    cdef int32_t find_tagged(self, str contact, uint32_t tag) noexcept
    cdef int add(self, int32_t slot) except -1
    cdef int remove(self, int32_t slot) except -1
    cdef list first(self, int64_t most, const char *queues, int state)
    cpdef list values(self)
    cpdef list items(self)
