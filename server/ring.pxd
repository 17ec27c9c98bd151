from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from acd_core.event_lines cimport Told

# Where the lines of some events in a row are; freed when none of them is kept any more.
cdef struct Block:
    Py_ssize_t capacity
    Py_ssize_t used
    int64_t kept

cdef struct Kept:
    Block *block
    const char *line
    Py_ssize_t length
    PyObject *contact_client
    PyObject *agent_client
    PyObject *topic
    PyObject *tenant
    PyObject *agent

cdef class EventRing:
    cdef readonly int64_t events_max
    cdef readonly int64_t bytes_max
    cdef readonly int64_t first_seq
    cdef readonly int64_t last_seq
    cdef readonly int64_t bytes
    cdef Kept *events
    cdef int64_t place  # of the event after the last
    cdef Block *block
    cdef Block *spare

    cdef int keep(self, Told *told, Py_ssize_t count) except -1
    cdef int _keep_lines(self, Told *told, Py_ssize_t count, Py_ssize_t length) except -1
    cdef int _refuse(self, int64_t seq) except -1
    cdef int _drop_oldest(self) except -1
    cdef int _open_block(self, Py_ssize_t length) except -1
    cdef void _release(self, Block *block) noexcept
