# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Powers and logarithms of two in whole numbers, for what decays and for weighted draws; see model/fixed_point.py."""

from libc.stdint cimport int64_t

from math import isqrt

cdef int64_t ROOTS[26]  # EXPONENT_BITS of them


def _roots():
    """2**-1/2, 2**-1/4, 2**-1/8 ... in units of 1/ONE."""
    bits = 4 * ONE_BITS
    root = 1 << (bits - 1)
    for place in range(<int>EXPONENT_BITS):
        root = isqrt(root << bits)
        ROOTS[<int>place] = root >> (bits - ONE_BITS)


_roots()


cdef int64_t halved(int64_t time, int64_t half_life) noexcept nogil:
    """ONE * 2**(-time / half_life), for a half-life of at most 2**37."""
    cdef int64_t halves = time // half_life, left = ONE, fraction
    cdef int place
    if halves > ONE_BITS:
        return 0
    fraction = (time % half_life << EXPONENT_BITS) // half_life
    for place in range(<int>EXPONENT_BITS):
        if fraction >> (EXPONENT_BITS - 1 - place) & 1:
            left = left * ROOTS[place] >> ONE_BITS
    return left >> halves


cdef int64_t log2(int64_t value) noexcept nogil:
    """The logarithm of `value`, from 1 to 2 * ONE - 1, in units of 1/2**LOG_BITS."""
    cdef int64_t whole = 0, rest, found
    cdef int _place
    while value >> (whole + 1):
        whole += 1
    rest = value << ONE_BITS >> whole
    found = whole
    for _place in range(<int>LOG_BITS):
        rest = rest * rest >> ONE_BITS
        found <<= 1
        if rest >= 2 * <int64_t>ONE:
            rest >>= 1
            found |= 1
    return found
