"""How urgent a waiting contact is, and in which order contacts are served: the arithmetic, defined once.

A contact's urgency is what it began with and what its waiting has added, both in seconds of ordinary waiting::

    urgency = min(head start + ageing * wait, most)

A queue of slope 1 without a limit is the plain case: its contacts can be ordered once and for all by arrival less head
start. Contacts of different slopes overtake one another while they wait, so they are compared when an agent is free.

Everything is a whole number. Times are nanoseconds; `ageing` is counted in units of 1/`AGEING_ONE`, to which it is
rounded when the configuration is read, and an urgency is in nanoseconds times `AGEING_ONE`. Nothing is rounded after
that, so the order is total and the same anywhere. The engine does the same in 128 bits (standing.pxd).
"""

from msgspec import Struct

AGEING_ONE = 1_000_000_000
"""The slope of ordinary waiting, and the unit in which slopes are counted."""
OBJECTIVE_MS = 60_000
"""A contact that has waited as long as its service objective is as urgent as an ordinary one after this time."""
HEAD_START_MAX_NS = 2**61
"""Head starts end here, at about 73 years, so that they can be added in 64 bits."""
LEVEL_MAX = 1_000_000
"""Levels end here, up and down."""
NO_LIMIT = -1

NS_PER_MS = 1_000_000

OrderKey = tuple[int, int, int, int]


class Urgency(Struct, frozen=True, gc=False, kw_only=True):
    """What the place of a contact among those who wait follows from.

    Attributes:
        level: its priority, where priority is strict; then contacts of a higher level go first, whatever the waits.
        since_ns: from when on its waiting counts.
        head_start_ns: what it began with.
        ageing: urgency that a nanosecond of waiting adds, in units of 1/`AGEING_ONE`.
        most_ns: where its urgency ends; `NO_LIMIT` for nowhere.
        nudge_ns: beyond that limit too: what puts it right before or behind another.
    """

    level: int
    since_ns: int
    head_start_ns: int
    ageing: int
    most_ns: int
    nudge_ns: int

    def at(self, now: int) -> int:
        """The urgency at `now`, in nanoseconds times `AGEING_ONE`."""
        urgency = self.head_start_ns * AGEING_ONE + self.ageing * (now - self.since_ns)
        if self.most_ns != NO_LIMIT:
            urgency = min(urgency, self.most_ns * AGEING_ONE)
        return urgency + self.nudge_ns * AGEING_ONE

    def key(self, now: int, seq: int) -> OrderKey:
        """Sorts contacts into the order of service at `now`: level, urgency, who waits for longest, who came first."""
        return -self.level, -self.at(now), self.since_ns, seq


def ageing_units(ageing: float, objective_ms: int) -> int:
    """A slope in units of 1/`AGEING_ONE`: as given, or as a service objective (0 for none) makes it."""
    if objective_ms:
        return (OBJECTIVE_MS * AGEING_ONE + objective_ms // 2) // objective_ms
    return round(ageing * AGEING_ONE)


def bounded(value: int, most: int) -> int:
    """`value`, or the nearest to it that is not beyond `most` on either side of 0."""
    return max(-most, min(value, most))
