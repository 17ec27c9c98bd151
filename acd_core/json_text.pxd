from libc.stdint cimport int64_t

cdef class JsonText:
    cdef char *start
    cdef Py_ssize_t length
    cdef Py_ssize_t capacity

    cdef int room(self, Py_ssize_t more) except -1
    cdef int add(self, const char *text, Py_ssize_t length) except -1
    cdef int add_bytes(self, bytes text) except -1
    cdef int string(self, str text) except -1
    cdef int number(self, int64_t value) except -1
    cdef int seconds(self, int64_t ns) except -1
    cdef bytes taken(self)

cdef int64_t digits_of(char *end, int64_t value) noexcept nogil
