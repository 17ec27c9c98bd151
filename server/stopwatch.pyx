# cython: auto_pickle=False, autotestdict=False
"""`server.clock.monotonic_ns` for compiled code, which looks at it twice for each command.

The same clock is asked without a detour through Python. Whoever puts another stopwatch into this module, as the
simulation does with all modules, is obeyed.
"""

from libc.stdint cimport int64_t

from server.clock cimport machine_ns

from server.clock import monotonic_ns

cdef object REAL = monotonic_ns


cdef bint is_replaced() except -1:
    """Whether there is another stopwatch than the machine's."""
    return monotonic_ns is not REAL


cdef int64_t stopwatch_ns() except -1:
    """Nanoseconds since some instant."""
    return monotonic_ns() if is_replaced() else machine_ns()
