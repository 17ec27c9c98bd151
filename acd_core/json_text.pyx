# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Compact JSON written piece by piece into one buffer, byte for byte as msgspec writes it.

For what is written many thousand times a second and has a fixed shape; everything else goes through msgspec.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc

import msgspec

cdef object encode = msgspec.json.Encoder().encode

cdef enum:
    FIRST = 512
    CLEARED_MAX = 262_144

# Above this many milliseconds a number of seconds has more digits than a float keeps, and msgspec writes it.
cdef int64_t EXACT_MS = 1_000_000_000_000_000


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

    cdef int escaped(self, object value) except -1:
        """What is not as simple as most."""
        return self.add_bytes(encode(value))

    cdef int seconds(self, int64_t ns) except -1:
        """A time, which is not negative, as seconds to the nearest millisecond, as `config.seconds_of_ns` has them."""
        cdef int64_t ms = (ns + 500_000) // 1_000_000
        cdef int part = ms % 1000
        cdef char *place
        if ms >= EXACT_MS:
            return self.escaped(ms // 1000 if part == 0 else ms / 1000.0)
        self.number(ms // 1000)
        if part == 0:
            return 0
        self.room(4)
        place = self.start + self.length
        place[0] = c"."
        place[1] = <char>(c"0" + part // 100)
        place[2] = <char>(c"0" + part // 10 % 10)
        place[3] = <char>(c"0" + part % 10)
        self.length += 2 if part % 100 == 0 else 3 if part % 10 == 0 else 4
        return 0

    cdef bytes taken(self):
        """All of it; what comes next begins anew."""
        cdef bytes text = PyBytes_FromStringAndSize(self.start, self.length)
        self.length = 0
        return text
