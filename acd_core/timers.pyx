# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Deadlines of contacts and agents, exact to the nanosecond and fired in the order (deadline, when armed).

A call centre knows few durations: each queue's offer timeout, wrap-up, longest wait. Time never goes back, so
timers of one duration come due in the order in which they were armed: each duration has a lane, a plain list. A
small heap orders the lanes by their first deadline, and with them the timers that would break a lane's order.

Nearly all timers are cancelled, so the heap is told only of what comes earlier than it knows. What it holds of a lane may be
the deadline of a timer that is there no longer, and the lane may be empty: that is seen when it is the lane's turn. So arming
and cancelling in a lane are O(1), however many timers and lanes there are.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from acd_core.containers cimport IntMap, reserve
from acd_core.memory cimport release
from acd_core.types cimport NONE

cdef enum:
    LANES_MAX = 512           # so many lanes may be empty


@cython.overflowcheck(False)
cdef inline int _near(int64_t duration) noexcept nogil:
    """Where a lane may be found without a search."""
    return <int>(<uint64_t>duration * <uint64_t>0x9E3779B97F4A7C15 >> 58)


cdef inline bint _earlier(const Due *a, const Due *b) noexcept nogil:
    return a.deadline < b.deadline or (a.deadline == b.deadline and a.number < b.number)


@cython.final
cdef class Timers:
    """All armed deadlines of one engine. A timer is a handle, valid until it is cancelled."""

    def __cinit__(self):
        self.free_timer = NONE
        self.free_lane = NONE
        self.lanes_most = LANES_MAX
        self.lane_of = IntMap()
        self._add_lane()  # which all of `near` name

    def __dealloc__(self):
        release(self.rows)
        release(self.lanes)
        release(self.order)

    cdef int32_t arm(self, int64_t deadline, int64_t duration, int32_t slot, int kind) except -2:
        """Set a deadline for an owner; `duration` only chooses the lane. Gives the handle."""
        cdef int32_t number = self.near[_near(duration)]
        cdef Lane *lane = &self.lanes[number]
        if lane.duration != duration or lane.position == NONE or self.free_timer == NONE:
            return self._arm(deadline, duration, slot, kind)
        if deadline < (self.order[lane.position].deadline if lane.tail == NONE else self.rows[lane.tail].deadline):
            return self._arm(deadline, duration, slot, kind)
        return self._append(number, deadline, slot, kind)

    cdef int32_t _arm(self, int64_t deadline, int64_t duration, int32_t slot, int kind) except -2:
        """The same where the lane may have to be found or made, a handle may be lacking, or the order is not yet right."""
        cdef int32_t number = self._lane_for(duration), timer
        cdef Lane *lane = &self.lanes[number]
        if self.free_timer == NONE:
            self._new_timer()
        timer = self.free_timer
        if lane.tail != NONE and self.rows[lane.tail].deadline > deadline:
            self._enter(deadline, self.seq + 1, ~timer)
            self._take(deadline, slot, kind - KINDS)
            return timer
        if lane.tail == NONE and (lane.position == NONE or self.order[lane.position].deadline > deadline):
            self._enter(deadline, self.seq + 1, number)
        return self._append(number, deadline, slot, kind)

    cdef void cancel(self, int32_t timer) noexcept nogil:
        """Forget a timer, fired or not; its handle is free for another."""
        cdef Timer *rows = self.rows
        cdef Timer *row = &rows[timer]
        cdef int32_t both = row.lane_and_kind, prev = row.prev, following = row.next
        row.slot = self.free_timer
        self.free_timer = timer
        if both < 0:
            self._take_out(prev)
            return
        if following == NONE:
            self.lanes[both >> KIND_BITS].tail = prev
        else:
            rows[following].prev = prev
        if prev == NONE:
            self.lanes[both >> KIND_BITS].head = following
        else:
            rows[prev].next = following

    cdef int32_t first(self) noexcept nogil:
        """The timer that comes due first, or NONE."""
        cdef int32_t what, head
        cdef Due due
        while self.order_count:
            what = self.order[0].what
            if what < 0:
                return ~what
            head = self.lanes[what].head
            if head == NONE:
                self.lanes[what].position = NONE
                self._take_out(0)
                continue
            if self.rows[head].number == self.order[0].number:
                return head
            due.deadline = self.rows[head].deadline
            due.number = self.rows[head].number
            due.what = what
            self._sink(due, 0)
        return NONE

    cdef int64_t next_deadline(self) noexcept nogil:
        """When the first timer comes due; 0 when none is armed."""
        return self.deadline(self.first())

    cdef int32_t _append(self, int32_t number, int64_t deadline, int32_t slot, int kind) noexcept nogil:
        """Arm the free timer as the last of a lane, which is in the order, and not behind this deadline."""
        cdef Lane *lane = &self.lanes[number]
        cdef int32_t timer = self._take(deadline, slot, number * KINDS + kind), tail = lane.tail
        self.rows[timer].prev = tail
        self.rows[timer].next = NONE
        lane.tail = timer
        if tail == NONE:
            lane.head = timer
        else:
            self.rows[tail].next = timer
        return timer

    cdef int32_t _take(self, int64_t deadline, int32_t slot, int lane_and_kind) noexcept nogil:
        """Fill in the free timer, and give it."""
        cdef int32_t timer = self.free_timer
        cdef Timer *row = &self.rows[timer]
        self.free_timer = row.slot
        self.seq += 1
        row.deadline = deadline
        row.number = self.seq
        row.slot = slot
        row.lane_and_kind = lane_and_kind
        return timer

    cdef int32_t _new_timer(self) except -2:
        """One more handle, which is free."""
        cdef int32_t timer = <int32_t>self.created
        reserve(<void **>&self.rows, &self.row_capacity, timer + 1, sizeof(Timer))
        self.created += 1
        self.rows[timer].slot = NONE
        self.free_timer = timer
        return timer

    cdef int32_t _lane_for(self, int64_t duration) except -2:
        """The lane of a duration, from now on to be found without a search."""
        cdef int32_t lane = <int32_t>self.lane_of.get(duration + 1)
        if lane == NONE:
            lane = self._new_lane(duration)
        self.near[_near(duration)] = lane
        return lane

    cdef int32_t _new_lane(self, int64_t duration) except -2:
        cdef int32_t lane
        if self.free_lane == NONE and self.lane_count >= self.lanes_most:
            self._forget_empty_lanes()
        if self.free_lane == NONE:
            self._add_lane()
        lane = self.free_lane
        self.lane_of.put(duration + 1, lane)
        self.free_lane = self.lanes[lane].tail
        self.lanes[lane].duration = duration
        self.lanes[lane].head = NONE
        self.lanes[lane].tail = NONE
        self.lanes[lane].position = NONE
        return lane

    cdef int _add_lane(self) except -1:
        """One more lane that is not in use, where no other is."""
        reserve(<void **>&self.lanes, &self.lane_capacity, self.lane_count + 1, sizeof(Lane))
        self.lanes[self.lane_count].duration = NONE
        self.lanes[self.lane_count].tail = NONE
        self.free_lane = self.lane_count
        self.lane_count += 1
        return 0

    cdef int _forget_empty_lanes(self) except -1:
        """Keep the lanes in use only: durations come and go with configurations."""
        cdef int32_t number, in_use = 0
        cdef Lane *lane
        for number in range(self.lane_count):
            lane = &self.lanes[number]
            if lane.duration < 0:
                continue
            if lane.head != NONE:
                in_use += 1
                continue
            self.lane_of.remove(lane.duration + 1)
            if lane.position != NONE:
                self._take_out(lane.position)
            lane.duration = NONE
            lane.tail = self.free_lane
            self.free_lane = number
        self.lanes_most = max(<int32_t>LANES_MAX, 2 * in_use)
        return 0

    cdef int _enter(self, int64_t deadline, int64_t number, int32_t what) except -1:
        """Bring a lane, or an irregular timer, to where this deadline calls for, which is earlier than what it had there."""
        cdef Due due
        cdef int32_t position = self.lanes[what].position if what >= 0 else NONE
        due.deadline = deadline
        due.number = number
        due.what = what
        if position == NONE:
            reserve(<void **>&self.order, &self.order_capacity, self.order_count + 1, sizeof(Due))
            position = self.order_count
            self.order_count += 1
        self._rise(due, position)
        return 0

    cdef void _put(self, Due due, int32_t position) noexcept nogil:
        self.order[position] = due
        if due.what >= 0:
            self.lanes[due.what].position = position
        else:
            self.rows[~due.what].prev = position

    cdef void _rise(self, Due due, int32_t position) noexcept nogil:
        """Put something into the order at `position`, or as far above as its deadline calls for."""
        cdef int32_t parent
        while position:
            parent = (position - 1) >> 1
            if not _earlier(&due, &self.order[parent]):
                break
            self._put(self.order[parent], position)
            position = parent
        self._put(due, position)

    cdef void _sink(self, Due due, int32_t position) noexcept nogil:
        """Put something into the order at `position`, or as far below as its deadline calls for."""
        cdef int32_t child
        while True:
            child = 2 * position + 1
            if child >= self.order_count:
                break
            if child + 1 < self.order_count and _earlier(&self.order[child + 1], &self.order[child]):
                child += 1
            if not _earlier(&self.order[child], &due):
                break
            self._put(self.order[child], position)
            position = child
        self._put(due, position)

    cdef void _take_out(self, int32_t position) noexcept nogil:
        """The order without what stands at `position`; the last comes into its place."""
        cdef Due last
        self.order_count -= 1
        if position != self.order_count:
            last = self.order[self.order_count]
            if position and _earlier(&last, &self.order[(position - 1) >> 1]):
                self._rise(last, position)
            else:
                self._sink(last, position)
