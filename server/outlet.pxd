from acd_core.event_lines cimport EventLine, Told
from acd_core.json_text cimport JsonText

cdef class Outlet:
    cdef JsonText gathered  # what is due with the next batch; None for nothing

    cpdef object write(self, bytes data)
    cpdef object deliver(self, EventLine event)
    cdef int write_text(self, JsonText text) except -1
    cdef bint deliver_lines(self, Told *told, Py_ssize_t count) except -1
