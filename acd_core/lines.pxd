from libc.stdint cimport int32_t, int64_t
from acd_core.tables cimport Tables
from acd_core.types cimport HEAD_TERMS, Line, Term

# What a freed agent looks at: the first contact of a class, with what it asks, in one cache line's half.
cdef struct Head:
    int64_t key
    int32_t owner             # the class
    int32_t tenant
    int32_t queue             # of the class
    int32_t terms[4]          # skill * 128 + level; 0 for none, -1: ask `Tables.eligible`

cdef struct Heads:
    Head *items
    int64_t capacity
    int32_t count

cdef class Lines:
    cdef Tables tables
    cdef Line *lines
    cdef int64_t line_capacity
    cdef int32_t line_count
    cdef Heads *heads         # by index skill
    cdef int64_t skill_capacity
    cdef int32_t skill_count
    cdef int32_t *levels      # scratch: the levels of the agent in hand, by skill
    cdef int64_t level_capacity

    cdef int32_t line_for(self, int32_t owner, int64_t head_start) except -1
    cdef int assign(self, int32_t contact, int32_t owner, int64_t head_start) except -1
    cdef int add(self, int32_t contact) except -1
    cdef int remove(self, int32_t contact) except -1
    cdef int32_t best_contact(self, int32_t agent) noexcept nogil
    cdef int reset(self, int32_t skills) except -1
    cdef int32_t first(self, int32_t line) noexcept nogil
    cdef int _head_changed(self, int32_t owner) except -1
    cdef bint _asks_met(self, Head *head, int32_t agent) noexcept nogil
