from libc.stdint cimport int64_t

# What the present does to an agent's occupancy.
cdef enum Use:
    USE_FREE = 0
    USE_OCCUPIED = 1
    USE_PAUSED = 2

cdef int64_t later(int64_t occupancy, int use, int64_t elapsed_us, int64_t half_life_us) noexcept nogil
cdef int64_t order_key(int64_t occupancy, int use, int64_t now_us, int64_t half_life_us) noexcept nogil
cdef int64_t time_until(int64_t occupancy, int use, int64_t level, int64_t half_life_us) noexcept nogil
cdef int64_t free_key(int64_t occupancy, int64_t now_us, int64_t half_life_us) noexcept nogil
