"""Powers and logarithms of two in whole numbers, for what decays and for weighted draws.

`ONE` stands for 1. Every step rounds down, so the results are the same anywhere; they are true to about 30 units.
"""

from math import isqrt

ONE_BITS = 30
ONE = 1 << ONE_BITS
EXPONENT_BITS = 26
"""Binary digits of the fraction in an exponent: half-lives of up to a day, in microseconds, fit into 64 bits with it."""
LOG_BITS = 20
"""Binary digits of the fraction in a logarithm."""


def _roots() -> list[int]:
    """2**-1/2, 2**-1/4, 2**-1/8 ... in units of 1/ONE."""
    bits = 4 * ONE_BITS
    root = 1 << (bits - 1)
    found = []
    for _ in range(EXPONENT_BITS):
        root = isqrt(root << bits)
        found.append(root >> (bits - ONE_BITS))
    return found


ROOTS = _roots()


def halved(time: int, half_life: int) -> int:
    """What is left of `ONE` after `time`, when half is left after each `half_life`: ONE * 2**(-time / half_life)."""
    halves, rest = divmod(time, half_life)
    if halves > ONE_BITS:
        return 0
    fraction = (rest << EXPONENT_BITS) // half_life
    left = ONE
    for place, root in enumerate(ROOTS, start=1):
        if fraction >> (EXPONENT_BITS - place) & 1:
            left = left * root >> ONE_BITS
    return left >> halves


def log2(value: int) -> int:
    """The logarithm of `value`, from 1 to 2 * ONE - 1, in units of 1/2**LOG_BITS."""
    whole = value.bit_length() - 1
    rest = value << ONE_BITS >> whole
    found = whole
    for _ in range(LOG_BITS):
        rest = rest * rest >> ONE_BITS
        found <<= 1
        if rest >= 2 * ONE:
            rest >>= 1
            found |= 1
    return found
