from libc.stdint cimport int64_t

cdef int64_t stopwatch_ns() except -1
cdef bint is_replaced() except -1
