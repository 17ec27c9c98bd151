from libc.stdint cimport int64_t

cdef int64_t machine_ns() noexcept nogil

cdef class Clock:
    cdef readonly double speed
    cdef int64_t _start_ns
    cdef int64_t _origin_ns

    cpdef int64_t now(self) except -1
