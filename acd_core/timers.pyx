# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Deadlines of contacts and agents, exact to the nanosecond and fired in the order (deadline, when armed).

A call centre knows few durations: each queue's offer timeout, wrap-up, longest wait. Time never goes back, so
timers of one duration come due in the order in which they were armed: each duration has a lane, a plain list. A
small heap orders the lanes by their first deadline. Arming and cancelling are O(1) however many are armed (but
for the first of a lane: O(log lanes)). Deadlines that would break a lane's order go into a heap of their own.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t

from acd_core.containers cimport IntMap, before, heap_insert, heap_remove, reserve
from acd_core.memory cimport release
from acd_core.types cimport NONE, Node

cdef enum:
    LANES_MAX = 512           # more lanes than this are looked through for empty ones


@cython.final
cdef class Timers:
    """All armed deadlines of one engine. A timer is a handle, valid until it is cancelled."""

    def __cinit__(self):
        self.free_timer = NONE
        self.irregular = NONE
        self.lane_of = IntMap()

    def __dealloc__(self):
        release(self.nodes)
        release(self.owners)
        release(self.lanes)
        release(self.order)

    cdef int32_t arm(self, int64_t deadline, int64_t duration, int32_t slot, int kind) except -2:
        """Set a deadline for an owner; `duration` only chooses the lane. Gives the handle."""
        cdef int32_t timer = self.free_timer, lane = <int32_t>self.lane_of.get(duration + 1), tail
        if lane == NONE:
            lane = self._new_lane(duration)
        if timer == NONE:
            timer = <int32_t>self.created
            reserve(<void **>&self.nodes, &self.node_capacity, timer + 1, sizeof(Node))
            reserve(<void **>&self.owners, &self.owner_capacity, timer + 1, sizeof(Owner))
            self.created += 1
        else:
            self.free_timer = self.owners[timer].slot
        self.seq += 1
        self.nodes[timer].key = deadline
        self.nodes[timer].seq = self.seq
        self.owners[timer].slot = slot
        self.owners[timer].kind = kind
        tail = self.lanes[lane].tail
        if tail != NONE and self.nodes[tail].key > deadline:
            self.owners[timer].lane = NONE
            self.irregular = heap_insert(self.nodes, self.irregular, timer)
            return timer
        self.owners[timer].lane = lane
        self.nodes[timer].prev = tail
        self.nodes[timer].next = NONE
        self.lanes[lane].tail = timer
        if tail != NONE:
            self.nodes[tail].next = timer
            return timer
        self.lanes[lane].head = timer
        reserve(<void **>&self.order, &self.order_capacity, self.order_count + 1, sizeof(int32_t))
        self.order_count += 1
        self._rise(lane, self.order_count - 1)
        return timer

    cdef void cancel(self, int32_t timer) noexcept nogil:
        """Forget a timer, fired or not; its handle is free for another."""
        cdef int32_t lane = self.owners[timer].lane, prev, following
        if lane == NONE:
            self.irregular = heap_remove(self.nodes, self.irregular, timer)
        else:
            prev = self.nodes[timer].prev
            following = self.nodes[timer].next
            if following == NONE:
                self.lanes[lane].tail = prev
            else:
                self.nodes[following].prev = prev
            if prev != NONE:
                self.nodes[prev].next = following
            else:
                self.lanes[lane].head = following
                if following == NONE:
                    self._lane_empty(lane)
                else:
                    self._sink(lane, self.lanes[lane].position)
        self.owners[timer].slot = self.free_timer
        self.free_timer = timer

    cdef int32_t first(self) noexcept nogil:
        """The timer that comes due first, or NONE."""
        cdef int32_t head
        if self.order_count == 0:
            return self.irregular
        head = self.lanes[self.order[0]].head
        if self.irregular != NONE and before(self.nodes, self.irregular, head):
            return self.irregular
        return head

    cdef int64_t next_deadline(self) noexcept nogil:
        """When the first timer comes due; 0 when none is armed."""
        cdef int32_t timer = self.first()
        return self.nodes[timer].key if timer != NONE else 0

    cdef int32_t _new_lane(self, int64_t duration) except -2:
        cdef int32_t lane
        if self.lane_count >= LANES_MAX and self.lane_count >= 2 * self.order_count:
            self._forget_empty_lanes()
        lane = self.lane_count
        reserve(<void **>&self.lanes, &self.lane_capacity, lane + 1, sizeof(Lane))
        self.lane_count += 1
        self.lanes[lane].head = NONE
        self.lanes[lane].tail = NONE
        self.lanes[lane].position = NONE
        self.lanes[lane].duration = duration
        self.lane_of.put(duration + 1, lane)
        return lane

    cdef int _forget_empty_lanes(self) except -1:
        """Keep the lanes in use only: durations come and go with configurations."""
        cdef int32_t kept = 0, lane, timer
        self.lane_of = IntMap()
        for lane in range(self.lane_count):
            if self.lanes[lane].head == NONE:
                continue
            self.lanes[kept] = self.lanes[lane]
            self.order[self.lanes[kept].position] = kept
            timer = self.lanes[kept].head
            while timer != NONE:
                self.owners[timer].lane = kept
                timer = self.nodes[timer].next
            self.lane_of.put(self.lanes[kept].duration + 1, kept)
            kept += 1
        self.lane_count = kept
        return 0

    cdef bint _lane_before(self, int32_t a, int32_t b) noexcept nogil:
        return before(self.nodes, self.lanes[a].head, self.lanes[b].head)

    cdef void _place(self, int32_t lane, int32_t position) noexcept nogil:
        self.order[position] = lane
        self.lanes[lane].position = position

    cdef void _rise(self, int32_t lane, int32_t position) noexcept nogil:
        """Put a lane into the order at `position`, or as far above as its first deadline calls for."""
        cdef int32_t parent
        while position:
            parent = (position - 1) >> 1
            if not self._lane_before(lane, self.order[parent]):
                break
            self._place(self.order[parent], position)
            position = parent
        self._place(lane, position)

    cdef void _sink(self, int32_t lane, int32_t position) noexcept nogil:
        """Put a lane into the order at `position`, or as far below as its first deadline calls for."""
        cdef int32_t child
        while True:
            child = 2 * position + 1
            if child >= self.order_count:
                break
            if child + 1 < self.order_count and self._lane_before(self.order[child + 1], self.order[child]):
                child += 1
            if not self._lane_before(self.order[child], lane):
                break
            self._place(self.order[child], position)
            position = child
        self._place(lane, position)

    cdef void _lane_empty(self, int32_t lane) noexcept nogil:
        """Take a lane out of the order; the last one comes into its place."""
        cdef int32_t position = self.lanes[lane].position, last
        self.lanes[lane].position = NONE
        self.order_count -= 1
        if position != self.order_count:
            last = self.order[self.order_count]
            self._rise(last, position)
            self._sink(last, self.lanes[last].position)
