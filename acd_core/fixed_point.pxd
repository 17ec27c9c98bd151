from libc.stdint cimport int64_t

cdef enum:
    ONE_BITS = 30
    ONE = 0x40000000          # 1 << 30; in a .pxd, and with overflow checks, Cython wants the number itself
    EXPONENT_BITS = 26
    LOG_BITS = 20

cdef int64_t halved(int64_t time, int64_t half_life) noexcept nogil
cdef int64_t log2(int64_t value) noexcept nogil
