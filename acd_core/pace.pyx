# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""How fast each line of a queue moves, who stands before whom in it, and the forecasts that follow.

Windows and forecasts are made in windows.pyx. Joining and leaving a line are O(log n) of its length; contacts that are offered
at once come to none.

A contact's place in its queue is counted among all its lines, which may be very many. So those who wait in any but the first
line of their queue, which is mostly the only one, have an order together beside those of their lines.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from acd_core.containers cimport reserve
from acd_core.lines cimport Lines
from acd_core.memory cimport release
from acd_core.order cimport Order
from acd_core.standing cimport Standing, stands_before
from acd_core.types cimport NONE, Contact, Pace, Queue
from acd_core.windows cimport Forecast, forecast_of, pass_time

from acd_core import forecast

cdef int64_t ONE = forecast.ONE
cdef int64_t RING_MAX_MS = forecast.RING_MAX_MS


cdef int _in_order(const void *one, const void *other) noexcept nogil:
    """Of two saplings, no two of which stand alike."""
    cdef const Sapling *a = <const Sapling *>one
    cdef const Sapling *b = <const Sapling *>other
    if a.tree != b.tree:
        return -1 if a.tree < b.tree else 1
    return -1 if stands_before(&a.standing, &b.standing) else 1


@cython.final
cdef class Paces:
    """The windows and the order of all lines of one engine, over its waiting lines."""

    def __cinit__(self, Lines lines):
        self.lines = lines
        lines.measures.windows = &self.rows
        self.order = Order(lines, 0)
        self.others = Order(lines, 1)
        self.unused = []

    def __dealloc__(self):
        release(self.rows)
        release(self.saplings)

    cdef int32_t new(self, int64_t now_us) except -1:
        """An empty window that begins now."""
        cdef int32_t pace
        if self.unused:
            pace = self.unused.pop()
        else:
            pace = self.count
            reserve(<void **>&self.rows, &self.capacity, pace + 1, sizeof(Pace))
            self.count += 1
        memset(&self.rows[pace], 0, sizeof(Pace))
        self.rows[pace].next_in_queue = NONE
        self.rows[pace].root = NONE
        self.rows[pace].now_us = now_us
        return pace

    # -- order --------------------------------------------------------------------------------------------------

    cdef int restore(self, int32_t pace, int32_t contact) except -1:
        """A contact that waits in this line, and is in no order, will be in its order; before `put_in_order`."""
        cdef Sapling *sapling
        reserve(<void **>&self.saplings, &self.sapling_capacity, self.sapling_count + 1, sizeof(Sapling))
        sapling = &self.saplings[self.sapling_count]
        self.sapling_count += 1
        self.lines.stand_for_good(&sapling.standing, contact)
        sapling.tree = pace
        sapling.contact = contact
        return 0

    cdef int put_in_order(self) except -1:
        """Put all who were restored in order."""
        cdef int64_t index, kept = 0
        cdef Sapling *sapling
        cdef Contact *contacts = self.lines.tables.contacts
        cdef Queue *queues = self.lines.tables.queues
        try:
            self._put_saplings(True)
            for index in range(self.sapling_count):
                sapling = &self.saplings[index]
                if sapling.tree != queues[contacts[sapling.contact].queue].first_pace:
                    sapling.tree = contacts[sapling.contact].queue
                    self.saplings[kept] = sapling[0]
                    kept += 1
            self.sapling_count = kept
            self._put_saplings(False)
        finally:
            release(self.saplings)
            self.saplings = NULL
            self.sapling_capacity = self.sapling_count = 0
        return 0

    cdef int _put_saplings(self, bint in_lines) except -1:
        """Put the saplings into the orders of their lines, or of their queues: sorted first, so that each comes last."""
        cdef int64_t index
        cdef Sapling *sapling
        cdef Queue *queue
        if self.sapling_count:
            qsort(self.saplings, <size_t>self.sapling_count, sizeof(Sapling), &_in_order)
        for index in range(self.sapling_count):
            sapling = &self.saplings[index]
            if in_lines:
                self.rows[sapling.tree].root = self.order.insert(self.rows[sapling.tree].root, sapling.contact)
            else:
                queue = &self.lines.tables.queues[sapling.tree]
                queue.others = self.others.insert(queue.others, sapling.contact)
        return 0

    cdef int _enter(self, int32_t pace, int32_t contact) except -1:
        """Put a contact into the order of this line, and of those beside it."""
        cdef Queue *queue = &self.lines.tables.queues[self.lines.tables.contacts[contact].queue]
        self.rows[pace].root = self.order.insert(self.rows[pace].root, contact)
        if pace != queue.first_pace:
            queue.others = self.others.insert(queue.others, contact)
        return 0

    cdef void take_out(self, int32_t pace, int32_t contact) noexcept nogil:
        """Take a contact out of where `_enter` put it. Of many, `restore` collects those who are to be in it again, and
        `put_in_order` puts them there.
        """
        cdef Queue *queue = &self.lines.tables.queues[self.lines.tables.contacts[contact].queue]
        self.rows[pace].root = self.order.remove(self.rows[pace].root, contact)
        if pace != queue.first_pace:
            queue.others = self.others.remove(queue.others, contact)

    cdef int move(self, int32_t pace, int32_t contact) except -1:
        """A contact that waits in this line stands elsewhere in it from now on."""
        self.take_out(pace, contact)
        return self._enter(pace, contact)

    cdef int join(self, int32_t pace, int32_t contact, int64_t now_us) except -1:
        """A contact, whose line is assigned, waits from now on."""
        self._enter(pace, contact)
        self.elapse(pace, now_us)
        self.rows[pace].waiting += 1
        return 0

    cdef void leave(self, int32_t pace, int32_t contact, int64_t now_us) noexcept nogil:
        """A contact waits no longer."""
        self.elapse(pace, now_us)
        self.rows[pace].waiting -= 1
        self.take_out(pace, contact)

    cdef int64_t ahead(self, int32_t pace, int32_t contact) noexcept nogil:
        """How many of a line come before a contact, which need not be in it."""
        cdef Standing standing
        self.lines.stand_for_good(&standing, contact)
        return self.ahead_of(pace, &standing)

    cdef int64_t ahead_of(self, int32_t pace, Standing *standing) noexcept nogil:
        """How many of a line come before one that would stand there."""
        return self.order.before(self.rows[pace].root, standing)

    cdef int64_t position(self, int32_t contact) noexcept nogil:
        """The contact's place among all who wait in the lines of its queue."""
        cdef Queue *queue = &self.lines.tables.queues[self.lines.tables.contacts[contact].queue]
        cdef Standing standing
        if queue.first_pace == NONE:
            return 1
        self.lines.stand_for_good(&standing, contact)
        return 1 + self.ahead_of(queue.first_pace, &standing) + self.others.before(queue.others, &standing)

    # -- windows ------------------------------------------------------------------------------------------------

    cdef void elapse(self, int32_t pace, int64_t now_us) noexcept nogil:
        """Time has passed up to `now_us`, with as many waiting as are there."""
        pass_time(&self.rows[pace], now_us)

    cdef void serve(self, int32_t pace, int64_t now_us, int64_t wait_us, int64_t rung_ms) noexcept nogil:
        """One who waited in the line was answered."""
        cdef Pace *row = &self.rows[pace]
        self.elapse(pace, now_us)
        rung_ms = min(rung_ms, RING_MAX_MS)
        row.served += ONE
        row.ring_ms += rung_ms
        row.ring_square += rung_ms * rung_ms
        row.last_wait_us = wait_us
        row.last_at_us = now_us

    cdef void lose(self, int32_t pace, int64_t now_us) noexcept nogil:
        """One who waited in the line is gone without an agent."""
        self.elapse(pace, now_us)
        self.rows[pace].left += ONE

    cdef Forecast estimate(self, int32_t pace, int64_t ahead, int64_t place, int64_t now_us) noexcept nogil:
        """How much longer a contact waits that has `ahead` others before it, and had `place` when it came."""
        return forecast_of(&self.rows[pace], ahead, place, now_us)
