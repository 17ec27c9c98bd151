from acd_core.event_lines cimport EventLine

cdef class Outlet:
    cdef public list gathered

    cpdef object write(self, bytes data)
    cpdef object deliver(self, EventLine event)
