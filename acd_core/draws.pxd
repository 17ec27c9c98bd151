from libc.stdint cimport int64_t

cdef int64_t draw(int64_t seed, int64_t offer, int64_t place) noexcept nogil
cdef int64_t weighted_at_least(int64_t drawn, int64_t weight) noexcept nogil
cdef int64_t weighted(int64_t drawn, int64_t weight) noexcept nogil
