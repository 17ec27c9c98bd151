cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t
from acd_core.containers cimport IntMap, prefetch
from acd_core.types cimport NONE, Node

cdef enum TimerKind:
    OF_CONTACT = 0            # longest wait, or longest talk
    OF_AGENT = 1              # cooldown
    OF_STEP = 2               # a contact's next step
    OF_LEG = 3                # offer, or wrap-up
    OF_STAY = 4               # a condition on staying that a contact fails
    OF_CALENDAR = 5           # a calendar opens or closes
    OF_QUEUE = 6              # a reserve
    OF_PREFERENCE = 7         # how long a contact prefers some agents
    OF_PAUSE = 8              # an agent's allowance for a reason to pause
    OF_REST = 9               # of a rest from work, or its beginning
    OF_OUTSIDE = 10           # the first report of an agent's contacts from elsewhere is too old
    OF_LOOK = 11              # the estimate of a contact is looked at again

cdef struct Owner:
    int32_t slot              # of the contact, agent, leg or calendar; the next free timer while not set
    int32_t lane              # NONE: the timer is in the heap of irregular ones
    uint8_t kind              # TimerKind

cdef struct Lane:
    int32_t head
    int32_t tail
    int32_t position          # in Timers.order; NONE while empty
    int64_t duration


@cython.final
cdef class Timers:
    cdef Node *nodes
    cdef Owner *owners
    cdef int64_t node_capacity
    cdef int64_t owner_capacity
    cdef int64_t created
    cdef int32_t free_timer
    cdef readonly int64_t seq
    cdef Lane *lanes
    cdef int64_t lane_capacity
    cdef int32_t lane_count
    cdef IntMap lane_of
    cdef int32_t *order       # binary heap of the lanes that are not empty, by their first deadline
    cdef int64_t order_capacity
    cdef int32_t order_count
    cdef int32_t irregular

    cdef int32_t arm(self, int64_t deadline, int64_t duration, int32_t slot, int kind) except -2
    cdef void cancel(self, int32_t timer) noexcept nogil

    cdef inline void disarm(self, int32_t *timer) noexcept nogil:
        """Forget the timer that a row names, if it names one; then it names none."""
        if timer[0] != NONE:
            self.cancel(timer[0])
            timer[0] = NONE

    cdef inline void prefetch_timer(self, int32_t timer) noexcept nogil:
        """Bring a timer near, or nothing for NONE."""
        if timer != NONE:
            prefetch(&self.nodes[timer])
            prefetch(&self.owners[timer])

    cdef inline bint due(self, int64_t now) noexcept nogil:
        """Whether some deadline has come."""
        if self.order_count and self.nodes[self.lanes[self.order[0]].head].key <= now:
            return True
        return self.irregular != NONE and self.nodes[self.irregular].key <= now

    cdef int32_t first(self) noexcept nogil
    cdef int64_t next_deadline(self) noexcept nogil
    cdef int32_t _new_lane(self, int64_t duration) except -2
    cdef int _forget_empty_lanes(self) except -1
    cdef bint _lane_before(self, int32_t a, int32_t b) noexcept nogil
    cdef void _place(self, int32_t lane, int32_t position) noexcept nogil
    cdef void _rise(self, int32_t lane, int32_t position) noexcept nogil
    cdef void _sink(self, int32_t lane, int32_t position) noexcept nogil
    cdef void _lane_empty(self, int32_t lane) noexcept nogil
