"""Sums of times of many contacts. 64 bits of nanoseconds are 292 years, and a thousand who wait have waited for as long,
together, after 107 days.
"""

cimport cython
from libc.stdint cimport int64_t

from acd_core.standing cimport int128_t
from acd_core.types cimport Total

cdef enum:
    LOW_BITS = 62


cdef inline void add_to(Total *total, int64_t ns) noexcept nogil:
    """One more time, 0 or more."""
    total.low += ns
    total.high += total.low >> LOW_BITS
    total.low &= (<int64_t>1 << LOW_BITS) - 1


@cython.cdivision(True)
@cython.overflowcheck(False)  # the checks know no 128 bits
cdef inline int64_t mean_of(const Total *total, int64_t count) noexcept nogil:
    """The mean of so many times, 1 or more, rounded down."""
    return <int64_t>(((<int128_t>total.high << LOW_BITS) + total.low) // count)


cdef inline object sum_of(const Total *total):
    """The sum in nanoseconds."""
    return (<object>total.high << LOW_BITS) + total.low
