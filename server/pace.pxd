from libc.stdint cimport int64_t

cdef class Pace:
    cdef readonly double per_s
    cdef readonly int64_t burst
    cdef double _ns_per_line
    cdef double _spare_ns
    cdef double _paid_until_ns

    cdef double missing_ns(self, int64_t now_ns) noexcept
    cdef void count(self, int64_t now_ns) noexcept

cdef double pass_all(tuple paces, int64_t *now_ns) except -1
