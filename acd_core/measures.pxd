from libc.stdint cimport int32_t, int64_t, uint8_t
from acd_core.standing cimport Claim
from acd_core.tables cimport Tables
from acd_core.types cimport Pace

cdef enum Kind:
    PREDICTED_WAIT = 0
    QUEUE_RATIO = 1
    WAITING_COST = 2

# How the urgency of a queue is measured, where not by the wait of its contacts alone; see urgency.py.
cdef struct Measure:
    uint8_t kind
    uint8_t by_speed
    int32_t group             # of a ratio
    int64_t weight
    int64_t contact_ns
    int32_t costs             # offset into Measures.costs
    int32_t cost_count
    int64_t handle_ns         # until it is measured

cdef struct CostStep:
    int64_t after_ns
    int64_t cost              # in units of 1/AGEING_ONE

# Queues that are compared by their ratios.
cdef struct RatioGroup:
    int64_t weight
    int64_t waiting

cdef class Measures:
    cdef Tables tables
    cdef Pace **windows       # of the lines of all queues
    cdef Measure *rows
    cdef int64_t row_capacity
    cdef int32_t row_count
    cdef CostStep *costs
    cdef int64_t cost_capacity
    cdef int32_t cost_count
    cdef RatioGroup *groups
    cdef int64_t group_capacity
    cdef int32_t group_count

    cdef Measure *_new(self, int32_t queue, int kind) except NULL
    cdef void forget(self) noexcept nogil
    cdef int predict(self, int32_t queue) except -1
    cdef int add_ratio(self, int32_t queue, int32_t group, int64_t weight, int64_t contact_ns) except -1
    cdef int add_costs(self, int32_t queue, list steps, bint by_speed, int64_t handle_ns) except -1
    cdef bint by_queue(self, int32_t measure) noexcept nogil
    cdef void count(self, int32_t measure, int by) noexcept nogil
    cdef void recount(self) noexcept nogil
    cdef int64_t left_us(self, int32_t queue, int64_t now) noexcept nogil
    cdef int64_t handle_ns(self, int32_t queue) noexcept nogil
    cdef void claim(
        self, Claim *claim, int32_t queue, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge,
        int64_t ageing, int64_t most, int64_t now
    ) noexcept nogil
