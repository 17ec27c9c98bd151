# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Compact JSON written piece by piece into one buffer, byte for byte as msgspec writes it.

For what is written many thousand times a second and has a fixed shape; everything else goes through msgspec.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import msgspec

cdef object encode = msgspec.json.Encoder().encode

cdef enum:
    FIRST = 512
    DIGITS = 20  # of the longest 64-bit number, with its sign

# Above this many milliseconds a number of seconds has more digits than a float keeps, and msgspec writes it.
cdef int64_t EXACT_MS = 1_000_000_000_000_000


cdef int64_t digits_of(char *end, int64_t value) noexcept nogil:
    """Write the digits of a number, which is not negative, so that they end before `end`; gives how many."""
    cdef char *place = end
    while True:
        place -= 1
        place[0] = <char>(c"0" + value % 10)
        value //= 10
        if value == 0:
            return end - place


@cython.final
cdef class JsonText:
    """A buffer that grows. What was written last stays until `length` is set to 0."""

    def __dealloc__(self):
        free(self.start)

    cdef int room(self, Py_ssize_t more) except -1:
        """Make room for so many bytes more."""
        cdef Py_ssize_t wanted = self.length + more
        cdef Py_ssize_t capacity = self.capacity or FIRST
        cdef char *grown
        if wanted <= self.capacity:
            return 0
        while capacity < wanted:
            capacity *= 2
        grown = <char *>realloc(self.start, capacity)
        if grown == NULL:
            raise MemoryError
        self.start = grown
        self.capacity = capacity
        return 0

    cdef int add(self, const char *text, Py_ssize_t length) except -1:
        """JSON as it is."""
        self.room(length)
        memcpy(self.start + self.length, text, length)
        self.length += length
        return 0

    cdef int add_bytes(self, bytes text) except -1:
        """JSON as it is."""
        return self.add(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    cdef int string(self, str text) except -1:
        """A string, in its quotes. Raises UnicodeEncodeError for what UTF-8 does not have."""
        cdef Py_ssize_t length, index
        cdef const char *utf8 = PyUnicode_AsUTF8AndSize(text, &length)
        for index in range(length):
            if <unsigned char>utf8[index] < 0x20 or utf8[index] == c'"' or utf8[index] == c"\\":
                return self.add_bytes(encode(text))
        self.room(length + 2)
        self.start[self.length] = c'"'
        memcpy(self.start + self.length + 1, utf8, length)
        self.start[self.length + 1 + length] = c'"'
        self.length += length + 2
        return 0

    cdef int number(self, int64_t value) except -1:
        """A whole number."""
        cdef char digits[DIGITS]
        cdef int64_t count
        if value < 0:
            return self.add_bytes(encode(value))
        count = digits_of(digits + DIGITS, value)
        return self.add(digits + DIGITS - count, count)

    cdef int seconds(self, int64_t ns) except -1:
        """A time, which is not negative, as seconds to the nearest millisecond, as `config.seconds_of_ns` has them."""
        cdef int64_t ms = (ns + 500_000) // 1_000_000
        cdef int part = ms % 1000
        cdef char *place
        if ms >= EXACT_MS:
            return self.add_bytes(encode(ms // 1000 if part == 0 else ms / 1000.0))
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
