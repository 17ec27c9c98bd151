from libc.stdint cimport int64_t
from acd_core.json_text cimport JsonText

cdef class BatchText:
    cdef readonly int64_t ticks
    cdef readonly int64_t commands
    cdef readonly int64_t line_bytes
    cdef readonly int64_t time_ns
    cdef JsonText _tick
    cdef int64_t _tick_commands
    cdef JsonText _ticks
    cdef str _client  # of the command that was added last
    cdef JsonText _head  # what stands before its commands

    cdef int add(self, str client, const char *line, Py_ssize_t length) except -1
    cdef int _set_client(self, str client) except -1
    cpdef object close_tick(self, int64_t now)
    cpdef bytes take(self)
