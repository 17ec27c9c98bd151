# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Compact JSON written piece by piece into one buffer, byte for byte as msgspec writes it.

For what is written many thousand times a second and has a fixed shape; everything else goes through msgspec.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, realloc

import msgspec

cdef object encode = msgspec.json.Encoder().encode

cdef enum:
    FIRST = 512
    CLEARED_MAX = 262_144


@cython.final
cdef class JsonText:
    """A buffer that grows. What was written last stays until `length` is set to 0."""

    def __dealloc__(self):
        free(self.start)

    cdef int grow(self, Py_ssize_t more) except -1:
        """Make room for so many bytes more than there is room for."""
        cdef Py_ssize_t wanted = self.length + more
        cdef Py_ssize_t capacity = self.capacity or FIRST
        cdef char *grown
        while capacity < wanted:
            capacity *= 2
        grown = <char *>realloc(self.start, capacity)
        if grown == NULL:
            raise MemoryError
        self.start = grown
        self.capacity = capacity
        return 0

    cdef void clear(self) noexcept:
        """Forget what was written, and memory that is seldom needed."""
        self.length = 0
        if self.capacity > CLEARED_MAX:
            free(self.start)
            self.start = NULL
            self.capacity = 0

    cdef char *escaped(self, char *at, object value) except NULL:
        """What is not as simple as most."""
        self.finish(at)
        self.add_bytes(encode(value))
        return self.begin()

    cdef bytes taken(self):
        """All of it; what comes next begins anew."""
        cdef bytes text = PyBytes_FromStringAndSize(self.start, self.length)
        self.length = 0
        return text
