"""How urgent a waiting contact is, and in which order contacts are served: the arithmetic, defined once.

A contact's urgency is what it began with and what its waiting has added, both in seconds of ordinary waiting::

    urgency = min(head start + ageing * wait, most)

A queue of slope 1 without a limit is the plain case: its contacts can be ordered once and for all by arrival less head
start. Contacts of different slopes overtake one another while they wait, so they are compared when an agent is free.

A queue may be measured in another way. Inside it the order stays what it is by waiting; only beside other queues its
contacts are as urgent as the measure says:

* *predicted wait*: to the wait is added what the first of the queue would still wait if the agent served another one,
  which is the forecast (forecast.py) for a contact of the queue's main line with nobody before it; nothing while there
  is no forecast. Avaya calls it predicted wait time.
* *queue ratio*: those who wait in the queue, less its share of those who wait in its group, times the worth of a
  contact. The queue that is furthest above its share is served first: the fixed queue ratio of Gurvich and Whitt
  (Operations Research 58(2), 2010).
* *cost of waiting*: a table gives what a further second of waiting costs, by head start and wait; it may be multiplied by
  the rate at which one agent serves such contacts. With it: the generalised c-mu rule of van Mieghem (Annals of Applied
  Probability 5(3), 1995), and of Mandelbaum and Stolyar (Operations Research 52(6), 2004). As no cost falls, who waits
  longest costs most.

Everything is a whole number. Times are nanoseconds; `ageing` is counted in units of 1/`AGEING_ONE`, to which it is
rounded when the configuration is read, as costs are, and an urgency is in nanoseconds times `AGEING_ONE`. After that only
shares, and costs by speed, are rounded down, so the order is total and the same anywhere. The engine does the same in 128
bits (standing.pxd, measures.pyx).
"""

from msgspec import Struct
from msgspec.structs import replace

AGEING_ONE = 1_000_000_000
"""The slope of ordinary waiting, and the unit in which slopes are counted."""
OBJECTIVE_MS = 60_000
"""A contact that has waited as long as its service objective is as urgent as an ordinary one after this time, as is one
whose waiting costs 1."""
HEAD_START_MAX_NS = 2**61
"""Head starts end here, at about 73 years, so that they can be added in 64 bits."""
LEVEL_MAX = 1_000_000
"""Levels end here, up and down."""
HANDLED_MIN = 10
"""From so many handled contacts on, their mean handle time is believed."""
HANDLE_MIN_NS = 1_000_000_000
"""A shorter mean counts as this."""
NO_LIMIT = -1

NS_PER_MS = 1_000_000
MINUTE_NS = 60_000_000_000

OrderKey = tuple[int, int, int, int, int]


class Ratio(Struct, frozen=True, gc=False, kw_only=True):
    """Where a queue stands that is measured by a ratio.

    Attributes:
        waiting: how many wait in it; group_waiting: in its group.
        weight: of the queue; group_weight: of its whole group.
        contact_ns: what a contact above the share is worth.
    """

    waiting: int
    group_waiting: int
    weight: int
    group_weight: int
    contact_ns: int

    @property
    def urgency(self) -> int:
        """Of all its contacts, in nanoseconds times `AGEING_ONE`."""
        above = self.waiting * self.group_weight - self.weight * self.group_waiting
        return above * self.contact_ns * AGEING_ONE // self.group_weight


class Costs(Struct, frozen=True, gc=False, kw_only=True):
    """What waiting costs in a queue.

    Attributes:
        steps: from so many nanoseconds of waiting on, so much, in units of 1/`AGEING_ONE`; in the order of time.
        handle_ns: how long an agent takes for a contact, where the cost is multiplied by speed; else 0.
    """

    steps: tuple[tuple[int, int], ...]
    handle_ns: int = 0

    def cost(self, wait_ns: int) -> int:
        """Of a further second after such a wait, in units of 1/`AGEING_ONE`, speed left out of account."""
        return next((cost for after_ns, cost in reversed(self.steps) if wait_ns >= after_ns), 0)

    def urgency(self, wait_ns: int) -> int:
        """In nanoseconds times `AGEING_ONE`."""
        found = self.cost(wait_ns) * OBJECTIVE_MS * NS_PER_MS
        return found * MINUTE_NS // self.handle_ns if self.handle_ns else found


class Urgency(Struct, frozen=True, gc=False, kw_only=True):
    """What the place of a contact among those who wait follows from.

    Attributes:
        level: its priority, where priority is strict; then contacts of a higher level go first, whatever the waits.
        since_ns: from when on its waiting counts.
        head_start_ns: what it began with.
        ageing: urgency that a nanosecond of waiting adds, in units of 1/`AGEING_ONE`.
        most_ns: where its urgency ends; `NO_LIMIT` for nowhere.
        nudge_ns: beyond that limit too: what puts it right before or behind another of its queue.
        left_ns: what its queue's predicted wait adds to the wait, as things are now.
        ratio: where its queue stands now, if it is measured by a ratio.
        costs: what waiting costs in its queue, if it is measured by that.
    """

    level: int
    since_ns: int
    head_start_ns: int
    ageing: int
    most_ns: int
    nudge_ns: int
    left_ns: int = 0
    ratio: Ratio | None = None
    costs: Costs | None = None

    def at(self, now: int) -> int:
        """The urgency at `now`, in nanoseconds times `AGEING_ONE`."""
        if self.ratio is not None:
            urgency = self.ratio.urgency
        elif self.costs is not None:
            urgency = self.costs.urgency(self.cost_wait_ns(now))
        else:
            urgency = self.head_start_ns * AGEING_ONE + self.ageing * (now - self.since_ns + self.left_ns)
        if self.most_ns != NO_LIMIT:
            urgency = min(urgency, self.most_ns * AGEING_ONE)
        return urgency if self._by_queue else urgency + self.nudge_ns * AGEING_ONE

    def key(self, now: int, seq: int) -> OrderKey:
        """Sorts contacts into the order of service at `now`: level, urgency, place in a queue that is measured by a ratio or
        by cost, who waits for longest, who came first.
        """
        place = self.for_good.at(now) if self._by_queue else 0
        return -self.level, -self.at(now), -place, self.since_ns, seq

    @property
    def for_good(self) -> "Urgency":
        """What its place inside its queue follows from, a limit of urgency apart. As all have one slope there, that order
        never changes.
        """
        return replace(self, most_ns=NO_LIMIT, left_ns=0, ratio=None, costs=None)

    def cost_wait_ns(self, now: int) -> int:
        """After how much waiting its cost is looked up."""
        return self.head_start_ns + now - self.since_ns

    @property
    def _by_queue(self) -> bool:
        """Whether contacts of its queue may be equally urgent that did not begin to wait together."""
        return self.ratio is not None or self.costs is not None


def ageing_units(ageing: float, objective_ms: int) -> int:
    """A slope in units of 1/`AGEING_ONE`: as given, or as a service objective (0 for none) makes it."""
    if objective_ms:
        return (OBJECTIVE_MS * AGEING_ONE + objective_ms // 2) // objective_ms
    return round(ageing * AGEING_ONE)


def cost_units(cost: float) -> int:
    """A cost in units of 1/`AGEING_ONE`."""
    return round(cost * AGEING_ONE)


def mean_handle_ns(handle_ns: int, handled: int, expected_ns: int) -> int:
    """How long an agent takes for a contact, where so many took so long together; `expected_ns` while they are too few."""
    return max(HANDLE_MIN_NS, handle_ns // handled if handled >= HANDLED_MIN else expected_ns)


def bounded(value: int, most: int) -> int:
    """`value`, or the nearest to it that is not beyond `most` on either side of 0."""
    return max(-most, min(value, most))
