# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""How occupied an agent is: the share of his time on contacts, the latest counting most; see model/occupancy.py."""

from libc.stdint cimport int64_t

from acd_core.fixed_point cimport LOG_BITS, ONE, ONE_BITS, halved, log2

cdef int64_t NEVER = -(<int64_t>1 << 62)
cdef int64_t IN_HAND = <int64_t>1 << 61


cdef int64_t later(int64_t occupancy, int use, int64_t elapsed_us, int64_t half_life_us) noexcept nogil:
    """What becomes of an occupancy, in units of 1/ONE, after a time."""
    if use == USE_FREE:
        return occupancy * halved(elapsed_us, half_life_us) >> ONE_BITS
    if use == USE_OCCUPIED:
        return ONE - ((ONE - occupancy) * halved(elapsed_us, half_life_us) >> ONE_BITS)
    return occupancy


cdef int64_t free_key(int64_t occupancy, int64_t now_us, int64_t half_life_us) noexcept nogil:
    """Orders those who are free by occupancy, for as long as they are."""
    if not occupancy:
        return NEVER
    return now_us + ((log2(occupancy) - (<int64_t>ONE_BITS << LOG_BITS)) * half_life_us >> LOG_BITS)


cdef int64_t time_until(int64_t occupancy, int use, int64_t level, int64_t half_life_us) noexcept nogil:
    """In how many microseconds an occupancy comes to a level that it is on its way to."""
    cdef int64_t left = occupancy if use == USE_FREE else ONE - occupancy
    cdef int64_t there = level if use == USE_FREE else ONE - level
    cdef int64_t due = -((log2(there) - log2(left)) * half_life_us >> LOG_BITS)
    return due if due > 0 else 0


cdef int64_t order_key(int64_t occupancy, int use, int64_t now_us, int64_t half_life_us) noexcept nogil:
    """Orders agents by occupancy, the least occupied first; 0 for one who is paused."""
    if use == USE_FREE:
        return free_key(occupancy, now_us, half_life_us)
    if use == USE_OCCUPIED:
        return IN_HAND - free_key(ONE - occupancy, now_us, half_life_us)
    return 0
