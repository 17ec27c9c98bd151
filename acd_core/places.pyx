# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What puts a contact elsewhere than its arrival says: a place given by hand, an age from elsewhere, credit for its caller.

A contact that is moved by hand takes over since when another one waits, and the difference between the head starts and
levels of the two, and is a nanosecond more or less urgent. So the two grow urgent alike, and nobody is renumbered. Finding
the first of a queue looks at all who wait in it.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.conditions cimport Conditions
from acd_core.standing cimport Claim, claims_before
from acd_core.tables cimport connected_of
from acd_core.types cimport (
    ABANDONED, CONTACT_OFFERED, CONTACT_QUEUED, LOST, MAX_WAIT, NONE, NO_AGENTS, QUEUE_FULL, Contact, Line, Queue,
)


cdef class Places(Conditions):
    """The state in which contacts can be moved, and callers come back; see `Engine`."""

    # -- by hand ------------------------------------------------------------------------------------------------

    cdef int32_t _rival(self, int32_t contact, object other) except -2:
        """The slot of another contact that waits in the same queue, or NONE."""
        cdef object found = self.contact_slots.get(other)
        cdef Contact *row
        if found is None or found == contact:
            return NONE
        row = &self.tables.contacts[<int32_t>found]
        if row.queue != self.tables.contacts[contact].queue or row.state not in (CONTACT_QUEUED, CONTACT_OFFERED):
            return NONE
        return found

    cdef int32_t _foremost(self, int32_t contact) except -2:
        """The contact that is served first of those in the same queue."""
        cdef int32_t rival, first = contact
        cdef Claim claim, best
        self.lines.stand_at(&best, contact, self.now)
        for rival in self._waiting_in(self.tables.contacts[contact].queue):
            self.lines.stand_at(&claim, rival, self.now)
            if claims_before(&claim, &best):
                best = claim
                first = rival
        return first

    cdef tuple _beside(self, int32_t contact, int32_t other, int nudge):
        """What `State.by_hand` is to say of a contact that goes right before another (by 1) or behind it (by -1)."""
        cdef Line *goal = &self.lines.lines[self.tables.contacts[other].line]
        cdef int64_t level, head_start
        cdef object own_since = self.tables.since(contact)
        if self.tables.contacts[contact].by_hand:
            own_since = self.by_hand[contact][4]
        self._own_start(contact, &level, &head_start)
        return (
            goal.level - level, goal.head_start - head_start, goal.nudge + nudge, self.tables.since(other),
            own_since,
        )

    cdef int _put(self, int32_t contact, tuple by_hand) except -1:
        """Note where a contact, which is in no line, is to stand; None undoes it."""
        cdef Contact *row = &self.tables.contacts[contact]
        if by_hand is not None:
            self.by_hand[contact] = by_hand
            self.tables.set_since(contact, by_hand[3])
        elif row.by_hand:
            self.tables.set_since(contact, self.by_hand.pop(contact)[4])
        row.by_hand = by_hand is not None
        return 0

    # -- age and credit -----------------------------------------------------------------------------------------

    cdef int64_t _waited(self, int32_t contact) except -1:
        """How long the caller of a contact has waited in this queue; one who is called back hung up when he asked for it."""
        cdef Contact *row = &self.tables.contacts[contact]
        if not row.callback:
            return self.now - row.enqueued
        return max(0, <int64_t>self.callbacks[contact].asked_ns - row.enqueued)

    cdef int _begin_anew(self, int32_t contact) except -1:
        """A contact's waiting counts from now on only."""
        cdef Contact *row = &self.tables.contacts[contact]
        vain = self.waited_in_vain.get(contact) if self.waited_in_vain else None
        if vain is not None:
            self.waited_in_vain[contact] = (0, <int64_t>vain[1] + self._waited(contact))
        row.enqueued = self.now
        return self.tables.set_since(contact, self.now)

    cdef int _take_credit(self, int32_t contact, str caller) except -1:
        """A caller may have come back: what he waited before counts as waiting, as his queue says."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int64_t credit = 0
        if queue.credit_window:
            credit = min(
                <int64_t>self.credits_given.take(self.now, (self.queue_configs[row.queue].tenant, caller)),
                queue.credit_max,
            )
            self.tables.set_since(contact, self.tables.since(contact) - credit)
        self.waited_in_vain[contact] = (credit, credit)
        return 0

    cdef int _give_credit(self, int32_t contact, int reason) except -1:
        """Remember how long a caller waited, this time and before, whom nobody answered."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int64_t waited
        vain = self.waited_in_vain.pop(contact, None)
        if vain is None or not queue.credit_window or connected_of(row):
            return 0
        waited = <int64_t>vain[1] + self._waited(contact)
        if waited and reason in (ABANDONED, MAX_WAIT, NO_AGENTS, QUEUE_FULL, LOST):
            self.credits_given.give(
                self.now, (self.queue_configs[row.queue].tenant, self._wishes(contact).caller), waited,
                queue.credit_window, self.callers_kept,
            )
        return 0
