"""The only place in the server that asks the machine for time."""

import time

NS_PER_S = 1_000_000_000

monotonic_ns = time.perf_counter_ns
"""For measuring how long something took; unrelated to engine time."""


def wall_ns() -> int:
    """Nanoseconds since 1970, after the machine's clock."""
    return time.time_ns()


class Clock:
    """Engine time: it starts at a given instant and runs `speed` times as fast as real time; it never goes back.

    It follows the monotonic clock, so a jump of the machine's clock while the server runs does not reach the engine.
    """

    __slots__ = ("_origin_ns", "_start_ns", "speed")

    def __init__(self, start_ns: int, speed: float = 1.0) -> None:
        self.speed = speed
        self._start_ns = start_ns
        self._origin_ns = time.monotonic_ns()

    @classmethod
    def after(cls, last_ns: int, speed: float = 1.0) -> "Clock":
        """The clock of a server whose journal ends at engine time `last_ns`; 0 for a new journal."""
        return cls(max(wall_ns(), last_ns), speed)

    def now(self) -> int:
        """Engine time, in nanoseconds since 1970."""
        elapsed_ns = time.monotonic_ns() - self._origin_ns
        return self._start_ns + (elapsed_ns if self.speed == 1 else int(elapsed_ns * self.speed))

    def seconds_until(self, deadline_ns: int) -> float:
        """Real seconds until engine time `deadline_ns`; 0 when it has passed."""
        return max(0, deadline_ns - self.now()) / (NS_PER_S * self.speed)
