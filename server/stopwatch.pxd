from libc.stdint cimport int64_t

cdef int64_t stopwatch_ns() except -1
cdef int64_t machine_ns() noexcept nogil
cdef bint is_replaced() except -1
