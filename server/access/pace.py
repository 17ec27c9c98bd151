"""How fast lines are taken from one client or tenant: a bucket of tokens that fills steadily."""

from server.clock import NS_PER_S, monotonic_ns


class Pace:
    """Lets `per_s` lines a second through in the long run, and `burst` of them at once.

    What comes faster is not refused: it is read later, so that nothing is lost and only its sender waits.
    """

    __slots__ = ("_ns_per_line", "_paid_until_ns", "_spare_ns", "burst", "per_s")

    def __init__(self, per_s: float, burst: int) -> None:
        self.per_s = per_s
        self.burst = burst
        self._ns_per_line = NS_PER_S / per_s
        self._spare_ns = (burst - 1) * self._ns_per_line
        self._paid_until_ns = 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pace) and (self.per_s, self.burst) == (other.per_s, other.burst)

    def __hash__(self) -> int:
        return hash((self.per_s, self.burst))

    def wait_s(self) -> float:
        """How long the next line has to wait; 0 if it may go."""
        return max(0.0, self._paid_until_ns - self._spare_ns - monotonic_ns()) / NS_PER_S

    def take(self) -> None:
        """Count a line."""
        self._paid_until_ns = max(self._paid_until_ns, monotonic_ns()) + self._ns_per_line
