from libc.stdint cimport int32_t, int64_t
from acd_core.lines cimport Lines
from acd_core.order cimport Order
from acd_core.standing cimport Standing
from acd_core.types cimport Pace
from acd_core.windows cimport Forecast

# A contact that is put into the order of a line.
cdef struct Sapling:
    Standing standing
    int32_t tree              # its line, or its queue
    int32_t contact

cdef class Paces:
    cdef Lines lines
    cdef Pace *rows
    cdef int64_t capacity
    cdef int32_t count
    cdef Order order          # of those who wait, line by line
    cdef Order others         # of those who wait in a line that is not its queue's first, queue by queue
    cdef Sapling *saplings    # those to be put in order by `put_in_order`
    cdef int64_t sapling_capacity
    cdef int64_t sapling_count
    cdef list unused

    cdef inline void prefetch_place(self, int32_t pace, int32_t contact) noexcept nogil:
        """Bring near where a contact, which waits in this line, stands in the orders."""
        self.order.prefetch_leaf(contact)
        if pace != self.lines.tables.queues[self.lines.tables.contacts[contact].queue].first_pace:
            self.others.prefetch_leaf(contact)

    cdef inline void prefetch_above(self, int32_t pace, int32_t contact) noexcept nogil:
        """The same of what counts those who stand there."""
        self.order.prefetch_above(contact)
        if pace != self.lines.tables.queues[self.lines.tables.contacts[contact].queue].first_pace:
            self.others.prefetch_above(contact)

    cdef int32_t new(self, int64_t now_us) except -1
    cdef int move(self, int32_t pace, int32_t contact) except -1
    cdef int join(self, int32_t pace, int32_t contact, int64_t now_us) except -1
    cdef void leave(self, int32_t pace, int32_t contact, int64_t now_us) noexcept nogil
    cdef int restore(self, int32_t pace, int32_t contact) except -1
    cdef int put_in_order(self) except -1
    cdef int64_t ahead(self, int32_t pace, int32_t contact) noexcept nogil
    cdef int64_t ahead_of(self, int32_t pace, Standing *standing) noexcept nogil
    cdef int64_t position(self, int32_t contact) noexcept nogil
    cdef int _enter(self, int32_t pace, int32_t contact) except -1
    cdef void take_out(self, int32_t pace, int32_t contact) noexcept nogil
    cdef int _put_saplings(self, bint in_lines) except -1
    cdef void elapse(self, int32_t pace, int64_t now_us) noexcept nogil
    cdef void serve(self, int32_t pace, int64_t now_us, int64_t wait_us, int64_t rung_ms) noexcept nogil
    cdef void lose(self, int32_t pace, int64_t now_us) noexcept nogil
    cdef Forecast estimate(self, int32_t pace, int64_t ahead, int64_t place, int64_t now_us) noexcept nogil
