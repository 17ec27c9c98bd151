# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Chance for the core: draws that follow from a seed and the number of the offer; see model/draws.py."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from acd_core.fixed_point cimport LOG_BITS, ONE_BITS, log2


@cython.overflowcheck(False)
cdef inline uint64_t _mixed(uint64_t bits) noexcept nogil:
    bits += 0x9E3779B97F4A7C15ULL
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ULL
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL
    return bits ^ (bits >> 31)


@cython.overflowcheck(False)
cdef int64_t draw(int64_t seed, int64_t offer, int64_t place) noexcept nogil:
    """A number of 63 bits, any as likely as any other."""
    return <int64_t>(_mixed(_mixed(_mixed(<uint64_t>seed) ^ <uint64_t>offer) ^ <uint64_t>place) >> 1)


cdef enum:
    COARSE_BITS = 8

cdef int64_t LEAST[257]  # by the first COARSE_BITS of an even draw: what its logarithm lacks of that of 1, or less
for _first in range(<int>(1 << COARSE_BITS) + 1):
    LEAST[<int>_first] = (<int64_t>ONE_BITS << LOG_BITS) - log2(
        min((<int64_t>_first + 1) << (ONE_BITS - COARSE_BITS), <int64_t>1 << ONE_BITS)
    )


cdef int64_t weighted_at_least(int64_t drawn, int64_t weight) noexcept nogil:
    """No more than `weighted`, at a tenth of its cost: most who draw are seen not to win by it."""
    cdef int64_t even = (drawn >> (63 - ONE_BITS)) + 1
    return (LEAST[even >> (ONE_BITS - COARSE_BITS)] << 20) // weight


cdef int64_t weighted(int64_t drawn, int64_t weight) noexcept nogil:
    """Of several agents who each draw, the one for whom this is lowest: any of them by the share of his weight."""
    cdef int64_t even = (drawn >> (63 - ONE_BITS)) + 1
    return (((<int64_t>ONE_BITS << LOG_BITS) - log2(even)) << 20) // weight
