from libc.stdint cimport int32_t, uint32_t
from acd_core.containers cimport TagTable
from acd_core.ids cimport Ids
from acd_core.tables cimport Tables

cdef class Live:
    cdef Tables tables
    cdef Ids ids              # by slot
    cdef TagTable slots       # by hash
    cdef int32_t first        # in the order of arrival, and on by Contact.live_next; NONE when there is none
    cdef int32_t last

    cdef int32_t find(self, str contact) noexcept
    cdef int32_t find_tagged(self, str contact, uint32_t tag) noexcept
    cdef int add(self, int32_t slot) except -1
    cdef int remove(self, int32_t slot) except -1
    cpdef list values(self)
    cpdef list items(self)
