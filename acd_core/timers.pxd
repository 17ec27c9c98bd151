cimport cython
from libc.stdint cimport int32_t, int64_t
from acd_core.containers cimport IntMap, prefetch
from acd_core.types cimport NONE

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

cdef enum:
    KIND_BITS = 4             # of a TimerKind, beside the number of a lane
    KINDS = 16
    NEAR = 64                 # lanes, at most, that are found without a search

# What is known of a timer: half a cache line.
cdef struct Timer:
    int64_t deadline
    int64_t number            # of the arming, which orders equal deadlines
    int32_t prev              # in its lane; of an irregular one its position in Timers.order
    int32_t next
    int32_t slot              # of the contact, agent, leg or calendar; the next free timer while not set
    int32_t lane_and_kind     # lane * KINDS + TimerKind; below 0 it is irregular

cdef struct Lane:
    int64_t duration          # below 0 the lane is not in use
    int32_t head
    int32_t tail              # of a lane that is not in use the next such
    int32_t position          # in Timers.order; NONE while not there

# A lane in the order, or an irregular timer, and a deadline before which it is not due.
cdef struct Due:
    int64_t deadline
    int64_t number
    int32_t what              # the lane; below 0 the timer ~what


@cython.final
cdef class Timers:
    cdef Timer *rows
    cdef int64_t row_capacity
    cdef int64_t created
    cdef int32_t free_timer
    cdef readonly int64_t seq
    cdef Lane *lanes
    cdef int64_t lane_capacity
    cdef int32_t lane_count
    cdef int32_t lanes_most   # more than so many are looked through for empty ones
    cdef int32_t free_lane
    cdef IntMap lane_of       # by duration + 1
    cdef int32_t near[NEAR]   # lanes by hash of their duration, of several the last that was asked for
    cdef Due *order           # a binary heap
    cdef int64_t order_capacity
    cdef int32_t order_count

    cdef int32_t arm(self, int64_t deadline, int64_t duration, int32_t slot, int kind) except -2
    cdef void cancel(self, int32_t timer) noexcept nogil

    cdef inline void disarm(self, int32_t *timer) noexcept nogil:
        """Forget the timer that a row names, if it names one; then it names none."""
        if timer[0] != NONE:
            self.cancel(timer[0])
            timer[0] = NONE

    cdef inline int64_t deadline(self, int32_t timer) noexcept nogil:
        """When a timer comes due; 0 for NONE."""
        return self.rows[timer].deadline if timer != NONE else 0

    cdef inline int64_t number(self, int32_t timer) noexcept nogil:
        """The how manieth to be armed a timer was; 0 for NONE."""
        return self.rows[timer].number if timer != NONE else 0

    cdef inline int32_t owner(self, int32_t timer) noexcept nogil:
        """The slot of what a timer belongs to."""
        return self.rows[timer].slot

    cdef inline int kind(self, int32_t timer) noexcept nogil:
        """What a timer belongs to and is for, a TimerKind."""
        return self.rows[timer].lane_and_kind & (KINDS - 1)

    cdef inline int64_t duration(self, int32_t timer) noexcept nogil:
        """The duration by which a timer was armed; 0 for an irregular one."""
        cdef int32_t both = self.rows[timer].lane_and_kind
        return self.lanes[both >> KIND_BITS].duration if both >= 0 else 0

    cdef inline void prefetch_timer(self, int32_t timer) noexcept nogil:
        """Bring a timer near, or nothing for NONE."""
        if timer != NONE:
            prefetch(&self.rows[timer])

    cdef inline void prefetch_beside(self, int32_t timer) noexcept nogil:
        """Bring those near that a timer stands between, or nothing for NONE."""
        if timer != NONE:
            prefetch(&self.rows[self.rows[timer].prev])
            prefetch(&self.rows[self.rows[timer].next])

    cdef inline bint due(self, int64_t now) noexcept nogil:
        """Whether some deadline may have come; if not, none has."""
        return self.order_count and self.order[0].deadline <= now

    cdef int32_t first(self) noexcept nogil
    cdef int64_t next_deadline(self) noexcept nogil
    cdef int32_t _arm(self, int64_t deadline, int64_t duration, int32_t slot, int kind) except -2
    cdef int32_t _append(self, int32_t number, int64_t deadline, int32_t slot, int kind) noexcept nogil
    cdef int32_t _take(self, int64_t deadline, int32_t slot, int lane_and_kind) noexcept nogil
    cdef int32_t _lane_for(self, int64_t duration) except -2
    cdef int32_t _new_lane(self, int64_t duration) except -2
    cdef int _add_lane(self) except -1
    cdef int _forget_empty_lanes(self) except -1
    cdef int32_t _new_timer(self) except -2
    cdef int _enter(self, int64_t deadline, int64_t number, int32_t what) except -1
    cdef void _put(self, Due due, int32_t position) noexcept nogil
    cdef void _rise(self, Due due, int32_t position) noexcept nogil
    cdef void _sink(self, Due due, int32_t position) noexcept nogil
    cdef void _take_out(self, int32_t position) noexcept nogil
