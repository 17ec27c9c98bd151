"""How fast one line of a queue moves, and the forecasts that follow; see `acd_core.forecast`."""

from dataclasses import dataclass
from math import isqrt

from acd_core.forecast import (
    FADE_SHIFT,
    LAST_MAX_US,
    LOSS_MAX,
    LOSS_SHIFT,
    ONE,
    P50_BY_SPREAD,
    P90_BY_SPREAD,
    PERIOD_US,
    RING_MAX_MS,
    SERVED_MIN,
    SPREAD_SHIFT,
    WAIT_MAX_US,
    blocks,
    quantile,
)
from acd_core.views import Estimate


@dataclass(eq=False)
class Pace:
    """The window of one line; its fields are those of `PaceView`."""

    now_us: int
    served: int = 0
    left: int = 0
    backlog_us: int = 0
    waited_us: int = 0
    ring_ms: int = 0
    ring_square: int = 0
    last_wait_us: int = 0
    last_at_us: int = 0

    def elapse(self, now_us: int, waiting: int) -> None:
        """Time passes up to `now_us`, with so many contacts waiting all the while."""
        while self.now_us // PERIOD_US < now_us // PERIOD_US:
            before, since_us = self._sums(), self.now_us
            self._stand((self.now_us // PERIOD_US + 1) * PERIOD_US, waiting)
            self.served -= self.served >> FADE_SHIFT
            self.left -= self.left >> FADE_SHIFT
            self.backlog_us -= self.backlog_us >> FADE_SHIFT
            self.waited_us -= self.waited_us >> FADE_SHIFT
            self.ring_ms -= self.ring_ms >> FADE_SHIFT
            self.ring_square -= self.ring_square >> FADE_SHIFT
            if self.now_us - since_us == PERIOD_US and self._sums() == before:
                self.now_us = now_us // PERIOD_US * PERIOD_US  # as this period went by, so do all that follow
        self._stand(now_us, waiting)

    def _sums(self) -> tuple[int, ...]:
        return self.served, self.left, self.backlog_us, self.waited_us, self.ring_ms, self.ring_square

    def _stand(self, until_us: int, waiting: int) -> None:
        elapsed = until_us - self.now_us
        self.now_us = until_us
        self.waited_us += waiting * elapsed
        if waiting:
            self.backlog_us += elapsed

    def serve(self, wait_us: int, rung_ms: int) -> None:
        """One who waited in the line was answered."""
        rung_ms = min(rung_ms, RING_MAX_MS)
        self.served += ONE
        self.ring_ms += rung_ms
        self.ring_square += rung_ms * rung_ms
        self.last_wait_us = wait_us
        self.last_at_us = self.now_us

    def lose(self) -> None:
        """One who waited in the line is gone without an agent."""
        self.left += ONE

    def estimate(self, ahead: int, place: int) -> Estimate | None:
        """How much longer a contact waits that has `ahead` others before it, and had `place` when it came."""
        if self.served >= SERVED_MIN * ONE:
            mean, spread_square = self._by_steps(ahead + 1)
        elif self.last_at_us and self.now_us - self.last_at_us <= LAST_MAX_US:
            mean = self.last_wait_us * (ahead + 1) // (place + 1)
            spread_square = (2 << 2 * SPREAD_SHIFT) // (ahead + 1)
            spread_square = min(spread_square, 1 << 2 * SPREAD_SHIFT)
        else:
            return None
        mean = min(mean, WAIT_MAX_US)
        spread = isqrt(spread_square)
        return Estimate(
            mean_ms=mean // 1000,
            p50_ms=min(quantile(mean, spread, P50_BY_SPREAD), WAIT_MAX_US) // 1000,
            p90_ms=min(quantile(mean, spread, P90_BY_SPREAD), WAIT_MAX_US) // 1000,
        )

    def _by_steps(self, steps: int) -> tuple[int, int]:
        """Mean of so many steps and a ring, in microseconds, and the square of its coefficient of variation."""
        step = max(1, min(self.backlog_us * ONE // self.served, WAIT_MAX_US))
        loss = 0
        if self.waited_us:
            loss = min((self.left * step << LOSS_SHIFT) // (ONE * self.waited_us), LOSS_MAX)
        total = variance = 0
        for count, middle in blocks(steps):
            term = (step << LOSS_SHIFT + 1) // ((1 << LOSS_SHIFT + 1) + middle * loss)
            total += count * term
            variance += count * term * term
        ring_ms = self.ring_ms * ONE // self.served
        variance += max(0, self.ring_square * ONE // self.served - ring_ms * ring_ms) * 1_000_000
        mean = total + ring_ms * 1000
        measured = ((total << SPREAD_SHIFT) // mean) ** 2 // (self.served // ONE)
        return mean, (variance << 2 * SPREAD_SHIFT) // (mean * mean) + measured
