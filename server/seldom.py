"""Entries of the log that a client can cause as often as it likes: written once in a while, with what was left out."""

from server.clock import NS_PER_S, monotonic_ns
from server.log import note

PERIOD_S = 5
"""After an entry its like are only counted for so long."""


class Seldom:
    """Entries of one kind."""

    def __init__(self) -> None:
        self._quiet_until_ns = 0
        self._left_out = 0

    def note(self, level: int, sentence: str, **fields: object) -> None:
        """Write an entry, unless one was written just before; `left_out` tells how many were not."""
        now_ns = monotonic_ns()
        if now_ns < self._quiet_until_ns:
            self._left_out += 1
            return
        if self._left_out:
            fields["left_out"] = self._left_out
        self._quiet_until_ns = now_ns + PERIOD_S * NS_PER_S
        self._left_out = 0
        note(level, sentence, **fields)
