# cython: auto_pickle=False, autotestdict=False
"""How fast lines are taken from one client or tenant: a bucket of tokens that fills steadily."""

cimport cython
from libc.stdint cimport int64_t

from server.stopwatch cimport stopwatch_ns

cdef double NS_PER_S = 1e9


@cython.final
cdef class Pace:
    """Lets `per_s` lines a second through in the long run, and `burst` of them at once.

    What comes faster is not refused: it is read later, so that nothing is lost and only its sender waits.
    """

    def __init__(self, double per_s, int64_t burst):
        self.per_s = per_s
        self.burst = burst
        self._ns_per_line = NS_PER_S / per_s
        self._spare_ns = (burst - 1) * self._ns_per_line

    def __eq__(self, other):
        return isinstance(other, Pace) and (self.per_s, self.burst) == ((<Pace>other).per_s, (<Pace>other).burst)

    def __hash__(self):
        return hash((self.per_s, self.burst))

    cdef double missing_ns(self, int64_t now_ns) noexcept:
        """How long the next line has to wait; 0 or less if it may go."""
        return self._paid_until_ns - self._spare_ns - now_ns

    cdef void count(self, int64_t now_ns) noexcept:
        """Count a line."""
        self._paid_until_ns = max(self._paid_until_ns, <double>now_ns) + self._ns_per_line

    def wait_s(self):
        """How long the next line has to wait; 0 if it may go."""
        return max(0.0, self.missing_ns(stopwatch_ns())) / NS_PER_S

    def take(self):
        """Count a line."""
        self.count(stopwatch_ns())


cdef double pass_all(tuple paces, int64_t *now_ns) except -1:
    """Count a line with each of them; or give the seconds that it has to wait, if it may not go with all.

    Args:
        now_ns: when the stopwatch was last looked at for this reading, 0 for not yet. Many lines come in one reading, and
            the stopwatch costs more than the rest, so it is looked at again only before one has to wait.
    """
    cdef double missing_ns = -1
    if now_ns[0]:
        missing_ns = _missing_ns(paces, now_ns[0])
    if missing_ns > 0 or not now_ns[0]:
        now_ns[0] = stopwatch_ns()
        missing_ns = _missing_ns(paces, now_ns[0])
    if missing_ns > 0:
        return missing_ns / NS_PER_S
    for pace in paces:
        (<Pace>pace).count(now_ns[0])
    return 0


cdef double _missing_ns(tuple paces, int64_t now_ns) noexcept:
    """How long the next line has to wait for the slowest of them."""
    cdef double missing_ns = 0
    for pace in paces:
        missing_ns = max(missing_ns, (<Pace>pace).missing_ns(now_ns))
    return missing_ns
