# cython: auto_pickle=False, autotestdict=False
"""The only place in the server that asks the machine for time; `server.stopwatch` has the same for compiled code.

Whoever puts another `time` into this module, as the simulation does, is obeyed.
"""

from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

import time

cdef object REAL = time
cdef int64_t SECOND_NS = 1_000_000_000

NS_PER_S = SECOND_NS

monotonic_ns = time.perf_counter_ns
"""For measuring how long something took; unrelated to engine time."""


def wall_ns():
    """Nanoseconds since 1970, after the machine's clock."""
    return time.time_ns()


cdef int64_t machine_ns() noexcept nogil:
    """Nanoseconds since some instant; they pass evenly, whatever happens to the machine's clock."""
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * SECOND_NS + now.tv_nsec


cdef int64_t passing_ns() except -1:
    """The same, of whoever has put another `time` into this module."""
    return machine_ns() if time is REAL else time.monotonic_ns()


cdef class Clock:
    """Engine time: it starts at a given instant and runs `speed` times as fast as real time; it never goes back.

    It follows the monotonic clock, so a jump of the machine's clock while the server runs does not reach the engine.
    """

    def __init__(self, int64_t start_ns, double speed=1.0):
        self.speed = speed
        self._start_ns = start_ns
        self._origin_ns = passing_ns()

    @classmethod
    def after(cls, int64_t last_ns, double speed=1.0):
        """The clock of a server whose journal ends at engine time `last_ns`; 0 for a new journal."""
        return cls(max(<int64_t>wall_ns(), last_ns), speed)

    cpdef int64_t now(self) except -1:
        """Engine time, in nanoseconds since 1970."""
        cdef int64_t elapsed_ns = passing_ns() - self._origin_ns
        return self._start_ns + (elapsed_ns if self.speed == 1 else <int64_t>(elapsed_ns * self.speed))

    def seconds_until(self, int64_t deadline_ns):
        """Real seconds until engine time `deadline_ns`; 0 when it has passed."""
        return max(<int64_t>0, deadline_ns - self.now()) / (SECOND_NS * self.speed)
